"""The checks on the cache accept what is right, however written; mistakes: test_checks."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gemma3_edu.lessons.checks.cache import (
    check_can_rewind,
    check_ring,
    check_store_columns,
)
from gemma3_edu.lessons.checks.cache_budget import check_longest_context
from gemma3_edu.model import cache as package
from gemma3_edu.model.config import AttentionType, TextConfig
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.naive.cache import ListCache, ring
from gemma3_edu.naive.cost import cache_bytes as count_bytes
from gemma3_edu.study.cost import cache_bytes
from tests.lessons.checks.messages import message

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


def by_mask(store: Tensor, new: Tensor, length: int) -> Tensor:
    """Marks slots, with one number for a place named twice, and writes each slot once."""
    seen = torch.cat([store[: min(length, len(store))], new])
    last, marked = torch.arange(length, length + len(new)), torch.zeros(len(store), dtype=bool)
    marked[last % len(store)] = True
    order = last[-len(store) :]
    slots = marked.nonzero().flatten()
    store[slots] = new[order[(order % len(store)).argsort()] - length]
    return seen


@pytest.mark.parametrize("answer", [by_package, by_loop, by_list, by_only_what_is_needed, by_mask])
def test_right_ways_to_store(answer):
    check_store_columns(answer)


def all_at_once(write: Callable[[Tensor, Tensor, Tensor], object]) -> Callable[..., Tensor]:
    """Right if the last row for a slot stays, which PyTorch does not promise."""

    def fn(store: Tensor, new: Tensor, length: int) -> Tensor:
        seen = torch.cat([store[: min(length, len(store))], new])
        write(store, torch.arange(length, length + len(new)) % len(store), new)
        return seen

    return fn


@pytest.mark.parametrize(
    "write",
    [
        lambda store, places, new: store.__setitem__(places, new),
        lambda store, places, new: store.__setitem__(places.tolist(), new),
        lambda store, places, new: store.index_copy_(0, places, new),
        lambda store, places, new: store.copy_(store.index_copy(0, places, new)),
        lambda store, places, new: store.scatter_(0, places[:, None].expand_as(new), new),
    ],
)
def test_a_slot_named_twice_in_one_write_is_refused(write):
    words = message(check_ring, all_at_once(write))
    assert words.startswith("one write named a slot twice")
    assert words.endswith("(ring of 5, 9 tokens stored, 12 new)")


def right_when_small(store: Tensor, new: Tensor, length: int) -> Tensor:
    """Right for the small cases; a chunk of more than 20 rows is written before it is read."""
    seen = by_loop(store, new, length)
    return seen if len(new) <= 20 or length == 0 else seen.nan_to_num()[-len(store) :]


def test_a_ring_ends_in_nano():
    check_ring(by_loop)
    words = message(check_ring, right_when_small)
    assert words.startswith("right on small cases, but nano gives other logits from token 50 on")
    assert words.endswith("(a text of 150 tokens, in chunks of 50, 50, 50)")


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


# check_longest_context


def by_division(text: TextConfig, budget: int, batch_size: int, each: int) -> int:
    token = 2 * text.num_key_value_heads * text.head_dim * batch_size * each
    if (everywhere := budget // (text.num_hidden_layers * token)) < text.sliding_window:
        return everywhere
    growing = text.layer_types.count(AttentionType.GLOBAL)
    rings = (text.num_hidden_layers - growing) * text.sliding_window * token
    return (budget - rings) // (growing * token)


def by_bisection(text: TextConfig, budget: int, batch_size: int, each: int) -> int:
    low, high = 0, 10_000_000
    while low < high:
        middle = (low + high + 1) // 2
        fits = cache_bytes(text, middle, batch_size, each) <= budget
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def by_counting(text: TextConfig, budget: int, batch_size: int, each: int) -> int:
    """The oracle, token by token, near the answer; far from it in large steps."""
    tokens = 0
    for step in (100_000, 1_000, 10, 1):
        while count_bytes(text, tokens + step, batch_size, each) <= budget:
            tokens += step
    return tokens


@pytest.mark.parametrize("answer", [by_division, by_bisection])
def test_right_longest_contexts(answer):
    check_longest_context(answer)


def test_the_oracle_agrees_on_small_budgets():
    tiny = PRESETS["tiny-text"].text
    for budget in (0, 1_119, 1_120, 5_600, 5_601, 9_999):
        assert by_counting(tiny, budget, 1, 4) == by_division(tiny, budget, 1, 4)


# answers that no mistake explains


def of_another_text(store: Tensor, new: Tensor, length: int) -> Tensor:
    return by_loop(store, new, length) + 100.0


def in_place(store: Tensor, new: Tensor, length: int) -> Tensor:
    seen = by_loop(store, new, length)
    new += 1
    return seen


def whole_store(store: Tensor, new: Tensor, length: int) -> Tensor:
    by_loop(store, new, length)
    return store


def without_the_last(store: Tensor, new: Tensor, length: int) -> Tensor:
    """Where the ring is not full, its newest row is missing."""
    stored, full = min(length, len(store)), length >= len(store)
    kept = stored if full or len(new) == 1 else max(0, stored - 1)
    seen = torch.cat([store[:kept], new])
    by_loop(store, new, length)
    return seen


def window_by_window(store: Tensor, new: Tensor, length: int) -> Tensor:
    seen = by_loop(store, new, length)
    return torch.cat([seen, seen[-1:]] if len(new) > 1 else [seen])


def two_slots_late(store: Tensor, new: Tensor, length: int) -> Tensor:
    seen = by_loop(store.clone(), new, length)
    by_loop(store, new, length + 2)
    return seen


def test_answers_that_no_mistake_explains():
    case = " (ring of 5, 0 tokens stored, 3 new"
    words = "what came back holds rows that are no token of the ring or the chunk" + case
    assert message(check_store_columns, of_another_text).startswith(words)
    words = "slots that were never written came back; take those that are stored" + case
    assert message(check_store_columns, whole_store).startswith(words)
    assert message(check_store_columns, in_place).startswith("changed new in place")
    words = "token 3 did not come back, but query 4 needs it (ring of 5, 4 tokens stored, 3 new"
    assert message(check_store_columns, without_the_last).startswith(words)
    words = "a token came back twice; it would count double (ring of 5, 0 tokens stored, 3 new"
    assert message(check_store_columns, window_by_window).startswith(words)
    words = "after the chunk slot 0 holds nothing, and should hold token 0" + case
    assert message(check_store_columns, two_slots_late).startswith(words)
    words = message(check_longest_context, lambda *case: by_division(*case) + 7)
    assert words.startswith("got 19096, expected 19089 (27B, budget = 2000000000, batch_size = 1, ")
