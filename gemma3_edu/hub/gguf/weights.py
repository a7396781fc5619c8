"""The weights in GGUF files, each turned into numbers when it is asked for.

Most matrices are quantized: in blocks of, say, 32 numbers with 4 bits each and a common scale. The
`gguf` library turns blocks into numbers, here a few thousand at a time, straight into the tensor
that the model keeps, so that nothing is in memory twice.

>>> sorted(kind.name for kind in _MAPPED)
['BF16', 'F16', 'F32']
"""

from collections.abc import Iterator

import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize
from numpy.typing import NDArray
from torch import Tensor

from ..weights import TensorFiles
from .header import Head, TensorInfo
from .names import IGNORED, VISION, gguf_name, is_gain, our_name

# Numbers that PyTorch has too: their bytes in the file can be the tensor.
_MAPPED = {
    GGMLQuantizationType.F32: torch.float32,
    GGMLQuantizationType.F16: torch.float16,
    GGMLQuantizationType.BF16: torch.bfloat16,
}
_AT_ONCE = 1 << 16  # numbers turned at a time: their intermediate results stay in the cache


class GGUFWeights(TensorFiles):
    """The tensors of a model's text half, and of its vision half if there is one, by GGUF name.

    `dtype` None means bfloat16 where the text's matrices are bfloat16, else float32.
    """

    def __init__(
        self, text: Head, vision: Head | None = None, dtype: torch.dtype | None = None
    ) -> None:
        self._tensors = {
            name: tensor
            for name, tensor in text.tensors.items()
            if name not in IGNORED and not name.startswith(VISION)
        }
        kinds = {t.kind for t in self._tensors.values() if len(t.shape) > 1}
        whole = torch.bfloat16 if kinds == {GGMLQuantizationType.BF16} else torch.float32
        self.dtype = dtype or whole
        self._tensors |= {} if vision is None else vision.tensors
        self._swapped = _mlp_is_swapped(self._tensors)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """The shape, from the file's head alone."""
        return self._tensors[name].shape

    def our_name(self, name: str) -> str | None:
        """Our name of a tensor; None if Gemma 3 has no such parameter."""
        return our_name(self._unswapped(name))

    def their_name(self, name: str, multimodal: bool) -> str:
        """The name in the file of one of our parameters."""
        return self._unswapped(gguf_name(name))

    def _unswapped(self, name: str) -> str:
        if self._swapped and name.startswith("v.blk."):
            other = {"ffn_up": "ffn_down", "ffn_down": "ffn_up"}
            return ".".join(other.get(part, part) for part in name.split("."))
        return name

    def blocks(self, name: str) -> tuple[GGMLQuantizationType, NDArray[np.uint8]]:
        """The type of a tensor and its bytes as they are in the file, one row for each row of it.

        The bytes are those of the mapped file, without a copy.
        """
        tensor = self._tensors[name]
        return tensor.kind, tensor.blocks()

    def leave_out(self, name: str) -> None:
        """Forget a tensor, which somebody has taken as it is."""
        del self._tensors[name]

    def __getitem__(self, name: str) -> Tensor:
        """The numbers as our parameter has them: of `dtype`, gains without their 1.

        A tensor that needs no change is the mapped file itself.
        """
        tensor = self._tensors[name]
        if tensor.kind in _MAPPED:
            numbers = torch.from_numpy(tensor.data).view(_MAPPED[tensor.kind]).view(tensor.shape)
        else:
            numbers = _dequantized(tensor, torch.float32 if is_gain(name) else self.dtype)
        return (numbers.float() - 1 if is_gain(name) else numbers).to(self.dtype)


def _mlp_is_swapped(tensors: dict[str, TensorInfo]) -> bool:
    """Whether `ffn_down` is the first matrix of SigLIP's MLP, as in older conversions.

    Their two names were the wrong way round (ggml-org/llama.cpp#13023); the shapes tell.
    """
    down, width = tensors.get("v.blk.0.ffn_down.weight"), tensors.get("v.position_embd.weight")
    return bool(down and width and down.shape[-1] == width.shape[-1] != down.shape[0])


def _dequantized(tensor: TensorInfo, dtype: torch.dtype) -> Tensor:
    numbers = torch.empty(tensor.shape, dtype=dtype)
    flat = numbers.view(-1)
    block, size = GGML_QUANT_SIZES[tensor.kind]
    step = _AT_ONCE // block
    with np.errstate(all="ignore"):  # a damaged scale may be infinite; llama.cpp does not mind
        for first in range(0, flat.numel() // block, step):
            some = tensor.data[first * size : (first + step) * size].reshape(1, -1)
            part = torch.from_numpy(dequantize(some, tensor.kind)).view(-1)
            flat[first * block : first * block + part.numel()] = part
    return numbers
