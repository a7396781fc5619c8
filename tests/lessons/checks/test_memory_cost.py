"""The checks on cost accept what is right, however written."""

import numpy as np
import pytest

from gemma3_edu import cost
from gemma3_edu.lessons.checks.memory_cost import (
    check_answer_flops,
    check_best_fit,
    check_step_seconds,
)
from gemma3_edu.model.config import AttentionType, TextConfig
from gemma3_edu.naive import cost as naive
from gemma3_edu.naive.cost import cache_bytes as count_bytes
from gemma3_edu.study.cost import cache_bytes, parameters, weight_bytes
from tests.lessons.checks.messages import message

GLOBAL = AttentionType.GLOBAL


# check_step_seconds


def by_hand(text: TextConfig, context: int, rows: int, bandwidth: float, speed: float) -> float:
    """Written without `cost` but for the count of parameters."""
    n, k, h = text.num_attention_heads, text.num_key_value_heads, text.head_dim
    columns = sum(
        context if kind is GLOBAL else min(context, text.sliding_window)
        for kind in text.layer_types
    )
    layer = 2 * text.hidden_size * h * (n + k) + 3 * text.hidden_size * text.intermediate_size
    weights = text.num_hidden_layers * layer + text.vocab_size * text.hidden_size
    read = 2 * parameters(text) + rows * 4 * k * h * columns
    return max(read / bandwidth, rows * (2 * weights + 4 * n * h * columns) / speed)


def by_cost(text: TextConfig, context: int, rows: int, bandwidth: float, speed: float) -> float:
    read = weight_bytes(text) + cache_bytes(text, context, rows)
    return max(read / bandwidth, cost.flops(text, 1, context - 1, rows) / speed)


def by_loops(text: TextConfig, context: int, rows: int, bandwidth: float, speed: float) -> float:
    """The oracle; its loops over long contexts are left to the closed form."""
    if context > 100:
        return by_hand(text, context, rows, bandwidth, speed)
    read = 2 * parameters(text) + count_bytes(text, context, rows)
    return max(read / bandwidth, rows * naive.flops(text, 1, context - 1) / speed)


@pytest.mark.parametrize("answer", [by_hand, by_cost, by_loops])
def test_right_steps(answer):
    check_step_seconds(answer)


def test_a_step_without_a_name_comes_with_its_case():
    assert message(check_step_seconds, lambda *case: 1.1 * by_hand(*case)) == (
        "got 0.0179, expected 0.0163"
        " (27b, context = 1,024, batch_size = 1, 3,350 GB/s, 989 TFLOP/s)"
    )


def test_the_arithmetic_of_one_row_is_taken_for_none():
    """The same on these cases, since one row's is far less than what is read."""

    def one_row(text: TextConfig, n: int, rows: int, bandwidth: float, speed: float) -> float:
        read = weight_bytes(text) + cache_bytes(text, n, rows)
        return max(read / bandwidth, cost.flops(text, 1, n - 1) / speed)

    assert message(check_step_seconds, one_row).startswith("all rows' arithmetic was left out")


# check_answer_flops


def step_by_step(text: TextConfig, prompt: int, answer: int) -> int:
    total = cost.flops(text, prompt)
    for i in range(answer - 1):
        total += cost.flops(text, 1, prompt + i)
    return total


def in_numpy(text: TextConfig, prompt: int, answer: int) -> np.int64:
    return np.int64(step_by_step(text, prompt, answer))


def by_counting(text: TextConfig, prompt: int, answer: int) -> int:
    """The oracle, for short texts."""
    if prompt >= 100:
        return step_by_step(text, prompt, answer)
    passes = [(prompt, 0), *((1, prompt + i) for i in range(answer - 1))]
    return sum(naive.flops(text, *given) for given in passes)


@pytest.mark.parametrize("answer", [step_by_step, in_numpy, by_counting])
def test_right_answers(answer):
    check_answer_flops(answer)


def test_an_answer_without_a_name_comes_with_its_case():
    assert message(check_answer_flops, lambda *case: 2 * step_by_step(*case)) == (
        "got 3455424, expected 1727712 (tiny-text, prompt = 12, answer = 7)"
    )


# check_best_fit


def by_trying(configs, formats, memory, context):
    for name in sorted(configs, key=lambda n: parameters(configs[n]), reverse=True):
        config = configs[name]
        for kind in formats:
            total = weight_bytes(config, kind) + cache_bytes(config, context)
            if context <= config.text.max_position_embeddings and total <= memory:
                return name, kind
    return None


def by_ranking(configs, formats, memory, context):
    fits = [
        (parameters(config), -place, name)
        for name, config in configs.items()
        for place, kind in enumerate(formats)
        if weight_bytes(config, kind) <= memory - cache_bytes(config, context)
        and config.text.max_position_embeddings >= context
    ]
    return (max(fits)[2], formats[-max(fits)[1]]) if fits else None


def as_list(*case):
    fit = by_trying(*case)
    return fit and list(fit)


@pytest.mark.parametrize("answer", [by_trying, by_ranking, as_list])
def test_right_fits(answer):
    check_best_fit(answer)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (
            "got '27b', expected (name, format) or None (24,000,000,000 bytes at 32,768 tokens)",
            lambda *case: (by_trying(*case) or [None])[0],
        ),
        (
            "got '12b in bf16', expected '12b in int8' (16,000,000,000 bytes at 32,768 tokens)",
            lambda *case: ("12b", "bf16") if case[2:] == (16 * 10**9, 32_768) else by_trying(*case),
        ),
    ],
)
def test_fits_without_a_name(words: str, answer):
    assert message(check_best_fit, answer) == words
