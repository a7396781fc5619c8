"""The figures of the embedding draw what they say."""

import matplotlib.pyplot as plt
import pytest
import torch

from gemma3_edu import PRESETS
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.embeddings import (
    inside_and_across,
    likeness,
    neighbours,
    roots_on_grid,
    row_likeness,
)


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


ROWS = torch.tensor([[2.0, 0.0], [5.0, 0.0], [0.0, 1.0], [0.0, -3.0]])


def test_likeness_is_the_cosine():
    want = torch.tensor([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, -1], [0, 0, -1, 1]])
    assert torch.equal(likeness(ROWS), want)


def test_a_row_is_not_compared_with_itself():
    like = likeness(ROWS)
    assert inside_and_across(like, [0, 1]) == (1.0, 0.0)
    assert inside_and_across(like, [2, 3]) == (-1.0, 0.0)
    assert inside_and_across(like, [1, 2]) == (0.0, 0.0)  # 1, 0, 0 and -1 with the others


def test_row_likeness_draws_the_cosines_and_says_the_means():
    fig = row_likeness({"a": ["x", "y"], "b": ["v", "w"]}, ROWS)
    ax = fig.axes[0]
    assert torch.equal(torch.as_tensor(ax.images[0].get_array().data), likeness(ROWS))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y", "v", "w"]
    assert "a 1.00 with each other and 0.00 with the rest and b -1.00 with" in alt_of(fig)
    assert "colour bar 'cosine of the two rows'" in describe(fig)


@pytest.mark.parametrize("width", [*range(3, 200, 7), 640, 1152, 2560, 3840, 5376])
def test_neighbours_are_numbers_of_bfloat16_with_none_between(width: int):
    low, high = neighbours(width)
    assert low <= width**0.5 <= high
    for value in (low, high):
        assert torch.tensor(value).bfloat16().item() == value
    assert torch.tensor((low + high) / 2).bfloat16().item() in (low, high)
    assert torch.tensor(width**0.5).bfloat16().item() in (low, high)


def test_a_root_in_the_grid_is_its_own_neighbour():
    assert neighbours(64) == (8.0, 8.0)


def test_roots_on_the_grid():
    fig = roots_on_grid({"270m": 640, "27b": PRESETS["27b"].text.hidden_size})
    places = [float(points.get_offsets()[0, 0]) for points in fig.axes[0].collections]
    assert places == pytest.approx([(640**0.5 - 25.25) * 8, (5376**0.5 - 73) * 2], abs=1e-3)
    assert "25.298 between 25.25 and 25.375 and 73.321 between 73 and 73.5" in alt_of(fig)
