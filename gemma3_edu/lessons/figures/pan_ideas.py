"""Drawings of pan and scan: a longer paper squeezed, a strip's way into the prompt, cut in n.

>>> fig = cut_in_n((905, 281), [2, 3])
>>> [text.get_text() for text in fig.axes[0].texts if "crop" in text.get_text()]
['a crop is 1.61 to 1', 'a crop is 1.07 to 1']
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle

from .alt import listed, with_alt
from .pan_and_scan import BILINEAR, Interval
from .parts import arrow, say

WHOLE, CROP, TEXT, EDGE = "#D6E4F0", "#FBE3D4", "#F0F0F0", "#7D98B0"
_ORANGE, _SHOWN = "#D55E00", 560  # pixels of the longer side of a picture as drawn
_SQUARE = 1.8  # side of a square below papers that are 1 high

Picture = Any  # Pillow's Image


def papers_and_squares(papers: Sequence[Picture], side: int) -> Figure:
    """Above, papers of one height in their own shape; below, the square made of each."""
    ratios = [paper.width / paper.height for paper in papers]
    fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
    left, gap = 0.0, 0.45
    for paper, ratio in zip(papers, ratios, strict=True):
        _image(ax, paper, (left, 2.45), (ratio, 1.0))
        say(ax, left + ratio / 2, 3.65, f"{paper.width} x {paper.height}")
        middle = left + ratio / 2
        square = paper.resize((side, side), BILINEAR)  # drawn larger, to be seen
        _image(ax, square, (middle - _SQUARE / 2, 0), (_SQUARE, _SQUARE))
        arrow(ax, (middle, 2.4), (middle, _SQUARE + 0.06), EDGE, 1.5)
        say(ax, middle, -0.2, f"{side} x {side}")
        left += ratio + gap
    _canvas(ax, (0.4 - _SQUARE / 2, left - gap + 0.1), (-0.4, 3.85))
    told = listed(f"{ratio:g}" for ratio in ratios)
    return with_alt(
        fig,
        f"{len(papers)} papers with the same writing, {told} times as wide as high; below each the"
        f" square of {side} pixels that is made of it, where the writing is as much narrower.",
    )


def shares_by_factor(papers: Mapping[str, Mapping[float, Interval]]) -> Figure:
    """The share that is read, with its interval, against how many times as wide a paper is."""
    fig, ax = plt.subplots(figsize=(6, 2.9), layout="constrained")
    factors: set[float] = set()
    told = []
    for number, (name, shares) in enumerate(papers.items()):
        values, lows, highs = zip(*shares.values(), strict=True)
        ax.vlines(list(shares), lows, highs, color=f"C{number}", lw=6, alpha=0.3, label="_95 %")
        ax.plot(list(shares), values, marker="os"[number % 2], color=f"C{number}", label=name)
        factors |= shares.keys()
        read = listed(f"{share:.0%} at {factor:g}" for factor, (share, *_) in shares.items())
        told.append(f"{name}: {read}")
    ticks = sorted(factors)
    ax.set_xticks(ticks, [f"{factor:g}" for factor in ticks])
    ax.set(xlabel="how many times as wide the paper is", ylim=(-0.03, 1.03))
    ax.set_ylabel("share read, with 95 % intervals")
    if len(papers) > 1:
        ax.legend(loc="upper right")
    return with_alt(fig, f"Share of numbers read, by the width of the paper. {'; '.join(told)}.")


def strip_to_prompt(
    strip: Picture, boxes: Sequence[tuple[int, int, int, int]], side: int, tokens: int
) -> Figure:
    """A strip and its cuts, the squares of the whole and of the crops, and the prompt's row."""
    crops = len(boxes)
    fig, ax = plt.subplots(figsize=(7, 6), layout="constrained")
    each = 1.5  # side of a square, and 0.12 between two
    length = 1.62 * (crops + 1) - 0.12
    height = length * strip.height / strip.width
    low, top = 1.25, 3.35  # of the squares, of the strip's lower edge
    _image(ax, strip, (0, top), (length, height))
    for number, box in enumerate([(0, 0, *strip.size), *boxes]):
        x, colour = 1.62 * number, EDGE if number == 0 else _ORANGE
        square = strip.crop(box).resize((side, side), BILINEAR)
        _image(ax, square, (x, low), (each, each), colour)
        middle = (box[0] + box[2]) / 2 / strip.width * length
        start = (each / 2 if number == 0 else middle, top - 0.04)
        arrow(ax, start, (x + each / 2, low + each + 0.04), colour, 1.5)
        if number > 1:
            cut = box[0] / strip.width * length
            ax.plot(
                [cut, cut], [top - 0.1, top + height + 0.1], color=_ORANGE, ls="--", label="cut"
            )
        say(ax, x + each / 2, low - 0.17, "the whole" if number == 0 else f"crop {number}")
    _row(ax, crops, tokens, length)
    say(ax, 0, top + height + 0.2, f"{strip.width} x {strip.height}", ha="left")
    _canvas(ax, (-0.05, length + 0.05), (-0.05, top + height + 0.35))
    return with_alt(
        fig,
        f"A strip of {strip.width} x {strip.height} pixels is cut into {crops} crops; the whole and"
        f" the crops become {crops + 1} squares. Below, the prompt: words, {tokens} soft tokens of"
        f" the whole, words, {tokens} for each crop, the question.",
    )


def _row(ax: Axes, crops: int, tokens: int, length: float) -> None:
    """The prompt from left to right: grey for words, a colour for each kind of picture."""
    soft = f"{tokens} soft\ntokens"
    parts = [("Here is …", TEXT), (soft, WHOLE), ("… crops …", TEXT)]
    parts += [(soft, CROP)] * crops + [("question", TEXT)]
    widths = [1.0 if fill == TEXT else 0.75 for _, fill in parts]
    scale = length / sum(widths)
    left = 0.0
    for (word, fill), width in zip(parts, widths, strict=True):
        box = Rectangle((left, 0.3), width * scale - 0.06, 0.56, facecolor=fill, edgecolor=EDGE)
        ax.add_patch(box)
        say(ax, left + width * scale / 2 - 0.03, 0.58, word, size=9)
        left += width * scale
    say(ax, length / 2, 0.12, "the prompt: words, and the soft tokens of each square")


def cut_in_n(size: tuple[int, int], numbers: Sequence[int]) -> Figure:
    """A strip cut into so many crops, one row each; on the right a circle of a crop in its square.

    Beside each row: how many times longer than short a crop is.
    """
    width, height = size
    fig, ax = plt.subplots(figsize=(7, 0.75 * len(numbers) + 0.7), layout="constrained")
    unit = 0.8 / height
    told = []
    for row, number in enumerate(numbers):
        y = -1.05 * row
        step = math.ceil(width / number)
        for left in range(0, width, step):
            right = min(left + step, width)
            box = Rectangle((left * unit, y), (right - left) * unit, 0.8)
            box.set(facecolor=CROP if number > 1 else WHOLE, edgecolor=_ORANGE, label="crop")
            ax.add_patch(box)
            middle = (left + right) / 2 * unit, y + 0.4
            ax.add_patch(Ellipse(middle, 0.3, 0.3, fc="white", ec="black", label="circle"))
        ratio = max(step, height) / min(step, height)
        across, down = (1, step / height) if step < height else (height / step, 1)
        x = width * unit + 2.3
        fill = CROP if number > 1 else WHOLE
        ax.add_patch(Rectangle((x, y), 0.8, 0.8, fc=fill, ec=_ORANGE, label="square"))
        squeezed = Ellipse((x + 0.4, y + 0.4), 0.6 * across, 0.6 * down, fc="white", ec="black")
        squeezed.set_label("in the square")
        ax.add_patch(squeezed)
        told.append(f"{number}: {ratio:.2f}")
        say(ax, -0.12, y + 0.4, f"n = {number}", ha="right")
        said = f"a crop is {ratio:.2f} to 1" if number > 1 else f"the whole is {ratio:.2f} to 1"
        say(ax, width * unit + 0.12, y + 0.4, said, ha="left")
    say(ax, width * unit + 2.7, 1.05, "its square", size=9)
    _canvas(ax, (-0.9, width * unit + 3.3), (-1.05 * (len(numbers) - 1) - 0.1, 1.25))
    return with_alt(
        fig,
        f"A strip of {width} x {height} cut into {listed(numbers)} crops with a circle in each, and"
        " what becomes of the circle in a crop's square; longer side of a crop to its shorter,"
        f" {', '.join(told)}.",
    )


def framings(strip: Picture, ways: Mapping[str, Sequence[tuple[int, int, int, int]]]) -> Figure:
    """A row for each way to lay crops on one strip, with their frames and numbers."""
    fig, ax = plt.subplots(figsize=(7, 1.3 * len(ways)), layout="constrained")
    length = 4.6
    unit = length / strip.width
    height = unit * strip.height
    told = []
    for row, (name, boxes) in enumerate(ways.items()):
        y = -(height + 0.15) * row
        _image(ax, strip, (0, y), (length, height))
        say(ax, -0.1, y + height / 2, name, ha="right")
        for number, (left, _, right, _) in enumerate(boxes, start=1):
            frame = Rectangle((unit * left, y), unit * (right - left), height, label="crop")
            frame.set(fill=False, edgecolor=_ORANGE, linewidth=2)
            ax.add_patch(frame)
            place = unit * (left + right) / 2
            say(ax, place, y + height - 0.15, f"crop {number}", color=_ORANGE, size=9)
        places = [left - strip.width // 2 for left, *_ in boxes[1:]]
        cuts = f"cuts at {listed(places)}" if places else "no cut"
        told.append(f"{' '.join(name.split())}: {cuts}")
    _canvas(ax, (-1.25, length + 0.05), (-(height + 0.15) * (len(ways) - 1) - 0.05, height + 0.05))
    return with_alt(
        fig,
        f"{len(ways)} times the same strip with a number in its middle, and the frames of the"
        f" crops, cut so many pixels from the middle. {'; '.join(told)}.",
    )


def _image(
    ax: Axes,
    picture: Picture,
    corner: tuple[float, float],
    size: tuple[float, float],
    edge: str = EDGE,
) -> None:
    """A picture in grey with a frame, its lower left corner at `corner`."""
    factor = min(1.0, _SHOWN / max(picture.size))
    small = picture.convert("L").resize([max(1, round(factor * s)) for s in picture.size])
    (left, low), (width, height) = corner, size
    extent = (left, left + width, low, low + height)
    ax.imshow(np.asarray(small) / 255, cmap="gray", vmin=0, vmax=1, extent=extent)
    ax.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=edge, linewidth=1.5))


def _canvas(ax: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    ax.set(xlim=x, ylim=y)
    ax.set_aspect("equal")
    ax.axis("off")
