"""Checks of the exercises on shared heads: who reads whom, groups without copies, a telling mask.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 3", check_telling_mask, lambda: torch.ones(1, 5, dtype=torch.bool))
Exercise 3: with one query, as while a model writes, both orders are the same and nothing shows
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...hub import load
from ...model.attention import Attention
from ...model.layout import Batch
from ...naive.attention import attend
from .copies import AttentionCalls, Ledger
from .difference import show_dtype
from .grading import (
    Case,
    Check,
    CheckError,
    Function,
    ask,
    require,
    require_tensor,
    standard_torch,
)

# Readers


def _readers(n: int, heads: int, m: int) -> list[int]:
    return [head for head in range(n) if head // (n // heads) == m]


def _listed(fn: Function, *numbers: int) -> Any:
    """The answer as a list, if it is a range or a tensor."""
    got = ask(fn, *numbers)
    return list(got) if isinstance(got, range) else got.tolist() if isinstance(got, Tensor) else got


check_readers = Check(
    "`fn(heads, kv_heads, m)` lists the query heads that read key/value head m, in order.",
    "heads kv_heads m",
    _readers,
    lambda: [(6, 2, 1), (12, 4, 2), (32, 16, 15), (12, 2, 0), (5, 1, 0), (3, 3, 2)],
    {
        "took every K-th head; neighbours share a key/value head": (
            lambda n, heads, m: list(range(m, n, heads))
        ),
        "took groups of K heads; a group has G = N / K": (
            lambda n, heads, m: list(range(m * heads, (m + 1) * heads)),
            lambda n, heads, m: [head for head in range(n) if head // heads == m],
        ),
        "compared n % G with m; n % G is a head's place in its group, and n // G is the group": (
            lambda n, heads, m: [head for head in range(n) if head % (n // heads) == m]
        ),
        "gave the first head of the group alone; all G of them read this one": (
            lambda n, heads, m: [m * (n // heads)]
        ),
        "gave the key/value head that query head m reads; here m is the key/value head": (
            lambda n, heads, m: [m // (n // heads)]
        ),
        "began one head too late; heads are counted from 0": (
            lambda n, heads, m: [head + 1 for head in _readers(n, heads, m)]
        ),
        "took one head too many; the next group begins at (m + 1) G": (
            lambda n, heads, m: [*_readers(n, heads, m), (m + 1) * (n // heads)]
        ),
        "left out the last head of the group; range stops before its end": (
            lambda n, heads, m: _readers(n, heads, m)[:-1]
        ),
    },
    call=_listed,
)

# Grouped attention


def _grouped(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
    return attend(q[None], k[None], v[None], mask[None], scale)[0][0]


def _drawn_cases() -> dict[str, Case]:
    g, cases = torch.Generator().manual_seed(8), {}
    for n, heads, t, s, h, scale in [
        (6, 2, 4, 5, 7, 0.25),
        (4, 2, 2, 3, 1, 0.5),
        (12, 4, 2, 7, 3, 0.75),
        (5, 1, 3, 4, 2, 0.5),
        (3, 3, 4, 5, 2, 0.5),
    ]:
        q = torch.randn(t, n, h, generator=g).transpose(0, 1)  # not contiguous
        k, v = (torch.randn(s, heads, h, generator=g).transpose(0, 1) for _ in "kv")
        mask = torch.rand(t, s, generator=g) < 0.5
        mask[:, 0], mask[:, -1] = True, False
        mask[0, 1], mask[1:, 1] = True, False  # rows differ
        cases[f"N = {n}, K = {heads}, T = {t}, S = {s}, H = {h}"] = (q, k, v, mask, scale)
    return cases


def _grouped_cases() -> dict[str, Case]:
    """The drawn cases, and one whose visible scores are about -16,384, below hidden ones of 0."""
    place = torch.arange(8.0)
    q = torch.stack([torch.full((8,), 128.0), place % 3], -1).view(4, 2, 2)
    k = torch.tensor([-256.0, 0, -256, 1, 0, 0]).view(1, 3, 2).repeat(2, 1, 1)
    v = torch.arange(12.0).view(2, 3, 2).sin()
    mask = torch.tensor([[True, False, False], [True, True, False]])
    return {**_drawn_cases(), "N = 4, K = 2, T = 2, large scores": (q, k, v, mask, 0.5)}


def _narrow_grouped_cases() -> dict[str, Case]:
    name, (q, k, v, mask, scale) = list(_drawn_cases().items())[-1]
    return {f"{name}, in bfloat16": (q.bfloat16(), k.bfloat16(), v.bfloat16(), mask, scale)}


def _ask_grouped(fn: Function, q: Tensor, k: Tensor, *rest: Any) -> Any:
    """What `fn` answers; if `@` cannot pair axes of length G and K, CheckError says so."""
    group, heads = len(q) // len(k), len(k)
    try:
        return ask(fn, q, k, *rest)
    except RuntimeError as error:
        if f"tensor a ({group}) must match the size of tensor b ({heads})" not in str(error):
            raise
        raise CheckError(
            f"`@` matched groups with cabinets: it pairs an axis of G = {group} with one of K ="
            f" {heads}; let all questions of a group queue in one axis, so that K is in front"
        ) from error


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


def _tokens_first(q: Tensor, k: Tensor, *rest: Any) -> Tensor:
    """The queue is taken for (K, T G, H) throughout."""
    out = _rows_in_place(q, k, *rest)
    return out.reshape(len(k), q.shape[1], -1, q.shape[2]).transpose(1, 2).flatten(0, 1)


def _reshaped_queries(q: Tensor, *rest: Any) -> Tensor:
    return _grouped(q.transpose(0, 1).reshape(q.shape), *rest)


def _reshaped_output(q: Tensor, *rest: Any) -> Tensor:
    return _grouped(q, *rest).transpose(0, 1).reshape(q.shape)


def _cut_the_other_way(q: Tensor, k: Tensor, *rest: Any) -> Tensor:
    return _grouped(q.unflatten(0, (-1, len(k))).transpose(0, 1).flatten(0, 1), k, *rest)


def _hidden_as(score: float) -> Function:
    def fn(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
        scores = (q @ _repeated(k, len(q)).mT * scale).masked_fill(~mask, score)
        return scores.softmax(-1) @ _repeated(v, len(q))

    return fn


def _causal(given: bool, end: bool) -> Function:
    """With a causal mask, after the given one or in its place, and the last query at the end."""

    def fn(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
        t, s = mask.shape
        own = torch.ones_like(mask).tril(s - t if end else 0)
        return _grouped(q, k, v, own & mask if given else own, scale)

    return fn


def _masked_late(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
    weights = (q @ _repeated(k, len(q)).mT * scale).softmax(-1)
    return weights.masked_fill(~mask, 0.0) @ _repeated(v, len(q))


def _softmax_over_queries(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
    scores = (q @ _repeated(k, len(q)).mT * scale).masked_fill(~mask, torch.finfo(q.dtype).min)
    return scores.softmax(-2) @ _repeated(v, len(q))


def _not_swapped_back(q: Tensor, k: Tensor, *rest: Any) -> Tensor:
    out = _grouped(q, k, *rest)
    return out.unflatten(0, (len(k), -1)).transpose(1, 2).reshape(out.shape)


def _by_shape(got: Any, want: Tensor, q: Tensor, k: Tensor, *_: Any) -> str | None:
    if not isinstance(got, Tensor):
        return None
    if got.shape == (len(k), *want.shape[1:]) != want.shape:
        return "one head a group came out; each query head has an output of its own"
    if got.shape == want.transpose(0, 1).shape != want.shape:
        return "heads and tokens are exchanged; the output is (N, T, H)"
    if got.shape == want.shape and got.is_floating_point() and got.isnan().any():
        return f"NaN: a softmax saw only hidden scores; {_OVER_KEYS}"
    return None


_PAIRING = "query head n reads key/value head n // G"
_TOGETHER = "the two of a head belong together"
_OVER_KEYS = "take it over the keys, the last axis"

check_small_groups = Check(
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
        "cut the query heads into (G, K); neighbours form a group, so it is (K, G)": (
            _cut_the_other_way
        ),
        "hid what may be seen; True in the mask means that the query may see the key": (
            lambda q, k, v, mask, scale: _grouped(q, k, v, ~mask, scale)
        ),
        "gave hidden keys the score 0, which has a weight too; give them minus infinity": (
            _hidden_as(0.0)
        ),
        "hid keys with a finite number, and a visible score can be lower: use minus infinity": (
            _hidden_as(-100.0)
        ),
        "hid more than the mask does; only what it has False for may not be seen": (
            *(_causal(given=True, end=end) for end in (False, True)),
        ),
        "made a mask of your own; the one that is given says what may be seen": (
            *(_causal(given=False, end=end) for end in (False, True)),
        ),
        "cut the queue into (T, G); first come the T queries of one head, so it is (G, T)": (
            _tokens_first
        ),
        "reshape mixed the numbers of several heads: it keeps their order in memory; exchange two"
        " axes with transpose, and cut with unflatten": (_reshaped_queries, _reshaped_output),
        "the mask was ignored: a key that may not be seen gets weight 0": (
            lambda q, k, v, mask, scale: _grouped(q, k, v, torch.ones_like(mask), scale)
        ),
        "left out the scale; multiply the scores by it": lambda q, k, v, mask, scale: _grouped(
            q, k, v, mask, 1.0
        ),
        "divided by sqrt(H) as well; `scale` already holds that factor": (
            lambda q, k, v, mask, scale: _grouped(q, k, v, mask, scale * q.shape[-1] ** -0.5)
        ),
        "scaled by 1 / sqrt(H); use the scale that is given, which in 27B is another number": (
            lambda q, k, v, mask, scale: _grouped(q, k, v, mask, q.shape[-1] ** -0.5)
        ),
        "multiplied by the scale twice; once is enough": (
            lambda q, k, v, mask, scale: _grouped(q, k, v, mask, scale * scale)
        ),
        "divided by the scale; multiply the scores by it": (
            lambda q, k, v, mask, scale: _grouped(q, k, v, mask, 1 / scale)
        ),
        "hid keys after the softmax, so the weights no longer add up to 1; hide before it": (
            _masked_late
        ),
        f"the softmax went over the queries; {_OVER_KEYS}": _softmax_over_queries,
        "every query got the last row of the mask; each has a row of its own": (
            lambda q, k, v, mask, scale: _grouped(q, k, v, mask[-1:].expand_as(mask), scale)
        ),
        "the order of heads and tokens is that of the queue (K, T, G); swap the two back before"
        " you join K and G": _not_swapped_back,
    },
    call=_ask_grouped,
    explain=_by_shape,
).then(_narrow_grouped_cases, atol=2**-4)


@standard_torch()
def check_grouped(fn: Function) -> None:
    """The cases of `check_small_groups`; then without copies; then nano reads with `fn`.

    A tensor as large as the keys of one head, made anywhere inside `fn`, is a copy, in bfloat16 as
    well as in float32. Keys that are read again are refused, and the package's attention or
    PyTorch's, under any name.
    """
    check_small_groups(fn)
    g = torch.Generator().manual_seed(10)
    shapes = [(6, 3, 96), (2, 64, 96), (2, 64, 96)]
    for dtype in (torch.float32, torch.bfloat16):
        q, k, v = (torch.randn(*shape, generator=g).to(dtype) for shape in shapes)
        with AttentionCalls() as calls, Ledger(k[0].nbytes, k, v) as ledger:
            ask(fn, q, k, v, torch.ones(3, 64) > 0, 0.25)
        require(
            not calls.borrowed,
            f"right, but {calls.borrowed} has done the work; write it all yourself: queue,"
            " scores, mask, softmax",
        )
        require(
            not ledger.made,
            f"right, but in {show_dtype(q)} new tensors of {ledger.made:,} bytes are made (the"
            f" keys have {k.nbytes:,}); leave keys and values as they are"
            + (f" (the first one comes from the line `{ledger.line}`)" if ledger.line else ""),
        )
        times = ledger.read / (k.nbytes + v.nbytes)
        require(
            times < 1.5,
            f"right, but each key and value is read {times:g} times; once is enough if the queries"
            " of a group are in one queue, with all their tokens",
        )
    nano, _ = load("nano-pt", text_only=True)
    batch = Batch.from_ids(7 + torch.arange(150)[None] * 19 % 2900, nano.config)
    with torch.no_grad():
        want = nano(batch)
        for layer in (module for module in nano.modules() if isinstance(module, Attention)):
            layer.attend = partial(_attend_with, fn)
        worst = float((nano(batch) - want).abs().max())
    require(
        worst < 1e-3,
        "right in the small cases, but nano, which read 150 tokens with this function, gives other"
        f" logits, by {worst:.2g}",
    )


def _attend_with(fn: Function, *inputs: Any) -> Tensor:
    *tensors, scale = inputs
    return ask(fn, *(tensor[0] for tensor in tensors), scale)[None]


# A mask that tells


@standard_torch()
def check_telling_mask(fn: Callable[[], Any]) -> None:
    """`fn()` gives a smallest mask (T S) that exposes an attention with a bug.

    The bug: G query heads are folded into the queries, (K, G T), while each row of the mask is
    repeated in its place, where the whole mask has to be repeated.

    >>> check_telling_mask(lambda: torch.tensor([[True, False], [True, True]]))
    """
    got = ask(fn)
    require(
        not isinstance(got, Tensor) or got.dim() == 2,
        "a mask has two axes, a row for each query and a column for each key, and no others",
    )
    mask = require_tensor(got, (None, None), torch.bool)
    t, s = mask.shape
    require(t and s, f"shape {(t, s)}: nothing is asked of anything")
    blind = (~mask.any(1)).nonzero().flatten().tolist()
    require(
        not blind,
        f"query {blind[0] if blind else None} sees no key at all, and its output means nothing",
    )
    require(
        t > 1, "with one query, as while a model writes, both orders are the same and nothing shows"
    )
    require(
        not (mask == mask[0]).all(),
        f"all {t} rows are alike, so it does not matter whose row a query gets",
    )
    require(
        t * s <= 4,
        f"it tells, with {t} queries and {s} keys; two queries and two keys are enough",
    )
