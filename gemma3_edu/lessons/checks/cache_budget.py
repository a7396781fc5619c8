"""The check of the exercise on a budget: how long a text's cache fits.

>>> check_longest_context(lambda config, budget, batch_size, bytes_per_value: 1)
Traceback (most recent call last):
AssertionError: 8 of 8 values differ, first at (0,): got 1, expected 92331
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from ...model.config import AttentionType, TextConfig, layer_pattern
from ...model.presets import PRESETS
from ...study.cost import cache_bytes
from .compare import compare


def check_longest_context(fn: Callable[[TextConfig, int, int, int], Any]) -> None:
    """`fn(config, budget, batch_size, bytes_per_value)`: how many tokens a row fit in the budget.

    The largest T with `cost.cache_bytes` of at most `budget` bytes, 0 if not even one token fits.
    The model has at least one global layer.
    """
    odd = replace(PRESETS["tiny-text"].text, layer_types=layer_pattern(11, 4), sliding_window=8)
    cases: list[tuple[TextConfig, int, int, int]] = [
        (PRESETS["27b"].text, 8_000_000_000, 1, 2),
        (PRESETS["1b"].text, 10_000_000, 1, 2),
        (PRESETS["4b"].text, 16_000_000_000, 3, 1),
        (odd, cache_bytes(odd, 40, 2, 4), 2, 4),  # fits to the byte
        (odd, cache_bytes(odd, 40, 2, 4) - 1, 2, 4),
        (odd, cache_bytes(odd, 8, 1, 2), 1, 2),  # all rings full for the first time
        (odd, cache_bytes(odd, 5, 1, 2) + 7, 1, 2),
        (odd, cache_bytes(odd, 1, 1, 2) - 1, 1, 2),
    ]
    answers = [fn(*case) for case in cases]
    for answer in answers:
        assert isinstance(answer, int), f"expected an int, got {type(answer).__name__}"
    want = [_longest(*case) for case in cases]
    slips = [(told, torch.tensor([rule(*case) for case in cases])) for told, rule in _LONGEST_SLIPS]
    one = torch.ones(len(cases), dtype=torch.long)
    slips += [
        ("one token too many: its bytes would pass the budget", torch.tensor(want) + one),
        (
            "one token too few; a cache that fills the budget to the byte still fits",
            torch.tensor(want)
            - torch.tensor(
                [cache_bytes(c[0], n, *c[2:]) == c[1] for n, c in zip(want, cases, strict=True)]
            ).long(),
        ),
    ]
    compare(torch.tensor(answers), torch.tensor(want), slips)


def _longest(text: TextConfig, budget: int, batch_size: int, bytes_per_value: int) -> int:
    low, high = 0, 1
    while cache_bytes(text, high, batch_size, bytes_per_value) <= budget:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        fits = cache_bytes(text, middle, batch_size, bytes_per_value) <= budget
        low, high = (middle, high) if fits else (low, middle)
    return low


def _token(text: TextConfig, batch_size: int, bytes_per_value: int) -> int:
    """Bytes of one column in one layer."""
    return 2 * text.num_key_value_heads * text.head_dim * batch_size * bytes_per_value


def _globals(text: TextConfig) -> int:
    return text.layer_types.count(AttentionType.GLOBAL)


def _rings_always_full(text: TextConfig, budget: int, batch_size: int, each: int) -> int:
    token, local = _token(text, batch_size, each), text.num_hidden_layers - _globals(text)
    return max(0, budget - local * text.sliding_window * token) // (_globals(text) * token)


_LONGEST_SLIPS: list[tuple[str, Callable[[TextConfig, int, int, int], int]]] = [
    (
        "every layer was counted as global; a local one stops at W columns",
        lambda text, budget, b, e: budget // (text.num_hidden_layers * _token(text, b, e)),
    ),
    (
        "the rings of the local layers were forgotten; they take bytes too",
        lambda text, budget, b, e: budget // (_globals(text) * _token(text, b, e)),
    ),
    (
        "the rings were counted as full; up to W tokens they grow with the text",
        _rings_always_full,
    ),
    (
        "K or V alone was counted; each column stores both",
        lambda text, budget, b, e: _longest(text, 2 * budget, b, e),
    ),
    (
        "query heads were counted; the cache holds key/value heads",
        lambda text, budget, b, e: _longest(
            replace(text, num_key_value_heads=text.num_attention_heads), budget, b, e
        ),
    ),
    (
        "the batch was forgotten: every row has its own columns",
        lambda text, budget, b, e: _longest(text, budget, 1, e),
    ),
]
