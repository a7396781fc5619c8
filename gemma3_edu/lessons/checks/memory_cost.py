"""Checks of the exercises on cost: rows that fit, rows that keep a card busy, a step's floor.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 1", check_largest_batch, lambda config, weights, memory, context: 0)
Exercise 1: got 0, expected 7
    (config = 27b, weights = 'int4-32', memory = 24,000,000,000, context = 8,192)
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from ...model.config import AttentionType, Gemma3Config, TextConfig, layer_pattern
from ...model.presets import PRESETS
from ...study.cost import FORMATS, cache_bytes, flops, flops_by_part, parameters, weight_bytes
from .grading import Case, Check

_weight_bytes = cache(weight_bytes)  # asked for the same models again and again
_TINY = PRESETS["tiny-text"].text
_ODD = replace(_TINY, layer_types=layer_pattern(11, 4), sliding_window=8)


def _all_global(text: TextConfig) -> TextConfig:
    """The same model without windows."""
    return replace(text, layer_types=(AttentionType.GLOBAL,) * text.num_hidden_layers)


def _square_heads(text: TextConfig) -> TextConfig:
    return replace(text, head_dim=text.hidden_size // text.num_attention_heads)


# The largest batch that a memory holds


def _batch_cases() -> dict[str, Case]:
    one, odd = PRESETS["1b"], Gemma3Config(text=_ODD)
    full = _weight_bytes(one, "int8") + 5 * cache_bytes(one, 2_048)
    cases: list[tuple[str, Gemma3Config, str, int, int]] = [
        ("27b", PRESETS["27b"], "int4-32", 24 * 10**9, 8_192),
        ("12b", PRESETS["12b"], "bf16", 24 * 10**9, 1_024),  # the weights alone do not fit
        ("27b", PRESETS["27b"], "bf16", 24 * 10**9, 1_024),  # nor here, by many rows
        ("4b", PRESETS["4b"], "bf16", 24 * 10**9, 32_768),
        ("4b", PRESETS["4b"], "int4-row", 8 * 10**9, 512),
        ("1b", one, "int8", full, 2_048),  # to the byte
        ("1b", one, "int8", full - 1, 2_048),
        ("270m", PRESETS["270m"], "bf16", _weight_bytes(PRESETS["270m"]) + 10**6, 4_096),
        ("11 layers, W = 8", odd, "bf16", 300_000, 40),
    ]
    return {
        f"config = {name}, weights = {case[1]!r}, memory = {case[2]:,}, context = {case[3]:,}": case
        for name, *rest in cases
        for case in [tuple(rest)]
    }


Bytes = Callable[[Gemma3Config, str], float]
Row = Callable[[Gemma3Config, int], float]
Batch = Callable[[Gemma3Config, str, int, int], int]


def _row(config: Gemma3Config, context: int) -> int:
    return cache_bytes(config, context)


def _rows(weights: Bytes = _weight_bytes, row: Row = _row) -> Batch:
    """How many rows fit beside so many bytes of weights, if a row takes so many."""
    return lambda c, kind, memory, n: int(max(0, (memory - weights(c, kind)) // row(c, n)))


_batch = _rows()


def _left(c: Gemma3Config, kind: str, memory: int, context: int) -> float:
    """Rows that fit, with a fraction, and fewer than none if the weights are too large."""
    return (memory - _weight_bytes(c, kind)) / cache_bytes(c, context)


check_largest_batch = Check(
    """`fn(config, weights, memory, context)`: the most rows whose caches fit beside the weights.

    All weights, the vision tower's too, in the format `weights`; a row's cache is in bfloat16 and
    has `context` columns. 0 if not even one row fits.
    """,
    "config weights memory context",
    _batch,
    _batch_cases,
    {
        "the vision tower was left out; it is in memory too": _rows(
            lambda c, kind: _weight_bytes(c.text, kind)
        ),
        "the weights were counted in bfloat16, whatever the format": _rows(
            lambda c, kind: _weight_bytes(c)
        ),
        "bits times parameters: scales, norms and the vision tower take more than that": _rows(
            lambda c, kind: parameters(c) * FORMATS[kind].bits / 8
        ),
        "the weights were left out": _rows(lambda c, kind: 0),
        "every row got weights of its own; one copy serves all rows": lambda c, kind, memory, n: (
            memory // (_weight_bytes(c, kind) + cache_bytes(c, n))
        ),
        "every layer's cache was as long as the context; a local one stops at W columns": _rows(
            row=lambda c, n: cache_bytes(_all_global(c.text), n)
        ),
        "half of a cache was counted; a token has a key and a value, of two bytes a number": _rows(
            row=lambda c, n: cache_bytes(c, n) // 2
        ),
        "query heads were counted; the cache holds key/value heads": _rows(
            row=lambda c, n: cache_bytes(
                replace(c.text, num_key_value_heads=c.text.num_attention_heads), n
            )
        ),
        "a row's cache was given one column; it has `context` of them": _rows(
            row=lambda c, n: cache_bytes(c, 1)
        ),
        "fewer than no rows: where the weights alone do not fit, the answer is 0": [
            lambda *case: int(_left(*case) // 1),
            lambda *case: int(_left(*case)),
            lambda *case: round(_left(*case)),
        ],
        "memory that is missing was taken for memory that is left; it holds no rows": [
            lambda *case: int(abs(_left(*case))),
            lambda *case: abs(int(_left(*case) // 1)),
        ],
        "one row at least was promised; where not even one fits, the answer is 0": lambda *case: (
            max(1, _batch(*case))
        ),
        "one row too many: its cache would pass the memory": [
            lambda *case: _batch(*case) + 1,
            lambda *case: int(max(0, -(-_left(*case) // 1))),
            lambda *case: max(0, round(_left(*case))),
        ],
        "one row too few; caches that fill the memory to the byte still fit": (
            lambda c, kind, memory, n: _batch(c, kind, memory - 1, n)
        ),
        "memory was taken for GB; it is in bytes already": lambda c, kind, memory, n: _batch(
            c, kind, memory * 10**9, n
        ),
    },
)


# The rows from which on the arithmetic takes longer


def _turn_cases() -> dict[str, Case]:
    text, card = PRESETS["4b"].text, (3350e9, 989e12)
    chats = [
        (_weight_bytes(text), cache_bytes(text, n), flops(text, 1, n - 1), *card) for n in (64, 256)
    ]
    cases: list[Case] = [
        (60, 1, 4, 4, 8),  # seconds: 15 + B / 4 of reading, B / 2 of arithmetic; equal with 60 rows
        (60, 4, 4, 4, 8),  # never: a row adds 1 second to the reading
        (52, 1, 5, 4, 8),  # equal between 34 and 35 rows
        (4, 1, 64, 4, 8),  # at once
        *chats,
        (60, 2, 4, 4, 8),  # never: a row adds as much to both
        (4_000_000, 1, 3, 1, 2),  # equal with eight million rows
    ]
    names = "weights cache work bandwidth operations".split()
    return {
        ", ".join(
            f"{name} = {_short(value)}" for name, value in zip(names, case, strict=True)
        ): case
        for case in cases
    }


def _short(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


Turn = Callable[[int, int, int, float, float], float | None]


def _turn(weights: float, cache: float, work: float, bandwidth: float, speed: float) -> int | None:
    ahead, gain = weights / bandwidth, work / speed - cache / bandwidth
    return int(ahead // gain) + 1 if gain > 0 else None


def _crossing(weights: float, cache: float, work: float, width: float, speed: float) -> float:
    """The number of rows, with a fraction, at which both take equally long; none may exist."""
    return weights / width / (work / speed - cache / width)


def _turn_or(never: object, rounded: Callable[[float], float] = lambda x: x // 1 + 1) -> Turn:
    """The right number; another answer where there is none."""

    def answer(*case: float) -> Any:
        return int(rounded(_crossing(*case))) if _turn(*case) is not None else never

    return answer


check_turning_rows = Check(
    """`fn(weights, cache, work, bandwidth, operations)`: rows whose arithmetic takes longer.

    B rows read `weights + B * cache` bytes and do `B * work` operations. The smallest B for which
    the second takes longer than the first, None if there is none.
    """,
    "weights cache work bandwidth operations",
    _turn,
    _turn_cases,
    {
        "the caches were left out; every row reads its own": lambda w, c, *rest: _turn(w, 0, *rest),
        "one cache was read for all rows; every row has its own": lambda w, c, *rest: _turn(
            w + c, 0, *rest
        ),
        "the weights were read once a row; one reading serves all rows": lambda w, c, *rest: _turn(
            0, w + c, *rest
        ),
        "the weights were left out; they are read once, whatever the rows": lambda w, *rest: _turn(
            0, *rest
        ),
        "bandwidth and operations were exchanged; bytes are divided by the bandwidth": (
            lambda w, c, work, width, speed: _turn(w, c, work, speed, width)
        ),
        "one row too few: here the arithmetic takes no longer than the reading": [
            _turn_or(None, lambda x: x // 1),
            _turn_or(None, lambda x: -(-x // 1)),
            _turn_or(None, round),
        ],
        "one row too many: with one less, the arithmetic takes longer already": _turn_or(
            None, lambda x: x // 1 + 2
        ),
        "fewer than no rows: where a row adds more reading than arithmetic, the answer is None": [
            lambda *case: int(_crossing(*case) // 1) + 1,
            lambda *case: int(_crossing(*case)) + 1,
            lambda *case: int(_crossing(*case) // 1),
            lambda *case: int(-(-_crossing(*case) // 1)),
            lambda *case: int(_crossing(*case)),
        ],
        "no number was found where there is one; it can be in the millions, so do not search": (
            lambda *case: None if (_turn(*case) or 0) > 100_000 else _turn(*case)
        ),
        "where no number of rows is large enough, the answer is None": [
            _turn_or(0),
            _turn_or(-1),
            _turn_or(float("inf")),
        ],
        "reading that grows faster was taken for arithmetic that does; the answer is None": [
            lambda *case: int(abs(_crossing(*case)) // 1) + 1,
        ],
    },
)


# The floor of a step


def _step_cases() -> dict[str, Case]:
    return {
        f"config = {name}, context = {case[1]:,}, batch_size = {case[2]}, new = {case[3]},"
        f" bandwidth = {case[4]:g}, operations = {case[5]:g}": case
        for name, *rest in [
            ("27b", PRESETS["27b"].text, 1_024, 1, 1, 3350e9, 989e12),
            ("4b", PRESETS["4b"].text, 32_768, 16, 5, 1008e9, 165e12),
            ("1b", PRESETS["1b"].text, 40, 512, 1, 272e9, 30e12),  # here arithmetic takes longer
            ("1b", PRESETS["1b"].text, 700, 1, 40, 320e9, 8.1e12),  # and here
            ("tiny-text", _TINY, 9, 300, 3, 1e9, 1e9),
        ]
        for case in [tuple(rest)]
    }


Step = Callable[[TextConfig, int, int, int, float, float], float]
Amount = Callable[[TextConfig, int, int, int], float]


def _read(text: TextConfig, context: int, rows: int, new: int = 1) -> float:
    return _weight_bytes(text) + cache_bytes(text, context, rows)


def _work(text: TextConfig, context: int, rows: int, new: int) -> float:
    return flops(text, new, context - new, rows, logit_columns=new)


def _matrix_work(text: TextConfig, context: int, rows: int, new: int) -> float:
    """The operations of the matrices alone, without attention's scores and sums."""
    parts = flops_by_part(text, new, context - new, rows, logit_columns=new)
    return sum(parts.values()) - parts["scores"]


def _longer(read: Amount = _read, work: Amount = _work) -> Step:
    """The longer of two times: of reading so many bytes, and of so many operations."""
    return lambda c, n, b, new, bandwidth, speed: max(
        read(c, n, b, new) / bandwidth, work(c, n, b, new) / speed
    )


_step = _longer()

check_step_seconds = Check(
    """`fn(config, context, batch_size, new, bandwidth, operations)`: least seconds of one call.

    `new` tokens in each row, with logits for all of them, everything in bfloat16 and read once from
    the card's memory. A row's cache holds `context` columns, the new tokens' included.
    """,
    "config context batch_size new bandwidth operations",
    _step,
    _step_cases,
    {
        "the two times were added; a card reads and computes at once, so the longer one counts": (
            lambda c, n, b, new, w, o: _read(c, n, b) / w + _work(c, n, b, new) / o
        ),
        "the shorter of the two times was taken; the call waits for the longer": (
            lambda c, n, b, new, w, o: min(_read(c, n, b) / w, _work(c, n, b, new) / o)
        ),
        "the arithmetic was left out; with many tokens it takes longer than reading": (
            _longer(work=lambda *case: 0)
        ),
        "the arithmetic of one row was counted; every row has its own": _longer(
            work=lambda c, n, b, new: _work(c, n, 1, new)
        ),
        "the arithmetic of one new token was counted; each row has `new` of them": [
            _longer(work=lambda c, n, b, new: _work(c, n, b, 1)),
            _longer(work=lambda c, n, b, new: flops(c, 1, n - new, b)),
            _longer(work=lambda c, n, b, new: flops(c, 1, n - new, b, logit_columns=new)),
        ],
        "the old tokens were counted as new ones; `cost.flops` takes the new first": _longer(
            work=lambda c, n, b, new: flops(c, n - new, new, b, logit_columns=new)
        ),
        "reading was left out; with few tokens it takes longer": _longer(read=lambda *case: 0),
        "the weights were read once a row; one reading serves all rows": [
            _longer(read=lambda c, n, b, new: b * _read(c, n, 1)),
            _longer(read=lambda c, n, b, new: b * _read(c, n, b)),
        ],
        "the weights were read once a new token; one reading serves all of a call": [
            _longer(read=lambda c, n, b, new: new * _read(c, n, b)),
            _longer(read=lambda c, n, b, new: new * _weight_bytes(c) + cache_bytes(c, n, b)),
        ],
        "every row's cache was read once a new token; one reading serves them": _longer(
            read=lambda c, n, b, new: _weight_bytes(c) + new * cache_bytes(c, n, b)
        ),
        "one cache was read for all rows; every row has its own": _longer(
            read=lambda c, n, b, new: _read(c, n, 1)
        ),
        "the cache was left out": _longer(read=lambda c, n, b, new: _weight_bytes(c)),
        "local layers were read as far back as global ones; they hold W columns": lambda c, *rest: (
            _step(_all_global(c), *rest)
        ),
        "a number was taken for a byte; bfloat16 has two": _longer(
            read=lambda *case: _read(*case) / 2
        ),
        "a multiplication with its addition was counted as one operation": _longer(
            work=lambda *case: _work(*case) / 2
        ),
        "H was computed as D / N; it is `head_dim`": lambda c, *rest: _step(
            _square_heads(c), *rest
        ),
        "the new tokens came after `context` others; `context` counts them too": _longer(
            work=lambda c, n, b, new: _work(c, n + new, b, new)
        ),
        "`context - 1` tokens were taken for old; before `new` others it is `context - new`": (
            _longer(work=lambda c, n, b, new: flops(c, new, n - 1, b, logit_columns=new))
        ),
        "the cache was read without the new tokens; `context` columns are read, theirs too": [
            _longer(read=lambda c, n, b, new: _read(c, n - new, b)),
            _longer(read=lambda c, n, b, new: _read(c, n - 1, b)),
        ],
        "the new tokens were added to the cache; `context` counts them already": [
            _longer(read=lambda c, n, b, new: _read(c, n + new, b)),
            lambda c, n, b, new, *card: _step(c, n + new, b, new, *card),
        ],
        "the head ran on one column of a row; every new token needs logits of its own": _longer(
            work=lambda c, n, b, new: flops(c, new, n - new, b)
        ),
        "`logit_columns` was multiplied by the rows; it counts those of one row": _longer(
            work=lambda c, n, b, new: flops(c, new, n - new, b, logit_columns=new * b)
        ),
        "the pairs of queries and keys were left out; each costs 4 N H operations": [
            _longer(work=_matrix_work),
            _longer(work=lambda c, n, b, new: 2 * parameters(c) * b * new),
        ],
        "milliseconds; seconds were asked for": lambda *case: 1000 * _step(*case),
        "the time was divided by the tokens; the whole call was asked for": [
            lambda c, n, b, new, *card: _step(c, n, b, new, *card) / (b * new),
            lambda c, n, b, new, *card: _step(c, n, b, new, *card) / new,
            lambda c, n, b, new, *card: _step(c, n, b, new, *card) / b,
        ],
        "tokens or calls a second; the seconds of a call were asked for": [
            lambda c, n, b, new, *card: b * new / _step(c, n, b, new, *card),
            lambda c, n, b, new, *card: new / _step(c, n, b, new, *card),
            lambda *case: 1 / _step(*case),
        ],
    },
    atol=1e-8,
)
