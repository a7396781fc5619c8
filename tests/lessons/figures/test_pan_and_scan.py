"""The figures of pan and scan show the cuts, the squares and the costs that the rule gives."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from gemma3_edu.hub.checkpoint import ASSETS
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.pan_and_scan import (
    cut_picture,
    readings,
    stretch,
    views,
    what_if,
    whole_and_crops,
)
from gemma3_edu.naive.images import pan_and_scan
from gemma3_edu.prompt.images import Image, load_image, resize_and_normalize
from gemma3_edu.prompt.images import pan_and_scan as cut_image

PHOTO = ASSETS / "photos" / "french-alpine-landscape.jpg"


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


def drawn(ax) -> np.ndarray:
    """The picture in an axes."""
    (image,) = ax.images
    return np.asarray(image.get_array())


def test_views_are_the_whole_and_its_crops():
    assert views(300, 300) == [(0, 0, 300, 300)]
    assert views(400, 1001) == [(0, 0, 400, 1001), *pan_and_scan(400, 1001)]


def test_stretch_is_the_same_upright():
    assert stretch((0, 0, 300, 100)) == stretch((7, 5, 107, 305)) == 3


@pytest.mark.parametrize(
    ("size", "crops"), [((1001, 400), 3), ((400, 1001), 3), ((300, 300), 0), ((4000, 500), 4)]
)
def test_a_picture_its_cuts_and_its_squares(size, crops):
    fig = cut_picture(Image.linear_gradient("L").resize(size), side=30)
    whole, *squares = fig.axes
    assert whole.get_title() == f"{size[0]} x {size[1]} pixels"
    titles = ["the whole", *[f"crop {number}" for number in range(1, crops + 1)]]
    assert [ax.get_title() for ax in squares] == titles
    wide = size[0] >= size[1]
    labels = whole.get_xticklabels() if wide else whole.get_yticklabels()
    assert [label.get_text() for label in labels] == titles[1:]
    factor = 480 / max(size)
    cuts = [line.get_xdata() if wide else line.get_ydata() for line in whole.lines]
    borders = [factor * box[0 if wide else 1] for box in pan_and_scan(*size)[1:]]
    assert [at[0] for at in cuts] == pytest.approx([b for b in borders for _ in "bw"])
    assert all(at[0] == at[1] for at in cuts)
    assert {drawn(ax).shape for ax in squares} == {(30, 30)}


def test_the_squares_are_what_the_encoder_reads():
    """The figure is grey; a grey picture's pixels equal those of the package."""
    picture = load_image(PHOTO).convert("L").convert("RGB")
    fig = cut_picture(picture, side=56)
    for ax, view in zip(fig.axes[1:], [picture, *cut_image(picture)], strict=True):
        want = (resize_and_normalize(view, 56)[0].numpy() + 1) / 2
        assert np.abs(drawn(ax) - want).max() < 0.01


# The widget's settings: both ends of the sliders, and where it starts.
@pytest.mark.parametrize(
    ("size", "title"),
    [
        ((1600, 896), "1,600 x 896: 2 crops, 3 x 256 = 768 soft tokens"),
        ((100, 100), "100 x 100: no crops, 1 x 256 = 256 soft tokens"),
        ((4000, 4000), "4,000 x 4,000: no crops, 1 x 256 = 256 soft tokens"),
        ((4000, 100), "4,000 x 100: no crops, 1 x 256 = 256 soft tokens"),
        ((500, 4000), "500 x 4,000: 4 crops, 5 x 256 = 1,280 soft tokens"),
    ],
)
def test_what_if(size, title):
    (ax,) = what_if(size).axes
    squares = len(views(*size))
    assert ax.get_title() == title
    frames = [patch for patch in ax.patches if patch.get_label() == "frame"]
    assert [frame.get_width() for frame in frames[1:]] == [1.0] * squares
    shape = frames[0].get_width() / frames[0].get_height()
    assert shape == pytest.approx(size[0] / size[1])
    assert max(frames[0].get_width(), frames[0].get_height()) == pytest.approx(2)
    assert len(ax.lines) == max(0, squares - 2)
    names = ["whole", *[f"crop {number}" for number in range(1, squares)]]
    assert [text.get_text() for text in ax.texts] == names


def test_circles_are_drawn_out_as_the_stretch_says():
    (ax,) = what_if((1600, 400)).axes
    circles = [patch for patch in ax.patches if patch.get_label() == "circle"]
    shapes = {round(circle.width / circle.height, 6) for circle in circles}
    assert shapes == {1.0, 0.25}  # the picture and its crops of 400 x 400; the whole in a square


def test_small_multiples_are_the_rows_of_the_widget():
    sizes = [(1600, 896), (1200, 1000), (500, 2000)]
    together = [ax.get_title() for ax in what_if(*sizes).axes]
    assert together == [what_if(size).axes[0].get_title() for size in sizes]


def test_readings():
    shares = {"alone": (0.25, 0.125, 0.5), "again": (0.0, 0.0, 0.0625)}
    text = describe(readings(shares))
    assert "y ticks alone | again" in text
    assert "line 'share right' over 0.25..0" in text
    assert "segments '95 % interval' x: n=4 first=0.125 last=0.0625 min=0 max=0.5" in text
    assert not readings(shares).axes[0].texts
    (ax,) = readings(shares, numbers=True).axes
    assert [(t.get_text(), t.get_position()) for t in ax.texts] == [
        ("25%", (0.52, 0)),
        ("0%", (0.0825, 1)),
    ]


def test_the_whole_and_crops():
    pair = ((0.25, 0.125, 0.5), (0.75, 0.5, 1.0))
    fig = whole_and_crops({"long": pair, "longer": (pair[0], pair[0])})
    text = describe(fig)
    assert "y ticks long | longer" in text
    assert "line 'the whole alone' over 0.25..0.25: n=2" in text
    assert "line 'with crops' over 0.75..0.25: n=2" in text
    assert "segments '_95 %' x: n=4 first=0.125 last=0.5" in text
    assert "long: 25% and 75%; longer: 25% and 25%." in alt_of(fig)
