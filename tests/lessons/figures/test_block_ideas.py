"""The drawings of lesson 07 draw what they say."""

import pytest
import torch
from matplotlib.patches import FancyArrowPatch, Rectangle

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


def test_each_copy_is_read_across_all_lanes_so_far():
    (ax,) = block_ideas.two_branches().axes
    reads = [a for a in ax.patches if isinstance(a, FancyArrowPatch)]
    feet = [a._posA_posB[0] for a in reads if a._posA_posB[0][1] <= 0]
    assert feet == [(0.5, -0.6), (7.1, -0.6)]  # below the first lane
    assert all(a._posA_posB[1][1] == 2.0 for a in reads if a._posA_posB[0][1] <= 0)


def test_an_answer_is_added_where_its_lane_begins_on_top_of_the_others():
    (ax,) = block_ideas.two_branches().axes
    lanes = [patch for patch in ax.patches if patch.get_label() == "lane"]
    tops = [lane.get_y() + lane.get_height() for lane in lanes]
    assert all(top < lane.get_y() for top, lane in zip(tops, lanes[1:], strict=False))
    sums = [a.get_xydata()[0] for a in ax.lines if a.get_label() == "sum"]
    for (x, y), lane in zip(sums, lanes[1:], strict=True):
        assert x == lane.get_x()
        assert lane.get_y() < y < lane.get_y() + lane.get_height()


def test_only_a_factor_lets_something_through():
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
    assert "unit 1: up 2, gate 8, \N{MULTIPLICATION SIGN} 8, 16 passes; unit 2:" in alt_of(fig)


def test_a_pipe_is_multiplied_by_the_factor_of_its_gate():
    x = torch.tensor([1.0, -1.0])
    w_gate = torch.tensor([[4.0, -4.0], [-4.0, 4.0], [1.0, 0.0]])
    fig = block_ideas.three_units(x, w_gate, torch.tensor([[1.0, -1.0], [10, -10], [2, -3]]))
    ax = fig.axes[0]
    heights = {
        name: [p.get_height() for p in ax.patches if p.get_label() == name]
        for name in ("up", "passes")
    }
    assert heights["up"] == pytest.approx([0.09, 0.9, 0.225])
    assert heights["passes"] == pytest.approx([0.72, 0.189], abs=1e-3)
    words = [text.get_text() for text in ax.texts]
    assert [word[-1] for word in words if word.startswith("gate")] == ["8", "8", "1"]
    factors = [word[2:] for word in words if word.startswith("\N{MULTIPLICATION SIGN}")]
    assert factors == ["8", "0", "0.84"]


def test_a_branch_adds_the_same_however_loud_its_part_is():
    x, answer = torch.tensor([3.0, -3.0]), torch.tensor([2.0, 14.0])
    parts = {"quiet": lambda a: answer, "loud": lambda a: 100 * answer}
    fig = block_ideas.one_branch(x, parts)
    words = [[text.get_text() for text in ax.texts] for ax in fig.axes]
    for row in words:
        assert {"[3, -3], size 3", "[1, -1], size 1", "[0.2, 1.4], size 1"} <= set(row)
    assert "[2, 14], size 10" in words[0]
    assert "[200, 1400], size 1000" in words[1]
    assert "loud, reads [1, -1], answers [200, 1400], adds [0.2, 1.4], then [3.2, -1.6]" in alt_of(
        fig
    )
    pipes = [[p.get_height() for p in ax.patches if p.get_label() == "pipe"] for ax in fig.axes]
    assert pipes[1][3] > pipes[0][3]  # the answer's
    assert pipes[1][:3] + pipes[1][4:] == pytest.approx(pipes[0][:3] + pipes[0][4:])


def test_numbers_have_three_digits_and_no_exponent():
    parts = {"loud": lambda a: torch.tensor([-220.6, 1400.0])}
    (ax,) = block_ideas.one_branch(torch.tensor([3.0, -3.0]), parts).axes
    words = [text.get_text() for text in ax.texts]
    assert {"[-221, 1400], size 1000", "[2.78, -1.6], size 2.27"} <= set(words)


def test_every_figure_has_a_digest():
    assert describe(block_ideas.two_branches())
    assert describe(block_ideas.one_branch(torch.tensor([3.0, -3.0]), {"twice": lambda a: 2 * a}))
