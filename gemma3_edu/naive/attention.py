"""Grouped-query attention, one head and one query at a time.

>>> q, kv = torch.ones(1, 2, 1, 4), torch.ones(1, 1, 3, 4)  # two heads ask once; three keys
>>> out, weights = attend(q, kv, kv, torch.tensor([[[True, True, False]]]), scale=0.5)
>>> weights[0, :, 0].tolist()
[[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..model.config import TextConfig
from .layers import rms_norm
from .rope import apply_rope


def attend(
    q: Float[Tensor, "B N T H"],
    k: Float[Tensor, "B K S H"],
    v: Float[Tensor, "B K S H"],
    mask: Bool[Tensor, "B T S"],
    scale: float,
) -> tuple[Float[Tensor, "B N T H"], Float[Tensor, "B N T S"]]:
    """Each query's softmax over the keys it may see, and the so weighted sum of their values.

    What a query may not see does not occur at all; a query that may see nothing gets zeros.
    """
    (B, N, T, _), (K, S) = q.shape, k.shape[1:3]
    out, weights = torch.zeros(q.shape), torch.zeros(B, N, T, S)
    for b in range(B):
        for n in range(N):
            kv = n // (N // K)  # G = N / K neighbours read the same keys and values
            for t in range(T):
                seen = [s for s in range(S) if mask[b, t, s]]
                scores = [float(q[b, n, t].float() @ k[b, kv, s].float()) * scale for s in seen]
                powers = [math.exp(score - max(scores)) for score in scores]
                for s, power in zip(seen, powers, strict=True):
                    weights[b, n, t, s] = power / sum(powers)
                    out[b, n, t] += weights[b, n, t, s] * v[b, kv, s]
    return out.to(q.dtype), weights.to(q.dtype)


def split_heads(
    x: Float[Tensor, "B T D"], w: Float[Tensor, "rows D"], head_dim: int
) -> Float[Tensor, "B T heads H"]:
    """One matrix makes all heads: head n is what its rows n * H to (n + 1) * H make of x."""
    heads = [x @ w[row : row + head_dim].T for row in range(0, len(w), head_dim)]
    return torch.stack(heads, dim=2)


def attention(
    x: Float[Tensor, "B T D"],
    w: dict[str, Tensor],
    mask: Bool[Tensor, "B T T"],
    rope: tuple[Float[Tensor, "B T H2"], Float[Tensor, "B T H2"]],
    config: TextConfig,
) -> Float[Tensor, "B T D"]:
    """A layer's attention; `w` holds four projections and the gains of two norms."""
    H, eps = config.head_dim, config.rms_norm_eps
    q = split_heads(x, w["q_proj.weight"], H)
    k = split_heads(x, w["k_proj.weight"], H)
    v = split_heads(x, w["v_proj.weight"], H)
    q = apply_rope(rms_norm(q, w["q_norm.weight"], eps), *rope)
    k = apply_rope(rms_norm(k, w["k_norm.weight"], eps), *rope)
    scale = 1 / math.sqrt(config.query_pre_attn_scalar)
    out, _ = attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask, scale)
    y = torch.zeros_like(x)
    for n in range(config.num_attention_heads):
        y += out[:, n] @ w["o_proj.weight"][:, n * H : (n + 1) * H].T  # every head writes to D
    return y
