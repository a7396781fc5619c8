"""Grouped-query attention with QK-norm, rotary embedding and a cache.

The formula is written twice on purpose: `attend` shows every step and returns the weights,
`attend_fused` leaves the work to PyTorch's kernel. A test compares the two.

>>> q, kv = torch.ones(1, 2, 1, 4), torch.ones(1, 1, 3, 4)  # two heads, one query, three keys
>>> out, weights = attend(q, kv, kv, torch.tensor([[[True, True, False]]]), scale=0.5)
>>> weights[0, :, 0].tolist()
[[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from .cache import KVCache
from .config import TextConfig
from .layers import RMSNorm
from .masks import Mask
from .rope import Rope, apply_rope


def attend(
    q: Float[Tensor, "B N T H"],
    k: Float[Tensor, "B K S H"],
    v: Float[Tensor, "B K S H"],
    mask: Bool[Tensor, "B T S"],
    scale: float,
) -> tuple[Float[Tensor, "B N T H"], Float[Tensor, "B N T S"]]:
    """softmax(q k^T * scale, masked) v, written out; returns the weights too.

    Query head n reads key/value head n // G, so G neighbours share one. The softmax is computed in
    float32. A query that may see nothing (padding) attends to all keys evenly: 0 / 0 would give a
    NaN, which reaches all others in the next layer, since 0 times NaN is NaN.
    """
    K = k.shape[1]
    q = q.unflatten(1, (K, -1))  # B K G T H
    scores = torch.einsum("bkgth,bksh->bkgts", q, k).float() * scale
    scores = scores.masked_fill(~mask[:, None, None], torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1).to(v.dtype)
    out = torch.einsum("bkgts,bksh->bkgth", weights, v)
    return out.flatten(1, 2), weights.flatten(1, 2)


def attend_fused(
    q: Float[Tensor, "B N T H"],
    k: Float[Tensor, "B K S H"],
    v: Float[Tensor, "B K S H"],
    mask: Bool[Tensor, "B T S"],
    scale: float,
) -> Float[Tensor, "B N T H"]:
    """The same with PyTorch's kernel, which never stores the weights.

    The G query heads of a group become G times as many queries of one head, so that keys and values
    are read in place; repeating them would copy the cache at every step.
    """
    K, T = k.shape[1], q.shape[2]
    G = q.shape[1] // K
    q = q.unflatten(1, (K, G)).flatten(2, 3)  # B K GT H
    mask = mask[:, None].repeat(1, 1, G, 1)  # B 1 GT S
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
    return out.unflatten(2, (G, T)).flatten(1, 2)


class Attention(nn.Module):
    """One layer's attention: project, normalize queries and keys, rotate, attend, project back.

    `layer` is its index in the decoder, by which the cache finds its keys and values.
    """

    def __init__(self, config: TextConfig, layer: int):
        super().__init__()
        d, h = config.hidden_size, config.head_dim
        n, k = config.num_attention_heads, config.num_key_value_heads
        self.layer, self.head_dim = layer, h
        self.scale = config.query_pre_attn_scalar**-0.5
        self.q_proj = nn.Linear(d, n * h, bias=False)
        self.k_proj = nn.Linear(d, k * h, bias=False)
        self.v_proj = nn.Linear(d, k * h, bias=False)
        self.o_proj = nn.Linear(n * h, d, bias=False)
        self.q_norm = RMSNorm(h, config.rms_norm_eps)
        self.k_norm = RMSNorm(h, config.rms_norm_eps)
        self.attend = attend_fused
        self.attention_weights = nn.Identity()  # visible_attention alone passes weights through it

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        mask: Mask,
        rope: Rope,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Attend to `x` and, with a cache, to what it has stored; S counts both."""
        q = self.q_proj(x).unflatten(-1, (-1, self.head_dim))  # B T N H
        k = self.k_proj(x).unflatten(-1, (-1, self.head_dim))  # B T K H
        v = self.v_proj(x).unflatten(-1, (-1, self.head_dim))  # B T K H
        # Norm before rotating: each gain belongs to one element, and rotation mixes two.
        q = apply_rope(self.q_norm(q), *rope)
        k = apply_rope(self.k_norm(k), *rope)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # B heads T H
        if cache is not None:
            k, v = cache.update(self.layer, k, v)
        out = self.attend(q, k, v, mask, self.scale)
        return self.o_proj(out.transpose(1, 2).flatten(2))


@contextmanager
def visible_attention(model: nn.Module) -> Iterator[nn.Module]:
    """Within the context, every layer uses `attend` and passes its weights to `attention_weights`.

    `capture(model, "*.self_attn.attention_weights")` reads them there, Float[B N T S] per layer.
    """
    layers = [module for module in model.modules() if isinstance(module, Attention)]
    before = [layer.attend for layer in layers]
    for layer in layers:
        layer.attend = partial(_attend_visibly, layer.attention_weights)
    try:
        yield model
    finally:
        for layer, function in zip(layers, before, strict=True):
            layer.attend = function


def _attend_visibly(passed_by: nn.Module, *inputs: Any) -> Tensor:
    out, weights = attend(*inputs)
    passed_by(weights)
    return out
