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
    figures = [block.activations(), loudness()]
    assert len({describe(fig) for fig in figures}) == len(figures)
