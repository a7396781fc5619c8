"""The drawings of the first lesson show what they are given, in words and in boxes."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from PIL import Image

from gemma3_edu.lessons.figures import start
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.start import (
    alt_of,
    conversations,
    dark_in,
    in_a_row,
    kinds,
    runs,
    sizes,
)

GREEN, ORANGE = "#009e73", "#d55e00"
PICTURE = np.zeros((24, 24, 3))
PIECES = ["<bos>", *["<image_soft_token>"] * 4, "What", " is", "\n"]
STEPS = [[("The", 0.996), (" A", 0.004)], [(" end", 0.6), (" way", 0.4)]]


@pytest.fixture(autouse=True)
def closed():
    yield
    start.plt.close("all")


def said(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def boxes(ax, colour: str) -> list[Rectangle]:
    found = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    return [patch for patch in found if to_hex(patch.get_facecolor()) == colour]


@pytest.mark.parametrize(
    ("answer", "mark"),
    [
        ("It is 4.", "✓ right"),
        ("1 + 3 = 4", "✓ right"),
        ("It is 14.", "× wrong"),  # noqa: RUF001
        ("4 hearts", "× wrong"),  # noqa: RUF001
        ("", "× wrong"),  # noqa: RUF001
    ],
)
def test_an_answer_is_judged_by_its_last_word(answer, mark):
    fig = conversations([PICTURE, "a text"], ["How many?"] * 2, [answer, "4"], ["4", "4"])
    first, second = fig.axes
    assert (mark in said(first), "✓ right" in said(second)) == (True, True)
    assert ("right answer: 4" in said(first)) == (mark != "✓ right")
    assert ("(wrong, 4 is right)" in alt_of(fig)) == (mark != "✓ right")
    assert (len(first.images), len(second.images), "a text" in said(second)) == (1, 0, True)


def test_questions_alone():
    fig = conversations([PICTURE, "a text"], ["How many?", "Who?"])
    assert "How many?" in said(fig.axes[0])
    assert "right" not in said(fig.axes[0])
    assert alt_of(fig) == "2 pictures or texts, each with its question below it."


def test_answers_that_nobody_judges():
    fig = conversations([PICTURE, "a text"], ["How many?", "Who?"], ["4", "he"])
    assert {"4", "How many?"} <= set(said(fig.axes[0]))
    assert not any("right" in word or "wrong" in word for ax in fig.axes for word in said(ax))
    assert alt_of(fig) == "2 questions, and below each its answer: '4' and 'he'."


def test_as_many_answers_as_questions():
    with pytest.raises(ValueError, match="zip"):
        conversations([PICTURE], ["How many?"], ["4", "5"], ["4"])


def test_a_group_of_squares_is_a_token_of_the_row():
    fig = in_a_row(PICTURE, PIECES, patch=6)
    squares, groups, tokens = fig.axes[:3]
    row = fig.axes[-1]
    cuts = [sum(patch.get_label() == "cut" for patch in ax.patches) for ax in (squares, groups)]
    assert cuts == [2 * 3, 2 * 1]
    assert said(tokens) == ["1", "2", "3", "4"]
    assert said(row) == ["<bos>", "1", "2", "3", "4", "What", "·is", "↵"]
    assert len(boxes(row, GREEN)) == 4
    assert "4 by 4 squares, these are joined to 2 by 2 groups" in alt_of(fig)
    assert alt_of(fig).endswith("4 of the 8 tokens in the row.")


def test_the_chosen_token_is_the_newest_of_the_next_run():
    (ax,) = runs(STEPS).axes
    assert said(ax) == [
        *("run 1", "…", "The", "100 %", "·A", "< 1 %"),
        *("run 2", "The", "·end", "60 %", "·way", "40 %"),
    ]
    assert [bar.get_width() / 2.7 for bar in boxes(ax, ORANGE)] == pytest.approx([1, 0.6])


def test_bars_are_sorted_and_reach_their_numbers():
    fig = kinds({"sums": 3, "colours": 9, "words": 5}, questions=10)
    right = fig.axes[0].containers[1]
    assert list(right.datavalues) == [3, 5, 9]
    lines = [line.get_xdata() for line in fig.axes[0].lines]
    assert all(low < share < high for (low, high), share in zip(lines, [3, 5, 9], strict=True))
    assert alt_of(fig).endswith("of each kind: colours 9, words 5 and sums 3.")


def test_areas_are_numbers_of_parameters():
    fig = sizes({"small": 2_000, "half": 4_000_000, "whole": 8_000_000}, {"whole": 2_000_000})
    (ax,) = fig.axes
    (small,) = boxes(ax, ORANGE)
    half, whole = boxes(ax, "#d6e4f0")
    area = [box.get_width() * box.get_height() for box in (small, half, whole, boxes(ax, GREEN)[0])]
    assert np.array(area) / area[2] == pytest.approx([2 / 8000, 1 / 2, 1, 1 / 4])
    assert "The largest is 4,000 times the smallest." in alt_of(fig)


def test_other_drawings_have_other_digests():
    for one, other in [
        (runs(STEPS), runs(STEPS[:1])),
        (in_a_row(PICTURE, PIECES, patch=6), in_a_row(PICTURE, PIECES, patch=12)),
        (sizes({"a": 4, "b": 8}, {}), sizes({"a": 4, "b": 8}, {"b": 2})),
    ]:
        assert describe(one) != describe(other)


def test_what_is_dark_in_a_box_and_nowhere_else():
    picture = Image.new("RGB", (8, 8), "white")
    picture.paste((120, 75, 40), (1, 1, 3, 3))
    picture.paste((20, 20, 20), (6, 6, 8, 8))  # dark too, but outside the box
    mask = np.asarray(dark_in(picture, (0, 0, 4, 4)))
    assert mask.shape == (8, 8)
    assert sorted(zip(*np.nonzero(mask), strict=True)) == [(1, 1), (1, 2), (2, 1), (2, 2)]
