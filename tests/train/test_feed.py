"""Lessons come in order from any step on, with or without worker processes."""

import itertools
import random

import pytest

from gemma3_edu.train.data.draw import about_tokens
from gemma3_edu.train.data.mixture import Mixture
from gemma3_edu.train.feed import Feed, borders, examples_of_step, sorted_parts

MIXTURE = Mixture("instruct", "train", seed=5)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_feed_begins_anywhere(workers):
    feed = Feed(lambda step: step**2, workers=workers)
    assert [feed(step) for step in range(5, 40)] == [step**2 for step in range(5, 40)]


def test_steps_come_in_order():
    feed = Feed(str)
    feed(3)
    with pytest.raises(ValueError, match="3 after 3"):
        feed(3)


def length(example) -> int:
    return about_tokens(example.text()[0])


def test_steps_read_one_example_after_the_other():
    read = [*examples_of_step(MIXTURE, 4, 3), *examples_of_step(MIXTURE, 5, 3)]
    assert read == [MIXTURE.example(i) for i in range(12, 18)]


def test_parts_hold_each_example_once_sorted_by_length():
    examples = examples_of_step(MIXTURE, 2, 24)
    parts = sorted_parts(examples, length, 4)
    assert len(parts) == 4
    assert sorted(map(repr, itertools.chain(*parts))) == sorted(map(repr, examples))
    spans = [(min(map(length, part)), max(map(length, part))) for part in parts]
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


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
