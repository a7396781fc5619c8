"""The check of the exercise on cards: the best model that a memory holds.

>>> check_best_fit(lambda configs, formats, memory, context: None)
Traceback (most recent call last):
AssertionError: 24,000,000,000 bytes at 32,768 tokens: got None, expected ('27b', 'int4-32')
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...model.config import Gemma3Config
from ...model.presets import PRESETS
from ...study.cost import cache_bytes, parameters, weight_bytes
from .memory_cost import all_global

Fit = tuple[str, str] | None


def check_best_fit(
    fn: Callable[[Mapping[str, Gemma3Config], Sequence[str], int, int], Any],
) -> None:
    """`fn(configs, formats, memory, context)`: (name, format) of the best model that fits, or None.

    Best is the one with most parameters; for equal ones, in the first format. Weights, vision tower
    and a bfloat16 cache of one row have to lie in `memory` bytes, and the model must be made for
    the context.
    """
    configs = {name: PRESETS[name] for name in ("4b", "27b", "270m", "12b", "1b")}
    formats = ("bf16", "int8", "int4-32")
    one = weight_bytes(PRESETS["1b"]) + cache_bytes(PRESETS["1b"], 2_048)
    cases = [(24 * 10**9, 32_768), (16 * 10**9, 32_768), (8 * 10**9, 1_024), (8 * 10**9, 4_096)]
    cases += [(16 * 10**9, 131_072), (80 * 10**9, 131_072), (5 * 10**9, 131_072)]
    cases += [
        (one, 2_048),
        (one - 1, 2_048),
        (20_000_000, 8),
        (16_600_000_000, 1_024),
        (14_500_000_000, 1_024),
    ]
    answers = [fn(dict(configs), formats, *case) for case in cases]
    want = [_best(configs, formats, *case) for case in cases]
    if answers == want:
        return
    for sentence, rule in _FIT_SLIPS:
        assert answers != [rule(configs, formats, *case) for case in cases], sentence
    first = next(i for i, pair in enumerate(zip(answers, want, strict=True)) if pair[0] != pair[1])
    memory, context = cases[first]
    raise AssertionError(
        f"{memory:,} bytes at {context:,} tokens: got {answers[first]}, expected {want[first]}"
    )


def _best(
    configs: Mapping[str, Gemma3Config],
    formats: Sequence[str],
    memory: float,
    context: int,
    total: Callable[[Gemma3Config, str, int], float] | None = None,
    limited: bool = True,
) -> Fit:
    for name in sorted(configs, key=lambda name: -parameters(configs[name])):
        config = configs[name]
        if limited and context > config.text.max_position_embeddings:
            continue
        for kind in formats:
            if (total or _total)(config, kind, context) <= memory:
                return name, kind
    return None


def _total(config: Gemma3Config, kind: str, context: int) -> int:
    return weight_bytes(config, kind) + cache_bytes(config, context)


def _bits_alone(config: Gemma3Config, kind: str, context: int) -> float:
    bits = {"bf16": 16, "int8": 8, "int4-32": 4}[kind]
    return parameters(config) * bits / 8 + cache_bytes(config, context)


def _counted(total: Callable[[Gemma3Config, str, int], float]) -> Callable[..., Fit]:
    return lambda configs, formats, memory, context: _best(configs, formats, memory, context, total)


def _more_bits_first(configs: Any, formats: Any, memory: int, context: int) -> Fit:
    found = (_best(configs, (kind,), memory, context) for kind in formats)
    return next((fit for fit in found if fit), None)


def _smallest(configs: Any, formats: Any, memory: int, context: int) -> Fit:
    fits = (_best({name: configs[name]}, formats, memory, context) for name in configs)
    return min((f for f in fits if f), key=lambda f: parameters(configs[f[0]]), default=None)


_FIT_SLIPS: list[tuple[str, Callable[..., Fit]]] = [
    ("the cache was left out", _counted(lambda c, kind, n: weight_bytes(c, kind))),
    (
        "the vision tower was left out; it lies in memory too",
        _counted(lambda c, kind, n: weight_bytes(c.text, kind) + cache_bytes(c, n)),
    ),
    (
        "every layer's cache was as long as the context; a local one stops at W columns",
        _counted(lambda c, kind, n: weight_bytes(c, kind) + cache_bytes(all_global(c.text), n)),
    ),
    (
        "bits times parameters: scales, norms and the vision tower take more than that",
        _counted(_bits_alone),
    ),
    (
        "a model was given a longer context than `max_position_embeddings`",
        lambda configs, formats, memory, n: _best(configs, formats, memory, n, limited=False),
    ),
    ("a smaller size in more bits was preferred; parameters count first", _more_bits_first),
    ("the smallest size was returned", _smallest),
    (
        "one byte was left free; a model that fills the memory to the byte still fits",
        lambda configs, formats, memory, n: _best(configs, formats, memory - 1, n),
    ),
]
