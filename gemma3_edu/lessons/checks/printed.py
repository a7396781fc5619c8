"""Checks of appendix A1: what printed numbers leave open, and a shape that a sentence allows.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 1", check_quotient, lambda above, below, decimals: above / below)
Exercise 1: expected a list or tuple, got float (above = 9, below = 4, decimals = 0)
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

from .grading import Case, Check, Function, ask, require, standard_torch

Range = tuple[float, float]


def _nearly(got: Any, want: Range | None, *case: Any) -> str | None:
    pair = isinstance(got, tuple | list) and len(got) == 2 and want is not None
    if not pair or not all(isinstance(end, Real) for end in got):
        return None
    if all(abs(one - other) <= 0.01 for one, other in zip(got, want or (), strict=True)):
        return "nearly; give the ends as they come out, neither rounded nor searched for in steps"
    return None


# The quotient of two rounded numbers


def _step(decimals: int) -> float:
    return float(10.0**-decimals)


def _quotient(above: float, below: float, half: float) -> Range:
    return (above - half) / (below + half), (above + half) / (below - half)


def _right_quotient(above: float, below: float, decimals: int) -> Range:
    return _quotient(above, below, _step(decimals) / 2)


check_quotient = Check(
    "`fn(above, below, decimals)`: least and largest quotient of two rounded positive numbers.",
    "above below decimals",
    _right_quotient,
    lambda: [(9.0, 4.0, 0), (2.4, 0.9, 1), (0.82, 1.31, 2), (5.0, 2.0, 3)],
    {
        "took both upper ends for the largest; it has the largest number over the smallest": (
            lambda a, b, n: (
                (a - _step(n) / 2) / (b - _step(n) / 2),
                (a + _step(n) / 2) / (b + _step(n) / 2),
            )
        ),
        "gave the largest quotient first; the least comes first": lambda a, b, n: _right_quotient(
            a, b, n
        )[::-1],
        "a whole step to each side; rounding moves a number by half a step at most": (
            lambda a, b, n: _quotient(a, b, _step(n))
        ),
        "half of 0.1 was taken for all; the step is 10 to the power of -decimals": (
            lambda a, b, n: _quotient(a, b, 0.05)
        ),
        "0.5 was taken for all; that is half a step only for whole numbers": (
            lambda a, b, n: _quotient(a, b, 0.5)
        ),
        "only `above` was a range; `below` is rounded too": lambda a, b, n: (
            (a - _step(n) / 2) / b,
            (a + _step(n) / 2) / b,
        ),
        "only `below` was a range; `above` is rounded too": lambda a, b, n: (
            a / (b + _step(n) / 2),
            a / (b - _step(n) / 2),
        ),
        "half a step was added to the quotient; it belongs to the two numbers": lambda a, b, n: (
            a / b - _step(n) / 2,
            a / b + _step(n) / 2,
        ),
        "a step was added to the quotient; that is the rule of a difference": lambda a, b, n: (
            a / b - _step(n),
            a / b + _step(n),
        ),
        "that is the range of the difference; divide": lambda a, b, n: (
            a - b - _step(n),
            a - b + _step(n),
        ),
        "the quotient twice: nothing was rounded then": lambda a, b, n: (a / b, a / b),
        "`below` was divided by `above`": lambda a, b, n: _right_quotient(b, a, n),
        "the ends were rounded as well; a range loses or gains by that": lambda a, b, n: (
            round(_right_quotient(a, b, n)[0], n),
            round(_right_quotient(a, b, n)[1], n),
        ),
        "returned nothing; end the function with `return`, print only shows": lambda *_: None,
    },
    explain=_nearly,
)


# One factor for all sizes

Numbers = Sequence[float]


def _ranges(weights: Numbers, totals: Numbers, caches: Numbers, half: float = 0.05) -> list[Range]:
    """What each size allows."""
    sizes = zip(weights, totals, caches, strict=True)
    return [((t - half - w) / c, (t + half - w) / c) for w, t, c in sizes]


def _shared(ranges: Sequence[Range]) -> Range:
    return max(low for low, _ in ranges), min(high for _, high in ranges)


def _factors(
    weights: Numbers, totals: Numbers, caches: Numbers, half: float = 0.05
) -> Range | None:
    low, high = _shared(_ranges(weights, totals, caches, half))
    return (low, high) if low <= high else None


def _ratios(weights: Numbers, totals: Numbers, caches: Numbers) -> list[float]:
    return [(t - w) / c for w, t, c in zip(weights, totals, caches, strict=True)]


def _sums(weights: Numbers, totals: Numbers, caches: Numbers) -> Range:
    return _ranges([sum(weights)], [sum(totals)], [sum(caches)])[0]


def _turned(weights: Numbers, totals: Numbers, caches: Numbers) -> Range | None:
    ranges = _ranges(weights, totals, caches)
    low, high = _shared([(1 / high, 1 / low) for low, high in ranges])
    return (low, high) if low <= high else None


def _ratios_with_room(*columns: Numbers) -> Range | None:
    low, high = _shared([(r - 0.05, r + 0.05) for r in _ratios(*columns)])
    return (low, high) if low <= high else None


def _neighbours(weights: Numbers, totals: Numbers, caches: Numbers) -> Range | None:
    """Each size is compared with the next alone."""
    ranges = _ranges(weights, totals, caches)
    pairs = [_shared(pair) for pair in pairwise(ranges)] or ranges
    return None if any(low > high for low, high in pairs) else pairs[-1]


def _begun(weights: Numbers, totals: Numbers, caches: Numbers, *, at: Range) -> Range | None:
    """Narrowed from two fixed numbers, which may lie inside of what the sizes allow."""
    low, high = _shared([*_ranges(weights, totals, caches), at])
    return (low, high) if low <= high else None


def _first_four(weights: Numbers, totals: Numbers, caches: Numbers) -> Range | None:
    return _factors(weights[:4], totals[:4], caches[:4])


def _reversed(weights: Numbers, totals: Numbers, caches: Numbers) -> Range | None:
    found = _factors(weights, totals, caches)
    return found and found[::-1]


def _rounded(weights: Numbers, totals: Numbers, caches: Numbers) -> Range | None:
    return _factors([round(weight, 1) for weight in weights], totals, caches)


_WINDOWED = [0.14575, 0.79272, 2.48303, 3.12056]  # GB of 1B to 27B for 32,768 tokens


def _factor_cases() -> dict[str, Case]:
    return {
        "two sizes that agree": ([10.0, 20.0], [12.0, 24.0], [1.0, 2.0]),
        "two sizes that do not": ([10.0, 20.0], [12.0, 24.0], [1.0, 1.0]),
        "two that only twice the rounding would join": ([1.0, 2.0], [3.0, 4.2], [1.0, 1.03]),
        "three sizes, the middle one the narrowest": (
            [8.0, 24.0, 1.0],
            [12.7, 38.9, 1.9],
            [0.7, 2.2, 0.13],
        ),
        "three, of which the first and the last do not agree": (
            [1.0, 1.0, 1.0],
            [3.0, 3.1, 3.2],
            [1.0, 1.02, 1.04],
        ),
        "one size": ([2.0], [2.9], [0.15]),
        "bfloat16 in Table 3": ([2.0, 8.0, 24.0, 54.0], [2.9, 12.7, 38.9, 72.7], _WINDOWED),
        "SFP8 in Table 3": ([1.0, 4.417, 12.417, 27.417], [1.9, 9.1, 27.3, 46.1], _WINDOWED),
        "both formats, eight pairs": (
            [2.0, 8.0, 24.0, 54.0, 1.0, 4.417, 12.417, 27.417],
            [2.9, 12.7, 38.9, 72.7, 1.9, 9.1, 27.3, 46.1],
            [*_WINDOWED, *_WINDOWED],
        ),
        "a factor below one": ([10.0, 20.0], [10.5, 21.0], [1.0, 2.0]),
        "a factor of a thousand": ([1.0], [3.0], [0.002]),
    }


check_factors = Check(
    """`fn(weights, totals, caches)`: (low, high) of the factors that every size allows, or None.

    The weights are taken as exact, the totals printed with one decimal, the caches are ours, all
    in GB, size by size. A factor is right for a size if weights + factor x cache rounds to the
    printed total.
    """,
    "weights totals caches",
    _factors,
    _factor_cases,
    {
        "0.1 was given to each; the weights count as exact, so only the total's 0.05 is left": (
            partial(_factors, half=0.1)
        ),
        "0.5 was given to each; a total with one decimal is good to 0.05": (
            partial(_factors, half=0.5)
        ),
        "where no factor fits all sizes the answer is None; this low end is above the high end": (
            lambda *columns: _shared(_ranges(*columns))
        ),
        "all factors that some size allows; a factor has to fit every size": lambda *columns: (
            min(low for low, _ in _ranges(*columns)),
            max(high for _, high in _ranges(*columns)),
        ),
        "the least and the largest of the quotients; none of them needs to fit every size": (
            lambda *columns: (min(_ratios(*columns)), max(_ratios(*columns)))
        ),
        "the weights are in the totals too; take them away first": lambda w, t, c: _factors(
            [0.0] * len(w), t, c
        ),
        "0.05 was added to the quotient; it is a rounding of GB, so divide it as well": (
            _ratios_with_room
        ),
        "ours was divided by the printed one; the factor takes ours to theirs": _turned,
        "the high end came first": _reversed,
        "the sizes were added up; each of them has to agree": _sums,
        "the weights, or totals less weights, were rounded; use them as they are": _rounded,
        "only the first size was asked": lambda *columns: _ranges(*columns)[0],
        "only the first four were asked; there may be more, or fewer": _first_four,
        "the ends began at fixed numbers, such as 1 and 10, and cut off what fits; begin with the"
        " ends of the first size": [
            partial(_begun, at=at) for at in [(1.0, math.inf), (0.0, 10.0), (1.0, 10.0)]
        ],
        "only the last size was asked": lambda *columns: _ranges(*columns)[-1],
        "each size was compared with the next alone; all must share one factor": _neighbours,
        "None for every table; did you forget `return`, or compare low and high the wrong way?": (
            lambda *columns: None
        ),
    },
    explain=_nearly,
)


# A shape for Figure 5

_TOKENS, _WINDOW = 32_768, 1_024


def _cache(layers: int, values: int, local: int) -> int:
    """Bytes of keys and values of `values` numbers each, a byte a number."""
    far = layers // (local + 1)
    return 2 * values * (far * _TOKENS + (layers - far) * _WINDOW)


@standard_torch()
def check_shape(fn: Function) -> None:
    """`fn()` is (layers, key/value heads, head_dim, parameters) that fits the text of Figure 5.

    With a byte a number at 32,768 tokens: if every layer is global the cache is 60 % of the weights
    (rounded), with three local layers of W = 1,024 for each global one less than 15 %.

    >>> check_shape(lambda: (23, 4, 256, 2_570_000_000))
    """
    layers, heads, width, parameters = _four(ask(fn))
    few = parameters < 1_000_000
    require(not few, f"parameters = {parameters:,}: give all of them, not thousands or millions")
    require(
        1_500_000_000 <= parameters <= 3_000_000_000,
        f"parameters = {parameters:,}: a model called 2B has 1.5 to 3 thousand million",
    )
    require(layers > 3, f"layers = {layers}: every fourth is global, so there would be none")
    whole, mixed = (_cache(layers, heads * width, local) / parameters for local in (0, 3))
    if not 0.595 <= whole < 0.605:
        told = f"with every layer global the cache is {_per_cent(whole)} of the weights, not 60 %"
        if 0.595 <= whole / 2 < 0.605:
            told += "; did you count keys or values alone? Both are kept"
        elif 0.595 <= whole * 2 < 0.605:
            told += "; did you count two bytes a number? The cache has one here"
        elif 0.595 <= whole / (1 + whole) < 0.605:
            told += "; it is 60 % of weights and cache together"
        require(False, f"{told} (layers = {layers}, heads = {heads}, head_dim = {width})")
    # Per cent with every layer global, of which a cache of 3:1 leaves 15.
    most = 15 * _cache(layers, 1, 0) / _cache(layers, 1, 3)
    bound = math.floor(10 * most) / 10
    advice = (
        "; try another depth"
        if most <= 59.5
        else f", which is enough if the first is between 59.5 and {bound} %: change the parameters"
    )
    require(
        mixed < 0.15,
        f"every layer global is {_per_cent(whole)}, but 3:1 is {_per_cent(mixed)} and not less than"
        f" 15 %: with {layers} layers the cache shrinks {whole / mixed:.2f} times, whatever the"
        f" heads{advice}",
    )


def _per_cent(share: float) -> str:
    return f"{100 * share:,.1f} %"


def _four(got: Any) -> list[int]:
    require(got is not None, "returned nothing; end the function with `return`, print only shows")
    wanted = "return four whole numbers: layers, key/value heads, head_dim, parameters"
    four = isinstance(got, tuple | list) and len(got) == 4
    require(four, f"got {type(got).__name__}; {wanted}")
    for number in got:
        whole = isinstance(number, Integral) and not isinstance(number, bool)
        require(whole, f"one of them is of type {type(number).__name__}; {wanted}")
        require(0 < number < 10**12, f"one of them is below 1 or above a million million; {wanted}")
    return [int(number) for number in got]
