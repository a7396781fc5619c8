"""The figures of lesson 14 show which row, which square and which answer they say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.patches import FancyArrowPatch, Rectangle

from gemma3_edu import TokenLayout, attention_mask
from gemma3_edu.lessons.figures import full_model as viz
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.nb import STYLE


@pytest.fixture(autouse=True)
def _figures():
    with plt.rc_context(STYLE):
        yield
    plt.close("all")


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


# The idea


def test_every_place_of_the_row_gets_one_arrow_of_its_tower():
    (ax,) = viz.two_towers().axes
    cells = [p for p in ax.patches if isinstance(p, Rectangle) and p.get_y() == 4.9]
    arrows = [p for p in ax.patches if isinstance(p, FancyArrowPatch)]
    assert len(cells) == 11
    for cell in cells:
        left, right = cell.get_x(), cell.get_x() + cell.get_width()
        into = [a for a in arrows if left < a._posA_posB[1][0] < right]
        into = [a for a in into if 4.8 <= a._posA_posB[1][1] <= 6.1]
        (one,) = into
        from_above = one._posA_posB[0][1] > 6
        assert from_above == (cell.get_facecolor()[:3] != plt.matplotlib.colors.to_rgb(viz.MIST))
        if from_above:
            assert one.get_facecolor() == cell.get_facecolor()
    describe(ax.figure)


def test_the_mask_is_drawn_as_it_is():
    image_id = torch.tensor([[0, 1, 1, 0, 2, 2, 0]])
    layout = TokenLayout(torch.arange(7)[None], image_id)
    mask = attention_mask(layout, layout)[0]
    fig = viz.who_sees_whom(mask, image_id[0])
    (ax,) = fig.axes
    drawn = np.asarray(ax.images[0].get_array())
    assert np.array_equal((drawn < 1).any(-1), mask.numpy())
    own = [tuple(drawn[1, 2]), tuple(drawn[5, 4]), tuple(drawn[5, 1])]
    assert len(set(own)) == 3  # of picture 1, of picture 2, and what lies before
    names = ["words", "picture 1", "words", "picture 2", "words"]
    assert [label.get_text() for label in ax.get_yticklabels()] == names
    assert list(ax.get_yticks()) == [0, 1.5, 3, 4.5, 6]
    assert "2 pairs above the diagonal" in alt_of(fig)


# Answers


def test_talks_are_marked_right_only_if_they_are_what_is_wanted():
    rows = [
        ([noise(5, 5), noise(5, 5, 1)], "Which?", "second", "second"),
        ([], "What?", "a star", "a red star"),
        ([noise(4, 8)], "Where?", "left", ""),
        (["A red star."], "Who?", "he", "he"),
    ]
    fig = viz.talks(rows)
    written = [[text.get_text() for text in ax.texts] for ax in fig.axes]
    assert written[0] == ["Which?", "second", "✓"]
    assert written[1] == ["What?", "a star", "\N{MULTIPLICATION SIGN}"]
    assert written[2] == ["Where?", "left"]
    assert written[3] == ["A red star.", "Who?", "he", "✓"]
    assert [len(ax.images) for ax in fig.axes] == [2, 0, 1, 0]
    for ax in fig.axes:
        for image in ax.images:
            left, right, bottom, top = image.get_extent()
            assert right < 8.2
            tall, wide = np.asarray(image.get_array()).shape[:2]
            assert (right - left) / (top - bottom) == pytest.approx(wide / tall)
    assert "Which? 'second', right" in alt_of(fig)
    assert "What? 'a star', wrong, 'a red star' is right" in alt_of(fig)
    assert "Where? 'left'; Who?" in alt_of(fig)
    describe(fig)


def test_long_texts_are_told_in_brief():
    fig = viz.talks([([], "Where does the red star go to?", "The star goes up.", "")])
    assert "Where does ... go to? 'The star goes up.'." in alt_of(fig)


def test_who_answers_is_written_before_the_answer():
    fig = viz.talks([([], "Which?", "second", "second")], ["friend"])
    assert [text.get_text() for text in fig.axes[0].texts] == ["Which?", "friend: second", "✓"]


# From soft tokens to pixels


@pytest.mark.parametrize(("side", "height", "width"), [(2, 4, 6), (3, 7, 11), (4, 112, 112)])
def test_every_pixel_takes_the_value_of_its_square(side, height, width):
    values = torch.randn(side * side, generator=torch.Generator().manual_seed(3))
    got = viz.to_pixels(values, height, width)
    assert got.shape == (height, width)
    for y in range(height):
        for x in range(width):
            row, column = y * side // height, x * side // width
            assert got[y, x] == values[row * side + column]


def test_a_lit_picture_is_as_bright_as_its_values():
    ax = plt.figure().subplots()
    white, values = np.full((6, 8, 3), 255, np.uint8), torch.tensor([0.0, 10.0, 5.0, 2.0])
    viz.lit(ax, white, values, least=5, brightest=10)
    (image,) = ax.images
    light = np.asarray(image.get_array())
    assert [light[0, 0, 0], light[0, 7, 0], light[5, 0, 0], light[5, 7, 0]] == pytest.approx(
        [0.2, 1.0, 0.6, 0.36]
    )
    assert {(t.get_text(), *t.get_position()) for t in ax.texts} == {
        ("10", 6.0, 1.5),
        ("5", 2.0, 4.5),
    }


def test_a_picture_that_nothing_looks_at_stays_dim():
    ax = plt.figure().subplots()
    white, values = np.full((4, 4, 3), 255, np.uint8), torch.tensor([1.0, 0.0, 2.0, 0.0])
    viz.lit(ax, white, values, least=5, brightest=5)
    assert np.asarray(ax.images[0].get_array()).max() == pytest.approx(0.2 + 0.8 * 2 / 5)
    assert not ax.texts


def test_what_is_looked_at_and_what_is_needed():
    picture = np.full((6, 8, 3), 200, np.uint8)
    looks = torch.tensor([[0.02, 0.2, 0.1, 0.0], [0.3, 0.01, 0.0, 0.06]])
    needs = torch.tensor([[0.0, 2.04, -1.0, 0.2], [0.26, 0.0, 0.0, 0.0]])
    fig = viz.looks_and_needs(picture, ("a", "b"), looks, needs)
    upper, lower = fig.axes[:2], fig.axes[2:]
    assert [ax.get_title() for ax in upper] == ["'a'", "'b'"]
    assert [axes[0].get_ylabel() for axes in (upper, lower)] == ["looks at, %", "needs, nats"]
    assert [[t.get_text() for t in ax.texts] for ax in upper] == [["20", "10"], ["30", "6"]]
    assert [[t.get_text() for t in ax.texts] for ax in lower] == [["2"], ["0.3"]]
    # one scale for the panels of a row: the second word's 30 is as bright as it gets, not 20
    first, second = (np.asarray(ax.images[0].get_array()) for ax in upper)
    assert first[0, 7, 0] == pytest.approx(200 / 255 * (0.2 + 0.8 * 20 / 30))
    assert second[0, 0, 0] == pytest.approx(200 / 255)
    light = np.asarray(lower[0].images[0].get_array())
    assert light[0, 7, 0] == pytest.approx(200 / 255)
    assert light[5, 0, 0] == pytest.approx(200 / 255 * 0.2)  # better off without: dark, not bright
    alone = viz.looks_and_needs(picture, ("a", "b"), looks)
    lines = [line for line in describe(fig).splitlines() if line.startswith("  ")]
    assert [line for line in describe(alone).splitlines() if line.startswith("  ")] == lines[:4]
    assert "at most 30% of the attention on a square." in alt_of(alone)


def test_tables_of_what_is_looked_at_and_needed():
    tables = {"grey": torch.tensor([[30, 10], [4, 1196]]), "other": torch.tensor([[8, 32], [0, 9]])}
    fig = viz.looks_by_needs(tables, ("looked at\nmost", "the rest"), ("needed", "not"))
    left, right = fig.axes
    assert [ax.get_title() for ax in fig.axes] == ["grey", "other"]
    written = {text.get_position(): text.get_text() for text in left.texts}  # column, row
    assert written[0, 0] == "30\n75 %"
    assert written[1, 0] == "10\n25 %"
    assert written[0, 1] == "4\n0 %"
    assert written[1, 1] == "1,196\n100 %"
    assert np.asarray(right.images[0].get_array()).tolist() == [[20, 80], [0, 100]]
    assert [label.get_text() for label in left.get_yticklabels()] == ["looked at\nmost", "the rest"]
    assert "grey: looked at most 30 needed and 10 not; the rest 4 needed and 1,196 not." in alt_of(
        fig
    )
    describe(fig)
