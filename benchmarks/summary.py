"""From samples to medians, quartiles, and the ratio of two medians with its interval.

>>> of([4.0, 1.0, 2.0, 3.0, 5.0])
Summary(count=5, least=1.0, lower=2.0, median=3.0, upper=4.0, most=5.0)
>>> ratio([2.0, 2.0, 2.0], [1.0, 1.0, 1.0], more_is_better=False)  # twice their time
Ratio(value=0.5, low=0.5, high=0.5)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 4_000


@dataclass(frozen=True)
class Summary:
    """The spread of one contestant's samples: least and most, median and quartiles."""

    count: int
    least: float
    lower: float
    median: float
    upper: float
    most: float


@dataclass(frozen=True)
class Ratio:
    """How many times better we are: above 1 ours is better, below 1 theirs. 95% lie in between."""

    value: float
    low: float
    high: float


def of(samples: Sequence[float]) -> Summary:
    """Summarise samples; quartiles between two samples are interpolated."""
    if not samples:
        raise ValueError("samples: none were given, and nothing has no median; measure first")
    return Summary(len(samples), *(float(q) for q in np.quantile(samples, [0, 0.25, 0.5, 0.75, 1])))


def ratio(ours: Sequence[float], theirs: Sequence[float], more_is_better: bool) -> Ratio:
    """The ratio of medians, larger when ours is better, and its bootstrap interval.

    Rounds are drawn again with replacement, both contestants' samples of a round together, since
    what disturbs the machine disturbs both. With few rounds the interval is rough: from five it
    spans about what the rounds span. The draws are seeded: equal samples give equal intervals.
    """
    if not ours or len(ours) != len(theirs):
        raise ValueError(
            f"samples: {len(ours)} of ours beside {len(theirs)} of theirs; a ratio compares "
            "rounds, so give as many of both, at least one"
        )
    pair = np.array([ours, theirs], dtype=float)
    if not (pair > 0).all():
        raise ValueError("samples: a ratio needs numbers above 0; was nothing measured?")
    above, below = pair if more_is_better else pair[::-1]
    draws = np.random.default_rng(0).integers(0, pair.shape[1], (_RESAMPLES, pair.shape[1]))
    again = np.median(above[draws], 1) / np.median(below[draws], 1)
    low, high = np.quantile(again, [0.025, 0.975])
    return Ratio(float(np.median(above) / np.median(below)), float(low), float(high))
