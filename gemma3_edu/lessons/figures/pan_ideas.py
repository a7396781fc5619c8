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
from matplotlib.patches import Rectangle

from .alt import listed, with_alt
from .pan_and_scan import BILINEAR
from .parts import arrow, say

WHOLE, CROP, TEXT, EDGE = "#D6E4F0", "#FBE3D4", "#F0F0F0", "#7D98B0"
_ORANGE, _SHOWN = "#D55E00", 560  # pixels of the longer side of a picture as drawn

Picture = Any  # Pillow's Image
Interval = tuple[float, float, float]  # a share and the ends of its interval


def papers_and_squares(papers: Sequence[Picture], side: int) -> Figure:
    """Above, papers of one height in their own shape; below, the square made of each."""
    ratios = [paper.width / paper.height for paper in papers]
    fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
    left, gap = 0.0, 0.45
    for paper, ratio in zip(papers, ratios, strict=True):
        _image(ax, paper, (left, 1.75), (ratio, 1.0))
        say(ax, left + ratio / 2, 2.95, f"{paper.width} x {paper.height}")
        middle = left + ratio / 2
        _image(ax, paper.resize((side, side), BILINEAR), (middle - 0.5, 0), (1, 1))
        arrow(ax, (middle, 1.7), (middle, 1.06), EDGE, 1.5)
        say(ax, middle, -0.2, f"{side} x {side}")
        left += ratio + gap
    _canvas(ax, (-0.1, left - gap + 0.1), (-0.4, 3.15))
    told = listed(f"{ratio:g}" for ratio in ratios)
    return with_alt(
        fig,
        f"{len(papers)} papers with the same writing, {told} times as wide as high; below each the"
        f" square of {side} pixels that is made of it, where the writing is as much narrower.",
    )


def shares_by_factor(papers: Mapping[str, Mapping[float, Interval]]) -> Figure:
    """The share that is read, with its interval, against how many times larger a paper is."""
    fig, ax = plt.subplots(figsize=(6, 2.9), layout="constrained")
    factors: set[float] = set()
    told = []
    for number, (name, shares) in enumerate(papers.items()):
        values, lows, highs = zip(*shares.values(), strict=True)
        label = "_nolegend_" if number else "interval"
        ax.vlines(list(shares), lows, highs, color=f"C{number}", linewidth=2, label=label)
        ax.plot(list(shares), values, marker="os"[number % 2], color=f"C{number}", label=name)
        factors |= shares.keys()
        read = listed(f"{share:.0%} at {factor:g}" for factor, (share, *_) in shares.items())
        told.append(f"{name}: {read}")
    ticks = sorted(factors)
    ax.set_xticks(ticks, [f"{factor:g}" for factor in ticks])
    ax.set(xlabel="how many times larger the paper is", ylabel="share read", ylim=(-0.03, 1.03))
    _legend_once(ax, "upper right")
    return with_alt(fig, f"Share of numbers read, by the size of the paper. {'; '.join(told)}.")


def strip_to_prompt(
    strip: Picture, boxes: Sequence[tuple[int, int, int, int]], side: int, tokens: int
) -> Figure:
    """A strip and its cuts, the squares of the whole and of the crops, and the prompt's row."""
    crops = len(boxes)
    fig, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
    length = 1.6 * (crops + 1)
    height = length * strip.height / strip.width
    _image(ax, strip, (0, 3.2), (length, height))
    views = [(0, 0, *strip.size), *boxes]
    places = [(length - 1.15) * n / crops for n in range(crops + 1)]
    for number, (box, x) in enumerate(zip(views, places, strict=True)):
        square = strip.crop(box).resize((side, side), BILINEAR)
        _image(ax, square, (x, 1.45), (1.15, 1.15), EDGE if number == 0 else _ORANGE)
        middle = (box[0] + box[2]) / 2 / strip.width * length
        start = (0.58, 3.16) if number == 0 else (middle, 3.16)
        arrow(ax, start, (x + 0.575, 2.64), EDGE if number == 0 else _ORANGE, 1.5)
        if number > 1:
            cut = box[0] / strip.width * length
            ax.plot([cut, cut], [3.1, 3.3 + height], color=_ORANGE, ls="--", label="cut")
        say(ax, x + 0.575, 1.28, "the whole" if number == 0 else f"crop {number}", size=9)
    _row(ax, crops, tokens, length)
    say(ax, 0, 3.55 + height, f"{strip.width} x {strip.height}", ha="left")
    _canvas(ax, (-0.1, length + 0.1), (-0.3, 3.75 + height))
    return with_alt(
        fig,
        f"A strip of {strip.width} x {strip.height} pixels is cut into {crops} crops; the whole and"
        f" the crops become {crops + 1} squares. Below, the prompt: words, {tokens} soft tokens of"
        f" the whole, words, {tokens} for each crop, the question.",
    )


def _row(ax: Axes, crops: int, tokens: int, length: float) -> None:
    """The prompt from left to right: grey for words, a colour for each kind of picture."""
    parts = [("Here is …", TEXT), (f"{tokens}", WHOLE), ("… crops …", TEXT)]
    parts += [(f"{tokens}", CROP)] * crops + [("question", TEXT)]
    widths = [1.0 if fill == TEXT else 0.75 for _, fill in parts]
    scale = length / sum(widths)
    left = 0.0
    for (word, fill), width in zip(parts, widths, strict=True):
        box = Rectangle((left, 0.3), width * scale - 0.06, 0.55, facecolor=fill, edgecolor=EDGE)
        ax.add_patch(box)
        say(ax, left + width * scale / 2 - 0.03, 0.57, word, size=9)
        left += width * scale
    say(ax, length / 2, -0.1, "the prompt: words, and soft tokens of each square", size=9)


def cut_in_n(size: tuple[int, int], numbers: Sequence[int]) -> Figure:
    """A strip of this size cut into so many crops, one row each, and how square a crop is."""
    width, height = size
    fig, ax = plt.subplots(figsize=(7, 0.75 * len(numbers) + 0.4), layout="constrained")
    unit = 0.8 / height
    told = []
    for row, number in enumerate(numbers):
        y = -1.05 * row
        step = math.ceil(width / number)
        for left in range(0, width, step):
            right = min(left + step, width)
            box = Rectangle((left * unit, y), (right - left) * unit, 0.8)
            box.set(facecolor=CROP if number > 1 else WHOLE, edgecolor=_ORANGE)
            ax.add_patch(box)
        ratio = max(step, height) / min(step, height)
        told.append(f"{number}: {ratio:.2f}")
        say(ax, -0.12, y + 0.4, f"n = {number}", ha="right")
        said = f"a crop is {ratio:.2f} to 1" if number > 1 else f"the whole is {ratio:.2f} to 1"
        say(ax, width * unit + 0.12, y + 0.4, said, ha="left")
    _canvas(ax, (-0.9, width * unit + 2.2), (-1.05 * (len(numbers) - 1) - 0.1, 0.95))
    return with_alt(
        fig,
        f"A strip of {width} x {height} cut into {listed(numbers)} crops; longer side of a crop to"
        f" its shorter, {', '.join(told)}.",
    )


def shares_by_place(shares: Mapping[int, Interval], cuts: Sequence[int], width: int) -> Figure:
    """The share that is read against the middle of the number in pixels, with the strip's cuts."""
    fig, ax = plt.subplots(figsize=(6.8, 3), layout="constrained")
    values, lows, highs = zip(*shares.values(), strict=True)
    ax.vlines(list(shares), lows, highs, color="C0", linewidth=2, label="interval")
    ax.plot(list(shares), values, marker="o", color="C0", label="share read")
    for cut in cuts:
        ax.axvline(cut, color="C1", linestyle="--", label="a cut")
    ax.set(xlim=(0, width), ylim=(-0.03, 1.03), ylabel="share read")
    ax.set_xlabel("middle of the number, pixels from the left")
    _legend_once(ax, "center right")
    told = listed(f"{share:.0%} at {place}" for place, (share, *_) in shares.items())
    return with_alt(
        fig,
        f"Share read against the middle of the number on a strip of {width} pixels with cuts at"
        f" {listed(cuts)}: {told}.",
    )


def _legend_once(ax: Axes, place: Any) -> None:
    """A legend with one entry for each name."""
    handles, labels = ax.get_legend_handles_labels()
    once: dict[str, Any] = dict(zip(labels, handles, strict=True))
    ax.legend(list(once.values()), list(once), loc=place, framealpha=1)


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
