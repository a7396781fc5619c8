"""The digest of a figure changes when what is drawn changes, and not otherwise."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gemma3_edu.lessons.figures.digest import describe


def curve(values: list[float]) -> Figure:
    fig = Figure()
    fig.subplots().plot(range(len(values)), values, label="square")
    return fig


def image(values: np.ndarray) -> Figure:
    fig = Figure()
    fig.subplots().imshow(values)
    return fig


def test_the_digest_changes_with_the_curve():
    told = describe(curve([0, 1, 4, 9]))
    assert "n=4 first=0 last=9 min=0 max=9 mean=3.5" in told
    for other in ([0, 1, 4, 8], [0, 1, 5, 9], [0, 1, 4], [0.0, 1.0, 4.0, 9.1]):
        assert describe(curve(other)) != told


def test_the_digest_of_a_transposed_image_of_the_same_sum_differs():
    small = np.tril(np.ones((5, 5)))
    large = np.tril(np.ones((30, 30)))
    for mask in (small, large):
        assert describe(image(mask)) != describe(image(mask.T))
        assert describe(image(mask)) == describe(image(mask.copy()))
    assert "mask\n    #....\n    ##...\n    ###..\n" in describe(image(small))
    assert "shape=(30, 30) n=900" in describe(image(large))


def test_the_digest_hides_rounding_noise_and_nothing_else():
    assert describe(curve([1.0, 1e-9])) == describe(curve([1.0, -2e-12]))
    assert describe(curve([1.0, 1e-3])) != describe(curve([1.0, 2e-3]))
    assert "last=0 " in describe(curve([1.0, -1e-12]))


def draw_bars(ax: Axes, high: int):
    ax.bar(["270M", "1B"], [1, high])


def draw_points(ax: Axes, high: int):
    ax.scatter([1, 2], [1, high])


def draw_area(ax: Axes, high: int):
    ax.fill_between([0, 1], [0, 0], [1, high])


def draw_segments(ax: Axes, high: int):
    ax.vlines([0, 1], 0, [1, high])


def draw_boxes(ax: Axes, high: int):
    for left in range(3):
        ax.add_patch(Rectangle((left, 0), 1, high))


def draw_mesh(ax: Axes, high: int):
    ax.pcolormesh([[0.5, high]])


def draw_text(ax: Axes, high: int):
    ax.plot([0, 1])
    ax.text(0, 0, f"peak {high}")


def draw_ticks(ax: Axes, high: int):
    ax.plot([0, 1])
    ax.set_xticks([0, 1], labels=["a", f"b{high}"])


def draw_scale(ax: Axes, high: int):
    ax.plot([1, 2])
    ax.set_yscale("log" if high == 3 else "linear")


def draw_inset(ax: Axes, high: int):
    ax.inset_axes([0, 0, 0.5, 0.5]).plot([0, high])


def draw_colour_bar(ax: Axes, high: int):
    ax.figure.colorbar(ax.imshow([[0.5, 1.5]], vmax=high), label="score")


DRAWINGS = [name for name in globals() if name.startswith("draw_")]


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_kind_of_content_is_in_the_digest(name: str):
    told = []
    for high in (2, 3):
        fig = Figure()
        globals()[name](fig.subplots(), high)
        told.append(describe(fig))
    assert told[0] != told[1]
