"""The first exercises' checks accept what is right, and name what went wrong."""

import re
from math import prod

import pytest

from gemma3_edu import PRESETS, cost
from gemma3_edu.lessons.checks.start import check_count, check_gigabytes


def by_storage(model):
    """Another right way: one count a place in memory."""
    return sum({p.data_ptr(): p.numel() for p in model.parameters()}.values())


RIGHT_COUNTS = [
    lambda model: sum(p.numel() for p in model.parameters()),
    lambda model: sum(prod(p.shape) for _, p in model.named_parameters()),
    by_storage,
]
WRONG_COUNTS = {
    "counted tensors": lambda m: len(list(m.parameters())),
    "left out what is not being trained": lambda m: sum(
        p.numel() for p in m.parameters() if p.requires_grad
    ),
    "counted the buffers too; they": lambda m: sum(
        t.numel() for t in [*m.parameters(), *m.buffers()]
    ),
    "counted the shared matrix twice: it": lambda m: sum(
        p.numel() for _, p in m.named_parameters(remove_duplicate=False)
    ),
    "counted the shared matrix twice and the buffers": lambda m: sum(
        t.numel() for t in m.state_dict().values()
    ),
    "added up the sides": lambda m: sum(sum(p.shape) for p in m.parameters()),
    "left out whatever is no matrix": lambda m: sum(
        p.numel() for p in m.parameters() if p.ndim == 2
    ),
    "got 1,": lambda m: 1,
    "expected a number, got NoneType": lambda m: None,
}


@pytest.mark.parametrize("fn", RIGHT_COUNTS)
def test_right_counts_pass(fn):
    check_count(fn)


@pytest.mark.parametrize("sentence", WRONG_COUNTS)
def test_wrong_counts_are_named(sentence):
    with pytest.raises(AssertionError, match=re.escape(sentence)):
        check_count(WRONG_COUNTS[sentence])


def count(config):
    return cost.parameters(config)


WRONG_GIGABYTES = {
    "took the bits for bytes": lambda c, bits: count(c) * bits / 1e9,
    "gave GiB": lambda c, bits: count(c) * bits / 8 / 1024**3,
    "gave bytes": lambda c, bits: count(c) * bits / 8,
    "gave MB": lambda c, bits: count(c) * bits / 8e6,
    "counted the embedding twice": lambda c, bits: (
        (count(c) + c.text.vocab_size * c.text.hidden_size) * bits / 8e9
    ),
    "left out the vision tower": lambda c, bits: cost.parameters(c.text) * bits / 8e9,
    "rounded the bits": lambda c, bits: count(c) * (bits // 1) / 8e9,
    "took 2 bytes a number": lambda c, bits: count(c) * 2 / 1e9,
    "expected": lambda c, bits: 7.0,
}


def test_right_gigabytes_pass():
    check_gigabytes(lambda config, bits: count(config) * bits / 8 / 1e9)
    check_gigabytes(lambda config, bits: sum(cost.parameters_by_part(config).values()) / 8e9 * bits)
    assert count(PRESETS["27b"]) * 8 / 8e9 > 27


@pytest.mark.parametrize("sentence", WRONG_GIGABYTES)
def test_wrong_gigabytes_are_named(sentence):
    with pytest.raises(AssertionError, match=re.escape(sentence)):
        check_gigabytes(WRONG_GIGABYTES[sentence])


@pytest.mark.parametrize("check", [check_count, check_gigabytes])
def test_a_stub_is_let_through(check):
    def stub(*_):
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError):
        check(stub)
