"""Checks of the exercises on attention: one head, scores with QK-norm, a soft cap that leaks.

>>> def head(q, k, v, mask, scale):
...     return (q @ k.T).masked_fill(~mask, -torch.inf).softmax(-1) @ v
>>> check_head(head)
Traceback (most recent call last):
AssertionError: left out the scale; multiply the scores by it before the softmax
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...naive.attention import attend
from ...naive.layers import rms_norm
from .compare import compare

Slips = Sequence[tuple[str, Tensor]]
EPS = 1e-6


def _attend_one(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
    out, _ = attend(q[None, None], k[None, None], v[None, None], mask[None], scale)
    return out[0, 0]


def check_head(fn: Callable[[Tensor, Tensor, Tensor, Tensor, float], Any]) -> None:
    """`fn(q, k, v, mask, scale)` is one head: q (T H), k and v (S H), mask (T S), True for seen.

    Every query sees some keys and misses some. In bfloat16 the result is in bfloat16, and right to
    the two digits that it can hold.
    """
    g = torch.Generator().manual_seed(6)
    for t, s, h, scale in [(3, 5, 4, 0.5), (6, 4, 10, 0.25), (5, 5, 2, 1.5)]:
        q, k, v = (torch.randn(h, n, generator=g).T for n in (t, s, s))  # not contiguous
        mask = torch.rand(t, s, generator=g) < 0.5
        mask[:, 0], mask[:, -1] = True, False
        before = [tensor.clone() for tensor in (q, k, v, mask)]
        got = fn(q, k, v, mask, scale)
        for old, now in zip(before, (q, k, v, mask), strict=True):
            assert torch.equal(old, now), "changed q, k, v or mask in place; return a new tensor"
        compare(got, _attend_one(q, k, v, mask, scale), _head_slips(q, k, v, mask, scale))
    q, k, v = (tensor.bfloat16() for tensor in (q, k, v))
    compare(fn(q, k, v, mask, scale), _attend_one(q, k, v, mask, scale), atol=2**-4)


def _head_slips(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Slips:
    raw = q @ k.T
    scores = raw * scale
    hidden = scores.masked_fill(~mask, -torch.inf)
    weights = hidden.softmax(-1)
    late = scores.softmax(-1) * mask
    own_scale = q.shape[1] ** -0.5
    return [
        ("the mask was ignored: a key that may not be seen gets weight 0", scores.softmax(-1) @ v),
        (
            "True and False are swapped: True means that the query may see the key",
            scores.masked_fill(mask, -torch.inf).softmax(-1) @ v,
        ),
        (
            "left out the scale; multiply the scores by it before the softmax",
            raw.masked_fill(~mask, -torch.inf).softmax(-1) @ v,
        ),
        (
            "divided by the scale; multiply by it",
            (raw / scale).masked_fill(~mask, -torch.inf).softmax(-1) @ v,
        ),
        (
            "scaled by 1 / sqrt(H); use the scale that is given, which in 27B is another number",
            (raw * own_scale).masked_fill(~mask, -torch.inf).softmax(-1) @ v,
        ),
        (
            "scaled the weights after the softmax; scale the scores before it",
            raw.masked_fill(~mask, -torch.inf).softmax(-1) * scale @ v,
        ),
        (
            "masked after the softmax, so the weights of a query no longer sum to 1; mask the"
            " scores before it",
            late @ v,
        ),
        (
            "multiplied the scores by the mask: a score of 0 still gets weight; use -inf",
            (scores * mask).softmax(-1) @ v,
        ),
        (
            "softmax over the queries; each query's weights sum to 1 over the keys, the last axis",
            hidden.softmax(0).nan_to_num() @ v,
        ),
        ("left out the softmax", scores.masked_fill(~mask, 0.0) @ v),
        ("averaged the keys; the weights are for the values", weights @ k),
    ]


def check_scores(fn: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, float], Any]) -> None:
    """`fn(x, w_q, w_k, q_weight, k_weight, scale)`: scores (N T T) of N heads with QK-norm.

    x is (T D); the matrices are (N H, D), head n in rows n H to (n + 1) H; the norms' weights are
    (H,), the same for all heads, and a gain is 1 + w. No mask, no rotation; so swapped weights pass
    rightly, since only the products of the gains enter.
    """
    g = torch.Generator().manual_seed(7)
    for t, d, n, h, scale in [(5, 7, 3, 4, 0.5), (4, 6, 2, 8, 168**-0.5)]:
        x = torch.randn(d, t, generator=g).T  # not contiguous
        w_q, w_k = (torch.randn(n * h, d, generator=g) for _ in "qk")
        q_weight, k_weight = (torch.randn(h, generator=g) for _ in "qk")  # the 1 matters
        given = (x, w_q, w_k, q_weight, k_weight)
        before = [tensor.clone() for tensor in given]
        got = fn(x, w_q, w_k, q_weight, k_weight, scale)
        for old, now in zip(before, given, strict=True):
            assert torch.equal(old, now), "changed an argument in place; return a new tensor"
        q, k = ((x @ w.T).unflatten(-1, (n, h)) for w in (w_q, w_k))  # T N H
        want = scale * _all_pairs(rms_norm(q, q_weight, EPS), rms_norm(k, k_weight, EPS))
        compare(got, want, _score_slips(q, k, q_weight, k_weight, scale))


def _all_pairs(q: Tensor, k: Tensor) -> Tensor:
    return torch.einsum("tnh,snh->nts", q, k)


def _score_slips(q: Tensor, k: Tensor, q_weight: Tensor, k_weight: Tensor, scale: float) -> Slips:
    none = torch.zeros_like(q_weight)

    def plain(a: Tensor, w: Tensor) -> Tensor:
        return rms_norm(a, none, EPS) * w

    def wide(a: Tensor, w: Tensor) -> Tensor:
        return rms_norm(a.flatten(1), w.repeat(a.shape[1]), EPS).unflatten(1, a.shape[1:])

    def short(a: Tensor, w: Tensor) -> Tensor:
        return a / a.norm(dim=-1, keepdim=True) * (1 + w)

    def mixed(a: Tensor, w: Tensor) -> Tensor:
        t, n, h = a.shape
        return rms_norm(a.reshape(t, h, n).transpose(1, 2), w, EPS)

    normed_q, normed_k = rms_norm(q, q_weight, EPS), rms_norm(k, k_weight, EPS)
    pairs = [
        ("left out both norms", q, k),
        ("left out the norm of the queries", q, normed_k),
        ("left out the norm of the keys", normed_q, k),
        ("left out the gains; multiply by 1 + w", rms_norm(q, none, EPS), rms_norm(k, none, EPS)),
        ("scaled by w; Gemma scales by 1 + w", plain(q, q_weight), plain(k, k_weight)),
        (
            "normed the whole width at once; each head has an rms of its own, over H entries",
            wide(q, q_weight),
            wide(k, k_weight),
        ),
        (
            "divided by the length; RMSNorm divides by the length over sqrt(H)",
            short(q, q_weight),
            short(k, k_weight),
        ),
        (
            "took entries of all heads for one head; head n is in H neighbouring rows",
            mixed(q, q_weight),
            mixed(k, k_weight),
        ),
    ]
    unscaled = _all_pairs(normed_q, normed_k)
    return [
        *[(sentence, scale * _all_pairs(a, b)) for sentence, a, b in pairs],
        ("left out the scale", unscaled),
        ("rows and columns are swapped: a row is a query", scale * unscaled.transpose(1, 2)),
    ]


def check_leak(fn: Callable[[], Any]) -> None:
    """`fn()` gives five scores of which an attention with a bug hands two hidden keys a quarter.

    The bug: a soft cap of 50 after the mask, so that minus infinity becomes -50. Keys 3 and 4 are
    hidden, 0 to 2 may be seen.

    >>> check_leak(lambda: torch.full((5,), -1000.0))
    """
    scores = fn()
    assert isinstance(scores, Tensor), f"expected a tensor, got {type(scores).__name__}"
    assert tuple(scores.shape) == (5,), f"shape {tuple(scores.shape)}, expected (5,)"
    assert scores.dtype == torch.float32, f"dtype {scores.dtype}, expected torch.float32"
    assert scores.isfinite().all(), "a score is inf or nan; real scores are finite"
    masked = scores.double().masked_fill(torch.arange(5) > 2, -torch.inf)
    leaked = (50 * torch.tanh(masked / 50)).softmax(0)[3:].sum().item()
    highest = scores[:3].max().item()
    assert leaked > 1e-3, (
        f"the hidden keys get {leaked:.1g} of the weight, which no test sees: their -50 is far"
        f" below the highest visible score, {highest:.3g}"
    )
    assert leaked >= 0.25, (
        f"the hidden keys get {leaked:.0%} of the weight, and a quarter is asked; the highest"
        f" visible score is {highest:.3g}"
    )
