"""Drawings of the first lesson: what was asked, a picture in the row, the runs, scores and sizes.

>>> drawn = in_a_row(np.zeros((112, 112, 3)), ["<bos>", *["<image_soft_token>"] * 16, "Why", "?"])
>>> alt_of(drawn)[:58]
'A picture of 112 by 112 pixels is cut into 8 by 8 squares,'
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle
from numpy.typing import ArrayLike

from ...train.scores import interval
from .alt import alt_of, listed, with_alt

__all__ = ["KINDS", "alt_of", "conversations", "dark_in", "in_a_row", "kinds", "runs", "sizes"]

_CHOSEN, _PEACH, _SKY, _MINT, _GREEN = "#D55E00", "#FBE3D4", "#D6E4F0", "#CFE8DE", "#009E73"
_MIST, _EDGE, _GREY, _RIGHT, _WRONG = "#F4F7FA", "#7D98B0", "#5A6672", "#00664A", "#B00020"
_SHOWN = 190  # pixels that a picture is drawn wide, about
_SOFT, _TIMES = "<image_soft_token>", "\N{MULTIPLICATION SIGN}"
_SHORT = {"<end_of_turn>": "<end>", "<start_of_turn>": "<start>"}


def dark_in(picture: Any, box: tuple[int, int, int, int]) -> Any:
    """A mask of a PIL image, of its size: white where it is darker than paper in the box.

    The box is left, top, right and bottom, in pixels. Elsewhere the mask is black.
    """
    mask = picture.convert("L").point(lambda grey: 0)
    mask.paste(picture.crop(box).convert("L").point(lambda grey: 255 * (grey < 200)), box)
    return mask


def conversations(
    sources: Sequence[ArrayLike | str],
    questions: Sequence[str],
    answers: Sequence[str] | None = None,
    wanted: Sequence[str] = (),
) -> Figure:
    """One column each: a picture or a text, the question, the answer, and whether it is right.

    An answer is right if its last word, without a full stop, is the one that is wanted; if
    none is, that is left to who looks. Before there are answers, the columns end with the question.
    """
    columns, low = len(sources), 0.0 if answers is not None else 6.6
    height = 4.6 * (18.6 - low) / 18.6
    fig, axes = plt.subplots(1, columns, figsize=(2.45 * columns, height), squeeze=False)
    fig.subplots_adjust(0.01, 0.01, 0.99, 0.99, wspace=0.06)
    told = []
    blank = [""] * columns
    cards = zip(axes[0], sources, questions, answers or blank, wanted or blank, strict=True)
    for ax, source, question, answer, last in cards:
        if isinstance(source, str):
            _panel(ax, 0.6, 9.8, 8.8, 8.4, _MIST)
            _words(ax, 1.1, 14, textwrap.fill(source, 25), ha="left", size=9.5, style="italic")
        else:
            _picture(ax, np.asarray(source), (0.8, 9.8, 8.4, 8.4))
        _panel(ax, 1.4, 6.9, 8.2, 2.2, _SKY)
        _words(ax, 5.5, 8, textwrap.fill(question, 22), size=10)
        _canvas(ax, (0, 10), (low, 18.6))
        if answers is None:
            continue
        _panel(ax, 0.4, 2.6, 8.2, 3.7, _PEACH)
        _words(ax, 4.5, 4.45, textwrap.fill(answer, 22), size=10, weight="bold")
        if not wanted:
            told.append(repr(answer))
            continue
        right = answer.removesuffix(".").split()[-1:] == [last]
        mark, ink = ("✓ right", _RIGHT) if right else (f"{_TIMES} wrong", _WRONG)
        _words(ax, 4.5, 1.7, mark, size=11, weight="bold", color=ink)
        if not right:
            _words(ax, 4.5, 0.7, f"right answer: {last}", size=9, color=ink)
        told.append(f"{answer!r} ({'right' if right else f'wrong, {last} is right'})")
    if answers is None:
        return with_alt(fig, f"{columns} pictures or texts, each with its question below it.")
    return with_alt(fig, f"{columns} questions, and below each its answer: {listed(told)}.")


def in_a_row(picture: ArrayLike, pieces: Sequence[str], patch: int = 14) -> Figure:
    """A square picture cut into patches, their groups, and the row of tokens they are part of."""
    pixels = np.asarray(picture)
    side = pixels.shape[0]
    squares, soft = side // patch, list(pieces).count(_SOFT)
    groups = round(soft**0.5)
    fig, axes = plt.subplots(
        2, 3, figsize=(7.2, 4.7), height_ratios=[2.5, 2.2], layout="constrained"
    )
    for ax, cuts, title in [
        (axes[0, 0], squares, f"{squares} by {squares} squares"),
        (axes[0, 1], groups, f"{groups} by {groups} groups"),
    ]:
        ax.imshow(pixels)
        for cut in np.arange(1, cuts) * side / cuts - 0.5:
            width = 0.8 if cuts == squares else 2
            for ends in ([(cut, -0.5), (cut, side - 0.5)], [(-0.5, cut), (side - 0.5, cut)]):
                ax.add_patch(Polygon(ends, closed=False, ec=_GREEN, lw=width, label="cut"))
        ax.set_title(title, fontsize=11)
        ax.set(xticks=[], yticks=[])
    cells = axes[0, 2]
    _canvas(cells, (0, groups), (groups, 0))
    cells.set_title(f"{soft} tokens", fontsize=11)
    for number in range(soft):
        x, y = number % groups, number // groups
        cells.add_patch(Rectangle((x + 0.06, y + 0.06), 0.88, 0.88, fc=_GREEN, ec="white"))
        _words(cells, x + 0.5, y + 0.5, str(number + 1), color="white", weight="bold")
    for ax in axes[1]:
        ax.axis("off")
    below = fig.add_subplot(axes[1, 0].get_gridspec()[1, :])
    _row_of(below, pieces)
    return with_alt(
        fig,
        f"A picture of {side} by {side} pixels is cut into {squares} by {squares} squares, these"
        f" are joined to {groups} by {groups} groups, and each group is a token: {soft} of the"
        f" {len(pieces)} tokens in the row.",
    )


def _row_of(ax: Axes, pieces: Sequence[str], width: float = 64) -> None:
    """The pieces as cells, in lines as text has them; those of a picture are green and numbered."""
    x, y, number = 0.0, 0.0, 0
    for piece in pieces:
        soft = piece == _SOFT
        number += soft
        text = str(number) if soft else _seen(piece)
        room = 1.9 if soft else 0.95 * len(text) + 0.9
        if x + room > width:
            x, y = 0.0, y + 3
        ax.add_patch(Rectangle((x, y), room - 0.2, 2.3, fc=_GREEN if soft else _MIST, ec=_EDGE))
        ink, weight = ("white", "bold") if soft else ("black", "normal")
        family = "sans-serif" if soft else "monospace"
        _words(
            ax, x + room / 2 - 0.1, y + 1.15, text, color=ink, weight=weight, family=family, size=9
        )
        x += room
    _canvas(ax, (-0.2, width), (y + 2.6, -0.3), aspect="auto")


def runs(steps: Sequence[Sequence[tuple[str, float]]]) -> Figure:
    """A column for each run of the model: its best tokens with their shares, the chosen one first.

    Shares are from 0 to 1; the chosen token of a run is the newest of the row in the next.
    """
    most = max(map(len, steps))
    fig, ax = plt.subplots(figsize=(1.3 * len(steps) + 0.3, 0.5 * most + 1.7))
    fig.subplots_adjust(0.01, 0.01, 0.99, 0.99)
    told = []
    for number, candidates in enumerate(steps):
        x = 3.2 * number
        _words(ax, x + 1.35, -1.9, f"run {number + 1}", color=_GREY)
        newest = steps[number - 1][0][0] if number else "…"
        _panel(ax, x + 0.35, -1.4, 2, 0.8, _MIST if number == 0 else _PEACH)
        _words(ax, x + 1.35, -1, _seen(newest), family="monospace")
        _arrow(ax, (x + 1.35, -0.55), (x + 1.35, -0.08))
        for place, (token, share) in enumerate(candidates):
            y = place * 1.05
            ax.add_patch(Rectangle((x, y), 2.7, 0.9, fc="white", ec=_EDGE))
            fill = _CHOSEN if place == 0 else _EDGE
            bar = Rectangle((x, y + 0.72), 2.7 * round(share, 2), 0.18, fc=fill, ec="none")
            ax.add_patch(bar)
            weight = "bold" if place == 0 else "normal"
            _words(
                ax,
                x + 0.12,
                y + 0.37,
                _seen(token),
                ha="left",
                weight=weight,
                family="monospace",
                size=9,
            )
            percent = f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"
            _words(ax, x + 2.6, y + 0.37, percent, ha="right", weight=weight, size=8, color=_GREY)
        if number + 1 < len(steps):
            path = [(x + 2.72, 0.4), (x + 2.95, 0.4), (x + 2.95, -1), (x + 3.5, -1)]
            ax.add_patch(Polygon(path, closed=False, fill=False, ec=_CHOSEN, lw=1.6, label="line"))
            _head(ax, path[-2], path[-1], _CHOSEN)
        told.append(f"{_seen(candidates[0][0])!r}")
    _canvas(ax, (-0.2, 3.2 * len(steps) - 0.3), (1.05 * most + 0.1, -2.3), aspect="auto")
    second = [f"{_seen(c[1][0])!r}" for c in steps if len(c) > 1]
    return with_alt(
        fig,
        f"{len(steps)} runs of the model. In turn the best tokens are {listed(told)}, each of them"
        f" at the end of the row in the next run; second best were {listed(second)}.",
    )


def _seen(token: str) -> str:
    """A token with its spaces and line ends made visible."""
    return _SHORT.get(token, token.replace("\n", "↵").replace(" ", "·"))


KINDS = {
    "needle": "a number in a text",
    "arithmetic": "a sum or a difference",
    "colour": "the colour of a shape",
    "count": "how many shapes",
    "number": "a number in a picture",
    "sum": "the total of a receipt",
    "wide": "a number on a strip",
}
"""Kinds of questions, by their names in the model card."""


def kinds(right: Mapping[str, int], questions: int = 1000) -> Figure:
    """How many of so many questions of each kind were answered rightly, the best kind on top.

    Thin lines are Wilson's 95 % intervals.
    """
    ordered = sorted(right.items(), key=lambda pair: pair[1])
    fig, ax = plt.subplots(figsize=(6.6, 0.34 * len(ordered) + 0.7), layout="constrained")
    names, counts = [name for name, _ in ordered], [count for _, count in ordered]
    ax.barh(names, [questions] * len(names), color=_MIST, edgecolor=_EDGE, label="asked")
    ax.barh(names, counts, color=_GREEN, edgecolor=_EDGE, label="right")
    for place, count in enumerate(counts):
        ends = [questions * share for share in interval(count, questions)]
        ax.plot(ends, [place, place], "k-", lw=1.5, label="interval")
        ax.text(questions * 1.02, place, f"{count:,}", va="center", fontsize=10)
    ax.set_xlim(0, questions * 1.12)
    ax.set_xlabel(f"right answers to {questions:,} questions")
    ax.spines[["top", "right", "left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    told = listed(f"{name} {count}" for name, count in reversed(ordered))
    return with_alt(fig, f"Right answers to {questions:,} questions of each kind: {told}.")


def sizes(parameters: Mapping[str, int], seeing: Mapping[str, int]) -> Figure:
    """A square for each model with as much area as it has parameters, the seeing part in green."""
    fig, ax = plt.subplots(figsize=(7.4, 3.1), layout="constrained")
    largest, x = max(parameters.values()), 0.0
    for name, count in parameters.items():
        side, tiny = 10 * (count / largest) ** 0.5, count * 1000 < largest
        ink = _CHOSEN if tiny else _EDGE
        ax.add_patch(Rectangle((x, 0), side, side, fc=_CHOSEN if tiny else _SKY, ec=ink))
        if seeing.get(name) and not tiny:
            part = side * seeing[name] / count
            ax.add_patch(Rectangle((x, 0), side, part, fc=_GREEN, ec="none"))
        width = max(side, 2.6)
        ink = _CHOSEN if tiny else "black"
        _words(ax, x + side / 2, -0.8, name, weight="bold", size=11, color=ink)
        _words(ax, x + side / 2, -1.75, _short(count), color=_GREY, size=9)
        x += width + 0.6
    ax.add_patch(Rectangle((-1, 8.9), 0.7, 0.7, fc=_GREEN, ec="none"))
    _words(ax, 0, 9.25, "the part that sees", ha="left")
    _canvas(ax, (-1.4, x), (-2.4, 10.2))
    ratio = f"{largest / min(parameters.values()):,.0f}"
    told = listed(f"{name} {_short(count)}" for name, count in parameters.items())
    words = f"Squares with as much area as each model has parameters: {told}."
    return with_alt(fig, f"{words} The largest is {ratio} times the smallest.")


def _short(count: int) -> str:
    return f"{count / 1e9:.1f} billion" if count >= 9.5e8 else f"{count / 1e6:.1f} million"


def _picture(ax: Axes, pixels: np.ndarray, box: tuple[float, float, float, float]) -> None:
    left, bottom, width, height = box
    tall, wide = pixels.shape[:2]
    scale = min(width / wide, height / tall)
    w, h = wide * scale, tall * scale
    x, y = left + (width - w) / 2, bottom + (height - h) / 2
    smooth = "hanning" if wide > 2 * _SHOWN else None  # or a strip's thin letters lose strokes
    box_drawn = (x, x + w, y, y + h)
    ax.imshow(pixels, extent=box_drawn, aspect="auto", zorder=2, interpolation=smooth)
    ax.add_patch(Rectangle((x, y), w, h, fill=False, ec=_EDGE, zorder=3))


def _canvas(
    ax: Axes, x: tuple[float, float], y: tuple[float, float], aspect: str = "equal"
) -> None:
    ax.set(xlim=x, ylim=y, autoscale_on=False)
    ax.set_aspect(aspect)  # type: ignore[arg-type]
    ax.axis("off")


def _panel(ax: Axes, x: float, y: float, width: float, height: float, fill: str) -> None:
    inset = 0.3 if height > 1.5 else 0.1
    ax.add_patch(
        FancyBboxPatch(
            (x + inset, y + inset),
            width - 2 * inset,
            height - 2 * inset,
            boxstyle=f"round,pad={inset}",
            facecolor=fill,
            edgecolor=_EDGE,
        )
    )


def _words(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    ha: str = "center",
    size: float = 10,
    color: str = "black",
    **more: Any,
) -> None:
    ax.text(x, y, text, ha=ha, va="center", fontsize=size, color=color, **more)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    line = Polygon([start, end], closed=False, fill=False, ec="black", lw=1.2, label="line")
    ax.add_patch(line)
    _head(ax, start, end, "black")


def _head(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    along = np.subtract(end, start)
    along = along / np.hypot(*along) * 0.2
    across = np.array([-along[1], along[0]]) * 0.6
    back = np.array(end) - along
    ax.add_patch(Polygon([end, back + across, back - across], facecolor=colour, edgecolor=colour))
