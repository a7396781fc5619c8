"""The checks of appendix A1 accept what is right, however written."""

from itertools import product

import numpy as np
import pytest

from gemma3_edu.lessons.checks.printed import check_factors, check_quotient, check_shape
from tests.lessons.checks.messages import message


def by_corners(above, below, decimals):
    half = 0.5 / 10**decimals
    found = [(above + a) / (below + b) for a, b in product((-half, half), repeat=2)]
    return min(found), max(found)


def as_a_list(above, below, decimals):
    return list(by_corners(above, below, decimals))


@pytest.mark.parametrize("answer", [by_corners, as_a_list])
def test_right_quotients(answer):
    check_quotient(answer)


def test_a_plain_quotient_is_no_range():
    said = message(check_quotient, lambda above, below, decimals: above / below)
    assert said.startswith("expected a list or tuple, got float (above = 9, below = 4")


def by_narrowing(weights, totals, caches):
    low, high = 0.0, float("inf")
    for weight, total, cache in zip(weights, totals, caches, strict=True):
        low = max(low, (total - 0.05 - weight) / cache)
        high = min(high, (total + 0.05 - weight) / cache)
    if high < low:
        return None
    return low, high


def by_numpy(weights, totals, caches):
    middle, ours = np.array(totals) - np.array(weights), np.array(caches)
    low, high = ((middle - 0.05) / ours).max(), ((middle + 0.05) / ours).min()
    return None if low > high else [low, high]


@pytest.mark.parametrize("answer", [by_narrowing, by_numpy])
def test_right_factors(answer):
    check_factors(answer)


def test_a_factor_where_there_is_none_comes_with_its_case():
    said = message(check_factors, lambda *columns: by_narrowing(*columns) or (2.0, 2.0))
    assert "two sizes that do not" in said


def in_steps(weights, totals, caches):
    """Factors in thousandths, each tried."""
    fits = [
        n / 1000
        for n in range(20_000)
        if all(
            abs(w + n / 1000 * c - t) <= 0.05
            for w, t, c in zip(weights, totals, caches, strict=True)
        )
    ]
    return (fits[0], fits[-1]) if fits else None


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, 99.0), (0.0, 10.0), (0.0, 20.0), (1.0, float("inf"))]
)
def test_ends_that_began_at_fixed_numbers_are_told_so(low, high):
    def begun(weights, totals, caches):
        ends = [low, high]
        for weight, total, cache in zip(weights, totals, caches, strict=True):
            ends[0] = max(ends[0], (total - 0.05 - weight) / cache)
            ends[1] = min(ends[1], (total + 0.05 - weight) / cache)
        return tuple(ends) if ends[0] <= ends[1] else None

    assert message(check_factors, begun).startswith("the ends began at fixed numbers")


def test_reading_only_the_first_four_is_told():
    said = message(check_factors, lambda *columns: by_narrowing(*(c[:4] for c in columns)))
    assert said.startswith("only the first four were asked")


def to_three_digits(above, below, decimals):
    return tuple(round(end, 3) for end in by_corners(above, below, decimals))


@pytest.mark.parametrize(
    ("check", "answer"), [(check_factors, in_steps), (check_quotient, to_three_digits)]
)
def test_ends_that_are_nearly_right_are_told_so(check, answer):
    assert message(check, answer).startswith("nearly; give the ends as they come out, neither")


@pytest.mark.parametrize(
    "shape",
    [
        (23, 4, 256, 2_570_000_000),
        [19, 8, 128, 2_140_000_000],
        (23, 4, 200, 2_010_000_000),
        (22, 4, 256, 2_480_919_186),
        (31, 4, 192, 2_620_119_375),
        (27, 4, 256, 3_000_000_000),
    ],
)
def test_right_shapes(shape):
    check_shape(lambda: shape)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (
            (26, 4, 256, 2_900_000_000),
            "every layer global is 60.2 %, but 3:1 is 15.3 % and not less",
        ),
        ((26, 4, 256, 2_600_000_000), "with every layer global the cache is 67.1 % of the weights"),
        ((23, 4, 128, 2_570_000_000), "with every layer global the cache is 30.0 % of the weights"),
        ((23, 4, 512, 2_570_000_000), "with every layer global the cache is 120.1 % of the wei"),
        ((23, 10, 256, 2_570_000_000), "with every layer global the cache is 150.1 % of the wei"),
        ((23, 4, 256, 2_570), "parameters = 2,570: give all of them, not thousands or millions"),
        ((26, 8, 256, 5_800_000_000), "parameters = 5,800,000,000: a model called 2B has"),
        ((3, 32, 256, 2_600_000_000), "layers = 3: every fourth is global, so there would be none"),
        ((23, 4, 256), "got tuple; return four whole numbers"),
        ((23, 4, 256, 2.57e9), "one of them is of type float; return four whole numbers"),
        ((-23, 4, 256, 2_570_000_000), "one of them is below 1 or above"),
        (None, "returned nothing; end the function"),
    ],
)
def test_other_shapes_are_refused_with_the_reason(shape, said):
    assert message(check_shape, lambda: shape).startswith(said)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((23, 4, 128, 2_570_000_000), "two bytes a number? The cache has one here (layers = 23"),
        ((23, 4, 512, 2_570_000_000), "did you count keys or values alone? Both are kept"),
        ((23, 10, 256, 2_570_000_000), "it is 60 % of weights and cache together"),
        ((28, 4, 256, 3_000_000_000 - 1), "every layer global the cache is 62.6 %"),
        ((30, 4, 200, 2_620_000_000), "cache shrinks 3.89 times, whatever the heads; try another"),
        ((22, 4, 256, 2_460_000_000), "is enough if the first is between 59.5 and 59.6 %: change"),
        ((31, 4, 192, 2_600_312_000), "is enough if the first is between 59.5 and 60.0 %: change"),
    ],
)
def test_the_likely_slip_is_named(shape, said):
    assert said in message(check_shape, lambda: shape)
