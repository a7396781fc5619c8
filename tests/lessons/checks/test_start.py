"""The first exercises' checks accept what is right, however written."""

from math import prod

import numpy as np
import pytest

from gemma3_edu import cost
from gemma3_edu.lessons.checks.start import check_count, check_gigabytes
from tests.lessons.checks.messages import message


def by_storage(model):
    """One count a place in memory."""
    return sum({p.data_ptr(): p.numel() for p in model.parameters()}.values())


@pytest.mark.parametrize(
    "answer",
    [
        lambda model: np.sum([p.numel() for p in model.parameters()]),
        lambda model: sum(prod(p.shape) for _, p in model.named_parameters()),
        by_storage,
    ],
)
def test_right_counts(answer):
    check_count(answer)


@pytest.mark.parametrize(
    "answer",
    [
        lambda config, bits: cost.parameters(config) * bits / 8 / 1e9,
        lambda config, bits: sum(cost.parameters_by_part(config).values()) / 8e9 * bits,
        lambda config, bits: bits * 1e-9 * (cost.weight_bytes(config) / 16),
    ],
)
def test_right_gigabytes(answer):
    check_gigabytes(answer)


def test_a_wrong_number_comes_with_its_case():
    said = message(check_gigabytes, lambda config, bits: 7.0)
    assert said == "got 7, expected 0.536 (270m, bits = 16)"
