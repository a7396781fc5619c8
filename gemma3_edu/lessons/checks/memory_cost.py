"""Checks of the exercises on cost: the floor of a step, and the operations of an answer.

>>> check_answer_flops(lambda config, prompt, answer: flops(config, prompt + answer - 1))
Traceback (most recent call last):
AssertionError: the head ran once; each token of the answer needs logits of its own
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from ...model.config import AttentionType, TextConfig, layer_pattern
from ...model.presets import PRESETS
from ...study.cost import cache_bytes, flops, flops_by_part, weight_bytes
from .compare import compare

_TINY = PRESETS["tiny-text"].text
_ODD = replace(_TINY, layer_types=layer_pattern(11, 4), sliding_window=8)
Step = tuple[TextConfig, int, int, float, float]


def all_global(text: TextConfig) -> TextConfig:
    """The same model without windows."""
    return replace(text, layer_types=(AttentionType.GLOBAL,) * text.num_hidden_layers)


def _square_heads(text: TextConfig) -> TextConfig:
    return replace(text, head_dim=text.hidden_size // text.num_attention_heads)


# The floor of a step


def check_step_seconds(fn: Callable[[TextConfig, int, int, float, float], Any]) -> None:
    """`fn(config, context, batch_size, bandwidth, operations)`: least seconds of a decoding step.

    One new token in each row, all in bfloat16, everything read once from the card's memory. A row's
    cache holds `context` columns, the new token's included.
    """
    cases: list[Step] = [
        (PRESETS["27b"].text, 1_024, 1, 3350e9, 989e12),
        (PRESETS["4b"].text, 32_768, 16, 1008e9, 165e12),
        (PRESETS["1b"].text, 40, 512, 272e9, 30e12),  # here arithmetic takes longer
        (_TINY, 9, 300, 1e9, 1e9),
    ]
    answers = [fn(*case) for case in cases]
    for answer in answers:
        assert isinstance(answer, float), f"expected a float, got {type(answer).__name__}"
    slips = [(told, _ms([rule(*case) for case in cases])) for told, rule in _STEP_SLIPS]
    compare(_ms(answers), _ms([_step(*case) for case in cases]), slips)


def _ms(seconds: Sequence[float]) -> torch.Tensor:
    return 1000 * torch.tensor(seconds, dtype=torch.float64)


def _step(text: TextConfig, context: int, rows: int, bandwidth: float, operations: float) -> float:
    return max(_read(text, context, rows) / bandwidth, _work(text, context, rows) / operations)


def _read(text: TextConfig, context: int, rows: int) -> int:
    return weight_bytes(text) + cache_bytes(text, context, rows)


def _work(text: TextConfig, context: int, rows: int) -> int:
    return flops(text, 1, context - 1, rows)


_STEP_SLIPS: list[tuple[str, Callable[[TextConfig, int, int, float, float], float]]] = [
    (
        "the two times were added; a card reads and computes at once, so the longer one counts",
        lambda c, n, b, w, o: _read(c, n, b) / w + _work(c, n, b) / o,
    ),
    (
        "the shorter of the two times was taken; the step waits for the longer",
        lambda c, n, b, w, o: min(_read(c, n, b) / w, _work(c, n, b) / o),
    ),
    (
        "all rows' arithmetic was left out; with many short rows it takes longer than reading",
        lambda c, n, b, w, o: _read(c, n, b) / w,
    ),
    (
        "reading was left out; with few rows it takes longer",
        lambda c, n, b, w, o: _work(c, n, b) / o,
    ),
    (
        "the weights were read once a row; one reading serves all rows",
        lambda c, n, b, w, o: max(b * _read(c, n, 1) / w, _work(c, n, b) / o),
    ),
    (
        "one cache was read for all rows; every row has its own",
        lambda c, n, b, w, o: max(_read(c, n, 1) / w, _work(c, n, b) / o),
    ),
    (
        "the cache was left out",
        lambda c, n, b, w, o: max(weight_bytes(c) / w, _work(c, n, b) / o),
    ),
    (
        "local layers were read as far back as global ones; they hold W columns",
        lambda c, n, b, w, o: _step(all_global(c), n, b, w, o),
    ),
    (
        "a number was taken for a byte; bfloat16 has two",
        lambda c, n, b, w, o: max(_read(c, n, b) / 2 / w, _work(c, n, b) / o),
    ),
    (
        "a multiplication with its addition was counted as one operation",
        lambda c, n, b, w, o: max(_read(c, n, b) / w, _work(c, n, b) / 2 / o),
    ),
    (
        "H was computed as D / N; it is `head_dim`",
        lambda c, n, b, w, o: _step(_square_heads(c), n, b, w, o),
    ),
    (
        "the new token saw one key too many; `context` counts its own",
        lambda c, n, b, w, o: max(_read(c, n, b) / w, _work(c, n + 1, b) / o),
    ),
    ("milliseconds; seconds were asked for", lambda *case: 1000 * _step(*case)),
]


# The operations of an answer


def check_answer_flops(fn: Callable[[TextConfig, int, int], Any]) -> None:
    """`fn(config, prompt, answer)`: operations to read a prompt and write `answer` tokens.

    With a cache, and with logits of those columns only from which a token is chosen.
    """
    cases = [(_TINY, 12, 7), (_TINY, 3, 1), (_ODD, 23, 30), (PRESETS["4b"].text, 100, 9)]
    answers = [fn(*case) for case in cases]
    for answer in answers:
        assert isinstance(answer, int), f"expected an int, got {type(answer).__name__}"
    slips = [(told, torch.tensor([rule(*case) for case in cases])) for told, rule in _WORK_SLIPS]
    compare(torch.tensor(answers), torch.tensor([_answer(*case) for case in cases]), slips)


def _answer(text: TextConfig, prompt: int, answer: int) -> int:
    return flops(text, prompt + answer - 1, logit_columns=answer)


_WORK_SLIPS: list[tuple[str, Callable[[TextConfig, int, int], int]]] = [
    (
        "a step for each token; the first comes out of the prompt's own pass",
        lambda c, p, a: flops(c, p + a, logit_columns=a + 1),
    ),
    (
        "the steps forgot the text before them; each token's queries see all of it",
        lambda c, p, a: flops(c, p) + (a - 1) * flops(c, 1),
    ),
    (
        "a step for each token, and each forgot the text before it",
        lambda c, p, a: flops(c, p) + a * flops(c, 1),
    ),
    (
        "every step saw as much as the first; the text grows by one token a step",
        lambda c, p, a: flops(c, p) + (a - 1) * flops(c, 1, p),
    ),
    (
        "a step for each token, and every one saw as much as the first",
        lambda c, p, a: flops(c, p) + a * flops(c, 1, p),
    ),
    (
        "the head ran once; each token of the answer needs logits of its own",
        lambda c, p, a: flops(c, p + a - 1),
    ),
    (
        "the head ran on the whole prompt; only its last column is asked",
        lambda c, p, a: flops(c, p + a - 1, logit_columns=p + a - 1),
    ),
    (
        "the whole text was read again at each step; the cache spares that",
        lambda c, p, a: sum(flops(c, p + i) for i in range(a)),
    ),
    ("local layers saw the whole text", lambda c, p, a: _answer(all_global(c), p, a)),
    ("H was computed as D / N; it is `head_dim`", lambda c, p, a: _answer(_square_heads(c), p, a)),
    (
        "a multiplication with its addition was counted as one operation",
        lambda c, p, a: _answer(c, p, a) // 2,
    ),
    (
        "every query saw every key, later ones too",
        lambda c, p, a: _answer(c, p, a) + _unseen(c, p + a - 1),
    ),
]


def _unseen(text: TextConfig, tokens: int) -> int:
    """What the scores cost beyond the right count if all layers compute all pairs."""
    pairs = text.num_hidden_layers * tokens * tokens
    return (
        4 * text.num_attention_heads * text.head_dim * pairs - flops_by_part(text, tokens)["scores"]
    )
