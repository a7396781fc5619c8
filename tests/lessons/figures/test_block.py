"""The figures of lesson 07 draw what they say."""

import pytest
import torch
from torch.nn import functional as F

from gemma3_edu.lessons.figures import block
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe


@pytest.fixture(autouse=True)
def close():
    yield
    block.plt.close("all")


def line(ax, label: str) -> torch.Tensor:
    (found,) = [a for a in ax.lines if a.get_label() == label]
    return torch.as_tensor(found.get_ydata())


def test_activations():
    (ax,) = block.activations().axes
    a = torch.linspace(-5, 5, 201).double()
    torch.testing.assert_close(line(ax, "GELU"), F.gelu(a, approximate="tanh"))


def nudges():
    draws = [[0.5, 1.0, 2.0], [0.5, 1.0, 3.0], [0.5, 1.0, 4.0]]
    kinds = [("chain", 1.0), ("road", 0.25)]
    moved = {name: [[part * times for part in row] for row in draws] for name, times in kinds}
    return block.nudges(moved, start=0.001)


def test_nudges_draw_the_median_of_the_draws_and_all_of_them():
    fig = nudges()
    (ax,) = fig.axes
    assert line(ax, "chain").tolist() == [0.5, 1.0, 3.0]
    assert line(ax, "road").tolist() == [0.125, 0.25, 0.75]
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.5, 4.0)
    assert "after the last part, in the draws: chain 2 to 4; road 0.5 to 1." in alt_of(fig)


def loudness():
    returned = {"MLP": [4000.0, 2000.0], "attention": [300.0, 200.0]}
    added = {"MLP": [1.0, 2.0], "attention": [1.5, 1.25]}
    return block.loudness(returned, added, stream=[4.0, 5.0])


def test_what_is_added_has_open_marks_and_a_line_of_its_own():
    fig = loudness()
    (ax,) = fig.axes
    assert line(ax, "MLP returns").tolist() == [4000.0, 2000.0]
    assert line(ax, "attention adds").tolist() == [1.5, 1.25]
    assert line(ax, "the stream").tolist() == [4.0, 5.0]
    inside = {a.get_label(): a.get_markerfacecolor() for a in ax.lines}
    assert inside["MLP adds"] == inside["attention adds"] == "white" != inside["MLP returns"]
    assert "MLP returns 2,000 to 4,000; attention returns 200 to 300" in alt_of(fig)


def test_every_figure_has_a_digest_of_its_own():
    figures = [block.activations(), nudges(), loudness()]
    assert len({describe(fig) for fig in figures}) == len(figures)
