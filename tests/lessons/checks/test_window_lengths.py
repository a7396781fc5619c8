"""The check of the shortest telling prompt accepts what is right, however written."""

import pytest
import torch

from gemma3_edu.lessons.checks.window_lengths import _cases, check_shortest
from gemma3_edu.model.layout import Batch
from tests.lessons.checks.messages import message


def ids(count: int) -> torch.Tensor:
    return torch.randint(500, 1000, (1, 80), generator=torch.Generator().manual_seed(1))[:, :count]


def by_growing(one, other):
    """Prompt after prompt, each a token longer."""
    for count in range(1, 81):
        batch = Batch.from_ids(ids(count), one.config)
        with torch.no_grad():
            a, b = one(batch)[0, -1], other(batch)[0, -1]
        if (a - b).abs().max() > 1e-4:
            return count
    return None


def by_mask(one, other):
    batch = Batch.from_ids(ids(80), one.config)
    with torch.no_grad():
        same = torch.isclose(one(batch), other(batch), rtol=0, atol=1e-4).all(-1)[0]
    return None if same.all() else 1 + int(same.int().argmin())


def by_halves(one, other):
    """A prompt that shows it still shows it with more tokens, in one run: so halve the range."""
    batch = Batch.from_ids(ids(80), one.config)
    with torch.no_grad():
        differ = ((one(batch) - other(batch)).abs() > 1e-4).any(-1)[0]
    low, high = 0, 80  # the first `low` agree
    if not differ.any():
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if differ[:middle].any() else (middle, high)
    return high


@pytest.mark.parametrize("right", [by_growing, by_mask, by_halves])
def test_right_answers(right):
    check_shortest(right)


def test_the_window_itself_is_no_answer():
    said = message(check_shortest, lambda one, other: one.config.text.sliding_window)
    assert "window 64 and none" in said
    assert "expected 65" in said


def test_an_answer_where_there_is_none():
    wrong = lambda one, other: by_mask(one, other) or 81  # noqa: E731
    assert "no prompt tells these two apart" in message(check_shortest, wrong)


def test_the_tokens_that_are_written_are_no_logits():
    def by_argmax(one, other):
        batch = Batch.from_ids(ids(80), one.config)
        with torch.no_grad():
            differ = (one(batch).argmax(-1) != other(batch).argmax(-1))[0]
        return int(differ.nonzero()[0]) + 1 if differ.any() else None

    said = message(check_shortest, by_argmax)
    assert "65 tokens are enough: compare each logit there, not their mean or the likeliest" in said
    said = message(check_shortest, lambda one, other: None)
    assert "got None, expected 65: after 65 tokens one of their logits differs" in said


def test_each_model_gets_the_same_ids():
    def apart(one, other):
        theirs = Batch.from_ids(ids(80).flip(-1), one.config)
        with torch.no_grad():
            differ = (one(Batch.from_ids(ids(80), one.config)) - other(theirs)).abs()[0].amax(-1)
        return int((differ > 1e-4).nonzero()[0]) + 1

    assert "as if each got ids of its own" in message(check_shortest, apart)


def test_a_first_place_that_differs_only_by_argmax():
    def first(one, other):
        batch = Batch.from_ids(ids(80), one.config)
        with torch.no_grad():
            differ = (one(batch) - other(batch)).abs()[0].amax(-1) > 1e-4
        return int(differ.int().argmax()) + 1

    assert "without a True, argmax is 0" in message(check_shortest, first)


@pytest.mark.parametrize("signed", [True, False])
def test_a_mean_hides_four_logits(signed):
    def by_mean(one, other):
        batch = Batch.from_ids(ids(80), one.config)
        with torch.no_grad():
            apart = (one(batch) - other(batch))[0]
        differ = (apart.mean(-1) if signed else apart.abs().mean(-1)).abs() > 1e-4
        return 1 + int(differ.int().argmax()) if differ.any() else None

    assert "compared means; a few logits" in message(check_shortest, by_mean)


def test_four_logits_differ_from_the_first_token_on():
    one, other = _cases()["the logits of four words"]
    batch = Batch.from_ids(torch.arange(500, 1000)[:, None], one.config)
    with torch.no_grad():
        apart = (one(batch) - other(batch)).abs()[:, 0]
    assert apart.amax(-1).min() > 2e-4, "whatever the first token"
    assert apart.mean(-1).max() < 1e-4
