"""Checks of the exercises on cost: the floor of a step, the best fit, the operations of an answer.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 2", check_best_fit, lambda configs, formats, memory, context: None)
Exercise 2: got 'nothing', expected '27b in int4-32' (24,000,000,000 bytes at 32,768 tokens)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ...model.config import AttentionType, Gemma3Config, TextConfig, layer_pattern
from ...model.presets import PRESETS
from ...study.cost import cache_bytes, flops, flops_by_part, parameters, weight_bytes
from .difference import show
from .grading import Case, Check, CheckError, ask

_TINY = PRESETS["tiny-text"].text
_ODD = replace(_TINY, layer_types=layer_pattern(11, 4), sliding_window=8)


def _all_global(text: TextConfig) -> TextConfig:
    """The same model without windows."""
    return replace(text, layer_types=(AttentionType.GLOBAL,) * text.num_hidden_layers)


def _square_heads(text: TextConfig) -> TextConfig:
    return replace(text, head_dim=text.hidden_size // text.num_attention_heads)


# The floor of a step


def _step_cases() -> dict[str, Case]:
    return {
        f"{name}, context = {rest[0]:,}, batch_size = {rest[1]}, {rest[2] / 1e9:,g} GB/s,"
        f" {rest[3] / 1e12:g} TFLOP/s": (text, *rest)
        for name, text, *rest in [
            ("27b", PRESETS["27b"].text, 1_024, 1, 3350e9, 989e12),
            ("4b", PRESETS["4b"].text, 32_768, 16, 1008e9, 165e12),
            ("1b", PRESETS["1b"].text, 40, 512, 272e9, 30e12),  # here arithmetic takes longer
            ("tiny-text", _TINY, 9, 300, 1e9, 1e9),
        ]
    }


Step = Callable[[TextConfig, int, int, float, float], float]
Amount = Callable[[TextConfig, int, int], float]


def _read(text: TextConfig, context: int, rows: int) -> float:
    return weight_bytes(text) + cache_bytes(text, context, rows)


def _work(text: TextConfig, context: int, rows: int) -> float:
    return flops(text, 1, context - 1, rows)


def _longer(read: Amount = _read, work: Amount = _work) -> Step:
    """The longer of two times: of reading so many bytes, and of so many operations."""
    return lambda c, n, b, bandwidth, speed: max(read(c, n, b) / bandwidth, work(c, n, b) / speed)


_step = _longer()

check_step_seconds = Check(
    """`fn(config, context, batch_size, bandwidth, operations)`: least seconds of a decoding step.

    One new token in each row, all in bfloat16, everything read once from the card's memory. A row's
    cache holds `context` columns, the new token's included.
    """,
    "config context batch_size bandwidth operations",
    _step,
    _step_cases,
    {
        "the two times were added; a card reads and computes at once, so the longer one counts": (
            lambda c, n, b, w, o: _read(c, n, b) / w + _work(c, n, b) / o
        ),
        "the shorter of the two times was taken; the step waits for the longer": (
            lambda c, n, b, w, o: min(_read(c, n, b) / w, _work(c, n, b) / o)
        ),
        "all rows' arithmetic was left out; with many short rows it takes longer than reading": (
            _longer(work=lambda *case: 0)
        ),
        "reading was left out; with few rows it takes longer": _longer(read=lambda *case: 0),
        "the weights were read once a row; one reading serves all rows": _longer(
            read=lambda c, n, b: b * _read(c, n, 1)
        ),
        "one cache was read for all rows; every row has its own": _longer(
            read=lambda c, n, b: _read(c, n, 1)
        ),
        "the cache was left out": _longer(read=lambda c, n, b: weight_bytes(c)),
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
        "the new token saw one key too many; `context` counts its own": _longer(
            work=lambda c, n, b: _work(c, n + 1, b)
        ),
        "milliseconds; seconds were asked for": lambda *case: 1000 * _step(*case),
    },
    atol=1e-8,
)


# The operations of an answer


def _answer_cases() -> dict[str, Case]:
    return {
        f"{name}, prompt = {prompt}, answer = {answer}": (text, prompt, answer)
        for name, text, prompt, answer in [
            ("tiny-text", _TINY, 12, 7),
            ("tiny-text", _TINY, 3, 1),
            ("tiny-text with 11 layers and W = 8", _ODD, 23, 30),
            ("4b", PRESETS["4b"].text, 100, 9),
        ]
    }


def _answer(text: TextConfig, prompt: int, answer: int) -> int:
    return flops(text, prompt + answer - 1, logit_columns=answer)


def _later_keys_too(text: TextConfig, prompt: int, answer: int) -> int:
    """All layers compute all pairs."""
    tokens = prompt + answer - 1
    pairs = text.num_hidden_layers * tokens * tokens
    scores = 4 * text.num_attention_heads * text.head_dim * pairs
    return _answer(text, prompt, answer) + scores - flops_by_part(text, tokens)["scores"]


check_answer_flops = Check(
    """`fn(config, prompt, answer)`: operations to read a prompt and write `answer` tokens.

    With a cache, and with logits of those columns only from which a token is chosen.
    """,
    "config prompt answer",
    _answer,
    _answer_cases,
    {
        "a step for each token; the first comes out of the prompt's own pass": lambda c, p, a: (
            flops(c, p + a, logit_columns=a + 1)
        ),
        "the steps forgot the text before them; each token's queries see all of it": (
            lambda c, p, a: flops(c, p) + (a - 1) * flops(c, 1)
        ),
        "a step for each token, and each forgot the text before it": lambda c, p, a: (
            flops(c, p) + a * flops(c, 1)
        ),
        "every step saw as much as the first; the text grows by one token a step": (
            lambda c, p, a: flops(c, p) + (a - 1) * flops(c, 1, p)
        ),
        "a step for each token, and every one saw as much as the first": lambda c, p, a: (
            flops(c, p) + a * flops(c, 1, p)
        ),
        "the head ran once; each token of the answer needs logits of its own": lambda c, p, a: (
            flops(c, p + a - 1)
        ),
        "the head ran on the whole prompt; only its last column is asked": lambda c, p, a: flops(
            c, p + a - 1, logit_columns=p + a - 1
        ),
        "the whole text was read again at each step; the cache spares that": lambda c, p, a: sum(
            flops(c, p + i) for i in range(a)
        ),
        "local layers saw the whole text": lambda c, p, a: _answer(_all_global(c), p, a),
        "H was computed as D / N; it is `head_dim`": lambda c, p, a: _answer(
            _square_heads(c), p, a
        ),
        "a multiplication with its addition was counted as one operation": lambda c, p, a: (
            _answer(c, p, a) // 2
        ),
        "every query saw every key, later ones too": _later_keys_too,
    },
)


# The best model that a memory holds

Fit = tuple[str, str] | None
Configs = Mapping[str, Gemma3Config]
Total = Callable[[Gemma3Config, str, int], float]


def _fit_cases() -> dict[str, Case]:
    configs = {name: PRESETS[name] for name in ("4b", "27b", "270m", "12b", "1b")}
    formats = ("bf16", "int8", "int4-32")
    one = weight_bytes(PRESETS["1b"]) + cache_bytes(PRESETS["1b"], 2_048)
    return {
        f"{memory:,} bytes at {context:,} tokens": (configs, formats, memory, context)
        for memory, context in [
            *((24 * 10**9, 32_768), (16 * 10**9, 32_768), (8 * 10**9, 1_024), (8 * 10**9, 4_096)),
            *((16 * 10**9, 131_072), (80 * 10**9, 131_072), (5 * 10**9, 131_072)),
            *((one, 2_048), (one - 1, 2_048), (20_000_000, 8)),
            *((16_600_000_000, 1_024), (14_500_000_000, 1_024)),
        ]
    }


def _in_words(fn: Callable[..., Fit], *case: Any) -> str:
    fit = ask(fn, *case)
    if fit is None:
        return "nothing"
    named = isinstance(fit, list | tuple) and [type(part) for part in fit] == [str, str]
    if not named:
        raise CheckError(f"got {show(fit) or type(fit).__name__}, expected (name, format) or None")
    return " in ".join(fit)


def _total(config: Gemma3Config, kind: str, context: int) -> float:
    return weight_bytes(config, kind) + cache_bytes(config, context)


def _best(
    configs: Configs,
    formats: Sequence[str],
    memory: int,
    context: int,
    total: Total = _total,
    limited: bool = True,
) -> Fit:
    for name in sorted(configs, key=lambda name: -parameters(configs[name])):
        config = configs[name]
        if limited and context > config.text.max_position_embeddings:
            continue
        for kind in formats:
            if total(config, kind, context) <= memory:
                return name, kind
    return None


def _by(total: Total) -> Callable[..., Fit]:
    return partial(_best, total=total)


def _bits_alone(config: Gemma3Config, kind: str, context: int) -> float:
    bits = {"bf16": 16, "int8": 8, "int4-32": 4}[kind]
    return parameters(config) * bits / 8 + cache_bytes(config, context)


def _more_bits_first(configs: Configs, formats: Sequence[str], memory: int, context: int) -> Fit:
    found = (_best(configs, (kind,), memory, context) for kind in formats)
    return next((fit for fit in found if fit), None)


def _smallest(configs: Configs, formats: Sequence[str], memory: int, context: int) -> Fit:
    fits = (_best({name: configs[name]}, formats, memory, context) for name in configs)
    return min((f for f in fits if f), key=lambda f: parameters(configs[f[0]]), default=None)


check_best_fit = Check(
    """`fn(configs, formats, memory, context)`: (name, format) of the best model that fits, or None.

    Best is the one with most parameters; for equal ones, in the first format. Weights, vision tower
    and a bfloat16 cache of one row have to fit into `memory` bytes, and the model must be made for
    the context.
    """,
    "configs formats memory context",
    _best,
    _fit_cases,
    {
        "the cache was left out": _by(lambda c, kind, n: weight_bytes(c, kind)),
        "the vision tower was left out; it is in memory too": _by(
            lambda c, kind, n: weight_bytes(c.text, kind) + cache_bytes(c, n)
        ),
        "every layer's cache was as long as the context; a local one stops at W columns": _by(
            lambda c, kind, n: weight_bytes(c, kind) + cache_bytes(_all_global(c.text), n)
        ),
        "bits times parameters: scales, norms and the vision tower take more than that": _by(
            _bits_alone
        ),
        "a model was given a longer context than `max_position_embeddings`": partial(
            _best, limited=False
        ),
        "a smaller size in more bits was preferred; parameters count first": _more_bits_first,
        "the smallest size was returned": _smallest,
        "one byte was left free; a model that fills the memory to the byte still fits": (
            lambda configs, formats, memory, n: _best(configs, formats, memory - 1, n)
        ),
    },
    call=_in_words,
)
