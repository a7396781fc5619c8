"""The checks on who sees what accept what is right, however written; mistakes: test_checks."""

from itertools import cycle, islice

import pytest
import torch
from torch import Tensor

from gemma3_edu import naive
from gemma3_edu.lessons.checks.masks import (
    check_layer_types,
    check_mask,
    check_small_masks,
)
from gemma3_edu.lessons.checks.ring import check_ring_mask
from gemma3_edu.model.config import AttentionType, layer_pattern
from gemma3_edu.model.layout import TokenLayout
from gemma3_edu.model.masks import attention_mask
from gemma3_edu.naive.masks import may_see
from tests.lessons.checks.messages import message

LOCAL, GLOBAL = AttentionType.LOCAL, AttentionType.GLOBAL


def layout(position: Tensor) -> TokenLayout:
    return TokenLayout(position[None], torch.zeros_like(position)[None])


# check_mask: small cases, then nano


def by_package(q: Tensor, k: Tensor, window: int | None) -> Tensor:
    return attention_mask(layout(q), layout(k), window)[0]


def by_loops(q: Tensor, k: Tensor, window: int | None) -> Tensor:
    return naive.masks.attention_mask(layout(q), layout(k), window)[0]


def by_sets(q: Tensor, k: Tensor, window: int | None) -> Tensor:
    """A row for each query, made of the positions that it may see."""
    rows = []
    for i in q.tolist():
        first = 0 if window is None else max(0, i - window + 1)
        rows.append(torch.isin(k, torch.arange(first, i + 1) if i >= 0 else torch.empty(0)))
    return torch.stack(rows)


def by_band(q: Tensor, k: Tensor, window: int | None) -> Tensor:
    """A band cut with tril and triu, from which the rows and columns asked for are picked.

    Position -1 picks the last row or column, which is left empty.
    """
    size = int(torch.cat([q, k]).max()) + 2
    band = torch.ones(size, size).tril().triu(1 - (window or size)).bool()
    band[-1] = False
    band[:, -1] = False
    return band[q][:, k]


@pytest.mark.parametrize("answer", [by_package, by_loops, by_sets, by_band])
def test_right_masks(answer):
    check_mask(answer)


def test_a_mask_of_small_cases_only_does_not_pass_in_nano():
    def small_only(q: Tensor, k: Tensor, window: int | None) -> Tensor:
        return by_package(q, k, window if len(q) < 64 else None)

    check_small_masks(small_only)
    said = message(check_mask, small_only)
    assert said.startswith("right in the small cases, but nano, which read 150 tokens")


def test_a_long_mask_is_asked_for_once_for_each_kind_of_layer():
    asked = []

    def noted(q: Tensor, k: Tensor, window: int | None) -> Tensor:
        asked.append((len(q), window))
        return by_package(q, k, window)

    check_mask(noted)
    assert [window for length, window in asked if length == 150] == [64, None]


def test_a_wrong_mask_fails_before_nano_reads():
    assert message(check_mask, lambda q, k, w: by_package(q, k, w and w + 1)).startswith("W + 1")


# check_layer_types


def by_slices(num_layers: int, period: int) -> list[AttentionType]:
    types = [LOCAL] * num_layers
    types[period - 1 :: period] = [GLOBAL] * (num_layers // period)
    return types


def by_rounds(num_layers: int, period: int) -> list[AttentionType]:
    return list(islice(cycle([LOCAL] * (period - 1) + [GLOBAL]), num_layers))


def by_numbers(num_layers: int, period: int) -> list[AttentionType]:
    return [LOCAL if i % period else GLOBAL for i in range(1, num_layers + 1)]


@pytest.mark.parametrize("answer", [layer_pattern, by_slices, by_rounds, by_numbers])
def test_right_layer_types(answer):
    check_layer_types(answer)


# check_ring_mask: back counts from the newest token to what a slot holds


def ring_by_package(length: int, slots: int, window: int) -> Tensor:
    """An empty slot is padding to the package's mask."""
    held = torch.tensor([-1 if p is None else p for p in naive.cache.ring(length, slots)])
    return attention_mask(layout(torch.tensor([length - 1])), layout(held), window)[0, 0]


def ring_by_loops(length: int, slots: int, window: int) -> Tensor:
    held = [-1 if p is None else p for p in naive.cache.ring(length, slots)]
    return torch.tensor([may_see(length - 1, p, window=window) for p in held])


def ring_by_marking(length: int, slots: int, window: int) -> Tensor:
    mask = torch.zeros(slots, dtype=torch.bool)
    mask[torch.arange(max(0, length - window), length) % slots] = True
    return mask


def ring_by_formula(length: int, slots: int, window: int) -> Tensor:
    return (length - 1 - torch.arange(slots)) % slots < min(window, length)


@pytest.mark.parametrize(
    "answer", [ring_by_package, ring_by_loops, ring_by_marking, ring_by_formula]
)
def test_right_ring_masks(answer):
    check_ring_mask(answer)


def test_a_mask_that_goes_round_a_few_times_only_does_not_pass():
    def few_rounds(length: int, slots: int, window: int) -> Tensor:
        held = torch.arange(slots)
        for _ in range(3):
            held += slots * (held + slots < length)
        return (held < length) & (length - 1 - held < window)

    assert message(check_ring_mask, few_rounds).startswith("right until the slots")


def test_a_formula_for_the_first_wrap_only_is_named():
    def one_wrap(length: int, slots: int, window: int) -> Tensor:
        held = torch.arange(slots)
        if length > slots:
            held = held + slots * (held < length % slots)
        return (held < length) & (length - 1 - held < window)

    said = message(check_ring_mask, one_wrap)
    assert said.startswith("right until the slots have been overwritten")
    assert "(length = 14, " in said


def test_as_many_slots_as_the_window_can_still_be_empty():
    def full(length: int, slots: int, window: int) -> Tensor:
        if slots == window:
            return torch.ones(slots, dtype=torch.bool)
        return ring_by_package(length, slots, window)

    said = message(check_ring_mask, full)
    assert said.startswith("with as many slots as W every one is seen once all are filled")


def test_the_slots_in_order_get_the_length_that_fails_and_not_the_reason():
    def in_order(length: int, slots: int, window: int) -> Tensor:
        slot = torch.arange(slots)
        return (slot < length) & (slot > length - 1 - window)

    said = message(check_ring_mask, in_order)
    assert "(length = 8, slots = 7, window = 4: " in said
    assert "position" not in said


# answers that no mistake explains


def additive(q: Tensor, k: Tensor, window: int | None) -> Tensor:
    return torch.zeros(len(q), len(k)).masked_fill(~by_package(q, k, window), -torch.inf)


def test_answers_of_another_kind():
    numbers = (
        "gave numbers to add to scores; give True where a query may see a key, else False (q = "
    )
    assert message(check_mask, additive).startswith(numbers)
    letters = message(check_layer_types, lambda n, period: ["L"] * n)
    assert letters.startswith("gave strings; give the members AttentionType.LOCAL and")


# answers that passed once, and answers whose sentence once said too little


def test_a_number_in_place_of_none_does_not_pass():
    for instead in (lambda k: len(k), lambda k: int(k.max()) + 1, lambda k: 200, lambda k: 1_000):
        said = message(
            check_mask, lambda q, k, w, n=instead: by_package(q, k, n(k) if w is None else w)
        )
        assert said.startswith("None is no window at all")


def test_a_window_wider_than_the_keys_is_a_window():
    said = message(check_mask, lambda q, k, w: by_package(q, k, None if w and w > len(k) else w))
    assert "(q = [3000], k = [0, 1, 2, 3, 4], window = 10: got [[True, True" in said


def test_a_band_over_places_gets_the_numbers_of_its_first_wrong_case():
    def band(q: Tensor, k: Tensor, window: int | None) -> Tensor:
        shift = len(k) - len(q)
        ones = torch.ones(len(q), len(k), dtype=torch.bool)
        return ones.tril(shift) if window is None else ones.tril(shift).triu(shift - window + 1)

    said = message(check_mask, band)
    assert said.startswith("lined the queries up with the last keys; use the numbers in q and k (q")
    assert "q = [8, 9, 10, 11], k = [" in said


def test_a_triangle_with_another_window_gets_the_sentence_on_places_too():
    def triangle(q: Tensor, k: Tensor, window: int | None) -> Tensor:
        ones = torch.ones(len(q), len(k), dtype=torch.bool).tril()
        return ones if window is None else ones.triu(-window)

    assert message(check_mask, triangle).startswith("took a token's place")


def test_a_chained_comparison_is_told_to_split():
    def chained(q: Tensor, k: Tensor, window: int | None) -> Tensor:
        return 0 <= q[:, None] - k[None, :] < (window or 10**6)  # type: ignore[return-value]

    assert "join the parts with &" in message(check_mask, chained)


def test_another_error_of_torch_comes_through():
    with pytest.raises(RuntimeError, match="must match the size"):
        check_mask(lambda q, k, w: q - k >= 0)


@pytest.mark.parametrize("padding", [True, False])
def test_or_0_in_place_of_none_is_named(padding):
    def or_0(q: Tensor, k: Tensor, window: int | None) -> Tensor:
        back = q[:, None] - k[None, :]
        return (back >= 0) & (back < (window or 0)) & ((k >= 0) | (not padding))

    assert message(check_mask, or_0).startswith("None is no window at all")


def test_queries_and_keys_exchanged_are_named():
    def exchanged(q: Tensor, k: Tensor, window: int | None) -> Tensor:
        back = k[:, None] - q[None, :]
        return (back >= 0) & (back < (window or 10**6))

    assert message(check_mask, exchanged).startswith("yours has a row for each key")


def test_every_argument_of_a_small_mask_is_spelled_out():
    for words, _ in check_small_masks.rounds[0].cases():
        assert "shape" not in words
        assert "k = [" in words


def test_forgotten_padding_is_shown_with_a_query_at_0():
    def forgetful(q: Tensor, k: Tensor, window: int | None) -> Tensor:
        back = q[:, None] - k[None, :]
        return (back >= 0) if window is None else (back >= 0) & (back < window)

    said = message(check_mask, forgetful)
    assert "(q = [0, 1], k = [-1, 0, 1], window = 3: got" in said


def test_the_first_slots_for_ever_are_named():
    said = message(check_ring_mask, lambda n, slots, w: torch.arange(slots) < min(w, n))
    assert said.startswith("yours sees the first slots, as if the newest key were always in slot 0")


def test_a_window_that_does_not_go_round_is_named():
    def between(length: int, slots: int, window: int) -> Tensor:
        first, last = max(0, length - window) % slots, (length - 1) % slots
        return torch.tensor([first <= slot <= last for slot in range(slots)])

    said = message(check_ring_mask, between)
    assert said.startswith("where the window goes round the end of the slots")
    assert "(length = 8, slots = 7, window = 4: " in said


@pytest.mark.parametrize("padding", [True, False])
def test_a_distance_turned_round_is_named(padding):
    def turned(q: Tensor, k: Tensor, window: int | None) -> Tensor:
        ahead = k[None, :] - q[:, None]
        mask = ahead >= 0 if window is None else (ahead >= 0) & (ahead < window)
        return mask & (k >= 0) if padding else mask

    assert message(check_mask, turned).startswith("yours takes k - q for the distance")


def test_a_period_of_1_is_asked_for():
    def all_local(num_layers: int, period: int) -> list[AttentionType]:
        return list(layer_pattern(num_layers, period)) if period > 1 else [LOCAL] * num_layers

    assert message(check_layer_types, all_local).startswith("with a period of 1 every layer")
