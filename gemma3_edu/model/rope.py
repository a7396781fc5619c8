"""Rotary position embedding: queries and keys are rotated by angles that grow with the position.

Pair i of a head consists of elements i and i + H/2, not of neighbours. At position p it is rotated
by p / factor * theta ** (-2i / H). The score of two rotated vectors depends only on their distance.

>>> cos, sin = rope_table(torch.tensor([[0, 1]]), 4, RopeConfig(theta=10_000.0))
>>> cos.shape  # B T H/2
torch.Size([1, 2, 2])
>>> apply_rope(torch.tensor([[[[1.0, 0.0, 0.0, 0.0]]]]), cos[:, 1:], sin[:, 1:]).flatten()
tensor([0.5403, 0.0000, 0.8415, 0.0000])
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .config import RopeConfig

Rope = tuple[Float[Tensor, "B T H2"], Float[Tensor, "B T H2"]]
"""The cosines and sines of one attention type, made by `rope_table`."""


def rope_table(position: Int[Tensor, "B T"], head_dim: int, rope: RopeConfig) -> Rope:
    """cos and sin of every pair's angle, with H2 = H/2.

    They are in float32 in every model, since in bfloat16 8190 and 8192 are the same position.
    """
    pair = torch.arange(0, head_dim, 2, device=position.device, dtype=torch.float32) / head_dim
    frequency = 1.0 / rope.theta**pair / rope.factor
    angle = position.float()[:, :, None] * frequency
    return angle.cos(), angle.sin()


def apply_rope(
    x: Float[Tensor, "B T N H"], cos: Float[Tensor, "B T H2"], sin: Float[Tensor, "B T H2"]
) -> Float[Tensor, "B T N H"]:
    """Rotate every head; computed in float32, returned in the dtype of `x`."""
    first, second = x.float().chunk(2, dim=-1)
    cos, sin = cos[:, :, None], sin[:, :, None]  # the same for every head
    turned = (first * cos - second * sin, second * cos + first * sin)
    return torch.cat(turned, dim=-1).to(x.dtype)
