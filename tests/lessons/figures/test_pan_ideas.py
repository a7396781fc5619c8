"""The drawings of pan and scan: what is squeezed, where a strip is cut, how square crops are."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.pan_ideas import (
    cut_in_n,
    framings,
    papers_and_squares,
    shares_by_factor,
    strip_to_prompt,
)
from gemma3_edu.naive.images import pan_and_scan
from gemma3_edu.prompt.images import Image


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


def gradient(width: int, height: int) -> Image.Image:
    return Image.linear_gradient("L").resize((width, height)).convert("RGB")


def extents(ax) -> list[list[float]]:
    return [list(image.get_extent()) for image in ax.images]


def test_papers_keep_their_shape_and_their_squares_are_squares():
    fig = papers_and_squares([gradient(60, 60), gradient(180, 60)], side=20)
    sizes = [(right - left, top - low) for left, right, low, top in extents(fig.axes[0])]
    assert np.allclose(sizes, [(1, 1), (1.8, 1.8), (3, 1), (1.8, 1.8)])
    assert [np.asarray(i.get_array()).shape for i in fig.axes[0].images][1::2] == [(20, 20)] * 2
    assert "1 and 3 times as wide as high" in alt_of(fig)
    assert "text 60 x 60 | 20 x 20 | 180 x 60 | 20 x 20" in describe(fig)


def test_the_squares_of_a_strip_are_the_whole_and_its_crops():
    strip = Image.new("RGB", (900, 280), "white")
    strip.paste("black", (0, 0, 300, 280))
    boxes = pan_and_scan(*strip.size)
    fig = strip_to_prompt(strip, boxes, side=30, tokens=16)
    (ax,) = fig.axes
    whole, *crops = [np.asarray(image.get_array()) for image in ax.images[1:]]
    assert whole[:, :9].max() < 0.2  # a third of it is black
    assert whole[:, 11:].min() > 0.8
    assert [float(crop.mean().round(2)) for crop in crops] == [0, 1, 1]
    left, right, *_ = ax.images[0].get_extent()
    cuts = [line.get_xdata()[0] for line in ax.lines]
    assert np.allclose(cuts, [(right - left) / 3, 2 * (right - left) / 3])
    words = [text.get_text() for text in ax.texts]
    assert words[:4] == ["the whole", "crop 1", "crop 2", "crop 3"]
    assert words.count("16 soft\ntokens") == 4
    assert "3 crops; the whole and the crops become 4 squares" in alt_of(fig)


def test_cut_in_n_says_how_square_a_crop_is():
    fig = cut_in_n((900, 300), [1, 2, 3, 4])
    words = [text.get_text() for text in fig.axes[0].texts]
    assert words[1:-1:2] == [
        "the whole is 3.00 to 1",
        "a crop is 1.50 to 1",
        "a crop is 1.00 to 1",
        "a crop is 1.33 to 1",
    ]
    labels = [patch.get_label() for patch in fig.axes[0].patches]
    assert labels.count("crop") == labels.count("circle") == 1 + 2 + 3 + 4
    squeezed = [p for p in fig.axes[0].patches if p.get_label() == "in the square"]
    shapes = [circle.width / circle.height for circle in squeezed]
    assert shapes == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3])
    assert "1: 3.00, 2: 1.50, 3: 1.00, 4: 1.33" in alt_of(fig)


def test_shares_by_factor():
    wide = {1: (1.0, 0.75, 1.0), 2: (0.25, 0.125, 0.5)}
    fig = shares_by_factor({"wider": wide, "both": {2: (0.5, 0.25, 0.75)}})
    text = describe(fig)
    assert "line 'wider' over 1..2: n=2 first=1 last=0.25" in text
    assert "segments '_95 %' x" in text
    legend = [entry.get_text() for entry in fig.axes[0].get_legend().get_texts()]
    assert legend == ["wider", "both"]
    assert shares_by_factor({"wider": wide}).axes[0].get_legend() is None  # one line needs none
    assert "wider: 100% at 1 and 25% at 2; both: 50% at 2." in alt_of(fig)


def test_framings_show_each_way_to_cut_on_the_same_strip():
    ways = {"beside\nit": [(40, 0, 70, 30), (70, 0, 100, 30)], "in it": [(10, 0, 60, 30)]}
    fig = framings(gradient(120, 30), ways)
    (ax,) = fig.axes
    rows = extents(ax)
    assert len(rows) == 2
    assert rows[0][:2] == rows[1][:2]
    unit = (rows[0][1] - rows[0][0]) / 120
    frames = [patch for patch in ax.patches if patch.get_label() == "crop"]
    assert np.allclose([f.get_x() / unit for f in frames], [40, 70, 10])
    assert np.allclose([f.get_width() / unit for f in frames], [30, 30, 50])
    assert np.allclose([f.get_y() for f in frames], [rows[0][2], rows[0][2], rows[1][2]])
    assert "text beside\nit | crop 1 | crop 2 | in it | crop 1" in describe(fig)
    assert "beside it: cuts at 10; in it: no cut" in alt_of(fig)


def test_the_squares_of_a_strip_fill_its_length():
    strip = gradient(900, 280)
    (ax,) = strip_to_prompt(strip, pan_and_scan(*strip.size), side=30, tokens=16).axes
    whole, *squares = extents(ax)
    assert squares[0][0] == whole[0]
    assert squares[-1][1] == pytest.approx(whole[1])
    assert all(right - left > 0.2 * whole[1] for left, right, *_ in squares)  # large enough to read
