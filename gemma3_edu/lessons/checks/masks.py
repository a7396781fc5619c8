"""Checks of the exercises on masks: a window mask, the layer pattern, the mask over a ring.

>>> check_layer_types(layer_pattern)
>>> check_layer_types(lambda layers, period: layer_pattern(layers + 1, period)[1:])
Traceback (most recent call last):
AssertionError: counted from 1 as if it were 0: the first global layer comes one too early
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...model.config import AttentionType, layer_pattern
from ...naive.cache import ring
from ...naive.masks import may_see
from .compare import compare

Slips = Sequence[tuple[str, Tensor]]


def check_window_mask(fn: Callable[[Tensor, Tensor, int], Any]) -> None:
    """`fn(q, k, window)` is Bool[T S] for positions `q`, T of them, and `k`, S, in any order.

    True where a query may see a key: a text token, on a local layer, without padding.

    >>> check_window_mask(lambda q, k, window: (k > q[:, None] - window) & (k <= q[:, None]))
    """
    g = torch.Generator().manual_seed(5)
    whole = torch.arange(13)
    chunk = torch.arange(24).reshape(8, 3)[3:, 1]  # 10, 13, ... 22: not contiguous
    cases = [
        (whole, whole, 4),
        (torch.arange(12, 17), torch.randperm(17, generator=g), 5),
        (chunk, torch.randperm(23, generator=g)[:19], 7),
        (torch.arange(6), torch.arange(11), 1),
    ]
    for q, k, window in cases:
        before = q.clone(), k.clone()
        got = fn(q, k, window)
        assert q.equal(before[0]) and k.equal(before[1]), (
            "changed q or k in place; return a new tensor"
        )
        assert not (isinstance(got, Tensor) and got.is_floating_point()), (
            "gave numbers to add to scores; give True where a query may see a key, else False"
        )
        seen = [[may_see(i, j, window=window) for j in k.tolist()] for i in q.tolist()]
        compare(got, torch.tensor(seen), _window_slips(q, k, window))


def _window_slips(q: Tensor, k: Tensor, window: int) -> Slips:
    distance = q[:, None] - k[None, :]
    right = (distance >= 0) & (distance < window)
    column = torch.arange(len(q))[:, None] - torch.arange(len(k))
    from_the_end = column + len(k) - len(q)
    own = "the query's own key counts, so the window holds i - j from 0 to W - 1"
    return [
        (f"W + 1 keys: {own}", (distance >= 0) & (distance <= window)),
        (f"W - 1 keys: {own}", (distance >= 0) & (distance < window - 1)),
        (f"a query does not see itself: {own}", (distance > 0) & (distance < window)),
        ("the window was ignored: every earlier key is seen", distance >= 0),
        ("the future leaks: j >= i stands where j <= i belongs", distance <= 0),
        (
            "the future leaks: the window bounds one side only; ask for j <= i as well",
            distance < window,
        ),
        (
            "the future leaks: the window looks ahead as far as back; ask for j <= i as well",
            distance.abs() < window,
        ),
        ("True and False are swapped: True means that the query may see the key", ~right),
        *([("rows and columns are swapped: a row is a query", right.T)] * (len(q) == len(k))),
        (
            "took a token's place in the tensor for its position; use the numbers in q and k",
            (column >= 0) & (column < window),
        ),
        (
            "lined the queries up with the last keys; use the numbers in q and k",
            (from_the_end >= 0) & (from_the_end < window),
        ),
    ]


def check_layer_types(fn: Callable[[int, int], Any]) -> None:
    """`fn(num_layers, period)` lists an AttentionType a layer: every `period`-th is global.

    >>> check_layer_types(layer_pattern)
    """
    cases = [(26, 6), (34, 6), (18, 6), (7, 3), (4, 6), (9, 2)]
    answers = [_kinds(fn(n, period), n, period) for n, period in cases]
    wants = [layer_pattern(n, period) for n, period in cases]
    if answers == wants:
        return
    for sentence, rule in _PATTERN_SLIPS:
        slip = [tuple(_KIND[rule(i, n, period)] for i in range(n)) for n, period in cases]
        assert answers != slip, sentence
    for (n, period), answer, want in zip(cases, answers, wants, strict=True):
        for i in range(n):
            assert answer[i] is want[i], (
                f"layer {i} of {n} with period {period} is {answer[i].name}, expected"
                f" {want[i].name}"
            )


_KIND = {True: AttentionType.GLOBAL, False: AttentionType.LOCAL}
_PATTERN_SLIPS: list[tuple[str, Callable[[int, int, int], bool]]] = [
    (
        "layer 0 is global; Gemma 3 starts local: layer i is global if (i + 1) % period is 0",
        lambda i, n, period: i % period == 0,
    ),
    (
        "local and global are swapped: one layer in `period` is global, the others are local",
        lambda i, n, period: (i + 1) % period != 0,
    ),
    (
        "`period` local layers before each global one; the period counts the global layer too",
        lambda i, n, period: (i + 1) % (period + 1) == 0,
    ),
    (
        "counted from 1 as if it were 0: the first global layer comes one too early",
        lambda i, n, period: (i + 2) % period == 0,
    ),
    (
        "the period is one short: with period 6, five local layers stand before a global one",
        lambda i, n, period: (i + 1) % max(period - 1, 1) == 0,
    ),
    (
        "counted from the last layer; count from the first, even if the last ones are local",
        lambda i, n, period: (n - 1 - i) % period == 0,
    ),
    (
        "the last layer was made global; a depth that is no multiple of period ends locally",
        lambda i, n, period: (i + 1) % period == 0 or i == n - 1,
    ),
    ("no layer is global", lambda i, n, period: False),
]


def _kinds(answer: Any, n: int, period: int) -> tuple[AttentionType, ...]:
    assert isinstance(answer, list | tuple), f"expected a list, got {type(answer).__name__}"
    for kind in answer:
        assert isinstance(kind, AttentionType), (
            f"expected AttentionType.LOCAL or .GLOBAL, got {kind!r}"
        )
    whole = n // period * period
    assert not (len(answer) == whole < n), (
        f"{whole} layers for a depth of {n}: the local layers after the last global one are missing"
    )
    assert len(answer) == n, f"{len(answer)} layers for a depth of {n}"
    return tuple(answer)


def check_ring_mask(fn: Callable[[int, int, int], Any]) -> None:
    """`fn(length, slots, window)` is Bool[S]: which slots of a ring the newest token may see.

    `length` tokens were written one by one, position p into slot p mod `slots`, the newest, at
    position `length` - 1, among them; a slot not yet written may not be seen.

    >>> check_ring_mask(lambda length, slots, window: torch.ones(slots, dtype=torch.bool))
    Traceback (most recent call last):
    AssertionError: every slot is seen; ask which position each one holds
    """
    for slots, window in [(7, 4), (5, 5), (8, 7)]:
        lengths = range(1, 3 * slots + 2)
        rows = [fn(length, slots, window) for length in lengths]
        for row in rows:
            assert isinstance(row, Tensor), f"expected a tensor, got {type(row).__name__}"
            assert row.shape == (slots,), f"shape {tuple(row.shape)}, expected {(slots,)}"
            assert row.dtype == torch.bool, f"dtype {row.dtype}, expected torch.bool"
        held = [[-1 if p is None else p for p in ring(length, slots)] for length in lengths]
        want = [
            [may_see(length - 1, p, window=window) for p in row]
            for length, row in zip(lengths, held, strict=True)
        ]
        newest = torch.tensor(lengths)[:, None] - 1
        slips = _ring_slips(newest, torch.tensor(held), slots, window)
        compare(torch.stack(rows), torch.tensor(want), slips)


def _ring_slips(newest: Tensor, held: Tensor, slots: int, window: int) -> Slips:
    slot, written = torch.arange(slots), held >= 0
    as_position = newest - slot
    taken = (
        "took a slot's number for the position it holds; after the first round they differ:"
        " slot s holds the last p written with p % slots == s"
    )
    own = "the newest token's own key counts among the W"
    back = newest - held
    right = written & (back < window)
    around = (newest - slot) % slots
    return [
        (taken, (as_position >= 0) & (as_position < window)),
        ("an empty slot is seen while the ring is not full yet", around < window),
        ("an empty slot was taken for position -1; padding is seen by nothing", back < window),
        (f"W + 1 keys: {own}", written & (back <= window)),
        (f"W - 1 keys: {own}", written & (back < window - 1)),
        ("the window was ignored: a ring may have more slots than W", written),
        ("every slot is seen; ask which position each one holds", torch.ones_like(written)),
        (
            "True and False are swapped: True means that it may be seen",
            ~right,
        ),
    ]
