"""The figures of lesson 09 draw what they say."""

from itertools import pairwise

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.patches import Rectangle

from gemma3_edu import cost
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.text_model import (
    CLEAR,
    name_to_place,
    parameter_shares,
    read_along,
    read_by_both,
    surprise_by_loading,
)
from gemma3_edu.model.presets import PRESETS

SIZES = {name: PRESETS[name] for name in ("270m", "4b", "27b")}


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


# Shares


def test_shares_are_counts_and_fill_the_bar():
    (ax,) = parameter_shares(SIZES).axes
    bars = {bar.get_label(): bar for bar in ax.containers}
    assert list(bars) == ["embedding", "attention", "MLP", "norms", "vision and projector"]
    for row, config in enumerate(SIZES.values()):
        parts, total = cost.parameters_by_part(config), cost.parameters(config)
        want = [parts[name] for name in ("embedding", "attention", "mlp", "norms")]
        want.append(parts.get("vision", 0) + parts.get("projector", 0))
        pieces = [bar.patches[row] for bar in bars.values()]
        assert [p.get_width() for p in pieces] == pytest.approx([100 * n / total for n in want])
        ends = [p.get_x() + p.get_width() for p in pieces]
        assert [p.get_x() for p in pieces] == pytest.approx([0.0, *ends[:-1]])
        assert ends[-1] == pytest.approx(100)
    assert "y ticks 270m: 268 M | 4b: 4,300 M | 27b: 27,432 M" in describe(ax.figure)
    assert ax.yaxis_inverted()  # the first size on top


# A name


def test_every_word_of_a_name_opens_a_box_inside_the_one_before():
    (ax,) = name_to_place("a.b.layers.4.mlp.weight", ["a.b.", "b."]).axes
    boxes = [patch.get_bbox() for patch in ax.patches if isinstance(patch, Rectangle)]
    assert len(boxes) == 5  # the decoder's, and one for each word
    for outer, inner in pairwise(boxes):
        assert outer.x0 < inner.x0 < inner.x1 < outer.x1
        assert outer.y0 < inner.y0 < inner.y1 < outer.y1
    told = [text.get_text() for text in ax.texts]
    assert [word for word in told if word.endswith(".")] == ["a.b.", "b.", "layers.", "4.", "mlp."]
    assert "the words of layers.4.mlp.weight" in alt_of(ax.figure)


# Reading along


def test_bars_are_the_probabilities_of_what_came():
    logits = torch.tensor([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.3, 0.2, 0.5]]).log()
    fig = read_along("abc", logits, torch.tensor([0, 2, 0]))
    hit, miss = fig.axes[0].containers
    assert [bar.get_width() for bar in hit] == pytest.approx([50])
    assert [bar.get_width() for bar in miss] == pytest.approx([25, 30])
    assert [bar.get_y() + bar.get_height() / 2 for bar in miss] == pytest.approx([1, 2])
    told = [text.get_text() for text in fig.axes[0].texts]
    assert told == ["b", "c"]
    (marks,) = fig.axes[0].lines
    assert [*marks.get_xdata()] == pytest.approx([50, 50])  # of the likeliest token
    assert [*marks.get_ydata()] == [1, 2]
    assert "at most 50 %; 1 of them" in alt_of(fig)
    assert "y ticks a | c | a" in describe(fig)


@pytest.mark.parametrize(("lead", "told"), [(1.1 * CLEAR, "b"), (0.9 * CLEAR, "near tie")])
def test_a_first_choice_is_named_where_it_is_clear(lead: float, told: str):
    fig = read_along("ab", torch.tensor([[0.0, lead]]), torch.tensor([0]))
    assert [text.get_text() for text in fig.axes[0].texts] == [told]


def test_two_models_read_one_text():
    one = torch.tensor([[0.5, 0.5], [0.25, 0.75]]).log()
    other = torch.tensor([[0.75, 0.25], [0.5, 0.5]]).log()
    fig = read_by_both("ab", {"first": one, "second": other}, torch.tensor([0, 1]))
    bars = [[bar.get_width() for bar in each] for each in fig.axes[0].containers]
    assert bars == [pytest.approx([50, 75]), pytest.approx([75, 50])]
    places = [[bar.get_y() for bar in each] for each in fig.axes[0].containers]
    assert all(a < b < a + 1 for a, b in zip(*places, strict=True))
    assert "first at most 75 % and second at most 75 %; the second is shorter at 1" in alt_of(fig)


# Four ways to load


def test_means_and_intervals_of_ways_to_load():
    nats = {"one": torch.tensor([4.0, 6.0, 5.0, 5.0]), "two": torch.tensor([8.0, 8.0, 8.0, 8.0])}
    fig = surprise_by_loading(nats, {"counts": 6.0, "all alike": 7.0})
    (ax,) = fig.axes
    segments = [bars.get_segments()[0][:, 0] for bars in ax.collections]
    half = 3.18 * (2 / 3) ** 0.5 / 2  # Student's t: of four values the factor is 3.18
    assert segments[0] == pytest.approx([5 - half, 5 + half], abs=0.02)
    assert segments[1] == pytest.approx([8, 8])
    assert "one 5.0 ± 1 and two 8.0 ± 0. Lines" in alt_of(fig)
    assert "no model: counts 6.0 and all alike 7.0." in alt_of(fig)
    lines = {line.get_label(): line.get_xdata()[0] for line in ax.lines}
    assert (lines["counts"], lines["all alike"]) == (6.0, 7.0)
    assert ax.get_xlim()[0] == 0
