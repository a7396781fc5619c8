"""Weight-only quantization: a model's matrices in 8 or 4 bits, put in from outside.

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

FEW = 4  # rows: up to here the packed matrix is read as it is, for more it is unpacked first


class Int8Linear(nn.Module):
    """x W^T, each row of W (out, in) as int8 times one scale: the row's largest number is 127."""

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Float[Tensor, "out in"]):
        super().__init__()
        _takes_int8(weight)
        scale = (weight.abs().amax(1).float() / 127).clamp(min=1e-30).to(weight.dtype)
        packed = (weight.float() / scale.float()[:, None]).round().clamp(-127, 127)
        self.register_buffer("weight", packed.to(torch.int8))
        self.register_buffer("scale", scale)

    def unpacked(self) -> Float[Tensor, "out in"]:
        """The matrix that is multiplied with: what rounding has left of the given one."""
        return self.weight.to(self.scale.dtype) * self.scale[:, None]

    def forward(self, x: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        """The product, in x's dtype."""
        rows = x.flatten(0, -2).contiguous()
        if len(rows) > FEW:
            return F.linear(x, self.unpacked())
        product: Tensor
        if len(rows) == 1 and torch.compiler.is_compiling():  # as a loop of its own it is quicker
            product = ((rows.float() * self.weight.float()).sum(1) * self.scale).to(x.dtype)[None]
        else:
            product = torch._weight_int8pack_mm(rows, self.weight, self.scale)
        return product.unflatten(0, x.shape[:-1])


class Int4Linear(nn.Module):
    """x W^T, each run of `block` numbers in a row of W as 4-bit integers, -8 to 7, times one scale.

    With a block of 32 and 16-bit scales, 4.5 bits a weight and half a bit for offsets that the
    kernel wants and that are zero here.
    """

    packed: Tensor
    scale: Tensor

    def __init__(self, weight: Float[Tensor, "out in"], block: int = 32):
        super().__init__()
        _takes_int4(weight, block)
        self.block = block
        blocks = weight.float().unflatten(1, (-1, block))  # out blocks block
        largest = blocks.gather(2, blocks.abs().argmax(2, keepdim=True))  # with its sign: to -8
        scale = (largest / -8).to(weight.dtype)
        scale = torch.where(scale == 0, torch.ones_like(scale), scale)
        level = (blocks / scale.float()).round().clamp(-8, 7).flatten(1) + 8
        pack = torch.ops.aten._convert_weight_to_int4pack_for_cpu
        self.register_buffer("packed", pack(level.to(torch.int32), 2))
        pair = torch.cat([scale, torch.zeros_like(scale)], dim=2)  # out blocks 2: scale, offset
        self.register_buffer("scale", pair.transpose(0, 1).contiguous())

    def forward(self, x: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        """The product, in x's dtype."""
        rows = x.flatten(0, -2).contiguous()
        multiply = torch.ops.aten._weight_int4pack_mm_for_cpu
        product: Tensor = multiply(rows, self.packed, self.block, self.scale)
        return product.unflatten(0, x.shape[:-1])


class Int8Embedding(nn.Module):
    """A TokenEmbedding in int8: rows on the way in, the tied head on the way out."""

    def __init__(self, table: Float[Tensor, "V D"]):
        super().__init__()
        self.head = Int8Linear(table)

    @property
    def weight(self) -> Int[Tensor, "V D"]:
        """The packed table."""
        return self.head.weight

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Unpacked rows times sqrt(D), rounded to the activations' dtype as in TokenEmbedding."""
        rows, scale = self.head.weight[tokens], self.head.scale
        root = torch.tensor(self.head.weight.shape[1] ** 0.5, dtype=scale.dtype)
        return rows.to(scale.dtype) * scale[tokens][..., None] * root

    def logits(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T V"]:
        """Scores of every token."""
        return self.head(x)


def quantize_weights(model: Gemma3, bits: int = 8, block: int = 32) -> list[str]:
    """Quantize the decoder's matrices in place and return their names; the vision tower stays.

    The embedding takes 8 bits in either case, as it also is the head. Raises ValueError for other
    numbers of bits, for a model that is not bfloat16 on a CPU, and for matrices whose sizes the
    kernels do not take; the model is then as it was.
    """
    if bits not in (8, 4):
        raise ValueError(f"bits={bits} must be 8 or 4")
    table = model.language_model.embed_tokens.weight.detach()
    if table.dtype != torch.bfloat16 or table.device.type != "cpu":
        raise ValueError(
            f"model: weights are {table.dtype} on {table.device}; PyTorch's kernels for packed "
            "weights are fast in bfloat16 on a CPU alone: load it with dtype=torch.bfloat16"
        )

    def packed(name: str, linear: nn.Linear) -> nn.Module:
        weight = linear.weight.detach()
        return Int8Linear(weight) if bits == 8 else Int4Linear(weight, block)

    matrices = [m.weight for m in model.language_model.modules() if isinstance(m, nn.Linear)]
    for weight in matrices if bits == 4 else []:
        _takes_int4(weight, block)
    for weight in [table, *matrices]:  # all are looked at before the first is replaced
        _takes_int8(weight)
    changed = replace_linears(model, packed, "language_model.*")
    model.set_submodule("language_model.embed_tokens", Int8Embedding(table))
    return [*changed, "language_model.embed_tokens"]


def _takes_int8(weight: Tensor) -> None:
    _divisible("in", weight.shape[1], 32)


def _takes_int4(weight: Tensor, block: int) -> None:
    if block not in (32, 64, 128, 256):
        raise ValueError(f"block={block} must be 32, 64, 128 or 256, which the kernel knows")
    _divisible("in", weight.shape[1], block)
    _divisible("out", weight.shape[0], 16)


def _divisible(name: str, size: int, by: int) -> None:
    if size % by:
        raise ValueError(
            f"weight: its {name} size {size} must be a multiple of {by}, which PyTorch's kernel "
            "wants; leave this matrix as it is"
        )
