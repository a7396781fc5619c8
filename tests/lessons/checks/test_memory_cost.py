"""The checks on cost accept what is right, however written, and tell each slip by its name."""

import re
from dataclasses import replace

import pytest

from gemma3_edu import cost
from gemma3_edu.lessons.checks.memory_cost import check_answer_flops, check_step_seconds
from gemma3_edu.model.config import AttentionType, TextConfig
from gemma3_edu.naive import cost as naive
from gemma3_edu.naive.cost import cache_bytes as count_bytes

GLOBAL = AttentionType.GLOBAL


def per_row(text: TextConfig, context: int) -> tuple[int, int]:
    """(bytes of one row's cache, operations of one row's token), written without `cost`."""
    n, k, h = text.num_attention_heads, text.num_key_value_heads, text.head_dim
    columns = sum(
        context if kind is GLOBAL else min(context, text.sliding_window)
        for kind in text.layer_types
    )
    layer = 2 * text.hidden_size * h * (n + k) + 3 * text.hidden_size * text.intermediate_size
    weights = text.num_hidden_layers * layer + text.vocab_size * text.hidden_size
    return 4 * k * h * columns, 2 * weights + 4 * n * h * columns


def by_hand(text: TextConfig, context: int, rows: int, bandwidth: float, speed: float) -> float:
    cache, work = per_row(text, context)
    return max((2 * cost.parameters(text) + rows * cache) / bandwidth, rows * work / speed)


def by_cost(text: TextConfig, context: int, rows: int, bandwidth: float, speed: float) -> float:
    read = cost.weight_bytes(text) + cost.cache_bytes(text, context, rows)
    return max(read / bandwidth, cost.flops(text, 1, context - 1, rows) / speed)


def by_loops(text: TextConfig, context: int, rows: int, bandwidth: float, speed: float) -> float:
    """The oracle; its loops over 5,000 columns and more are left to the closed form."""
    if context > 5_000:
        return by_hand(text, context, rows, bandwidth, speed)
    read = 2 * cost.parameters(text) + count_bytes(text, context, rows)
    return max(read / bandwidth, rows * naive.flops(text, 1, context - 1) / speed)


@pytest.mark.parametrize("answer", [by_hand, by_cost, by_loops])
def test_right_steps(answer):
    check_step_seconds(answer)


def plain(text: TextConfig) -> TextConfig:
    return replace(text, layer_types=(GLOBAL,) * text.num_hidden_layers)


def square(text: TextConfig) -> TextConfig:
    return replace(text, head_dim=text.hidden_size // text.num_attention_heads)


def step(changed):
    """A wrong step from bytes of weights, of a row's cache, a row's operations, rows and sheet."""

    def answer(text, context, rows, bandwidth, speed):
        weights = 2 * cost.parameters(text)
        return changed(weights, *per_row(text, context), rows, bandwidth, speed)

    return answer


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "the two times were added; a card reads and computes at once, so the longer one counts",
            step(lambda m, c, f, b, w, s: (m + b * c) / w + b * f / s),
        ),
        (
            "the shorter of the two times was taken; the step waits for the longer",
            step(lambda m, c, f, b, w, s: min((m + b * c) / w, b * f / s)),
        ),
        (
            "all rows' arithmetic was left out; with many short rows it takes longer than reading",
            step(lambda m, c, f, b, w, s: (m + b * c) / w),
        ),
        (
            "reading was left out; with few rows it takes longer",
            step(lambda m, c, f, b, w, s: b * f / s),
        ),
        (
            "the weights were read once a row; one reading serves all rows",
            step(lambda m, c, f, b, w, s: max(b * (m + c) / w, b * f / s)),
        ),
        (
            "one cache was read for all rows; every row has its own",
            step(lambda m, c, f, b, w, s: max((m + c) / w, b * f / s)),
        ),
        (  # the same on these cases
            "all rows' arithmetic was left out; with many short rows it takes longer than reading",
            step(lambda m, c, f, b, w, s: max((m + b * c) / w, f / s)),
        ),
        ("the cache was left out", step(lambda m, c, f, b, w, s: max(m / w, b * f / s))),
        (
            "local layers were read as far back as global ones; they hold W columns",
            lambda text, *rest: by_hand(plain(text), *rest),
        ),
        (
            "a number was taken for a byte; bfloat16 has two",
            step(lambda m, c, f, b, w, s: max((m + b * c) / 2 / w, b * f / s)),
        ),
        (
            "a multiplication with its addition was counted as one operation",
            step(lambda m, c, f, b, w, s: max((m + b * c) / w, b * f / 2 / s)),
        ),
        ("H was computed as D / N; it is `head_dim`", lambda t, *rest: by_hand(square(t), *rest)),
        (
            "the new token saw one key too many; `context` counts its own",
            lambda text, n, b, w, s: max(
                by_hand(text, n, b, w, 1e30), b * per_row(text, n + 1)[1] / s
            ),
        ),
        ("milliseconds; seconds were asked for", lambda *case: 1000 * by_hand(*case)),
        ("expected a float, got int", lambda *case: round(by_hand(*case))),
        # no slip of its own
        (
            "4 of 4 values differ by more than 1e-05, first at (0,): got 17.9083, expected 16.2802",
            lambda *case: 1.1 * by_hand(*case),
        ),
    ],
)
def test_wrong_steps(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_step_seconds(answer)


# The operations of an answer


def step_by_step(text: TextConfig, prompt: int, answer: int) -> int:
    total = cost.flops(text, prompt)
    for i in range(answer - 1):
        total += cost.flops(text, 1, prompt + i)
    return total


def in_one(text: TextConfig, prompt: int, answer: int) -> int:
    steps = answer - 1
    written = cost.flops(text, steps, prompt, logit_columns=steps) if steps else 0
    return cost.flops(text, prompt) + written


def by_counting(text: TextConfig, prompt: int, answer: int) -> int:
    if prompt > 100:
        return in_one(text, prompt, answer)
    return sum(
        naive.flops(text, *pass_)
        for pass_ in [(prompt, 0), *((1, prompt + i) for i in range(answer - 1))]
    )


@pytest.mark.parametrize("answer", [step_by_step, in_one, by_counting])
def test_right_answers(answer):
    check_answer_flops(answer)


def steps(text: TextConfig, prompt: int, count: int, moving: bool = True, context: int = 1) -> int:
    return sum(cost.flops(text, 1, context * (prompt + i * moving)) for i in range(count))


def hidden_too(text: TextConfig, prompt: int, answer: int) -> int:
    parts = cost.flops_by_part(text, prompt + answer - 1, logit_columns=answer)
    pairs = text.num_hidden_layers * (prompt + answer - 1) ** 2
    return (
        parts["attention"]
        + parts["mlp"]
        + parts["head"]
        + 4 * text.num_attention_heads * text.head_dim * pairs
    )


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "a step for each token; the first comes out of the prompt's own pass",
            lambda t, p, a: cost.flops(t, p) + steps(t, p, a),
        ),
        (
            "the steps forgot the text before them; each token's queries see all of it",
            lambda t, p, a: cost.flops(t, p) + steps(t, p, a - 1, context=0),
        ),
        (
            "a step for each token, and each forgot the text before it",
            lambda t, p, a: cost.flops(t, p) + a * cost.flops(t, 1),
        ),
        (
            "every step saw as much as the first; the text grows by one token a step",
            lambda t, p, a: cost.flops(t, p) + steps(t, p, a - 1, moving=False),
        ),
        (
            "a step for each token, and every one saw as much as the first",
            lambda t, p, a: cost.flops(t, p) + steps(t, p, a, moving=False),
        ),
        (
            "the head ran once; each token of the answer needs logits of its own",
            lambda t, p, a: cost.flops(t, p + a - 1),
        ),
        (
            "the head ran on the whole prompt; only its last column is asked",
            lambda t, p, a: cost.flops(t, p, logit_columns=p) + steps(t, p, a - 1),
        ),
        (
            "the whole text was read again at each step; the cache spares that",
            lambda t, p, a: sum(cost.flops(t, p + i) for i in range(a)),
        ),
        ("local layers saw the whole text", lambda t, *rest: in_one(plain(t), *rest)),
        ("H was computed as D / N; it is `head_dim`", lambda t, *rest: in_one(square(t), *rest)),
        (
            "a multiplication with its addition was counted as one operation",
            lambda *case: in_one(*case) // 2,
        ),
        ("every query saw every key, later ones too", hidden_too),
        ("expected an int, got float", lambda *case: float(in_one(*case))),
        # no slip of its own
        (
            "4 of 4 values differ, first at (0,): got 3.45542e+06, expected 1.72771e+06",
            lambda *case: 2 * in_one(*case),
        ),
    ],
)
def test_wrong_answers(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_answer_flops(answer)


@pytest.mark.parametrize("check", [check_step_seconds, check_answer_flops])
def test_a_stub_is_let_through(check):
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
