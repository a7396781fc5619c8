"""Weight-only quantization: a model's matrices replaced by some of 8 or 4 bits a weight.

A decoded token reads every weight once and multiplies it with one number, so bytes are its time.
The products are PyTorch's own, which are fast for few rows in bfloat16 alone; activations, norms
and the cache stay in it.

>>> from gemma3_edu.model.presets import PRESETS
>>> model = Gemma3(PRESETS["nano"]).to(torch.bfloat16).eval()
>>> before = sum(p.nbytes for p in model.language_model.parameters())
>>> changed = quantize_weights(model, bits=8)
>>> after = sum(t.nbytes for t in model.language_model.state_dict().values())
>>> len(changed), changed[-1], round(before / after, 2)
(85, 'language_model.embed_tokens', 1.97)
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.gemma3 import Gemma3
from ..study.replace import replace_linears

MAX_INT8_ROWS = 4  # of x: for more, dequantizing first and multiplying then is quicker


class Int8Linear(nn.Module):
    """x W^T, each row of W (out, in) as int8 times one scale: the row's largest number is 127."""

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Float[Tensor, "out in"]):
        super().__init__()
        _check_int8(weight)
        scale = (weight.abs().amax(1).float() / 127).clamp(min=1e-30).to(weight.dtype)
        quantized = (weight.float() / scale.float()[:, None]).round().clamp(-127, 127)
        self.register_buffer("weight", quantized.to(torch.int8))
        self.register_buffer("scale", scale)

    def dequantized(self) -> Float[Tensor, "out in"]:
        """The matrix that x is multiplied with: the given one, rounded."""
        return self.weight.to(self.scale.dtype) * self.scale[:, None]

    def forward(self, x: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        """The product, in x's dtype."""
        rows = x.flatten(0, -2).contiguous()
        if len(rows) > MAX_INT8_ROWS:
            return F.linear(x, self.dequantized())
        product: Tensor
        if len(rows) == 1 and torch.compiler.is_compiling():  # compiled into one loop, quicker
            product = ((rows.float() * self.weight.float()).sum(1) * self.scale).to(x.dtype)[None]
        else:
            product = torch._weight_int8pack_mm(rows, self.weight, self.scale)
        return product.unflatten(0, x.shape[:-1])


class Int4Linear(nn.Module):
    """x W^T, each group of weights in a row of W as 4-bit integers, -8 to 7, times one scale.

    With groups of 32 and 16-bit scales that makes 4.5 bits a weight, and half a bit for offsets
    that the kernel wants and that are zero here.
    """

    packed: Tensor
    scale: Tensor

    def __init__(self, weight: Float[Tensor, "out in"], group_size: int = 32):
        super().__init__()
        _check_int4(weight, group_size)
        self.group_size = group_size
        groups = weight.float().unflatten(1, (-1, group_size))  # out groups group_size
        largest = groups.gather(2, groups.abs().argmax(2, keepdim=True))  # becomes -8, by its sign
        scale = (largest / -8).to(weight.dtype)
        scale = torch.where(scale == 0, torch.ones_like(scale), scale)
        quantized = (groups / scale.float()).round().clamp(-8, 7).flatten(1) + 8  # 0 to 15
        pack = torch.ops.aten._convert_weight_to_int4pack_for_cpu
        self.register_buffer("packed", pack(quantized.to(torch.int32), 2))
        scale_and_offset = torch.cat([scale, torch.zeros_like(scale)], dim=2)  # out groups 2
        self.register_buffer("scale", scale_and_offset.transpose(0, 1).contiguous())

    def forward(self, x: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        """The product, in x's dtype."""
        rows = x.flatten(0, -2).contiguous()
        multiply = torch.ops.aten._weight_int4pack_mm_for_cpu
        product: Tensor = multiply(rows, self.packed, self.group_size, self.scale)
        return product.unflatten(0, x.shape[:-1])


class Int8Embedding(nn.Module):
    """A TokenEmbedding in int8: its rows are the embeddings, and the whole table is the head."""

    def __init__(self, table: Float[Tensor, "V D"]):
        super().__init__()
        self.head = Int8Linear(table)

    @property
    def weight(self) -> Int[Tensor, "V D"]:
        """The quantized table."""
        return self.head.weight

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Dequantized rows times sqrt(D), which is rounded first, as in TokenEmbedding."""
        rows, scale = self.head.weight[tokens], self.head.scale
        root = torch.tensor(self.head.weight.shape[1] ** 0.5, dtype=scale.dtype)
        return rows.to(scale.dtype) * scale[tokens][..., None] * root

    def logits(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T V"]:
        """Scores of every token."""
        return self.head(x)


def quantize_weights(model: Gemma3, bits: int = 8, group_size: int = 32) -> list[str]:
    """Quantize the decoder's matrices in place and return their names; the vision tower stays.

    The embedding is also the head, and takes 8 bits in either case; `group_size` is for 4 bits
    alone. Raises ValueError for other numbers of bits, for a model that is not bfloat16 on a CPU,
    and for matrices whose sizes the kernels do not take; the model is then unchanged.
    """
    if bits not in (8, 4):
        raise ValueError(f"bits={bits} must be 8 or 4")
    table = model.language_model.embed_tokens.weight.detach()
    if table.dtype != torch.bfloat16 or table.device.type != "cpu":
        raise ValueError(
            f"model: weights are {table.dtype} on {table.device}; PyTorch's kernels for "
            "quantized weights are fast in bfloat16 on a CPU alone; load it with "
            "dtype=torch.bfloat16"
        )

    def quantized(name: str, linear: nn.Linear) -> nn.Module:
        weight = linear.weight.detach()
        return Int8Linear(weight) if bits == 8 else Int4Linear(weight, group_size)

    matrices = [m.weight for m in model.language_model.modules() if isinstance(m, nn.Linear)]
    for weight in matrices if bits == 4 else []:
        _check_int4(weight, group_size)
    for weight in [table, *matrices]:  # all are checked before the first is replaced
        _check_int8(weight)
    changed = replace_linears(model, quantized, "language_model.*")
    model.set_submodule("language_model.embed_tokens", Int8Embedding(table))
    return [*changed, "language_model.embed_tokens"]


def _check_int8(weight: Tensor) -> None:
    _check_multiple("in", weight.shape[1], 32)


def _check_int4(weight: Tensor, group_size: int) -> None:
    if group_size not in (32, 64, 128, 256):
        raise ValueError(
            f"group_size={group_size} must be 32, 64, 128 or 256, as the kernel has it"
        )
    _check_multiple("in", weight.shape[1], group_size)
    _check_multiple("out", weight.shape[0], 16)


def _check_multiple(name: str, size: int, of: int) -> None:
    if size % of:
        raise ValueError(
            f"weight: its {name} size {size} must be a multiple of {of}, which PyTorch's kernel "
            "wants; leave this matrix as it is"
        )
