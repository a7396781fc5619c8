"""The checks on cost accept what is right, however written."""

import math
from typing import Any

import numpy as np
import pytest

from gemma3_edu import cost
from gemma3_edu.lessons.checks.memory_cost import (
    check_largest_batch,
    check_step_seconds,
    check_turning_rows,
)
from gemma3_edu.model.config import AttentionType, Gemma3Config, TextConfig
from gemma3_edu.naive import cost as naive
from gemma3_edu.naive.cost import cache_bytes as count_bytes
from gemma3_edu.study.cost import cache_bytes, parameters, weight_bytes
from tests.lessons.checks.messages import message

GLOBAL = AttentionType.GLOBAL


# check_largest_batch


def by_adding(config: Gemma3Config, weights: str, memory: int, context: int) -> int:
    """Rows are put in as long as they fit."""
    used, rows, row = weight_bytes(config, weights), 0, cache_bytes(config, context)
    while used + row <= memory:
        used, rows = used + row, rows + 1
    return rows


def by_dividing(config: Gemma3Config, weights: str, memory: int, context: int) -> int:
    left = memory - weight_bytes(config, weights)
    return left // cache_bytes(config.text, context) if left > 0 else 0


def by_the_batch(config: Gemma3Config, weights: str, memory: int, context: int) -> np.int64:
    """`cache_bytes` counts rows itself."""
    left = memory - weight_bytes(config, weights)
    fitting = [n for n in range(1, 200) if cache_bytes(config, context, batch_size=n) <= left]
    return np.int64(max(fitting, default=0))


@pytest.mark.parametrize("answer", [by_adding, by_dividing, by_the_batch])
def test_right_batches(answer):
    check_largest_batch(answer)


def test_a_batch_without_a_name_comes_with_its_case():
    assert message(check_largest_batch, lambda *case: by_dividing(*case) + 2) == (
        "got 9, expected 7"
        " (config = 27b, weights = 'int4-32', memory = 24,000,000,000, context = 8,192)"
    )
    assert message(check_largest_batch, lambda *case: float(by_dividing(*case))).startswith(
        "expected an int, got float (config = 27b,"
    )


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda left, row: left // row, "fewer than no rows"),
        (lambda left, row: int(left / row), "fewer than no rows"),
        (lambda left, row: abs(left) // row, "memory that is missing"),
    ],
)
def test_a_model_that_is_far_too_large_holds_no_rows(answer, sentence):
    told = message(
        check_largest_batch,
        lambda c, kind, memory, n: answer(memory - weight_bytes(c, kind), cache_bytes(c, n)),
    )
    assert told.startswith(sentence)


# check_turning_rows


def by_trying(weights: int, cache: int, work: int, width: float, speed: float) -> int | None:
    """More and more rows; none if a row does not catch up."""
    if work / speed <= cache / width:
        return None
    rows = 1
    while rows * work / speed <= (weights + rows * cache) / width:
        rows += 1
    return rows


def by_whole_numbers(weights: int, cache: int, work: int, width: float, speed: float) -> Any:
    gain = work * int(width) - cache * int(speed)
    return weights * int(speed) // gain + 1 if gain > 0 else None


def by_intensity(weights: int, cache: int, work: int, width: float, speed: float) -> Any:
    """Operations for each byte against the card's corner."""
    corner = speed / width
    return None if work <= corner * cache else math.floor(weights / (work / corner - cache)) + 1


@pytest.mark.parametrize("answer", [by_trying, by_whole_numbers, by_intensity])
def test_right_turns(answer):
    check_turning_rows(answer)


def test_a_turn_without_a_name_comes_with_its_case():
    assert message(check_turning_rows, lambda *case: (by_trying(*case) or 0) + 5) == (
        "got 66, expected 61 (weights = 60, cache = 1, work = 4, bandwidth = 4, operations = 8)"
    )


# check_step_seconds


def by_hand(
    text: TextConfig, context: int, rows: int, new: int, width: float, speed: float
) -> float:
    """Written without `cost` but for the count of parameters."""
    n, k, h = text.num_attention_heads, text.num_key_value_heads, text.head_dim
    columns = pairs = 0
    for kind in text.layer_types:
        window = context if kind is GLOBAL else text.sliding_window
        columns += min(context, window)
        pairs += sum(min(i + 1, window) for i in range(context - new, context))
    layer = 2 * text.hidden_size * h * (n + k) + 3 * text.hidden_size * text.intermediate_size
    weights = text.num_hidden_layers * layer + text.vocab_size * text.hidden_size
    read = 2 * parameters(text) + rows * 4 * k * h * columns
    return max(read / width, rows * (2 * new * weights + 4 * n * h * pairs) / speed)


def by_cost(
    text: TextConfig, context: int, rows: int, new: int, width: float, speed: float
) -> float:
    read = weight_bytes(text) + rows * cache_bytes(text, context)
    work = rows * cost.flops(text, new, context - new, logit_columns=new)
    return max(read / width, work / speed)


def one_by_one(
    text: TextConfig, context: int, rows: int, new: int, width: float, speed: float
) -> float:
    """A token costs the same operations alone and with others."""
    read = weight_bytes(text) + cache_bytes(text, context, rows)
    work = sum(cost.flops(text, 1, i, rows) for i in range(context - new, context))
    return max(read / width, work / speed)


def by_loops(
    text: TextConfig, context: int, rows: int, new: int, width: float, speed: float
) -> float:
    """The oracle; its loops over long contexts are left to the closed form."""
    if context > 100:
        return by_hand(text, context, rows, new, width, speed)
    read = 2 * parameters(text) + count_bytes(text, context, rows)
    work = rows * naive.flops(text, new, context - new, logit_columns=new)
    return max(read / width, work / speed)


@pytest.mark.parametrize("answer", [by_hand, by_cost, one_by_one, by_loops])
def test_right_steps(answer):
    check_step_seconds(answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda c, n, b, new, *card: by_cost(c, n, b, new, *card) / (b * new), "the time was"),
        (lambda c, n, b, new, *card: b * new / by_cost(c, n, b, new, *card), "tokens or calls"),
        (lambda c, n, b, new, *card: by_cost(c, n + new, b, new, *card), "the new tokens were"),
    ],
)
def test_slips_of_a_step_are_named(answer, sentence):
    assert message(check_step_seconds, answer).startswith(sentence)


def test_a_step_without_a_name_comes_with_its_case():
    assert message(check_step_seconds, lambda *case: 1.1 * by_hand(*case)) == (
        "got 0.0179, expected 0.0163 (config = 27b, context = 1,024, batch_size = 1, new = 1,"
        " bandwidth = 3.35e+12, operations = 9.89e+14)"
    )
