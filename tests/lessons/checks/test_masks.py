"""The checks on masks accept what is right, however written, and tell each slip by its sentence."""

import re
from collections.abc import Callable
from itertools import cycle, islice

import pytest
import torch
from torch import Tensor

from gemma3_edu import naive
from gemma3_edu.lessons.checks.masks import check_layer_types, check_ring_mask, check_window_mask
from gemma3_edu.model.config import AttentionType, layer_pattern
from gemma3_edu.model.layout import TokenLayout
from gemma3_edu.model.masks import attention_mask
from gemma3_edu.naive.masks import may_see

LOCAL, GLOBAL = AttentionType.LOCAL, AttentionType.GLOBAL


def layout(position: Tensor) -> TokenLayout:
    return TokenLayout(position[None], torch.zeros_like(position)[None])


# check_window_mask


def by_package(q: Tensor, k: Tensor, window: int) -> Tensor:
    return attention_mask(layout(q), layout(k), window)[0]


def by_loops(q: Tensor, k: Tensor, window: int) -> Tensor:
    return naive.masks.attention_mask(layout(q), layout(k), window)[0]


def by_sets(q: Tensor, k: Tensor, window: int) -> Tensor:
    return torch.stack([torch.isin(k, torch.arange(i - window + 1, i + 1)) for i in q.tolist()])


def by_band(q: Tensor, k: Tensor, window: int) -> Tensor:
    """A band cut with tril and triu, from which the rows and columns asked for are picked."""
    size = int(torch.cat([q, k]).max()) + 1
    return torch.ones(size, size).tril().triu(1 - window).bool()[q][:, k]


@pytest.mark.parametrize("answer", [by_package, by_loops, by_sets, by_band])
def test_right_window_masks(answer):
    check_window_mask(answer)


OWN = "the query's own key counts, so the window holds i - j from 0 to W - 1"
WINDOW_MUTANTS: list[tuple[str, Callable[[Tensor, Tensor, int], object]]] = [
    (f"W + 1 keys: {OWN}", lambda i, j, w: (j <= i) & (i - j <= w)),
    (f"W - 1 keys: {OWN}", lambda i, j, w: (j <= i) & (i - j < w - 1)),
    (f"a query does not see itself: {OWN}", lambda i, j, w: (j < i) & (i - j < w)),
    ("the window was ignored: every earlier key is seen", lambda i, j, w: j <= i),
    (
        "the future leaks: j >= i stands where j <= i belongs",
        lambda i, j, w: (j >= i) & (i - j < w),
    ),
    (
        "the future leaks: the window bounds one side only; ask for j <= i as well",
        lambda i, j, w: i - j < w,
    ),
    (
        "the future leaks: the window looks ahead as far as back; ask for j <= i as well",
        lambda i, j, w: (i - j).abs() < w,
    ),
    (
        "True and False are swapped: True means that the query may see the key",
        lambda i, j, w: (j > i) | (i - j >= w),
    ),
    (
        "gave numbers to add to scores; give True where a query may see a key, else False",
        lambda i, j, w: torch.zeros(len(i), j.shape[1]).masked_fill(j > i, -torch.inf),
    ),
    ("dtype torch.int64, expected torch.bool", lambda i, j, w: ((j <= i) & (i - j < w)).long()),
    ("expected a tensor, got list", lambda i, j, w: ((j <= i) & (i - j < w)).tolist()),
    # no slip of its own
    (
        "30 of 169 values differ, first at (4, 0): got 1, expected 0",
        lambda i, j, w: (j <= i) & (i - j < 2 * w),
    ),
]


@pytest.mark.parametrize(
    ("sentence", "rule"), WINDOW_MUTANTS, ids=[s[:40] for s, _ in WINDOW_MUTANTS]
)
def test_wrong_window_masks(sentence, rule):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_window_mask(lambda q, k, window: rule(q[:, None], k[None, :], window))


def places(q: Tensor, k: Tensor, window: int) -> Tensor:
    return by_package(torch.arange(len(q)), torch.arange(len(k)), window)


def at_the_end(q: Tensor, k: Tensor, window: int) -> Tensor:
    return by_package(torch.arange(len(q)) + len(k) - len(q), torch.arange(len(k)), window)


def transposed(q: Tensor, k: Tensor, window: int) -> Tensor:
    return by_package(q, k, window).T


def in_place(q: Tensor, k: Tensor, window: int) -> Tensor:
    mask = by_package(q, k, window)
    q -= window
    return mask


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "took a token's place in the tensor for its position; use the numbers in q and k",
            places,
        ),
        ("lined the queries up with the last keys; use the numbers in q and k", at_the_end),
        ("rows and columns are swapped: a row is a query", transposed),
        ("changed q or k in place; return a new tensor", in_place),
    ],
)
def test_window_masks_of_the_wrong_tokens(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_window_mask(answer)


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


def typed(rule: Callable[[int, int, int], object]) -> Callable[[int, int], list[AttentionType]]:
    return lambda n, period: [GLOBAL if rule(i, n, period) else LOCAL for i in range(n)]


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "layer 0 is global; Gemma 3 starts local: layer i is global if (i + 1) % period is 0",
            typed(lambda i, n, p: i % p == 0),
        ),
        (
            "local and global are swapped: one layer in `period` is global, the others are local",
            typed(lambda i, n, p: (i + 1) % p),
        ),
        (
            "`period` local layers before each global one; the period counts the global layer too",
            typed(lambda i, n, p: i % (p + 1) == p),
        ),
        (
            "counted from 1 as if it were 0: the first global layer comes one too early",
            typed(lambda i, n, p: (i + 2) % p == 0),
        ),
        (
            "the period is one short: with period 6, five local layers stand before a global one",
            typed(lambda i, n, p: (i + 1) % (p - 1) == 0),
        ),
        (
            "counted from the last layer; count from the first, even if the last ones are local",
            typed(lambda i, n, p: (n - 1 - i) % p == 0),
        ),
        (
            "the last layer was made global; a depth that is no multiple of period ends locally",
            typed(lambda i, n, p: i % p == p - 1 or i == n - 1),
        ),
        ("no layer is global", typed(lambda i, n, p: False)),
        (
            "24 layers for a depth of 26: the local layers after the last global one are missing",
            lambda n, p: ([LOCAL] * (p - 1) + [GLOBAL]) * (n // p),
        ),
        ("30 layers for a depth of 26", lambda n, p: by_rounds(n + 4, p)),
        ("expected AttentionType.LOCAL or .GLOBAL, got 'L'", lambda n, p: ["L"] * n),
        ("expected a list, got str", lambda n, p: "L" * n),
        # no slip of its own
        (
            "layer 10 of 26 with period 6 is GLOBAL, expected LOCAL",
            typed(lambda i, n, p: i % p == p - 1 or i == 10),
        ),
    ],
)
def test_wrong_layer_types(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
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


TAKEN = (
    "took a slot's number for the position it holds; after the first round they differ:"
    " slot s holds the last p written with p % slots == s"
)
SEEN = "the newest token's own key counts among the W"


def colleagues(length: int, slots: int, window: int) -> Tensor:
    """The bug that the lesson hands over."""
    slot = torch.arange(slots)
    return (slot < length) & (slot > length - 1 - window)


def blind_from_round_three(length: int, slots: int, window: int) -> Tensor:
    mask = ring_by_formula(length, slots, window)
    mask[(length - 1) % slots] = length <= 2 * slots
    return mask


def every_written_slot(length: int, slots: int, window: int) -> Tensor:
    return torch.arange(slots) < length


def empty_ones_too(length: int, slots: int, window: int) -> Tensor:
    return (length - 1 - torch.arange(slots)) % slots < window


def empty_as_minus_one(length: int, slots: int, window: int) -> Tensor:
    held = torch.tensor([-1 if p is None else p for p in naive.cache.ring(length, slots)])
    return length - 1 - held < window


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (TAKEN, colleagues),
        ("an empty slot is seen while the ring is not full yet", empty_ones_too),
        ("an empty slot was taken for position -1; padding is seen by nothing", empty_as_minus_one),
        (f"W + 1 keys: {SEEN}", lambda n, s, w: ring_by_formula(n, s, w + 1)),
        (f"W - 1 keys: {SEEN}", lambda n, s, w: ring_by_formula(n, s, w - 1)),
        ("the window was ignored: a ring may have more slots than W", every_written_slot),
        (
            "every slot is seen; ask which position each one holds",
            lambda n, s, w: torch.ones(s, dtype=torch.bool),
        ),
        (
            "True and False are swapped: True means that it may be seen",
            lambda n, s, w: ~ring_by_formula(n, s, w),
        ),
        ("shape (1, 7), expected (7,)", lambda n, s, w: ring_by_formula(n, s, w)[None]),
        ("dtype torch.float32, expected torch.bool", lambda n, s, w: torch.ones(s)),
        ("expected a tensor, got list", lambda n, s, w: [True] * s),
        # no slip of its own: right for the first two rounds
        (
            "8 of 154 values differ, first at (14, 0): got 0, expected 1",
            blind_from_round_three,
        ),
    ],
)
def test_wrong_ring_masks(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_ring_mask(answer)


@pytest.mark.parametrize("check", [check_window_mask, check_layer_types, check_ring_mask])
def test_a_stub_is_let_through(check):
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
