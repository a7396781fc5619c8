"""The check of the exercise on slots that are written in turn.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 3", check_ring_mask, lambda length, slots, w: torch.arange(slots) < length)
Exercise 3: the window was ignored: there may be more slots than W
    (length = 5, slots = 7, window = 4: got [True, True, True, True, True, False, False], expected
    [False, True, True, True, True, False, False])
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...naive.cache import ring
from ...naive.masks import may_see
from .grading import Check


def _ring_mask(rule: Callable[[Tensor, Tensor, int], Tensor]) -> Callable[..., Tensor]:
    """A mask of the position in each slot, -1 if there is none, of the newest one's, and of W."""

    def fn(length: int, slots: int, window: int) -> Tensor:
        held = [-1 if p is None else p for p in ring(length, slots)]
        return rule(torch.tensor(held), torch.tensor(length - 1), window)

    return fn


def _first_rounds(rounds: int) -> Callable[..., Tensor]:
    """What each slot holds after so many times round, and no more."""

    def fn(length: int, slots: int, window: int) -> Tensor:
        held = torch.arange(slots)
        for _ in range(rounds):
            held = torch.where(held + slots < length, held + slots, held)
        return (held < length) & (length - 1 - held < window)

    return fn


def _ages(newest: int) -> list[Callable[..., Tensor]]:
    """Masks that take `newest` for the newest token's distance from itself."""

    def age(length: int, slots: int) -> Tensor:
        return (length - 1 + newest - torch.arange(slots)) % slots

    return [
        lambda length, slots, w: (age(length, slots) < w) & (age(length, slots) < length + newest),
        lambda length, slots, w: age(length, slots) < min(w, length),
        lambda length, slots, w: (age(length, slots) < w) & (torch.arange(slots) < length),
    ]


def _with(slots: int | None = None, window: int | None = None) -> Callable[..., Tensor]:
    """The right mask but for these numbers in place of the arguments."""

    def fn(length: int, S: int, w: int) -> Tensor:
        back = (length - 1 - torch.arange(S)) % (slots or S)
        return (back < (window or w)) & (back < length)

    return fn


def _in_order(length: int, slots: int, window: int) -> Tensor:
    """The mask that takes a slot's number for the position that it holds."""
    back = length - 1 - torch.arange(slots)
    return (back >= 0) & (back < window)


def _between(oldest: Callable[[int, int], int]) -> Callable[..., Tensor]:
    """The slots from that of this position to the newest key's; none, if that one comes first."""

    def fn(length: int, slots: int, window: int) -> Tensor:
        slot = torch.arange(slots)
        return (slot >= oldest(length, window) % slots) & (slot <= (length - 1) % slots)

    return fn


def _explain_ring(got: Any, want: Tensor, length: int, slots: int, _: int) -> str | None:
    """The lengths are in order, so that the first wrong one tells how far it was right."""
    alike = isinstance(got, Tensor) and got.shape == want.shape and got.dtype == want.dtype
    return _ROUNDS if alike and length >= 2 * slots else None


_ROUNDS = "right until the slots have been overwritten a few times; a text may have any length"
_ABOUT = "entry s must be about slot s, whichever key it holds"
_TAKEN = "the newest token's own key counts among the W"
_right_ring_mask = _ring_mask(lambda held, newest, w: (held >= 0) & (newest - held < w))

check_ring_mask = Check(
    """`fn(length, slots, window)` is Bool[S]: which of S slots the newest token may see.

    `length` tokens were written one by one, position p into slot p mod `slots`, the newest, at
    position `length` - 1, among them; a slot not yet written may not be seen.
    """,
    "length slots window",
    lambda length, slots, window: torch.tensor(
        [may_see(length - 1, -1 if p is None else p, window=window) for p in ring(length, slots)]
    ),
    lambda: [
        (length, slots, window)
        for slots, window in [(7, 4), (5, 5), (8, 7)]
        for length in (*range(1, 3 * slots + 2), 1_000)
    ],
    {
        "right for short texts, as the colleague's; find the first length at which it fails": (
            _in_order
        ),
        "yours sees the last W slots once all are filled, but the newest keys move round": (
            lambda length, slots, w: _in_order(min(length, slots), slots, w)
        ),
        "yours is wrong where length is a multiple of slots: length % slots is 0 there": (
            lambda length, slots, w: _in_order(length % slots, slots, w)
        ),
        "7 and 4 are only the colleague's numbers; use slots and window": [
            _with(slots=7),
            _with(window=4),
            _with(slots=7, window=4),
        ],
        _ROUNDS: [
            _first_rounds(1),
            _first_rounds(2),
            _first_rounds(3),
        ],
        "once all slots are filled every one is seen, and there may be more of them than W": [
            lambda length, slots, w: _in_order(length, slots, w) | (length > slots),
            lambda length, slots, w: _in_order(length, slots, w) | (length >= slots),
        ],
        f"yours sees the first slots, as if the newest key were always in slot 0; {_ABOUT}": (
            lambda length, slots, w: torch.arange(slots) < min(w, length)
        ),
        f"yours sees the last slots, as if the newest key were always in the last one; {_ABOUT}": (
            lambda length, slots, w: torch.arange(slots) >= slots - min(w, length)
        ),
        "where the window goes round the end of the slots, its first slot comes after its last;"
        " no number is both at least the one and at most the other": [
            _between(lambda length, w: max(0, length - w)),
            _between(lambda length, w: length - w),
        ],
        "yours sees only slots up to the newest key's; earlier keys may be in later slots": (
            lambda length, slots, w: _in_order((length - 1) % slots + 1, slots, w)
        ),
        "distances are wrong by one: the newest token is at position length - 1, 0 from itself": [
            *_ages(1),
            *_ages(-1),
        ],
        "an empty slot is seen while not all slots are filled": _ring_mask(
            lambda held, newest, w: (newest - torch.arange(len(held))) % len(held) < w
        ),
        "an empty slot was taken for position -1; padding is seen by nothing": _ring_mask(
            lambda held, newest, w: newest - held < w
        ),
        f"W + 1 keys: {_TAKEN}": _ring_mask(
            lambda held, newest, w: (held >= 0) & (newest - held <= w)
        ),
        f"W - 1 keys: {_TAKEN}": _ring_mask(
            lambda held, newest, w: (held >= 0) & (newest - held < w - 1)
        ),
        "the window was ignored: there may be more slots than W": _ring_mask(
            lambda held, newest, w: held >= 0
        ),
        "every slot is seen; ask which position each one holds": _ring_mask(
            lambda held, newest, w: torch.ones_like(held).bool()
        ),
        "with as many slots as W every one is seen once all are filled, and empty ones never": (
            lambda length, slots, w: _right_ring_mask(length, slots, w) | (slots == w)
        ),
        "True and False are swapped: True means that it may be seen": (
            lambda *case: ~_right_ring_mask(*case)
        ),
    },
    explain=_explain_ring,
)
