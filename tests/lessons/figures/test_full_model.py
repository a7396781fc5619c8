"""The figures of lesson 14 show which row, which square and which answer they say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

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


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_every_place_of_the_row_gets_one_arrow_of_its_tower(order):
    (ax,) = viz.one_row(order).axes
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


def test_exchanged_pictures_have_crossed_arrows():
    colours = {}
    for order in ((1, 2), (2, 1)):
        (ax,) = viz.one_row(order).axes
        cells = [p for p in ax.patches if isinstance(p, Rectangle) and p.get_y() == 4.9]
        colours[order] = [cell.get_facecolor() for cell in cells]
        assert f"those of picture {order[0]} first" in alt_of(ax.figure)
    right, wrong = colours.values()
    assert right[2:5] == wrong[6:9] != right[6:9] == wrong[2:5]


def test_it_is_the_whole_row_that_goes_on():
    (ax,) = viz.one_row().axes
    boxes = [p for p in ax.patches if isinstance(p, FancyBboxPatch)]
    (frame,) = [box for box in boxes if box.get_facecolor()[3] == 0]
    cells = [p for p in ax.patches if isinstance(p, Rectangle) and p.get_y() == 4.9]
    left, right = frame.get_x(), frame.get_x() + frame.get_width()
    assert left < min(c.get_x() for c in cells)
    assert max(c.get_x() + c.get_width() for c in cells) < right
    starts = [a._posA_posB[0] for a in ax.patches if isinstance(a, FancyArrowPatch)]
    assert (right, 5.45) in starts


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


def test_a_second_answer_to_a_question_has_neither_pictures_nor_question():
    rows = [([noise(5, 5)], "Which?", "second", "second"), ([], "", "first", "second")]
    fig = viz.talks(rows, ["one", "two"])
    assert [text.get_text() for text in fig.axes[1].texts] == [
        "two: first",
        "\N{MULTIPLICATION SIGN}",
    ]
    tall, short = (ax.get_position().height for ax in fig.axes)
    assert short == pytest.approx(tall * 1.7 / 3.1)
    said = "Which? 'one: second', right; 'two: first', wrong, 'second' is right"
    assert alt_of(fig) == f"1 question with what it is about: {said}."
