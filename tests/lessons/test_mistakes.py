"""Planted mistakes act in the copy they were planted in alone, and where they are said to."""

import copy

import pytest
import torch

from gemma3_edu.hub.checkpoint import load
from gemma3_edu.lessons import mistakes
from gemma3_edu.model import Batch, KVCache


@pytest.fixture(scope="module")
def nano():
    return load("nano-it")[0]


@pytest.fixture(scope="module")
def text(nano):
    ids = torch.randint(500, 1000, (2, 80), generator=torch.Generator().manual_seed(0))
    ids[:, 0] = 2
    return Batch.from_ids(ids, nano.config)


def in_parts(model, batch, sizes):
    cache, logits, start = KVCache(model.config.text, 2), [], 0
    for size in sizes:
        logits.append(model(batch.columns(start, start + size), cache))
        start += size
    return torch.cat(logits, dim=1)


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
