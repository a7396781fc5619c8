"""Checks of the exercises on attention: a query, one head, scores with QK-norm.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 1", check_query, lambda: torch.tensor([1.5, 0.0]))
Exercise 1: correct
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...naive.attention import attend
from ...naive.layers import rms_norm
from .difference import show
from .grading import Case, Check, ask, require, require_tensor, standard_torch

EPS = 1e-6
WORDS = ("Anna", "walks", "Rex", "She")
KEYS = ((2.0, 1.0), (-2.0, 0.0), (2.0, -1.0), (-1.0, 1.0))  # of the lesson's toy, one a word

# A query


@standard_torch()
def check_query(fn: Callable[[], Any]) -> None:
    """`fn()` is a query, two numbers, that gives Anna and Rex at least 0.45 of the weight each.

    The weights are the softmax of the products with KEYS, without a scale.

    >>> check_query(lambda: torch.tensor([1.5, 0.0]))
    """
    query = require_tensor(ask(fn), (2,), torch.float32)
    require(query.isfinite().all(), f"a number is inf or nan: {show(query)}")
    weights = (torch.tensor(KEYS).double() @ query.double()).softmax(0).tolist()
    given = dict(zip(WORDS, weights, strict=True))
    anna, rex = given.pop("Anna"), given.pop("Rex")
    other = max(given, key=lambda word: given[word])
    both = f"Anna gets {anna:.2f} and Rex {rex:.2f}"
    require(
        given[other] < max(anna, rex),
        f"{both}, and '{other}' {given[other]:.2f}: turn the query towards what both names share",
    )
    require(
        abs(anna - rex) <= 0.1,
        f"{both}: the query prefers one of them; in which number do their keys differ?",
    )
    require(
        min(anna, rex) >= 0.45,
        f"{both}, and 0.45 is asked for each: the direction is right, and a longer query makes the"
        " differences between the scores larger",
    )


# One head


def _head(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
    out, _ = attend(q[None, None], k[None, None], v[None, None], mask[None], scale)
    return out[0, 0]


def _head_cases() -> list[Case]:
    g, cases = torch.Generator().manual_seed(6), []
    for t, s, h, scale in [(2, 3, 2, 0.5), (3, 5, 4, 0.5), (6, 4, 10, 0.25), (5, 5, 2, 1.5)]:
        q, k, v = (torch.randn(h, n, generator=g).T for n in (t, s, s))  # not contiguous
        mask = torch.rand(t, s, generator=g) < 0.5
        mask[:, 0], mask[:, -1] = True, False
        cases.append((q, k, v, mask, scale))
    # One query has scores far above those of the other, and above all that e can be raised to.
    q, k = torch.tensor([[64.0, 0.0], [0.0, 1.0]]), torch.tensor([[32.0, 0], [16, 1], [0, 0]])
    v, mask = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), torch.arange(3).repeat(2, 1) < 2
    cases.append((q, k, v, mask, 0.5))
    # The score that may be seen is -2e15, lower than the numbers that one masks with.
    q, k = torch.tensor([[2.0**26, 0.0]]), torch.tensor([[-(2.0**26), 0.0], [128.0, 0.0]])
    return [*cases, (q, k, v[:2], torch.tensor([[True, False]]), 0.5)]


def _narrow_head_cases() -> list[Case]:
    *_, (q, k, v, mask, scale), _, _ = _head_cases()
    return [(q.bfloat16(), k.bfloat16(), v.bfloat16(), mask, scale)]


def _weighted(weights: Callable[[Tensor, Tensor, float], Tensor]) -> Callable[..., Tensor]:
    """A head whose weights are this function of q k^T, the mask and the scale."""
    return lambda q, k, v, mask, scale: weights(q @ k.T, mask, scale) @ v


def _hidden(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -torch.inf)


def _bare(scores: Tensor, mask: Tensor) -> Tensor:
    powers = scores.exp() * mask
    return powers / powers.sum(-1, keepdim=True)


_NAN_CAUSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "the softmax, or the maximum in it, was taken over hidden keys too: where one of them is far"
    " above the visible ones, these get 0, and 0 / 0 is nan; mask the scores before it": (
        lambda scores, mask: _bare(scores - scores.amax(-1, keepdim=True), mask)
    ),
    "subtracted one maximum from the scores of all queries, and a query far below it has only"
    " powers of 0: subtract the largest visible score of each query": (
        lambda scores, mask: _bare(scores - scores.max(), mask)
    ),
    "raised e to the scores as they are, and large ones become inf or 0: subtract the largest"
    " visible score of each query first, as softmax does": _bare,
}


def _why_nan(
    got: Any, want: Tensor, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float
) -> str | None:
    if not isinstance(got, Tensor) or got.shape != want.shape or not got.isnan().any():
        return None
    scores = q @ k.T * scale
    for sentence, weights in _NAN_CAUSES.items():
        if torch.allclose(weights(scores, mask) @ v, got, equal_nan=True):
            return sentence
    return (
        "nan: either the softmax is over the queries, where a key hidden from all of them leaves"
        " only -inf (take it over the keys, the last axis), or -inf was multiplied by 0"
    )


check_head = Check(
    """`fn(q, k, v, mask, scale)` is one head: q (T H), k and v (S H), mask (T S), True for seen.

    Every query sees at least one key and misses some; scores can be large. In bfloat16 the result
    is in bfloat16, and right to the two digits that it can hold.
    """,
    "q k v mask scale",
    _head,
    _head_cases,
    {
        "the mask was ignored: a key that may not be seen gets weight 0": _weighted(
            lambda raw, mask, scale: (raw * scale).softmax(-1)
        ),
        "made a causal mask; use the one that is given": _weighted(
            lambda raw, mask, scale: _hidden(raw * scale, torch.ones_like(mask).tril()).softmax(-1)
        ),
        "True and False are swapped: True means that the query may see the key": _weighted(
            lambda raw, mask, scale: _hidden(raw * scale, ~mask).softmax(-1)
        ),
        "left out the scale; multiply the scores by it before the softmax": _weighted(
            lambda raw, mask, scale: _hidden(raw, mask).softmax(-1)
        ),
        "divided by the scale; multiply by it": _weighted(
            lambda raw, mask, scale: _hidden(raw / scale, mask).softmax(-1)
        ),
        "scaled by 1 / sqrt(H); use the scale that is given, which in 27B is another number": (
            lambda q, k, v, mask, scale: _head(q, k, v, mask, q.shape[1] ** -0.5)
        ),
        "scaled the weights after the softmax; scale the scores before it": _weighted(
            lambda raw, mask, scale: _hidden(raw, mask).softmax(-1) * scale
        ),
        "masked after the softmax, so the weights of a query no longer sum to 1; mask the scores"
        " before it": _weighted(lambda raw, mask, scale: (raw * scale).softmax(-1) * mask),
        "multiplied the scores by the mask: a score of 0 still gets weight; use -inf": _weighted(
            lambda raw, mask, scale: (raw * scale * mask).softmax(-1)
        ),
        "softmax over the queries; each query's weights sum to 1 over the keys, the last axis": (
            _weighted(lambda raw, mask, scale: _hidden(raw * scale, mask).softmax(0).nan_to_num())
        ),
        "masked with a finite number, and a visible score can be lower than that: use -inf": (
            _weighted(lambda raw, mask, scale: (raw * scale).masked_fill(~mask, -50.0).softmax(-1))
        ),
        "left out the softmax": _weighted(lambda raw, mask, scale: raw * scale * mask),
        "averaged the keys; the weights are for the values": (
            lambda q, k, v, mask, scale: _head(q, k, k, mask, scale)
        ),
        "these are the weights; average the values by them": (
            lambda q, k, v, mask, scale: _hidden(q @ k.T * scale, mask).softmax(-1)
        ),
    },
    explain=_why_nan,
).then(_narrow_head_cases, atol=2**-4)

# Scores with QK-norm


def _score_cases() -> list[Case]:
    g, cases = torch.Generator().manual_seed(7), []
    sizes = [(5, 7, 3, 4, 0.5, 1), (4, 6, 2, 8, 168**-0.5, 1e-3), (2, 4, 1, 2, 1.5, 1e-5)]
    for t, d, n, h, scale, size in sizes:
        x = size * torch.randn(d, t, generator=g).T  # not contiguous; in a small one eps matters
        w_q, w_k = (torch.randn(n * h, d, generator=g) for _ in "qk")
        q_weight, k_weight = (torch.randn(h, generator=g) for _ in "qk")  # the 1 matters
        cases.append((x, w_q, w_k, q_weight, k_weight, scale))
    return cases


Norm = Callable[[Tensor, Tensor], Tensor]


def _scores(norm_q: Norm, norm_k: Norm | None = None) -> Callable[..., Tensor]:
    """Scores with these functions of queries or keys (T N H) and a weight in place of the norms."""

    def fn(x: Tensor, w_q: Tensor, w_k: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
        q, k = ((x @ w.T).unflatten(-1, (-1, len(a))) for w in (w_q, w_k))
        return scale * torch.einsum("tnh,snh->nts", norm_q(q, a), (norm_k or norm_q)(k, b))

    return fn


def _normed(x: Tensor, w: Tensor, eps: float = EPS) -> Tensor:
    return rms_norm(x, w, eps)


def _plain(x: Tensor, w: Tensor) -> Tensor:
    return x


def _whole_width(x: Tensor, w: Tensor) -> Tensor:
    return _normed(x.flatten(1), w.repeat(x.shape[1])).unflatten(1, x.shape[1:])


def _centred(x: Tensor, w: Tensor, eps: float = EPS) -> Tensor:
    return _normed(x - x.mean(-1, keepdim=True), w, eps)


def _viewed(x: Tensor, w: Tensor) -> Tensor:
    """Heads first by a view, which mixes the numbers of several tokens; back to T N H."""
    t, n, h = x.shape
    return _normed(x.reshape(n, t, h).transpose(0, 1), w)


def _normed_input(norm: Norm, eps: float = EPS) -> Callable[..., Tensor]:
    def fn(x: Tensor, *given: Any) -> Tensor:
        return _scores(norm)(_normed(x, torch.zeros(x.shape[-1]), eps), *given)

    return fn


def _interleaved(x: Tensor, w: Tensor) -> Tensor:
    t, n, h = x.shape
    return _normed(x.reshape(t, h, n).transpose(1, 2), w)


check_scores = Check(
    """`fn(x, w_q, w_k, q_weight, k_weight, scale)`: scores (N T T) of N heads with QK-norm.

    x is (T D); the matrices are (N H, D), head n in rows n H to (n + 1) H; the norms' weights are
    (H,), the same for all heads, and a gain is 1 + w. No mask, no rotation; so swapped weights pass
    rightly, since only the products of the gains enter.
    """,
    "x w_q w_k q_weight k_weight scale",
    _scores(_normed),
    _score_cases,
    {
        "left out both norms": _scores(_plain),
        "multiplied by the gains and left out the division, which is what takes the size away": (
            _scores(lambda x, w: x * (1 + w))
        ),
        "left out the norm of the queries": _scores(_plain, _normed),
        "left out the norm of the keys": _scores(_normed, _plain),
        "left out the gains; multiply by 1 + w": _scores(lambda x, w: _normed(x, 0 * w)),
        "scaled by w; Gemma scales by 1 + w": _scores(lambda x, w: _normed(x, w - 1)),
        "normed the whole width at once; each head has an rms of its own, over H entries": (
            _scores(_whole_width)
        ),
        "divided by the length; RMSNorm divides by the length over sqrt(H)": _scores(
            lambda x, w: x / x.norm(dim=-1, keepdim=True) * (1 + w)
        ),
        "took entries of all heads for one head; head n is in H neighbouring rows": (
            _scores(_interleaved)
        ),
        "reshaped to (N, T, H), which mixes the numbers of several tokens; make it (T, N, H) and"
        " transpose": _scores(_viewed),
        "normed x; QK-norm norms the queries and keys that the matrices make of it": [
            _normed_input(_plain),
            _normed_input(lambda x, w: x * (1 + w)),
            _normed_input(_normed),
            _normed_input(_normed, torch.finfo(torch.float32).eps),
        ],
        "left out the gain of one norm; queries and keys both have one, 1 + w": [
            _scores(_normed, lambda x, w: _normed(x, 0 * w)),
            _scores(lambda x, w: _normed(x, 0 * w), _normed),
        ],
        "used one matrix for queries and keys; w_q makes the queries, w_k the keys": [
            lambda x, w_q, w_k, *given: _scores(_normed)(x, w_q, w_q, *given),
            lambda x, w_q, w_k, *given: _scores(_normed)(x, w_k, w_k, *given),
        ],
        "used one weight for both norms; queries and keys have a weight each": [
            lambda x, w_q, w_k, a, b, scale: _scores(_normed)(x, w_q, w_k, a, a, scale),
            lambda x, w_q, w_k, a, b, scale: _scores(_normed)(x, w_q, w_k, b, b, scale),
        ],
        "subtracted the mean first, as LayerNorm does; RMSNorm leaves it in": [
            _scores(_centred),
            _scores(lambda x, w: _centred(x, w, 1e-5)),  # the default of F.layer_norm
        ],
        "left out eps: add 0.000001 to the mean square, which matters where x is small": _scores(
            lambda x, w: _normed(x, w, 0.0)
        ),
        "another eps: give the norm eps=1e-6, F.rms_norm's own is another": [
            _scores(lambda x, w: _normed(x, w, torch.finfo(torch.float32).eps)),
            _scores(lambda x, w: _normed(x, w, 1e-5)),
            _scores(lambda x, w: _normed(x, w, 1e-3)),
            _scores(lambda x, w: _normed(x, w, 1e-8)),
        ],
        "added eps to the root; add it to the mean square, under the root": _scores(
            lambda x, w: x / (x.pow(2).mean(-1, keepdim=True).sqrt() + EPS) * (1 + w)
        ),
        "these are weights; the scores before the softmax are asked for": (
            lambda *given: _scores(_normed)(*given).softmax(-1)
        ),
        "left out the scale": lambda *given: _scores(_normed)(*given[:5], 1.0),
        "scaled by 1 / sqrt(H); use the scale that is given, which in 27B is another number": (
            lambda *given: _scores(_normed)(*given[:5], len(given[3]) ** -0.5)
        ),
        "divided by the scale; multiply by it": (
            lambda *given: _scores(_normed)(*given[:5], 1 / given[5])
        ),
        "rows and columns are swapped: a row is a query": (
            lambda *given: _scores(_normed)(*given).transpose(1, 2)
        ),
    },
)
