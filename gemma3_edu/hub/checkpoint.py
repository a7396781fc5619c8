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
import re
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..model.config import Gemma3Config
from ..model.gemma3 import Gemma3
from ..prompt.processor import Processor
from .config_json import config_from_hf, config_to_hf
from .device import usable
from .folder import keep, replacing, steadily
from .processor_files import PROCESSOR_FILES, processor_from_folder, processor_to_files
from .weights import CheckpointFiles, TensorFiles, export_weights, load_weights, matched

ASSETS = Path(__file__).parents[1] / "assets"
_WEIGHTS = re.compile(r"model(-\d{5,}-of-\d{5,})?\.safetensors|model\.safetensors\.index\.json")
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

    A bundled name is a str; if there is a folder of that name, the folder is loaded, with a
    warning. A Path is never a bundled name. A file is GGUF, and so is a folder that has GGUF
    files and no safetensors; the vision tower is then in a file of its own: `vision`, or the one
    in the folder. With `keep_bits` its matrices of 4 and 8 bits (Q4_0 and Q8_0) stay so, on a CPU:
    the same numbers in a fraction of the memory, for a `FastDecoder`, which multiplies with the
    bits. Without one a step turns each matrix into numbers first and is slow.

    `dtype` None means float32 for bundled models and for GGUF (bfloat16 where its matrices are),
    and the dtype of the files for folders; float16 is refused. With `text_only` the vision tower of
    a multimodal checkpoint is left out. `tokenizer` is the path of a tokenizer.model outside the
    folder; without any tokenizer the processor is None. Raises ValueError, before weights are read,
    for whatever is missing, damaged or not Gemma 3.

    Where dtype and device are those of the file, the weights stay in the file and are read when
    they are needed. `save` never changes such a file, but another program may (`cp` onto it):
    the model then computes with what it finds there, and if the file has become shorter, the system
    ends the process. `copy.deepcopy(model)` is a model in memory alone.
    """
    device = usable(device)
    is_bundled = bundled_folder(source) is not None
    path = _path(source)
    if dtype is torch.float16:
        raise ValueError(_FLOAT16)
    files: TensorFiles
    if is_gguf(path):
        config, processor, files = _gguf().read_gguf(
            path,
            vision=None if vision is None else Path(vision).expanduser(),
            text_only=text_only,
            tokenizer=tokenizer,
            dtype=dtype,
        )
        matched(_parameters(config), files)
    elif vision is not None:
        raise ValueError(
            f"vision={str(vision)!r} goes with a GGUF file; the folder {path} has its vision "
            "tower in itself"
        )
    else:
        dtype = torch.float32 if dtype is None and is_bundled else dtype
        config, processor, files = open_checkpoint(path, tokenizer, text_only=text_only)
        _check_dtypes(files.dtypes(), dtype)
    model = _shapes(config)
    if keep_bits:
        if not is_gguf(path) or device.type != "cpu":
            raise ValueError(
                f"keep_bits=True goes with a GGUF file on a CPU, and source is {path} on "
                f"{device}; leave keep_bits out"
            )
        _gguf().keep_bits(model, files)
    load_weights(model, files, dtype, device)
    return model.eval(), processor


def _check_dtypes(kinds: set[str], dtype: torch.dtype | None) -> None:
    if other := sorted(kinds - {"BF16", "F16", "F32"}):
        raise ValueError(
            f"weights: tensors of {', '.join(other)}; load the checkpoint that has its weights in "
            "bfloat16 or float32, and quantize after loading"
        )
    if dtype is None and "F16" in kinds:
        raise ValueError(_FLOAT16)
    if dtype is None and len(kinds) > 1:
        raise ValueError(
            f"weights: {' and '.join(sorted(kinds))} are mixed, and a model computes in one dtype; "
            "pass dtype=torch.float32 or torch.bfloat16"
        )


def is_gguf(path: Path) -> bool:
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


def bundled_folder(source: str | Path) -> Path | None:
    """Where the bundled model lies that `load` takes for this source; None if it takes a folder."""
    if not isinstance(source, str) or source not in bundled():
        return None
    return None if Path(source).is_dir() else ASSETS / source


def _path(source: str | Path) -> Path:
    folder = bundled_folder(source) or Path(source).expanduser()
    if not folder.is_dir() and not (folder.is_file() and is_gguf(folder)):
        raise ValueError(
            f"source={str(source)!r} is neither a folder, a GGUF file nor one of the bundled "
            f"models {bundled()}"
        )
    if source in bundled() and folder == Path(source):
        warnings.warn(
            f"source={source!r}: the folder {folder.resolve()} is loaded, not the bundled model of "
            "that name; for that one, rename the folder, or work in another",
            stacklevel=3,
        )
    return folder


class Checkpoint(NamedTuple):
    """A folder's config, its processor (None without tokenizer files) and its tensors."""

    config: Gemma3Config
    processor: Processor | None
    files: CheckpointFiles


def open_checkpoint(
    folder: str | Path, tokenizer: str | Path | None = None, *, text_only: bool = False
) -> Checkpoint:
    """Read all but the weights, from one state of the folder, and compare names and shapes.

    Nothing of the config's size is built before. Raises ValueError as `load` does.
    """

    def read(where: Path) -> Checkpoint:
        config = config_from_hf(where)
        if text_only:
            config = dataclasses.replace(config, vision=None)
        files = CheckpointFiles(where)
        return Checkpoint(config, processor_from_folder(where, config, tokenizer), files)

    opened = steadily(folder, is_ours, read)
    matched(_parameters(opened.config), opened.files)
    return opened


def _parameters(config: Gemma3Config) -> dict[str, Tensor]:
    """Every parameter on the meta device, known from one layer, since layers are alike."""
    text = dataclasses.replace(config.text, layer_types=config.text.layer_types[:1])
    vision = config.vision and dataclasses.replace(config.vision, num_hidden_layers=1)
    depths = {"language_model.layers.": config.text.num_hidden_layers}
    if config.vision:
        depths["vision.encoder.layers."] = config.vision.num_hidden_layers
    found: dict[str, Tensor] = {}
    for name, one in _shapes(
        dataclasses.replace(config, text=text, vision=vision)
    ).named_parameters():
        stack = next((stack for stack in depths if name.startswith(stack)), None)
        if stack is None:
            found[name] = one
            continue
        rest = name.removeprefix(f"{stack}0.")
        found |= {f"{stack}{layer}.{rest}": one for layer in range(depths[stack])}
    return found


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

    The folder is the old checkpoint or the new one, never both: for `load`, and whenever the
    program is stopped, killed or out of disk space; what it leaves then, the next save clears away.
    Other programs find no config.json for a moment. A second save of the same folder waits for the
    first. Files with the names that this function writes are replaced or removed; without a
    processor, those of a tokenizer and its settings stay, as do files of other names.

    A name that ends in .gguf is a file for `load`, llama.cpp and Ollama instead, and the vision
    tower is a second one next to it, `mmproj-NAME.gguf`. The text's matrices may then be of the
    `quantization` "Q8_0" or "Q4_0". Such a file has no place for settings of pan and scan, nor for
    stop tokens: `<eos>` and `<end_of_turn>` are, as in llama.cpp. It is written next to the target
    and moved into its place whole.

    Raises ValueError, before anything is written, if the parameters are not those of the config, as
    after quantization.
    """
    tensors = export_weights(model)
    _check_complete(model, tensors)
    config = {**config_to_hf(model.config), "dtype": _dtype_name(model)}
    contents = {} if processor is None else processor_to_files(processor)
    contents["config.json"] = (json.dumps(config, indent=2) + "\n").encode()
    target = Path(folder).expanduser()
    if target.suffix == ".gguf":
        _save_gguf(model, processor, target, quantization)
        return
    if quantization is not None:
        raise ValueError(
            f"quantization={quantization!r} goes with a GGUF file, and {target.name!r} does not "
            "end in .gguf"
        )
    with replacing(target, is_ours) as fresh:
        for name in PROCESSOR_FILES if processor is None else ():
            if (target / name).is_file():
                keep(target / name, fresh)
        for name, content in contents.items():
            (fresh / name).write_bytes(content)
        _write_weights(tensors, fresh, shard_bytes)
        for file in fresh.glob("*.safetensors"):  # their library lets only the owner read them
            file.chmod((fresh / "config.json").stat().st_mode)


def is_ours(name: str) -> bool:
    """Whether `save` writes files of this name, and therefore removes them.

    >>> is_ours("model-00002-of-00012.safetensors"), is_ours("model-backup.safetensors")
    (True, False)
    """
    return name in ("config.json", *PROCESSOR_FILES) or bool(_WEIGHTS.fullmatch(name))


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
        matched(_parameters(model.config), tensors)
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
