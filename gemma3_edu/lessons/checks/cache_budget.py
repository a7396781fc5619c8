"""The check of the exercise on the cache's bytes: how many tokens fit into a budget."""

from dataclasses import replace
from typing import Any

from ...model.config import AttentionType, TextConfig, layer_pattern
from ...model.presets import PRESETS
from ...study.cost import cache_bytes
from .grading import Case, Check


def _budget_cases() -> dict[str, Case]:
    odd = replace(PRESETS["tiny-text"].text, layer_types=layer_pattern(11, 4), sliding_window=8)
    cases = [
        ("27B", PRESETS["27b"].text, 2_000_000_000, 1, 2),
        ("1B", PRESETS["1b"].text, 10_000_000, 1, 2),
        ("1B", PRESETS["1b"].text, 200_000_000, 1, 2),  # past the context it was trained for
        ("4B", PRESETS["4b"].text, 1_000_000_000, 3, 1),
        ("4B", PRESETS["4b"].text, 10_000_000_000, 1, 2),  # past every trained context
        ("11 layers, W = 8", odd, cache_bytes(odd, 40, 2, 4), 2, 4),  # fits to the byte
        ("11 layers, W = 8", odd, cache_bytes(odd, 40, 2, 4) - 1, 2, 4),
        ("11 layers, W = 8", odd, cache_bytes(odd, 8, 1, 2), 1, 2),  # all rings full, just so
        ("11 layers, W = 8", odd, cache_bytes(odd, 5, 1, 2) + 7, 1, 2),
        ("11 layers, W = 8", odd, cache_bytes(odd, 1, 1, 2) - 1, 1, 2),
    ]
    return {
        f"{name}, budget = {budget}, batch_size = {rows}, bytes_per_value = {each}": tuple(case)
        for name, *case in cases
        for _, budget, rows, each in [case]
    }


def _longest(text: TextConfig, budget: int, batch_size: int, bytes_per_value: int) -> int:
    low, high = 0, 1
    while cache_bytes(text, high, batch_size, bytes_per_value) <= budget:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        fits = cache_bytes(text, middle, batch_size, bytes_per_value) <= budget
        low, high = (middle, high) if fits else (low, middle)
    return low


def _per_layer(text: TextConfig, batch_size: int, bytes_per_value: int) -> int:
    """Bytes of one token in one layer."""
    return 2 * text.num_key_value_heads * text.head_dim * batch_size * bytes_per_value


def _globals(text: TextConfig) -> int:
    return text.layer_types.count(AttentionType.GLOBAL)


def _rings_always_full(text: TextConfig, budget: int, rows: int, each: int) -> int:
    token, local = _per_layer(text, rows, each), text.num_hidden_layers - _globals(text)
    return max(0, budget - local * text.sliding_window * token) // (_globals(text) * token)


def _rings_as_debt(text: TextConfig, budget: int, rows: int, each: int) -> int:
    token, local = _per_layer(text, rows, each), text.num_hidden_layers - _globals(text)
    return (budget - local * text.sliding_window * token) // (_globals(text) * token)


def _kink(text: TextConfig, budget: int, rows: int, each: int) -> tuple[int, int]:
    """The bytes that are left for the next stretch of the curve, and what a token costs there."""
    token, window = _per_layer(text, rows, each), text.sliding_window
    if budget < text.num_hidden_layers * token * window:
        return budget, text.num_hidden_layers * token
    rings = (text.num_hidden_layers - _globals(text)) * window * token
    return budget - rings, _globals(text) * token


def _rounded_up(text: TextConfig, *case: int) -> int:
    left, token = _kink(text, *case)
    return -(-left // token)


def _rounded(text: TextConfig, *case: int) -> int:
    left, token = _kink(text, *case)
    return round(left / token)


def _power_of_two(*case: Any) -> int:
    return (1 << _longest(*case).bit_length()) >> 1


def _with_query_heads(text: TextConfig, *rest: int) -> int:
    return _longest(replace(text, num_key_value_heads=text.num_attention_heads), *rest)


check_longest_context = Check(
    """`fn(config, budget, batch_size, bytes_per_value)`: how many tokens a row fit in the budget.

    The largest T with `cost.cache_bytes` of at most `budget` bytes, 0 if not even one token fits.
    The model has at least one global layer, and its context length is ignored.
    """,
    "config budget batch_size bytes_per_value",
    _longest,
    _budget_cases,
    {
        "every layer was counted as global; a local one stops at W tokens": (
            lambda text, budget, *how: budget // (text.num_hidden_layers * _per_layer(text, *how))
        ),
        "the rings of the local layers were forgotten; they take bytes too": (
            lambda text, budget, *how: budget // (_globals(text) * _per_layer(text, *how))
        ),
        "the rings were counted as full; up to W tokens they still grow": _rings_always_full,
        "fewer than no tokens: the rings were counted as full; up to W tokens they still grow": (
            _rings_as_debt
        ),
        "the bytes of a number were forgotten; each takes `bytes_per_value`": [
            lambda text, budget, rows, each: _longest(text, budget, rows, 1),
            lambda text, budget, rows, each: _longest(text, budget, rows, 2),
        ],
        "only powers of two were tried; look between the last that fits and the next": (
            _power_of_two
        ),
        "K or V alone was counted; each token stores both": (
            lambda text, budget, *how: _longest(text, 2 * budget, *how)
        ),
        "query heads were counted; the cache holds key/value heads": _with_query_heads,
        "the batch was forgotten: every text has its own keys and values": [
            lambda text, budget, rows, each: _longest(text, budget, 1, each),
            lambda text, budget, rows, each: _longest(text, budget, 1, 2),
        ],
        "capped at the model's context length, which is ignored here: the budget alone counts": [
            lambda text, *rest: min(_longest(text, *rest), text.max_position_embeddings),
            lambda *case: min(_longest(*case), 131_072),
        ],
        "one token too many: its bytes would pass the budget": [
            lambda *case: _longest(*case) + 1,
            _rounded_up,
            _rounded,
        ],
        "not even one token fits, and the answer is 0": lambda *case: max(1, _longest(*case)),
        "one token too few; a cache that fills the budget to the byte still fits": (
            lambda text, budget, *how: _longest(text, budget - 1, *how)
        ),
    },
)
