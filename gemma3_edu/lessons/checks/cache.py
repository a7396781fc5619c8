"""Checks of the exercises on the ring: storing a chunk, going back.

>>> check_can_rewind(lambda length, slots, window, back: True)
Traceback (most recent call last):
AssertionError: always yes; once the ring has gone round, old columns are overwritten for good
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...naive.cache import ring
from .compare import compare

Slips = Sequence[tuple[str, Tensor]]

_H = 3


def check_store_columns(fn: Callable[[Tensor, Tensor, int], Any]) -> None:
    """`fn(store, new, length)` writes T new columns into a ring; gives all its queries may need.

    `store` is Float[slots H], `new` Float[T H]. Columns 0 to `length` - 1 were stored before,
    column c in slot c mod slots; slots not yet written hold NaN. Afterwards the store, changed in
    place, holds the last ones of `length` + T columns by the same rule. What comes back,
    Float[S H], has each column once, in any order: the new ones, and the slots - 1 before each.
    """
    for slots, length, added in [
        (5, 0, 3),
        (5, 3, 1),
        (5, 4, 3),
        (5, 8, 1),
        (5, 8, 3),
        (7, 12, 5),
        (5, 7, 5),
        (5, 9, 12),
        (4, 0, 9),
    ]:
        store = _rows(ring(length, slots))
        new = _rows(range(length, length + added))
        given = new.clone()
        back = fn(store, new, length)
        case = f"(ring of {slots}, {length} columns stored, {added} new)"
        assert new.equal(given), f"changed `new` in place; write into `store` alone {case}"
        assert isinstance(back, Tensor), f"expected a tensor, got {type(back).__name__}"
        assert back.dim() == 2 and back.shape[1] == _H, (
            f"shape {tuple(back.shape)}, expected (S, {_H}) {case}"
        )
        _judge_seen(back, slots, length, added, case)
        _judge_store(store, slots, length, added)


def _rows(columns: Sequence[int | None]) -> Tensor:
    """Column c as numbers that tell it: c, c + 1/4, c + 1/2."""
    told = torch.tensor([float("nan") if c is None else float(c) for c in columns])
    return told[:, None] + torch.arange(_H) / 4


def _judge_seen(back: Tensor, slots: int, length: int, added: int, case: str) -> None:
    assert not back.isnan().any(), (
        f"slots that were never written came back; only {length} columns are stored {case}"
    )
    seen = back[:, 0].round().long().tolist()
    known = back.equal(_rows(seen)) and all(0 <= c < length + added for c in seen)
    assert known, f"what came back holds rows that are no column of the ring or the chunk {case}"
    twice = sorted({c for c in seen if seen.count(c) > 1})
    assert not twice, f"column {twice[0]} came back twice; it would count double {case}"
    chunk = range(length, length + added)
    missing = sorted(set(chunk) - set(seen))
    assert not missing, (
        f"column {missing[0]} of the chunk did not come back; its queries see each other {case}"
    )
    old = set(range(max(0, length - slots + 1), length))
    assert not old or old & set(seen), (
        f"only the chunk came back; its first query needs {slots - 1} older columns {case}"
    )
    missing = sorted(old - set(seen))
    assert not missing, (
        f"column {missing[0]} is gone before the chunk's first query has read it; read the ring"
        f" first, then write {case}"
    )


def _judge_store(store: Tensor, slots: int, length: int, added: int) -> None:
    got = store[:, 0].nan_to_num(-1.0).round().long()
    chunk = list(range(length, length + added))
    before, after = ring(length, slots), ring(length + added, slots)

    def written(columns: Sequence[int], start: int) -> list[int | None]:
        held = list(before)
        for place, column in enumerate(columns):
            held[(start + place) % slots] = column
        return held

    in_order = sorted(c for c in after if c is not None)
    wrong: list[tuple[str, list[int | None]]] = [
        ("nothing was stored; write into `store` itself, in place", before),
        (
            "the chunk begins in slot 0; column c belongs in slot c mod slots",
            written(chunk[-slots:], 0),
        ),
        (
            "the chunk's first columns were kept; the last ones are those that later tokens need",
            written(chunk[:slots], length),
        ),
        (
            "the last columns lie in order, oldest first; column c belongs in slot c mod slots",
            [*in_order, *[None] * (slots - len(in_order))],
        ),
    ]
    slips = [(sentence, _numbers(held)) for sentence, held in wrong if held != after]
    compare(got, _numbers(after), slips)


def _numbers(held: Sequence[int | None]) -> Tensor:
    return torch.tensor([-1 if column is None else column for column in held])


def check_can_rewind(fn: Callable[[int, int, int, int], Any]) -> None:
    """`fn(length, slots, window, back)`: may a ring forget its last `back` columns and go on?

    `length` columns were written one by one, column c into slot c mod `slots`; `slots` is `window`
    or more, `window` is 2 or more, `back` less than `length`. True where the next query, at column
    `length` - `back`, finds the `window` - 1 columns before it, or all that there ever were.
    """
    cases = [
        (length, slots, window, back)
        for slots, window in [(5, 5), (7, 4), (8, 7), (6, 2)]
        for length in range(1, 2 * slots + 4)
        for back in range(length)
    ]
    answers = [fn(*case) for case in cases]
    for answer in answers:
        assert isinstance(answer, bool), f"expected True or False, got {answer!r}"
    slips = [(told, torch.tensor([rule(*case) for case in cases])) for told, rule in _REWIND_SLIPS]
    compare(torch.tensor(answers), torch.tensor([_can_rewind(*c) for c in cases]), slips)


def _can_rewind(length: int, slots: int, window: int, back: int) -> bool:
    following = length - back
    needed = range(max(0, following - window + 1), following)
    return set(needed) <= set(ring(length, slots))


_REWIND_SLIPS: list[tuple[str, Callable[[int, int, int, int], bool]]] = [
    (
        "always yes; once the ring has gone round, old columns are overwritten for good",
        lambda n, s, w, back: True,
    ),
    (
        "the column gone back to lies in the ring, but its own window may not: ask for the"
        " window - 1 columns before it",
        lambda n, s, w, back: n <= s or back < s,
    ),
    (
        "refused whenever the ring has gone round; with spare slots, and always for one column,"
        " it can still go back",
        lambda n, s, w, back: n <= s,
    ),
    (
        "refused in the first round; nothing was overwritten yet",
        lambda n, s, w, back: back <= s - w + 1,
    ),
    (
        "one column too strict: the next query brings its own column and needs window - 1 others",
        lambda n, s, w, back: n <= s or back <= s - w,
    ),
    (
        "one column too generous: the oldest key of the next query's window is gone",
        lambda n, s, w, back: n <= s or back <= s - w + 2,
    ),
    (
        "asked whether the ring has gone round after going back; what it overwrote before is lost",
        lambda n, s, w, back: n - back <= s,
    ),
    ("True and False are swapped", lambda n, s, w, back: n > s and back > s - w + 1),
]
