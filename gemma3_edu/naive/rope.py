"""Rotary position embedding, one pair of elements at a time.

>>> cos, sin = rope_table(torch.tensor([[0, 1]]), 4, RopeConfig(theta=10_000.0))
>>> apply_rope(torch.tensor([[[[1.0, 0.0, 0.0, 0.0]]]]), cos[:, 1:], sin[:, 1:]).flatten()
tensor([0.5403, 0.0000, 0.8415, 0.0000])
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..model.config import RopeConfig


def rope_table(
    position: Int[Tensor, "B T"], head_dim: int, rope: RopeConfig
) -> tuple[Float[Tensor, "B T H2"], Float[Tensor, "B T H2"]]:
    """cos and sin of angle = position / factor * theta ** (-2i / H), for pairs i = 0 ... H/2 - 1.

    The angles are Python's numbers, exact to 16 digits; float32 has 7, so far from the start the
    core's angles (and those of transformers) are off by position * 2 ** -23 or so.
    """
    B, T = position.shape
    cos, sin = torch.empty(2, B, T, head_dim // 2)
    for b in range(B):
        for t in range(T):
            for i in range(head_dim // 2):
                angle = int(position[b, t]) / rope.factor * rope.theta ** (-2 * i / head_dim)
                cos[b, t, i], sin[b, t, i] = math.cos(angle), math.sin(angle)
    return cos, sin


def apply_rope(
    x: Float[Tensor, "B T N H"], cos: Float[Tensor, "B T H2"], sin: Float[Tensor, "B T H2"]
) -> Float[Tensor, "B T N H"]:
    """Turn element i and element i + H/2 as a point in the plane, by the angle of pair i."""
    B, T, N, H = x.shape
    y = torch.empty(B, T, N, H)
    for b in range(B):
        for t in range(T):
            for n in range(N):
                for i in range(H // 2):
                    first, second = float(x[b, t, n, i]), float(x[b, t, n, i + H // 2])
                    c, s = float(cos[b, t, i]), float(sin[b, t, i])
                    y[b, t, n, i] = first * c - second * s
                    y[b, t, n, i + H // 2] = second * c + first * s
    return y.to(x.dtype)
