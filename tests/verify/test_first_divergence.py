"""Two models part at the first stage with a wrong column, and there at the first such position."""

import pytest
import torch

from gemma3_edu.verify import first_divergence

THEIRS = {name: torch.ones(2, 4, width) for name, width in [("block 0", 3), ("logits", 5)]}


def changed(stage: str, row: int, position: int, size: float) -> dict[str, torch.Tensor]:
    ours = {name: x.clone() for name, x in THEIRS.items()}
    ours[stage][row, position, 0] += size
    return ours


@pytest.mark.parametrize(
    ("ours", "found"),
    [
        (THEIRS, None),
        (changed("block 0", 0, 2, 1e-6), None),
        (changed("block 0", 0, 2, 1e-3), ("block 0", 2)),
        (changed("logits", 1, 3, 1e-3), ("logits", 3)),
        (changed("block 0", 1, 1, float("nan")), ("block 0", 1)),
        (changed("block 0", 1, 1, float("inf")), ("block 0", 1)),
        ({**changed("block 0", 1, 2, 1.0), "logits": 2 * THEIRS["logits"]}, ("block 0", 2)),
    ],
)
def test_where_they_part(ours, found):
    assert first_divergence(ours, THEIRS) == found


def test_the_limit_is_relative_to_theirs():
    ours, theirs = {"x": torch.full((1, 1, 1), 1.5)}, {"x": torch.ones(1, 1, 1)}
    assert first_divergence(ours, theirs, limit=0.4) == ("x", 0)
    assert first_divergence(theirs, ours, limit=0.4) is None


def test_two_columns_of_zeros_are_equal():
    zeros = {"x": torch.zeros(1, 2, 3)}
    assert first_divergence(zeros, zeros) is None
