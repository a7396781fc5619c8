"""Whole checkpoints: from a folder to a model and its processor, and back.

The folder has the public layout (config.json, safetensors, tokenizer.model, ...). The model is
built on the meta device and its weights are loaded one by one, so that memory never holds them
twice.

>>> import tempfile
>>> from gemma3_edu.model.presets import PRESETS
>>> with tempfile.TemporaryDirectory() as folder:
...     save(Gemma3(PRESETS["tiny-text"]), None, folder)
...     model, processor = load(folder)
>>> model.config == PRESETS["tiny-text"], processor  # no tokenizer files, no processor
(True, None)
"""

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..model.config import Gemma3Config
from ..model.gemma3 import Gemma3
from ..prompt.processor import Processor
from .config_json import config_from_hf, config_to_hf
from .processor_files import processor_from_folder, processor_to_files
from .weights import CheckpointFiles, TensorFiles, export_weights, load_weights, matched

ASSETS = Path(__file__).parents[1] / "assets"
_FLOAT16 = (
    "dtype: float16 is refused: Gemma 3's activations exceed its largest number, 65,504, "
    "and become infinite; use torch.bfloat16 or torch.float32"
)
SHARD_BYTES = 5_000_000_000  # as transformers cuts its files


def bundled() -> list[str]:
    """Names of the models that ship with the package, as `load` takes them."""
    return sorted(config.parent.name for config in ASSETS.glob("*/config.json"))


def load(
    source: str | Path,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    text_only: bool = False,
    tokenizer: str | Path | None = None,
    vision: str | Path | None = None,
    keep_bits: bool = False,
) -> tuple[Gemma3, Processor | None]:
    """The model, ready for inference, and its processor, from a bundled name, a folder or a file.

    A file is GGUF, and so is a folder that has GGUF files and no safetensors; the vision tower is
    then in a file of its own: `vision`, or the one in the folder. With `keep_bits` its matrices of
    4 and 8 bits (Q4_0 and Q8_0) stay so, on a CPU: the same numbers in a fraction of the memory,
    for a `FastDecoder`, which multiplies with them at the speed of memory. Without one a step turns
    each matrix into numbers first and is slow.

    `dtype` None means float32 for bundled models and for GGUF (bfloat16 where its matrices are),
    and the dtype of the files for folders; float16 is refused. With `text_only` the vision tower of
    a multimodal checkpoint is left out. `tokenizer` is the path of a tokenizer.model outside the
    folder; without any tokenizer the processor is None. Raises ValueError, before weights are read,
    for whatever is missing, damaged or not Gemma 3.
    """
    is_bundled = str(source) in bundled()
    path = ASSETS / str(source) if is_bundled else Path(source).expanduser()
    if dtype is torch.float16:
        raise ValueError(_FLOAT16)
    files: TensorFiles
    if _is_gguf(path):
        config, processor, files = _gguf().read_gguf(
            path,
            vision=None if vision is None else Path(vision).expanduser(),
            text_only=text_only,
            tokenizer=tokenizer,
            dtype=dtype,
        )
    elif not path.is_dir():
        raise ValueError(
            f"source={str(source)!r} is neither a folder, a GGUF file nor one of the bundled "
            f"models {bundled()}"
        )
    else:
        if vision is not None:
            raise ValueError(
                f"vision={str(vision)!r} goes with a GGUF file; the folder {path} has its vision "
                "tower in itself"
            )
        dtype = torch.float32 if dtype is None and is_bundled else dtype
        files = CheckpointFiles(path)
        if dtype is None and "F16" in files.dtypes():
            raise ValueError(_FLOAT16)
        config = config_from_hf(path)
        if text_only:
            config = dataclasses.replace(config, vision=None)
        processor = processor_from_folder(path, config, tokenizer)
    model = _shapes(config)
    if keep_bits:
        if not _is_gguf(path) or torch.device(device or "cpu").type != "cpu":
            raise ValueError(
                f"keep_bits=True goes with a GGUF file on a CPU, and source is {path} on "
                f"{device or 'cpu'}; leave keep_bits out"
            )
        _gguf().keep_bits(model, files)
    load_weights(model, files, dtype, device)
    return model.eval(), processor


def _is_gguf(path: Path) -> bool:
    """Whether it is a GGUF file (Ollama's have no suffix), or a folder with no other weights."""
    if path.is_file():
        with path.open("rb") as file:
            return path.suffix == ".gguf" or file.read(4) == b"GGUF"
    return any(path.glob("*.gguf")) and not any(path.glob("*.safetensors"))


def _gguf() -> ModuleType:
    try:
        from . import gguf
    except ModuleNotFoundError as error:
        raise ValueError(
            f"GGUF files need a library that is not installed ({error.name}): "
            "pip install 'gemma3_edu[gguf]'"
        ) from error
    return gguf


def _shapes(config: Gemma3Config) -> Gemma3:
    with torch.device("meta"), _NoRandomNumbers():
        return Gemma3(config)


class _NoRandomNumbers(TorchFunctionMode):
    """Inside, `nn.init.normal_` leaves its tensor alone, as it does on the meta device anyway.

    There its first call makes PyTorch import a computer algebra system, which takes a second.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if function is nn.init.normal_:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def save(
    model: Gemma3,
    processor: Processor | None,
    folder: str | Path,
    *,
    shard_bytes: int = SHARD_BYTES,
    quantization: str | None = None,
) -> None:
    """Write a folder that `load` and transformers read, tokenizer and processor files included.

    A name that ends in .gguf is a file for `load`, llama.cpp and Ollama instead, and the vision
    tower is a second one next to it, `mmproj-NAME.gguf`. The text's matrices may then be of the
    `quantization` "Q8_0" or "Q4_0". Such a file has no place for settings of pan and scan, nor for
    stop tokens: `<eos>` and `<end_of_turn>` are, as in llama.cpp.

    Everything is written next to the target first and moved into it at the end, so that neither an
    error nor a full disk leaves half a checkpoint, and a folder can be saved over itself. Weights
    of an earlier save are removed; other files in the folder stay. Raises ValueError, before
    anything is written, if the parameters are not those of the config, as after quantization.
    """
    tensors = export_weights(model)
    _check_complete(model, tensors)
    target = Path(folder).expanduser()
    if target.suffix == ".gguf":
        _save_gguf(model, processor, target, quantization)
        return
    if quantization is not None:
        raise ValueError(
            f"quantization={quantization!r} goes with a GGUF file, and {target.name!r} does not "
            "end in .gguf"
        )
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as draft:
        fresh = Path(draft)
        config = {**config_to_hf(model.config), "dtype": _dtype_name(model)}
        (fresh / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        for name, content in ({} if processor is None else processor_to_files(processor)).items():
            (fresh / name).write_bytes(content)
        _write_weights(tensors, fresh, shard_bytes)
        written = {file.name for file in fresh.iterdir()}
        for file in fresh.glob("*.safetensors"):  # their library lets only the owner read them
            file.chmod((fresh / "config.json").stat().st_mode)
        for name in written:
            os.replace(fresh / name, target / name)
        for old in [*target.glob("model*.safetensors"), *target.glob("model.safetensors.index*")]:
            if old.name not in written:
                old.unlink()


def _save_gguf(
    model: Gemma3, processor: Processor | None, target: Path, quantization: str | None
) -> None:
    gguf = _gguf()
    if target.is_dir():
        raise ValueError(f"folder: {target} is a folder, so no file can have its name")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as draft:
        gguf.write_gguf(model, processor, Path(draft), target.name, quantization)
        for file in Path(draft).iterdir():
            os.replace(file, target.with_name(file.name))
    if model.vision is None:  # of an earlier save
        gguf.vision_path(target).unlink(missing_ok=True)


def _check_complete(model: Gemma3, tensors: Mapping[str, Tensor]) -> None:
    try:
        matched(dict(_shapes(model.config).named_parameters()), tensors)
    except ValueError as error:
        raise ValueError(
            "model: its parameters are not those of its config, so it cannot be saved; save it "
            f"before it is quantized, or with adapters merged\n{error}"
        ) from error


def _dtype_name(model: Gemma3) -> str:
    return str(model.language_model.embed_tokens.weight.dtype).removeprefix("torch.")


def _write_weights(tensors: Mapping[str, Tensor], folder: Path, shard_bytes: int) -> None:
    shards: list[dict[str, Tensor]] = [{}]
    for name, tensor in tensors.items():
        used = sum(t.nbytes for t in shards[-1].values())
        if shards[-1] and used + tensor.nbytes > shard_bytes:
            shards.append({})
        shards[-1][name] = tensor.contiguous()
    if len(shards) == 1:
        save_file(shards[0], folder / "model.safetensors", {"format": "pt"})
        return
    where: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, folder / file, {"format": "pt"})
        where |= dict.fromkeys(shard, file)
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": where}
    text = json.dumps(index, indent=2) + "\n"
    (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")
