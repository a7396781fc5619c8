"""The drawings of lesson 06 draw what they say: who reads whom, drawers, where heads look."""

import pytest
import torch
from matplotlib.colors import to_hex

from gemma3_edu import naive
from gemma3_edu.lessons.figures import gqa
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe

WORDS = ["Ada", "bought", "three"]


@pytest.fixture(autouse=True)
def close():
    yield
    gqa.plt.close("all")


def circles(ax) -> list[tuple[float, str]]:
    """Place and colour of each query head, from the left."""
    dots = [c for c in ax.collections if c.get_label() == "query head"]
    return [(c.get_offsets()[0][0], to_hex(c.get_facecolors()[0])) for c in dots]


def drawers(ax, label: str = "drawer") -> list[tuple[float, str]]:
    """The middle and the edge's colour of each drawer."""
    found = [p for p in ax.patches if p.get_label() == label]
    return [(p.get_x() + p.get_width() / 2, to_hex(p.get_edgecolor())) for p in found]


def drawn(ax) -> list[int]:
    """For each query head, the cabinet that its line ends in, counted from the left."""
    lines = [c.get_segments()[0] for c in ax.collections if c.get_label() == "reads"]
    assert [line[0][0] for line in lines] == [x for x, _ in circles(ax)]
    below = sorted({x for x, _ in drawers(ax)})
    return [below.index(pytest.approx(line[-1][0])) for line in lines]


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 1), (8, 4), (6, 2), (3, 3), (32, 16)])
def test_readers_are_those_of_the_loops(heads: int, kv_heads: int):
    q = torch.ones(1, heads, 1, 2)
    v = torch.arange(float(kv_heads))[None, :, None, None].expand(1, -1, 1, 2)
    mask = torch.ones(1, 1, 1, dtype=torch.bool)
    out, _ = naive.attention.attend(q, v, v, mask, 1.0)
    assert gqa.readers(heads, kv_heads) == out[0, :, 0, 0].int().tolist()


def test_cabinets_have_a_drawer_for_each_word_and_one_to_come():
    fig = gqa.cabinets(WORDS, heads=6, kv_heads=(6, 2, 1))
    assert [drawn(ax) for ax in fig.axes] == [gqa.readers(6, k) for k in (6, 2, 1)]
    assert [len(drawers(ax)) for ax in fig.axes] == [18, 6, 3]
    assert [len(drawers(ax, "added")) for ax in fig.axes] == [6, 2, 1]
    titles = [ax.get_title() for ax in fig.axes]
    assert titles == ["multi-head\nK = 6", "grouped-query\nK = 2", "multi-query\nK = 1"]
    assert "adds 6, 2 and 1 drawers" in alt_of(fig)


def test_every_cabinet_has_a_colour_of_its_own_and_its_circles_take_it_on():
    ax = gqa.cabinets(WORDS, heads=6, kv_heads=(3, 2)).axes[0]
    colours = dict(drawers(ax))
    by_cabinet = [colours[x] for x in sorted(colours)]
    assert len(set(by_cabinet)) == 3
    assert [colour for _, colour in circles(ax)] == [by_cabinet[m] for m in (0, 0, 1, 1, 2, 2)]


def test_lines_lead_to_the_drawer_with_most_weight():
    weights = torch.tensor([[0.1, 0.8, 0.1], [0.9, 0.1, 0.0], [0.0, 0.2, 0.8], [0.3, 0.5, 0.2]])
    labels, contents = [["a", "b", ""], ["", "c", "d"]], torch.tensor([[1.0, 2, 3], [10, 20, 30]])
    fig = gqa.opened(WORDS, labels, ["p?", "q?", "r?", "s?"], contents, weights)
    ends = [
        c.get_segments()[0][1][0]
        for ax in fig.axes
        for c in ax.collections
        if c.get_label().startswith("head")
    ]
    assert ends == [1, 0, 2, 1]
    said = [[text.get_text() for text in ax.texts] for ax in fig.axes]
    assert {"p?", "q?", "a", "b", "(none)", "1", "2", "3"} <= set(said[0])
    assert {"r?", "s?", "c", "d", "10", "20", "30"} <= set(said[1])
    assert "head 2 opens three and head 3 opens bought" in alt_of(fig)


def test_originals_are_on_both_sides_and_a_queue_makes_no_copy():
    left, right = gqa.copied_or_queued(heads=6, kv_heads=2, tokens=5).axes
    assert (len(drawers(left)), len(drawers(left, "added"))) == (10, 30)
    assert (len(drawers(right)), len(drawers(right, "added"))) == (10, 0)
    assert [colour for _, colour in circles(left)] == [colour for _, colour in circles(right)]
    copies = [c.get_segments()[0] for c in left.collections if c.get_label() == "copies"]
    assert [line[0][0] for line in copies] == [-1.5] * 3 + [1.5] * 3  # each from its original
    assert [line[1][0] for line in copies] == [x for x, _ in circles(left)]


def test_bars_are_the_weights_coloured_by_what_is_read():
    weights = torch.tensor([[0.25, 0.5, 0.25], [0.75, 0.25, 0], [0, 0, 1], [1, 0, 0]])
    fig = gqa.looks(WORDS, weights, kv_heads=2, asked_by="three")
    heights = [[bar.get_height() for bar in ax.patches] for ax in fig.axes]
    assert heights == weights.tolist()
    colours = [to_hex(ax.patches[0].get_edgecolor()) for ax in fig.axes]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    full = [[to_hex(bar.get_facecolor()) for bar in ax.patches] for ax in fig.axes]
    assert [row.index(ink) for row, ink in zip(full, colours, strict=True)] == [1, 0, 2, 0]
    assert "head 0 at 'bought', head 1 at 'Ada'" in alt_of(fig)


def test_tiles_differ_from_neighbours_unless_there_is_one():
    fig = gqa.repeated_or_tiled({"1B": (4, 1), "4B": (8, 4)})
    assert [drawn(ax) for ax in fig.axes] == [
        [0] * 4, [0] * 4, [0, 0, 1, 1, 2, 2, 3, 3], [0, 1, 2, 3, 0, 1, 2, 3]
    ]  # fmt: skip
    assert fig.axes[0].get_title() == "neighbours share\n1B: 0 0 0 0"
    assert fig.axes[3].get_title() == "4B: 0 1 2 3 0 1 2 3"
    assert "0 of 4 in 1B and 6 of 8 in 4B" in alt_of(fig)


def test_every_figure_has_a_digest_of_its_own():
    figures = [
        gqa.cabinets(WORDS, 6, (6, 2)),
        gqa.cabinets(WORDS, 6, (6, 3)),
        gqa.copied_or_queued(6, 2, 5),
        gqa.copied_or_queued(6, 3, 5),
        gqa.repeated_or_tiled({"4B": (8, 4)}),
        gqa.repeated_or_tiled({"4B": (8, 2)}),
    ]
    assert len({describe(fig) for fig in figures}) == len(figures)
    assert all(fig.get_size_inches()[0] <= 7 for fig in figures)
