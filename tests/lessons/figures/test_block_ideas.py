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


def test_by_branch():
    fig = block_ideas.by_branch([1.0, -2.0], [3.0, 0.5], "speaks for the 4", start=0.25)
    (ax,) = fig.axes
    heights = [[bar.get_height() for bar in bars] for bars in ax.containers]
    assert heights == [[1.0, -2.0], [3.0, 0.5], [0.25]]
    assert "attention 1 and -2; MLP 3 and 0.5; embedding 0.25" in alt_of(fig)
    alone = block_ideas.by_branch([1.0, -2.0], [3.0, 0.5], "speaks for the 4")
    assert "embedding" not in describe(alone)


def test_likeness():
    fig = block_ideas.likeness({"norm, then sum": [1.0, 0.4], "sum, then norm": [1.0, -0.02]})
    lines = {line.get_label(): list(line.get_ydata()) for line in fig.axes[0].lines}
    assert lines["norm, then sum"] == [1.0, 0.4]
    assert lines["sum, then norm"] == [1.0, -0.02]
    assert "norm, then sum, 0.4 and sum, then norm, 0.02" in alt_of(fig)
