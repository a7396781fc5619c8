"""The check of a budget accepts what is right, however written, and tells each slip by its name."""

import re
from collections.abc import Callable

import pytest

from gemma3_edu.lessons.checks.cache_budget import check_longest_context
from gemma3_edu.model.config import AttentionType, TextConfig
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.naive.cost import cache_bytes as count_bytes
from gemma3_edu.study.cost import cache_bytes


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


def changed(**how: object) -> Callable[[TextConfig, int, int, int], int]:
    """The right answer to another question."""

    def answer(text: TextConfig, budget: int, batch_size: int, each: int) -> int:
        token = 2 * text.num_key_value_heads * text.head_dim * batch_size * each
        growing = text.layer_types.count(AttentionType.GLOBAL)
        if how.get("layers") == "all":
            return budget // (text.num_hidden_layers * token)
        if how.get("layers") == "global":
            return budget // (growing * token)
        if how.get("rings") == "full":
            rings = (text.num_hidden_layers - growing) * text.sliding_window * token
            return max(0, budget - rings) // (growing * token)
        heads = text.num_attention_heads // text.num_key_value_heads
        budget = int(budget * how.get("budget", 1))
        budget = budget // heads if how.get("heads") == "query" else budget
        return by_division(text, budget, how.get("batch", batch_size), each)

    return answer


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "every layer was counted as global; a local one stops at W columns",
            changed(layers="all"),
        ),
        (
            "the rings of the local layers were forgotten; they take bytes too",
            changed(layers="global"),
        ),
        (
            "the rings were counted as full; up to W tokens they grow with the text",
            changed(rings="full"),
        ),
        ("K or V alone was counted; each column stores both", changed(budget=2)),
        (
            "query heads were counted; the cache holds key/value heads",
            changed(heads="query"),
        ),
        ("the batch was forgotten: every row has its own columns", changed(batch=1)),
        (
            "one token too many: its bytes would pass the budget",
            lambda *case: by_division(*case) + 1,
        ),
        (
            "one token too few; a cache that fills the budget to the byte still fits",
            lambda text, budget, b, e: by_division(text, budget - 1, b, e),
        ),
        ("expected an int, got float", lambda *case: float(by_division(*case))),
        # no slip of its own
        (
            "2 of 8 values differ, first at (3,): got 39, expected 40",
            lambda *case: by_division(*case) - (by_division(*case) in (39, 40)),
        ),
    ],
)
def test_wrong_longest_contexts(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_longest_context(answer)


def test_a_stub_is_let_through():
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check_longest_context(stub)
