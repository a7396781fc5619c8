"""The checks on the ring accept what is right, however written, and tell each slip by its name."""

import re

import pytest
import torch
from torch import Tensor

from gemma3_edu.lessons.checks.cache import check_can_rewind, check_store_columns
from gemma3_edu.model import cache as package
from gemma3_edu.naive.cache import ListCache, ring

# check_store_columns


def by_package(store: Tensor, new: Tensor, length: int) -> Tensor:
    return package._extend(store, new, length)


def by_loop(store: Tensor, new: Tensor, length: int) -> Tensor:
    seen = torch.cat([store[: min(length, len(store))], new])
    for column in range(length, length + len(new)):
        store[column % len(store)] = new[column - length]
    return seen


def by_list(store: Tensor, new: Tensor, length: int) -> Tensor:
    """The oracle's list of columns, oldest first; its last ones, placed where the ring has them."""
    slots, kept = len(store), ListCache()
    for column in range(max(0, length - slots), length):
        kept.append(store[column % slots][None, None], store[:1][None])
    for row in new:
        kept.append(row[None, None], row[None, None])
    seen = kept.stacked()[0][0, 0].clone()
    for column, row in enumerate(seen.flip(0)[:slots]):
        store[(length + len(new) - 1 - column) % slots] = row
    return seen


def by_only_what_is_needed(store: Tensor, new: Tensor, length: int) -> Tensor:
    """Newest first, and without the oldest column of a full ring, which no query sees."""
    slots = len(store)
    old = [store[c % slots].clone() for c in range(max(0, length - slots + 1), length)]
    places = torch.arange(length, length + len(new))[-slots:] % slots
    store[places] = new[-slots:]
    return torch.stack([*old, *new]).flip(0)


@pytest.mark.parametrize("answer", [by_package, by_loop, by_list, by_only_what_is_needed])
def test_right_ways_to_store(answer):
    check_store_columns(answer)


def written_first(store: Tensor, new: Tensor, length: int) -> Tensor:
    by_loop(store, new, length)
    return store[: min(length + len(new), len(store))].clone()


def nothing_stored(store: Tensor, new: Tensor, length: int) -> Tensor:
    return by_loop(store.clone(), new, length)


def from_slot_0(store: Tensor, new: Tensor, length: int) -> Tensor:
    seen = by_loop(store.clone(), new, length)
    kept = new[-len(store) :]
    store[: len(kept)] = kept
    return seen


def first_ones_kept(store: Tensor, new: Tensor, length: int) -> Tensor:
    seen = by_loop(store.clone(), new, length)
    for place, row in enumerate(new[: len(store)]):
        store[(length + place) % len(store)] = row
    return seen


def oldest_first(store: Tensor, new: Tensor, length: int) -> Tensor:
    seen = by_loop(store.clone(), new, length)
    kept = seen[torch.argsort(seen[:, 0])][-len(store) :]
    store[: len(kept)] = kept
    return seen


def all_slots(store: Tensor, new: Tensor, length: int) -> Tensor:
    seen = torch.cat([store, new])
    by_loop(store, new, length)
    return seen


def chunk_alone(store: Tensor, new: Tensor, length: int) -> Tensor:
    by_loop(store, new, length)
    return new.clone()


def ring_alone(store: Tensor, new: Tensor, length: int) -> Tensor:
    seen = store[: min(length, len(store))].clone()
    by_loop(store, new, length)
    return seen


def counted_twice(store: Tensor, new: Tensor, length: int) -> Tensor:
    seen = by_loop(store, new, length)
    return torch.cat([seen, new[-1:]])


def of_another_text(store: Tensor, new: Tensor, length: int) -> Tensor:
    return by_loop(store, new, length) + 100.0


def in_place(store: Tensor, new: Tensor, length: int) -> Tensor:
    seen = by_loop(store, new, length)
    new += 1
    return seen


def lost_from_round_three(store: Tensor, new: Tensor, length: int) -> Tensor:
    """Right until slot 0 is written for the third time, which it then is not."""
    seen, before = by_loop(store.clone(), new, length), store.clone()
    by_loop(store, new, length)
    if length + len(new) > 3 * len(store):
        store[0] = before[0]
    return seen


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "column 0 is gone before the chunk's first query has read it; read the ring first,"
            " then write (ring of 5, 4 columns stored, 3 new)",
            written_first,
        ),
        ("nothing was stored; write into `store` itself, in place", nothing_stored),
        ("the chunk begins in slot 0; column c belongs in slot c mod slots", from_slot_0),
        (
            "the chunk's first columns were kept; the last ones are those that later tokens need",
            first_ones_kept,
        ),
        (
            "the last columns lie in order, oldest first; column c belongs in slot c mod slots",
            oldest_first,
        ),
        (
            "slots that were never written came back; only 0 columns are stored (ring of 5, 0"
            " columns stored, 3 new)",
            all_slots,
        ),
        (
            "only the chunk came back; its first query needs 4 older columns (ring of 5, 3 columns"
            " stored, 1 new)",
            chunk_alone,
        ),
        (
            "column 0 of the chunk did not come back; its queries see each other (ring of 5, 0"
            " columns stored, 3 new)",
            ring_alone,
        ),
        (
            "column 2 came back twice; it would count double (ring of 5, 0 columns stored, 3 new)",
            counted_twice,
        ),
        (
            "what came back holds rows that are no column of the ring or the chunk (ring of 5, 0"
            " columns stored, 3 new)",
            of_another_text,
        ),
        (
            "changed `new` in place; write into `store` alone (ring of 5, 0 columns stored, 3 new)",
            in_place,
        ),
        ("expected a tensor, got list", lambda store, new, n: by_loop(store, new, n).tolist()),
        (
            "shape (9,), expected (S, 3) (ring of 5, 0 columns stored, 3 new)",
            lambda store, new, n: by_loop(store, new, n).flatten(),
        ),
        # no slip of its own
        ("1 of 5 values differ, first at (0,): got 5, expected 20", lost_from_round_three),
    ],
)
def test_wrong_ways_to_store(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_store_columns(answer)


# check_can_rewind


def by_oldest(length: int, slots: int, window: int, back: int) -> bool:
    return max(0, length - slots) <= max(0, length - back - window + 1)


def by_slack(length: int, slots: int, window: int, back: int) -> bool:
    return length <= slots or back <= slots - window + 1


def by_looking(length: int, slots: int, window: int, back: int) -> bool:
    held = ring(length, slots)
    needed = range(max(0, length - back - window + 1), length - back)
    return all(held[column % slots] == column for column in needed)


@pytest.mark.parametrize("answer", [by_oldest, by_slack, by_looking])
def test_right_rewinds(answer):
    check_can_rewind(answer)


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
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
            "refused whenever the ring has gone round; with spare slots, and always for one"
            " column, it can still go back",
            lambda n, s, w, back: n <= s,
        ),
        (
            "refused in the first round; nothing was overwritten yet",
            lambda n, s, w, back: back <= s - w + 1,
        ),
        (
            "one column too strict: the next query brings its own column and needs window - 1"
            " others",
            lambda n, s, w, back: n <= s or back <= s - w,
        ),
        (
            "one column too generous: the oldest key of the next query's window is gone",
            lambda n, s, w, back: n <= s or back <= s - w + 2,
        ),
        (
            "asked whether the ring has gone round after going back; what it overwrote before is"
            " lost",
            lambda n, s, w, back: n - back <= s,
        ),
        ("True and False are swapped", lambda *case: not by_slack(*case)),
        ("expected True or False, got None", lambda *case: None),
        # no slip of its own
        (
            "1 of 554 values differ, first at (44,): got 1, expected 0",
            lambda *case: by_slack(*case) or case == (9, 5, 5, 8),
        ),
    ],
)
def test_wrong_rewinds(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_can_rewind(answer)


@pytest.mark.parametrize("check", [check_store_columns, check_can_rewind])
def test_a_stub_is_let_through(check):
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
