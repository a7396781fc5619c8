"""Lessons come in order from any step on, with or without worker processes."""

import itertools
import random

import pytest

from gemma3_edu.train.data.draw import about_tokens
from gemma3_edu.train.data.mixture import Mixture
from gemma3_edu.train.feed import POOL, Feed, borders, pool_of_examples

MIXTURE = Mixture("instruct", "train", seed=5)


def numbers(pool: int) -> list[int]:
    return [pool * POOL + i for i in range(POOL)]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_feed_begins_anywhere(workers):
    feed = Feed(numbers, workers=workers)
    assert [feed(step) for step in range(5, 40)] == list(range(5, 40))


def test_steps_come_in_order():
    feed = Feed(numbers)
    feed(3)
    with pytest.raises(ValueError, match="3 after 3"):
        feed(3)


def length(example) -> int:
    return about_tokens(example.text()[0])


def test_a_pool_holds_its_examples_once_and_sorts_them_by_length():
    batches = pool_of_examples(MIXTURE, 2, 3, length)
    flat = sorted(length(e) for e in itertools.chain(*batches))
    first = 2 * POOL * 3
    assert flat == sorted(length(MIXTURE.example(first + i)) for i in range(3 * POOL))
    spans = sorted((min(map(length, b)), max(map(length, b))) for b in batches)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
    assert [min(map(length, b)) for b in batches] != [low for low, _ in spans]  # shuffled
    assert batches == pool_of_examples(MIXTURE, 2, 3, length)


def largest(lengths, cuts) -> int:
    return max((j - i) * max(lengths[i:j]) for i, j in itertools.pairwise(cuts))


def test_borders_make_the_largest_batch_as_small_as_can_be():
    rng = random.Random(0)
    for _ in range(40):
        lengths = sorted(rng.choice((1, 2, 3, 9, 40)) for _ in range(9))
        for parts in (1, 3, 9):
            cuts = borders(lengths, parts)
            assert cuts[0] == 0
            assert cuts[-1] == 9
            assert len(cuts) == parts + 1
            assert all(i < j for i, j in itertools.pairwise(cuts))
            ways = itertools.combinations(range(1, 9), parts - 1)
            assert largest(lengths, cuts) == min(largest(lengths, [0, *w, 9]) for w in ways)
