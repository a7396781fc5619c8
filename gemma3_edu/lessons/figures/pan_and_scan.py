"""Figures of pan and scan: where pictures are cut, what the encoder then sees, what it costs.

>>> views(1600, 896)
[(0, 0, 1600, 896), (0, 0, 800, 896), (800, 0, 1600, 896)]
>>> round(stretch((0, 0, 800, 896)), 2)  # of its shapes, once it is a square
1.12
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle

from ...naive.images import Box, pan_and_scan
from ...prompt.images import ImageSource, load_image
from .alt import with_alt

Interval = tuple[float, float, float]  # a share and the ends of its interval
_SHOWN = 480  # pixels of the longer side of a picture as drawn


def views(width: int, height: int) -> list[Box]:
    """What the encoder is shown of a picture: all of it, then its crops."""
    return [(0, 0, width, height), *pan_and_scan(width, height)]


def stretch(box: Box) -> float:
    """How many times longer than wide a circle becomes once the box is squeezed into a square."""
    left, top, right, bottom = box
    sides = right - left, bottom - top
    return max(sides) / min(sides)


def cut_picture(source: ImageSource, side: int = 224) -> Figure:
    """A picture with its cuts, and below it, or beside it if tall, what the encoder sees of it."""
    picture = load_image(source)
    boxes, wide = views(*picture.size), picture.width >= picture.height
    across, aspect = len(boxes), picture.height / picture.width
    width = 6.8
    each = width / max(across, 3)
    if wide:
        height = width * aspect + each + 0.4
        fig = plt.figure(figsize=(width, height), layout="constrained")
        grid = fig.add_gridspec(2, across, height_ratios=[width * aspect, each + 0.2])
        whole = fig.add_subplot(grid[0, :])
        squares = [fig.add_subplot(grid[1, place]) for place in range(across)]
    else:
        fig = plt.figure(figsize=(width, 3.2), layout="constrained")
        grid = fig.add_gridspec(1, 1 + across, width_ratios=[max(0.4, 1 / aspect), *[1] * across])
        whole, *squares = [fig.add_subplot(grid[0, place]) for place in range(1 + across)]
    _with_cuts(whole, source)
    _as_seen(squares, source, side)
    return with_alt(
        fig,
        f"A picture of {picture.width} x {picture.height} pixels cut into {across - 1} crops, and"
        f" the {across} squares of {side} pixels that the encoder sees: the whole and the crops.",
    )


def what_if(*sizes: tuple[int, int], tokens: int = 256) -> Figure:
    """One row a size: a picture full of circles with its cuts, and the squares that are encoded.

    The widget's callback: with one size, one row.
    """
    # Room for five squares, so that nothing jumps under a slider; of several sizes, for the most.
    room = 5 if len(sizes) == 1 else max(len(views(*size)) for size in sizes)
    across = 2.25 + 1.12 * room
    high = 0.28 + 2.04 * 6.7 / across
    fig, axes = plt.subplots(len(sizes), 1, figsize=(6.8, high * len(sizes)), squeeze=False)
    # By hand: the automatic layout draws everything twice, too slow under a slider.
    top = 1 - 0.28 / (high * len(sizes))
    fig.subplots_adjust(left=0.01, right=0.99, top=top, bottom=0.02, hspace=0.28 / (high - 0.28))
    for ax, size in zip(axes[:, 0], sizes, strict=True):
        _what_if(ax, size, tokens, across)
    told = []
    for width, height in sizes:
        whole, *crops = views(width, height)
        drawn = f", drawn out {stretch(crops[0]):.2f} times in its crops" if crops else ""
        told.append(
            f"{width} x {height}: {1 + len(crops)} squares, circles drawn out"
            f" {stretch(whole):.2f} times in the whole{drawn}"
        )
    return with_alt(
        fig, f"Pictures full of circles and the squares that are encoded. {'; '.join(told)}."
    )


def whole_and_crops(shares: Mapping[str, tuple[Interval, Interval]]) -> Figure:
    """A row a task: the share of right answers with the whole alone, and with crops too."""
    fig, ax = plt.subplots(figsize=(6.8, 0.5 * len(shares) + 1.1), layout="constrained")
    looks = [("the whole alone", "s", "C1"), ("with crops", "o", "C0")]
    for way, (name, marker, colour) in enumerate(looks):
        values, lows, highs = zip(*[pair[way] for pair in shares.values()], strict=True)
        rows = range(len(shares))
        ax.hlines(rows, lows, highs, color=colour, lw=6, alpha=0.3, label="_95 %")
        ax.plot(values, rows, marker=marker, color=colour, ls="none", ms=7, label=name)
    ax.set_yticks(range(len(shares)), list(shares))
    ax.set(xlim=(-0.02, 1.02), ylim=(len(shares) - 0.5, -0.5))
    ax.set_xlabel("share of right answers, with 95 % intervals")
    ax.legend(loc="center", ncols=1)
    told = [f"{name}: {a[0]:.0%} and {b[0]:.0%}" for name, (a, b) in shares.items()]
    return with_alt(fig, f"Right answers with the whole alone and with crops. {'; '.join(told)}.")


def readings(shares: Mapping[str, Interval], numbers: bool = False) -> Figure:
    """The share of right answers and its interval (value, low, high), a row for each way to ask.

    With `numbers` each share is written after its interval.
    """
    fig, ax = plt.subplots(figsize=(6.8, 0.45 * len(shares) + 1.1), layout="constrained")
    rows = range(len(shares))
    values, lows, highs = zip(*shares.values(), strict=True)
    ax.hlines(rows, lows, highs, color="C0", lw=6, alpha=0.3, label="95 % interval")
    ax.plot(values, rows, "o", color="C0", markersize=7, label="share right")
    ax.set_yticks(rows, list(shares))
    ax.set(xlim=(-0.02, 1.02), ylim=(len(shares) - 0.5, -0.5))
    ax.set_xlabel("share of right answers, with 95 % intervals")
    if numbers:
        ax.set_xlim(-0.02, 1.14)
        for row, value, high in zip(rows, values, highs, strict=True):
            ax.text(high + 0.02, row, f"{value:.0%}", va="center")
    told = [f"{name}: {share:.1%}" for name, (share, _, _) in shares.items()]
    return with_alt(
        fig, f"{len(shares)} rows, the share of answers that are right. {'; '.join(told)}."
    )


def _with_cuts(ax: Axes, source: ImageSource) -> None:
    """A picture in grey, its cuts in white on black, the crops named beside it."""
    picture = load_image(source)
    factor = _SHOWN / max(picture.size)
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    _grey(ax, picture.resize(size))
    boxes, wide = pan_and_scan(*picture.size), picture.width >= picture.height
    middles = []
    for number, box in enumerate(boxes, start=1):
        left, top, right, bottom = (edge * factor for edge in box)
        middles.append((left + right) / 2 if wide else (top + bottom) / 2)
        if number > 1:
            x, y = ((left, left), (top, bottom)) if wide else ((left, right), (top, top))
            ax.plot(x, y, color="black", linestyle="-", linewidth=4, label="cut")
            ax.plot(x, y, color="white", linestyle="--", linewidth=2, label="cut")
    names = [f"crop {number}" for number in range(1, len(boxes) + 1)]
    (ax.set_xticks if wide else ax.set_yticks)(middles, names)
    ax.tick_params(length=0)
    ax.set(xlim=(-0.5, size[0] - 0.5), ylim=(size[1] - 0.5, -0.5))  # the cuts had widened them
    ax.set_title(f"{picture.width} x {picture.height} pixels", fontsize=10)


def _as_seen(axes: Sequence[Axes], source: ImageSource, side: int) -> None:
    """The picture and its crops, each squeezed into a square; axes left over stay empty."""
    picture = load_image(source)
    boxes = views(*picture.size)
    for ax in axes:
        ax.set_axis_off()
    for number, (ax, box) in enumerate(zip(axes, boxes, strict=False)):
        ax.set_axis_on()
        _grey(ax, picture.crop(box).resize((side, side), BILINEAR))
        ax.set_title("the whole" if number == 0 else f"crop {number}", fontsize=10)


BILINEAR = 2  # Pillow's number for what the encoder's squares are made with


def _grey(ax: Axes, picture: Any) -> None:
    pixels = np.asarray(picture.convert("L")) / 255
    ax.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="none")
    ax.set_xticks([])
    ax.set_yticks([])


def _what_if(ax: Axes, size: tuple[int, int], tokens: int, room: float) -> None:
    width, height = size
    boxes = views(width, height)
    unit = 2 / max(size)  # the picture is drawn two squares long
    across, down = (max(1, round(6 * side / max(size))) for side in size)
    radius = 0.4 * min(width / across, height / down)
    places = [
        ((x + 0.5) * width / across, (y + 0.5) * height / down)
        for x in range(across)
        for y in range(down)
    ]
    _panel(
        ax, (0.0, 1 - unit * height / 2), (unit * width, unit * height), boxes[0], places, radius
    )
    for left, top, _, _ in boxes[2:]:
        x, y = unit * left, 1 - unit * height / 2 + unit * top
        ends = ((x, x), (y, y + unit * height)) if top == 0 else ((x, x + unit * width), (y, y))
        ax.plot(*ends, color="C1", linestyle="--", linewidth=3, label="cut")
    for number, box in enumerate(boxes):
        corner = (2.25 + 1.12 * number, 0.5)
        _panel(ax, corner, (1.0, 1.0), box, places, radius)
        name = "whole" if number == 0 else f"crop {number}"
        ax.text(corner[0] + 0.5, 1.56, name, ha="center", va="top", fontsize=10)
    count = len(boxes)
    crops = f"{count - 1} crops" if count > 1 else "no crops"
    ax.set_title(
        f"{width:,} x {height:,}: {crops}, {count} x {tokens} = {count * tokens:,} soft tokens",
        fontsize=10,
    )
    ax.set(xlim=(-0.05, room), ylim=(2.02, -0.02), aspect="equal")
    ax.set_axis_off()


def _panel(
    ax: Axes,
    corner: tuple[float, float],
    size: tuple[float, float],
    box: Box,
    places: Sequence[tuple[float, float]],
    radius: float,
) -> None:
    """The circles that lie in a box, drawn into a rectangle of another shape."""
    left, top, right, bottom = box
    across, down = size[0] / (right - left), size[1] / (bottom - top)
    frame = Rectangle(corner, *size, facecolor="white", edgecolor="black", label="frame")
    ax.add_patch(frame)
    for x, y in places:
        if left - radius < x < right + radius and top - radius < y < bottom + radius:
            middle = corner[0] + (x - left) * across, corner[1] + (y - top) * down
            circle = Ellipse(middle, 2 * radius * across, 2 * radius * down, label="circle")
            circle.set(facecolor="#9ecae1", edgecolor="black")
            ax.add_patch(circle)
            circle.set_clip_path(frame)  # after add_patch, which would clip it by the axes
