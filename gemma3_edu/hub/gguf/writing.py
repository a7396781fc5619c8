"""A model written as GGUF: a file with text and tokenizer, and one with the vision tower.

Matrices are written in their own dtype, or in blocks: Q8_0 has 32 numbers of 8 bits and a scale,
Q4_0 32 of 4 bits and a scale. What has one dimension, and the vision tower's patches, positions and
projection, are always float32, as llama.cpp wants them.

>>> from gemma3_edu.model.presets import PRESETS
>>> vision_path(Path("models/gemma.gguf")).name
'mmproj-gemma.gguf'
"""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from gguf import (
    GGML_QUANT_SIZES,
    GGMLQuantizationType,
    GGUFValueType,
    GGUFWriter,
    LlamaFileType,
    quantize,
)
from numpy.typing import NDArray
from torch import Tensor

from ...model.gemma3 import Gemma3
from ...prompt.processor import Processor
from ..processor_files import CHAT_TEMPLATE
from .header import Value
from .names import VISION, gguf_name, is_gain
from .settings import check_storable, text_settings, vision_settings
from .vocabulary import vocabulary_settings

Kind: TypeAlias = GGMLQuantizationType
F32, BF16, Q8_0, Q4_0 = Kind.F32, Kind.BF16, Kind.Q8_0, Kind.Q4_0
QUANTIZATIONS = {"Q8_0": Q8_0, "Q4_0": Q4_0}
_FILE_TYPES = {
    F32: LlamaFileType.ALL_F32,
    BF16: LlamaFileType.MOSTLY_BF16,
    Q8_0: LlamaFileType.MOSTLY_Q8_0,
    Q4_0: LlamaFileType.MOSTLY_Q4_0,
}
_ALWAYS_F32 = ("v.patch_embd.", "v.position_embd.", "mm.input_projection.")
_AT_ONCE = 1 << 16  # numbers quantized at a time
_VALUE_TYPES: dict[type, GGUFValueType] = {
    bool: GGUFValueType.BOOL,
    int: GGUFValueType.UINT32,
    float: GGUFValueType.FLOAT32,
    str: GGUFValueType.STRING,
}


_ELEMENTS = {"f": GGUFValueType.FLOAT32, "i": GGUFValueType.INT32}


def vision_path(path: Path) -> Path:
    """The file of the vision tower that goes with a text file, as llama.cpp names it."""
    return path.with_name(f"mmproj-{path.name}")


def write_gguf(
    model: Gemma3, processor: Processor | None, folder: Path, name: str, quantization: str | None
) -> None:
    """Write `name` into a folder, and the vision tower's file with it; `hub.checkpoint` moves them.

    Raises ValueError, before anything is written, for what a GGUF file cannot hold.
    """
    if quantization not in (None, *QUANTIZATIONS):
        raise ValueError(
            f"quantization: {quantization!r} is unknown; choose one of {[*QUANTIZATIONS]}, or None "
            "for the model's own dtype"
        )
    check_storable(model.config)
    own = F32 if model.language_model.embed_tokens.weight.dtype == torch.float32 else BF16
    text_kind = QUANTIZATIONS.get(quantization or "", own)
    tensors = {gguf_name(name): p.detach() for name, p in model.named_parameters()}
    text = {n: t for n, t in tensors.items() if not n.startswith(VISION)}
    vision = {n: t for n, t in tensors.items() if n.startswith(VISION)}
    _check_rows(text, text_kind)
    settings: dict[str, Value] = {"general.type": "model", **text_settings(model.config)}
    if processor is None:
        settings["tokenizer.ggml.model"] = "none"
    else:
        rows = model.config.text.vocab_size
        settings |= vocabulary_settings(processor.tokenizer, rows)
        settings["tokenizer.chat_template"] = CHAT_TEMPLATE.read_text(encoding="utf-8")
    path = folder / name
    _write(path, "gemma3", settings, text, text_kind)
    if vision:
        settings = {"general.type": "mmproj", **vision_settings(model.config)}
        _write(vision_path(path), "clip", settings, vision, own)


def _check_rows(tensors: dict[str, Tensor], kind: Kind) -> None:
    block, _ = GGML_QUANT_SIZES[kind]
    for name, tensor in tensors.items():
        if tensor.ndim > 1 and tensor.shape[-1] % block:
            raise ValueError(
                f"quantization: {kind.name} has blocks of {block}, and the rows of {name} have "
                f"{tensor.shape[-1]} numbers; save this model with quantization=None"
            )


def _write(
    path: Path,
    architecture: str,
    settings: dict[str, Value],
    tensors: dict[str, Tensor],
    kind: Kind,
) -> None:
    """One file, tensor by tensor: none of it is in memory twice."""
    writer = GGUFWriter(path, architecture)
    writer.add_name(path.stem)
    writer.add_file_type(_FILE_TYPES[kind])
    writer.add_quantization_version(2)
    for setting, value in settings.items():
        if isinstance(value, list):
            writer.add_key_value(setting, value, GGUFValueType.ARRAY, GGUFValueType.STRING)
        elif isinstance(value, np.ndarray):
            element = _ELEMENTS[value.dtype.kind]
            writer.add_key_value(setting, value.tolist(), GGUFValueType.ARRAY, element)
        else:
            writer.add_key_value(setting, value, _VALUE_TYPES[type(value)])
    kinds = {
        name: F32 if tensor.ndim == 1 or name.startswith(_ALWAYS_F32) else kind
        for name, tensor in tensors.items()
    }
    for name, tensor in tensors.items():
        block, size = GGML_QUANT_SIZES[kinds[name]]
        nbytes = tensor.numel() // block * size
        writer.add_tensor_info(name, tensor.shape, np.dtype(np.float32), nbytes, kinds[name])
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, tensor in tensors.items():
            writer.write_tensor_data(_stored(name, tensor, kinds[name]))
    finally:
        writer.close()


def _stored(name: str, tensor: Tensor, kind: Kind) -> NDArray[Any]:
    """The bytes of one tensor as they are in the file."""
    flat = tensor.to("cpu").contiguous().view(-1)
    if is_gain(name):
        flat = flat.float() + 1
    if kind is F32:
        return flat.float().numpy()
    if kind is BF16:
        return flat.bfloat16().view(torch.int16).numpy()
    block, size = GGML_QUANT_SIZES[kind]
    out = np.empty(flat.numel() // block * size, np.uint8)
    for first in range(0, flat.numel(), _AT_ONCE):
        some = flat[first : first + _AT_ONCE].float().numpy().reshape(1, -1)
        at = first // block * size
        part = quantize(some, kind).reshape(-1)
        out[at : at + part.size] = part
    return out
