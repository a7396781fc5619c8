"""Checks of the exercises on shared heads: grouped attention, averaged heads, a mask that tells.

>>> check_pooled(lambda w, heads, kv_heads: w.unflatten(0, (kv_heads, -1)).mean(1))
Traceback (most recent call last):
AssertionError: shape (2, 5), expected (8, 5)
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...naive.attention import attend
from .compare import compare

Slips = Sequence[tuple[str, Tensor]]


def check_grouped(fn: Callable[[Tensor, Tensor, Tensor, Tensor, float], Any]) -> None:
    """`fn(q, k, v, mask, scale)` is (N T H): q is (N T H), k and v are (K S H), mask (T S).

    Query head n reads key/value head n // G with G = N / K; True is seen, and every query sees some
    keys and misses some. In bfloat16 the result is in bfloat16, right to the digits it can hold.

    >>> def right(q, k, v, mask, scale):
    ...     return attend(q[None], k[None], v[None], mask[None], scale)[0][0]
    >>> check_grouped(right)
    """
    g = torch.Generator().manual_seed(8)
    for n, heads, t, s, h, scale in [
        (6, 2, 3, 5, 4, 0.25),
        (12, 4, 2, 7, 3, 0.75),
        (5, 1, 3, 4, 2, 0.5),
        (3, 3, 4, 5, 2, 0.5),
    ]:
        q = torch.randn(t, n, h, generator=g).transpose(0, 1)  # not contiguous
        k, v = (torch.randn(s, heads, h, generator=g).transpose(0, 1) for _ in "kv")
        mask = torch.rand(t, s, generator=g) < 0.5
        mask[:, 0], mask[:, -1] = True, False
        mask[0, 1], mask[1:, 1] = True, False  # rows differ
        before = [tensor.clone() for tensor in (q, k, v, mask)]
        got = fn(q, k, v, mask, scale)
        for old, now in zip(before, (q, k, v, mask), strict=True):
            assert torch.equal(old, now), "changed q, k, v or mask in place; return a new tensor"
        assert not (isinstance(got, Tensor) and got.shape == (heads, t, h) and heads < n), (
            f"{heads} heads came out of {n} query heads; each query head has an output of its own"
        )
        compare(got, _grouped(q, k, v, mask, scale), _grouped_slips(q, k, v, mask, scale))
    q, k, v = (tensor.bfloat16() for tensor in (q, k, v))
    compare(fn(q, k, v, mask, scale), _grouped(q, k, v, mask, scale), atol=2**-4)


def _grouped(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
    return attend(q[None], k[None], v[None], mask[None], scale)[0][0]


def _grouped_slips(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Slips:
    n, heads, h = len(q), len(k), q.shape[-1]
    size = n // heads
    own, tiled = torch.arange(n) // size, torch.arange(n) % heads

    def reading(keys: Tensor, values: Tensor, q: Tensor = q, scale: float = scale) -> Tensor:
        return _grouped(q, keys, values, mask, scale)

    right = reading(k, v)
    unmasked = _grouped(q, k, v, torch.ones_like(mask), scale)
    summed = q.unflatten(0, (heads, size)).sum(1)[own]
    rows = torch.arange(size * len(mask)) // size  # each row of the mask G times in its place
    folded = q.unflatten(0, (heads, size)).flatten(1, 2)  # K GT H
    in_place = _grouped(folded, k, v, mask[rows], scale).unflatten(1, (size, -1)).flatten(0, 1)
    pairing = "query head n reads key/value head n // G"
    return [
        (
            f"tiled the key/value heads, 0 1 0 1, so head n reads n % K; {pairing}",
            reading(k[tiled], v[tiled]),
        ),
        (
            "repeated keys rightly and tiled values; the two of a head belong together",
            reading(k[own], v[tiled]),
        ),
        (
            "tiled keys and repeated values rightly; the two of a head belong together",
            reading(k[tiled], v[own]),
        ),
        (f"all query heads read key/value head 0; {pairing}", reading(k[:1], v[:1])),
        (f"the groups are in reverse; {pairing}", reading(k.flip(0), v.flip(0))),
        (
            "averaged the key/value heads; each is read by its own group alone",
            reading(k.mean(0, keepdim=True), v.mean(0, keepdim=True)),
        ),
        (
            "added up the queries of a group; they share keys and values, not queries",
            reading(k, v, q=summed),
        ),
        (
            "the output's heads are out of order: after (K, G) comes flatten(0, 1), not (G, K)",
            right.unflatten(0, (heads, size)).transpose(0, 1).flatten(0, 1),
        ),
        (
            "repeated each row of the mask in its place; G heads of T queries in a row need the"
            " whole mask G times",
            in_place,
        ),
        ("the mask was ignored: a key that may not be seen gets weight 0", unmasked),
        ("left out the scale; multiply the scores by it", reading(k, v, scale=1.0)),
        (
            "scaled by 1 / sqrt(H); use the scale that is given, which in 27B is another number",
            reading(k, v, scale=h**-0.5),
        ),
    ]


def check_pooled(fn: Callable[[Tensor, int, int], Any]) -> None:
    """`fn(w, heads, kv_heads)` averages the groups of a matrix (N H, D); the result is (K H, D).

    Head n is in rows n H to (n + 1) H, and groups are neighbours.
    """
    g = torch.Generator().manual_seed(9)
    for n, heads, h, d in [(6, 2, 4, 5), (12, 4, 3, 7), (5, 1, 2, 3), (3, 3, 2, 4)]:
        w = torch.randn(d, n * h, generator=g).T  # not contiguous
        before = w.clone()
        got = fn(w, n, heads)
        assert torch.equal(before, w), "changed w in place; return a new tensor"
        compare(got, _pooled(w, n, heads), _pooled_slips(w, n, heads))
    low = torch.randn(12, 5, generator=g).bfloat16()
    compare(fn(low, 6, 2), _pooled(low.float(), 6, 2).bfloat16(), atol=2**-5)


def _pooled(w: Tensor, n: int, heads: int) -> Tensor:
    rows, size = len(w) // n, n // heads
    out = torch.zeros(heads * rows, w.shape[1])
    for head in range(n):
        first = head // size * rows
        out[first : first + rows] += w[head * rows : (head + 1) * rows] / size
    return out


def _pooled_slips(w: Tensor, n: int, heads: int) -> Slips:
    size = n // heads
    by_head = w.unflatten(0, (n, -1))  # N H D
    groups = by_head.unflatten(0, (heads, size))  # K G H D
    tiled = by_head.unflatten(0, (size, heads))  # G K H D
    return [
        (
            "averaged heads that stand K apart; neighbours form a group, as n // G says",
            tiled.mean(0).flatten(0, 1),
        ),
        ("added up the group; divide by G", groups.sum(1).flatten(0, 1)),
        ("kept the first head of each group; average all of them", groups[:, 0].flatten(0, 1)),
        ("kept the last head of each group; average all of them", groups[:, -1].flatten(0, 1)),
        ("kept the first K heads; average each group", by_head[:heads].flatten(0, 1)),
        (
            "averaged neighbouring rows, which are entries of one head; average the same entry of"
            " G heads",
            w.unflatten(0, (-1, size)).mean(1),
        ),
        (
            "one average for all heads; each group has its own",
            by_head.mean(0).repeat(heads, 1),
        ),
    ]


def check_telling_mask(fn: Callable[[], Any]) -> None:
    """`fn()` gives the smallest mask (T S) that exposes an attention with a bug.

    The bug: G query heads are folded into the queries, (K, G T), while each row of the mask is
    repeated in its place, where the whole mask has to be repeated.

    >>> check_telling_mask(lambda: torch.ones(1, 5, dtype=torch.bool))
    Traceback (most recent call last):
    AssertionError: with one query both orders are the same, so no decoding step shows the bug
    """
    mask = fn()
    assert isinstance(mask, Tensor), f"expected a tensor, got {type(mask).__name__}"
    assert mask.dtype == torch.bool, f"dtype {mask.dtype}, expected torch.bool"
    assert mask.dim() == 2, f"shape {tuple(mask.shape)}, expected (T, S)"
    t, s = mask.shape
    assert t and s, f"shape {(t, s)}: nothing is asked of anything"
    assert mask.any(1).all(), "a query sees no key at all, and its output means nothing"
    assert t > 1, "with one query both orders are the same, so no decoding step shows the bug"
    assert not (mask == mask[0]).all(), (
        "all rows are alike, so it does not matter whose row a query gets"
    )
    assert t * s <= 4, (
        f"it tells, with {t} queries and {s} keys; two queries and two keys are enough"
    )
