"""The drawings of lesson 07 draw what they say."""

import pytest
import torch
from matplotlib.patches import Rectangle

from gemma3_edu.lessons.figures import block_ideas
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe


@pytest.fixture(autouse=True)
def close():
    yield
    block_ideas.plt.close("all")


def test_each_branch_has_a_norm_at_both_ends():
    fig = block_ideas.two_branches()
    (ax,) = fig.axes
    places = {text.get_text(): text.get_position()[0] for text in ax.texts}
    order = ["norm 1", "attention", "norm 2", "norm 3", "MLP", "norm 4"]
    assert sorted(order, key=lambda word: places[word]) == order
    files = [text.replace("\n", "") for text in places if "layernorm" in text]
    assert files == [
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ]


def test_only_an_open_door_lets_something_through():
    x = torch.tensor([4.0, -4.0])
    w_gate = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    w_up = torch.tensor([[0.5, 0.0], [0.0, -25.0]])
    fig = block_ideas.three_units(x, w_gate, w_up)
    boxes = [patch for patch in fig.axes[0].patches if isinstance(patch, Rectangle)]
    passes = [box for box in boxes if box.get_label() == "passes"]
    assert len(passes) == 1
    widths = {box.get_height() for box in boxes if box.get_label() == "up"}
    assert sorted(widths) == pytest.approx([0.018, 0.9])  # 2 and 100, on one scale
    assert passes[0].get_height() == pytest.approx(0.144)
    assert "unit 1: up 2, gate 8, 16 passes; unit 2: up 100, gate -8, 0 passes" in alt_of(fig)


def test_thirty_layers():
    sizes = {"all four": [1.0, 2.0, 3.0], "no norm 4": [1.0, 20.0, 50.0]}
    fig = block_ideas.thirty_layers(sizes, {"all four": [0.5, 0.5], "no norm 4": [0.25, 0.75]})
    left, right = fig.axes
    assert [list(line.get_ydata()) for line in left.lines] == list(sizes.values())
    heard, thought = right.containers
    assert [bar.get_width() for bar in heard] == [0.5, 0.25]
    assert [bar.get_x() for bar in thought] == [0.5, 0.25]
    assert "all four 3 and no norm 4 50" in alt_of(fig)
    assert "all four 50.0 % and no norm 4 25.0 %" in alt_of(fig)


def test_share_by_share():
    shares = [0.25, 1.0, 3.0, -2.0, 0.5]
    fig = block_ideas.share_by_share({"tens": shares, "ones": [0.0, 2.0, 0.0, 0.0, 1.0]})
    ax, other = fig.axes
    bars = {bars.get_label(): list(bars) for bars in ax.containers}
    heights = {name: [bar.get_height() for bar in found] for name, found in bars.items()}
    assert heights == {"embedding": [0.25], "attention": [1.0, -2.0], "MLP": [3.0, 0.5]}
    in_order = sorted(
        (bar for found in bars.values() for bar in found), key=lambda bar: bar.get_x()
    )
    begins = [bar.get_y() for bar in in_order]
    assert begins == [0.0, 0.25, 1.25, 4.25, 2.25]  # each where the one before it ended
    assert [round(bar.get_x() + 0.19, 2) for bar in in_order] == [0, 0.8, 1.2, 1.8, 2.2]
    assert "attention 1.00 and -2.00; MLP 3.00 and 0.50; together 2.8" in alt_of(fig)
    assert (ax.get_ylabel(), other.get_ylabel()) == ("for the tens, so far", "for the ones, so far")


def test_likeness():
    fig = block_ideas.likeness({"norm, then sum": [1.0, 0.4], "sum, then norm": [1.0, -0.02]})
    lines = {line.get_label(): list(line.get_ydata()) for line in fig.axes[0].lines}
    assert lines["norm, then sum"] == [1.0, 0.4]
    assert lines["sum, then norm"] == [1.0, -0.02]
    assert "norm, then sum, 0.40 and sum, then norm, -0.02" in alt_of(fig)


def test_every_figure_has_a_digest():
    for fig in [
        block_ideas.two_branches(),
        block_ideas.share_by_share({"tens": [0.25, 1.0, 3.0]}),
    ]:
        assert describe(fig)
