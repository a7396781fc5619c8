"""Planted mistakes act in the copy they were planted in alone, and where they are said to."""

import copy

import pytest
import torch
from torch.nn import functional as F

from gemma3_edu.hub.checkpoint import load
from gemma3_edu.lessons import mistakes
from gemma3_edu.lessons.mistakes import in_parts
from gemma3_edu.model import Batch


@pytest.fixture(scope="module")
def nano():
    return load("nano-it")[0]


@pytest.fixture(scope="module")
def text(nano):
    ids = torch.randint(500, 1000, (2, 80), generator=torch.Generator().manual_seed(0))
    ids[:, 0] = 2
    return Batch.from_ids(ids, nano.config)


@torch.no_grad()
def test_two_of_the_three_copies_are_wrong_after_the_window_and_not_before(nano, text):
    right = nano(text)
    whole = {name: model(text) for name, model in mistakes.three_copies(nano).items()}
    assert torch.equal(whole["A"], right)
    assert torch.equal(nano(text), right)
    differs = (whole["B"] - right).abs().amax(-1)[0] > 1e-3
    assert int(differs.int().argmax()) == nano.config.text.sliding_window
    assert torch.allclose(whole["C"], right, atol=1e-4)  # it needs a cache
    steps = in_parts(mistakes.three_copies(nano)["C"], text, [60] + [1] * 20)
    differs = (steps - right).abs().amax(-1)[0] > 1e-3
    assert int(differs.int().argmax()) == nano.config.text.sliding_window + 1


@torch.no_grad()
def test_a_second_bos_is_counted_through_a_cache_too(nano, text):
    twice, without = copy.deepcopy(nano), copy.deepcopy(nano)
    mistakes.reading(mistakes.with_two_bos)(twice)
    mistakes.reading(mistakes.without_bos)(without)
    two = torch.cat([text.tokens[:, :1], text.tokens], dim=1)
    assert torch.allclose(twice(text), nano(Batch.from_ids(two, nano.config))[:, 1:], atol=1e-4)
    assert torch.allclose(in_parts(twice, text, [30, 20, 30]), twice(text), atol=1e-3)
    rest = nano(Batch.from_ids(text.tokens[:, 1:], nano.config))
    assert torch.allclose(without(text)[:, 1:], rest, atol=1e-4)


def test_a_setting_changes_one_model_alone(nano):
    changed = copy.deepcopy(nano)
    mistakes.setting(sliding_window=9)(changed)
    assert changed.config.text.sliding_window == 9 == changed.language_model.config.sliding_window
    assert nano.config.text.sliding_window != 9


@torch.no_grad()
def test_a_text_in_parts_has_the_logits_and_the_losses_of_the_whole_text(nano, text):
    whole = nano(text)
    assert torch.allclose(in_parts(nano, text, [70, 1, 9]), whole, atol=1e-3)
    assert torch.allclose(in_parts(nano, text, [70, 1]), whole[:, :71], atol=1e-3)
    pieces = text.tokens.repeat(6, 1)  # 12, more than are read at once
    each = [float(F.cross_entropy(whole[n, :-1], text.tokens[n, 1:])) for n in range(2)]
    for sizes in (None, [70, 1, 9]):
        found = mistakes.losses(nano, pieces, sizes)
        assert torch.allclose(found, torch.tensor(each * 6), atol=1e-4)


@torch.no_grad()
def test_the_losses_in_parts_show_a_mistake_that_needs_a_cache(nano, text):
    wrong = mistakes.three_copies(nano)["C"]
    assert torch.allclose(mistakes.losses(wrong, text.tokens), mistakes.losses(nano, text.tokens))
    steps = [60] + [1] * 20
    more = mistakes.losses(wrong, text.tokens, steps) - mistakes.losses(nano, text.tokens, steps)
    assert (more.abs() > 1e-3).all()
