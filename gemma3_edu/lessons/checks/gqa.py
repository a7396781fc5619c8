"""Checks of the exercises on shared heads: grouped attention, averaged heads, a mask that tells.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 3", check_telling_mask, lambda: torch.ones(1, 5, dtype=torch.bool))
Exercise 3: with one query both orders are the same, so no decoding step shows the bug
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...naive.attention import attend
from .grading import Case, Check, ask, require, require_tensor, standard_torch

# Grouped attention


def _grouped(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
    return attend(q[None], k[None], v[None], mask[None], scale)[0][0]


def _grouped_cases() -> list[Case]:
    g, cases = torch.Generator().manual_seed(8), []
    for n, heads, t, s, h, scale in [
        (4, 2, 2, 3, 1, 0.5),
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
        cases.append((q, k, v, mask, scale))
    return cases


def _narrow_grouped_cases() -> list[Case]:
    *_, (q, k, v, mask, scale) = _grouped_cases()
    return [(q.bfloat16(), k.bfloat16(), v.bfloat16(), mask, scale)]


def _reading(
    keys: Callable[[Tensor, int], Tensor], values: Callable[[Tensor, int], Tensor] | None = None
) -> Callable[..., Tensor]:
    """Attention to other heads of keys and values, made by these functions of them and N."""
    return lambda q, k, v, mask, scale: _grouped(
        q, keys(k, len(q)), (values or keys)(v, len(q)), mask, scale
    )


def _repeated(kv: Tensor, n: int) -> Tensor:
    return kv.repeat_interleave(n // len(kv), 0)


def _tiled(kv: Tensor, n: int) -> Tensor:
    return kv.repeat(n // len(kv), 1, 1)


def _added_queries(q: Tensor, k: Tensor, *rest: Any) -> Tensor:
    return _grouped(_repeated(q.unflatten(0, (len(k), -1)).sum(1), len(q)), k, *rest)


def _out_of_order(q: Tensor, k: Tensor, *rest: Any) -> Tensor:
    return _grouped(q, k, *rest).unflatten(0, (len(k), -1)).transpose(0, 1).flatten(0, 1)


def _rows_in_place(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
    size = len(q) // len(k)
    folded = q.unflatten(0, (len(k), size)).flatten(1, 2)  # K GT H
    out = _grouped(folded, k, v, mask.repeat_interleave(size, 0), scale)
    return out.unflatten(1, (size, -1)).flatten(0, 1)


def _too_few_heads(got: Any, want: Tensor, q: Tensor, k: Tensor, *_: Any) -> str | None:
    if isinstance(got, Tensor) and got.shape == (len(k), *want.shape[1:]) != want.shape:
        return "one head a group came out; each query head has an output of its own"
    return None


_PAIRING = "query head n reads key/value head n // G"
_TOGETHER = "the two of a head belong together"

check_grouped = Check(
    """`fn(q, k, v, mask, scale)` is (N T H): q is (N T H), k and v are (K S H), mask (T S).

    Query head n reads key/value head n // G with G = N / K; True is seen, and every query sees some
    keys and misses some. In bfloat16 the result is in bfloat16, right to the digits it can hold.
    """,
    "q k v mask scale",
    _grouped,
    _grouped_cases,
    {
        f"tiled the key/value heads, 0 1 0 1, so head n reads n % K; {_PAIRING}": _reading(_tiled),
        f"repeated keys rightly and tiled values; {_TOGETHER}": _reading(_repeated, _tiled),
        f"tiled keys and repeated values rightly; {_TOGETHER}": _reading(_tiled, _repeated),
        f"all query heads read key/value head 0; {_PAIRING}": _reading(lambda kv, n: kv[:1]),
        f"the groups are in reverse; {_PAIRING}": _reading(lambda kv, n: kv.flip(0)),
        "averaged the key/value heads; each is read by its own group alone": _reading(
            lambda kv, n: kv.mean(0, keepdim=True)
        ),
        "added up the queries of a group; they share keys and values, not queries": _added_queries,
        "the output's heads are out of order: after (K, G) comes flatten(0, 1), not (G, K)": (
            _out_of_order
        ),
        "repeated each row of the mask in its place; G heads of T queries in a row need the whole"
        " mask G times": _rows_in_place,
        "the mask was ignored: a key that may not be seen gets weight 0": (
            lambda q, k, v, mask, scale: _grouped(q, k, v, torch.ones_like(mask), scale)
        ),
        "left out the scale; multiply the scores by it": lambda q, k, v, mask, scale: _grouped(
            q, k, v, mask, 1.0
        ),
        "scaled by 1 / sqrt(H); use the scale that is given, which in 27B is another number": (
            lambda q, k, v, mask, scale: _grouped(q, k, v, mask, q.shape[-1] ** -0.5)
        ),
    },
    explain=_too_few_heads,
).then(_narrow_grouped_cases, atol=2**-4)

# Averaged heads


def _pooled(w: Tensor, n: int, heads: int) -> Tensor:
    rows, size = len(w) // n, n // heads
    out = torch.zeros(heads * rows, w.shape[1])
    for head in range(n):
        first = head // size * rows
        out[first : first + rows] += w[head * rows : (head + 1) * rows].float() / size
    return out.to(w.dtype)


def _pooled_cases() -> list[Case]:
    g = torch.Generator().manual_seed(9)
    return [
        (torch.randn(d, n * h, generator=g).T, n, heads)  # not contiguous
        for n, heads, h, d in [(6, 2, 4, 5), (12, 4, 3, 7), (5, 1, 2, 3), (3, 3, 2, 4)]
    ]


def _narrow_pooled_cases() -> list[Case]:
    return [(torch.randn(12, 5, generator=torch.Generator().manual_seed(9)).bfloat16(), 6, 2)]


def _of_groups(rule: Callable[[Tensor], Tensor]) -> Callable[[Tensor, int, int], Tensor]:
    """The heads (K H D) that this function makes of the groups (K G H D)."""
    return lambda w, n, heads: rule(
        w.unflatten(0, (n, -1)).unflatten(0, (heads, n // heads))
    ).flatten(0, 1)


check_pooled = Check(
    """`fn(w, heads, kv_heads)` averages the groups of a matrix (N H, D); the result is (K H, D).

    Head n is in rows n H to (n + 1) H, and groups are neighbours.
    """,
    "w heads kv_heads",
    _pooled,
    _pooled_cases,
    {
        "averaged heads that stand K apart; neighbours form a group, as n // G says": (
            lambda w, n, heads: w.unflatten(0, (n // heads, -1)).mean(0)
        ),
        "added up the group; divide by G": _of_groups(lambda groups: groups.sum(1)),
        "kept the first head of each group; average all of them": _of_groups(
            lambda groups: groups[:, 0]
        ),
        "kept the last head of each group; average all of them": _of_groups(
            lambda groups: groups[:, -1]
        ),
        "kept the first K heads; average each group": (
            lambda w, n, heads: w[: len(w) // n * heads].clone()
        ),
        "averaged neighbouring rows, which are entries of one head; average the same entry of G"
        " heads": lambda w, n, heads: w.unflatten(0, (-1, n // heads)).mean(1),
        "one average for all heads; each group has its own": (
            lambda w, n, heads: w.unflatten(0, (n, -1)).mean(0).repeat(heads, 1)
        ),
    },
).then(_narrow_pooled_cases, atol=2**-5)


@standard_torch()
def check_telling_mask(fn: Callable[[], Any]) -> None:
    """`fn()` gives the smallest mask (T S) that exposes an attention with a bug.

    The bug: G query heads are folded into the queries, (K, G T), while each row of the mask is
    repeated in its place, where the whole mask has to be repeated.

    >>> check_telling_mask(lambda: torch.tensor([[True, False], [True, True]]))
    """
    mask = require_tensor(ask(fn), (None, None), torch.bool)
    t, s = mask.shape
    require(t and s, f"shape {(t, s)}: nothing is asked of anything")
    blind = (~mask.any(1)).nonzero().flatten().tolist()
    require(
        not blind,
        f"query {blind[0] if blind else None} sees no key at all, and its output means nothing",
    )
    require(t > 1, "with one query both orders are the same, so no decoding step shows the bug")
    require(
        not (mask == mask[0]).all(),
        f"all {t} rows are alike, so it does not matter whose row a query gets",
    )
    require(
        t * s <= 4,
        f"it tells, with {t} queries and {s} keys; two queries and two keys are enough",
    )
