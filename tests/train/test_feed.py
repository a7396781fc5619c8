"""Lessons come in order from any step on, with or without worker processes."""

import itertools

import pytest

from gemma3_edu.train.data.draw import about_tokens
from gemma3_edu.train.data.mixture import Mixture
from gemma3_edu.train.feed import POOL, Feed, pool_of_examples

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
