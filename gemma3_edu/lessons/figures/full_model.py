"""Figures of lesson 14: one tower, one table, one row, who sees whom, and answers.

>>> from .alt import alt_of
>>> alt_of(talks([([], "Which?", "first", "first"), ([], "Where?", "left", "top")]))
"2 questions with what they are about: Which? 'first', right; Where? 'left', wrong, 'top' is right."
"""

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Bool, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from numpy.typing import ArrayLike
from torch import Tensor

from .alt import with_alt
from .parts import arrow, say

PEACH, SKY, MIST, EDGE = "#FBE3D4", "#D6E4F0", "#F4F7FA", "#7D98B0"
RIGHT, WRONG = "#00664A", "#B00020"
GREEN, ORANGE, BLUE = "#009E73", "#D55E00", "#0072B2"
HUES = (GREEN, ORANGE, BLUE, "#CC79A7")  # of the pictures of a row, in order


# The idea


def one_row(order: tuple[int, int] = (1, 2)) -> Figure:
    """Words through a table, all pictures through the one tower, into one row.

    `order` says which picture's vectors come first in the row, and which second.
    """
    fig, ax = plt.subplots(figsize=(8.4, 4.2), layout="constrained")
    ax.set(xlim=(0, 21), ylim=(1.3, 11.4))
    ax.axis("off")
    first, second = order
    row = [0, 0, *[first] * 3, 0, *[second] * 3, 0, 0]  # which picture; 0 is a word
    left, width = 3.4, 1.3
    for number, what in enumerate(row):
        x = left + width * number
        fill = HUES[what - 1] if what else MIST
        ax.add_patch(Rectangle((x, 4.9), width - 0.12, 1.1, facecolor=fill, edgecolor=EDGE))
        say(ax, x + width / 2 - 0.06, 5.45, str(number), color="white" if what else "black")
    say(ax, 1.5, 5.45, "one row", weight="bold")
    _box(ax, left, 1.6, width * len(row) - 0.12, "the table: a vector for each word", SKY)
    say(ax, 1.5, 2.15, "words", weight="bold")
    for number, what in enumerate(row):
        if not what:
            x = left + width * number + 0.59
            arrow(ax, (x, 2.7), (x, 4.85), EDGE, 1.6)
    _box(ax, left, 8.0, 11.8, "the tower: encoder, projector", "white")
    for which, x in enumerate([6.65, 11.85]):
        ax.add_patch(Rectangle((x - 0.55, 9.95), 1.1, 1.1, facecolor=HUES[which], edgecolor=EDGE))
        say(ax, x, 10.5, str(which + 1), color="white", weight="bold")
        arrow(ax, (x, 9.9), (x, 9.15), HUES[which], 1.6)
        for place in [number for number, what in enumerate(row) if what == which + 1]:
            arrow(ax, (x, 8.0), (left + width * place + 0.59, 6.05), HUES[which], 1.6)
    say(ax, 1.5, 10.5, "pictures", weight="bold")
    rim = left + width * len(row) + 0.08  # of a frame around the row: all of it goes on
    _box(ax, left - 0.2, 4.65, rim - left + 0.2, "", "none", "black", height=1.6)
    _box(ax, 18.7, 4.55, 2.25, "language\nmodel", PEACH, height=1.8)
    say(ax, 19.82, 8.55, "next word", weight="bold")
    arrow(ax, (rim, 5.45), (18.65, 5.45), "black", 1.6)
    arrow(ax, (19.82, 6.4), (19.82, 8.1), "black", 1.6)
    return with_alt(
        fig,
        f"One row of {len(row)} vectors, numbered from 0. {row.count(0)} come from the table of"
        " words below it; 3 and 3 come from two pictures above it, both through one tower, encoder"
        f" and projector, those of picture {first} first. The whole row goes on to the language"
        " model, which gives the next word.",
    )


def _box(
    ax: Axes,
    x: float,
    y: float,
    width: float,
    text: str,
    fill: str,
    edge: str = EDGE,
    height: float = 1.1,
) -> None:
    shape = f"round,pad=0,rounding_size={0.25}"
    box = FancyBboxPatch((x, y), width, height, boxstyle=shape, facecolor=fill, edgecolor=edge)
    box.set_linewidth(1.4)
    ax.add_patch(box)
    if text:
        say(ax, x + width / 2, y + height / 2, text)


def who_sees_whom(mask: Bool[Tensor, "T T"], image_id: Int[Tensor, "T"]) -> Figure:
    """A mask, a row for each token that looks; what a picture sees of itself in its colour."""
    T = len(image_id)
    fig, ax = plt.subplots(figsize=(5.6, 5.2), layout="constrained")
    shown = mask.int()
    same = (image_id[:, None] == image_id[None, :]) & (image_id > 0)[:, None]
    pixels = np.ones((T, T, 3))
    for fill, where in [("#C9D3DC", mask & ~same)] + [
        (hue, mask & same & (image_id == n)[:, None])
        for n, hue in enumerate(HUES[: int(image_id.max())], 1)
    ]:
        pixels[where.numpy()] = [int(fill[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    ax.imshow(pixels, extent=(-0.5, T - 0.5, T - 0.5, -0.5))
    runs = _runs(image_id.tolist())
    for start, stop, _ in runs:
        for end in (start - 0.5, stop - 0.5):
            ax.plot([-0.5, T - 0.5], [end, end], color="0.6", lw=0.6, ls="-", label="border")
            ax.plot([end, end], [-0.5, T - 0.5], color="0.6", lw=0.6, ls="-", label="border")
    names = [f"picture {which}" if which else "words" for _, _, which in runs]
    middles = [(start + stop - 1) / 2 for start, stop, _ in runs]
    ax.set_xticks(middles, names, rotation=45, ha="right")
    ax.set_yticks(middles, names)
    ax.tick_params(length=0)
    ax.set(xlabel="token that is seen", ylabel="token that looks")
    ahead = int(shown.triu(1).sum())
    return with_alt(
        fig,
        f"A mask of {T} tokens: a triangle, and {int(image_id.max())} squares on its diagonal, one"
        f" for each picture; {ahead} pairs above the diagonal, all of them inside the squares.",
    )


def _runs(values: Sequence[int]) -> list[tuple[int, int, int]]:
    """(start, stop, value) of each stretch of equal values."""
    found: list[tuple[int, int, int]] = []
    for place, value in enumerate(values):
        if found and found[-1][2] == value:
            found[-1] = (found[-1][0], place + 1, value)
        else:
            found.append((place, place + 1, value))
    return found


# Answers

Talk = tuple[Sequence[ArrayLike | str], str, str, str]


def talks(rows: Sequence[Talk], who: Sequence[str] = ()) -> Figure:
    """One line each: what is shown, the question, the answer, and whether it is right.

    A talk is (pictures and texts, question, answer, wanted). An answer is right if it is what is
    wanted, to the letter; where nothing is wanted, no mark is drawn. `who` names the answerers.
    Where the question is empty, it is one more answer to the question above.
    """
    heights = [3.1 if question else 1.7 for _, question, _, _ in rows]
    size, ratios = (8.4, sum(heights) / 2), {"height_ratios": heights}
    fig, axes = plt.subplots(len(rows), 1, figsize=size, squeeze=False, gridspec_kw=ratios)
    fig.subplots_adjust(0.005, 0.005, 0.995, 0.995, hspace=0.04)
    told = []
    for number, (ax, talk) in enumerate(zip(axes[:, 0], rows, strict=True)):
        shown, question, answer, wanted = talk
        ax.set(xlim=(0, 16.8), ylim=(0, heights[number]), autoscale_on=False)
        ax.axis("off")
        side = min(2.7, 7.9 / max(1, len(shown)) - 0.15)
        x = 0.1
        for part in shown:
            if isinstance(part, str):
                _card(ax, x, 0.3, 7.6, 2.5, textwrap.fill(part, 40), MIST, style="italic")
                continue
            pixels = np.asarray(part)
            tall, wide = pixels.shape[:2]
            scale = side / max(tall, wide)
            extent = (x, x + wide * scale, 1.55 - tall * scale / 2, 1.55 + tall * scale / 2)
            ax.imshow(pixels, extent=extent, aspect="auto", zorder=2)
            x += wide * scale + 0.15
        ax.set_aspect("equal")  # imshow sets another
        if question:
            _card(ax, 8.2, 1.75, 8.4, 1.15, textwrap.fill(question, 44), SKY)
        said = f"{who[number]}: {answer}" if who else answer
        fits = answer == wanted
        mark, ink = ("✓", RIGHT) if fits else ("\N{MULTIPLICATION SIGN}", WRONG)
        _card(ax, 8.2, 0.25, 7.6, 1.35, textwrap.fill(said, 40), PEACH, weight="bold")
        if wanted:
            ax.text(16.25, 0.92, mark, ha="center", va="center", color=ink, fontsize=17)
        verdict = ", right" if fits else f", wrong, {_brief(wanted)!r} is right"
        told.append(f"{_brief(question)} {_brief(said)!r}{verdict if wanted else ''}".lstrip())
    asked = sum(bool(question) for _, question, _, _ in rows)
    about = f"{asked} questions with what they are about"
    if asked == 1:
        about = "1 question with what it is about"
    return with_alt(fig, f"{about}: {'; '.join(told)}.")


def _brief(text: str) -> str:
    """A text of more than five words by its first two and its last two."""
    words = text.split()
    return text if len(words) < 6 else " ".join([*words[:2], "...", *words[-2:]])


def _card(
    ax: Axes, x: float, y: float, width: float, height: float, text: str, fill: str, **look: str
) -> None:
    shape = "round,pad=0,rounding_size=0.2"
    ax.add_patch(
        FancyBboxPatch((x, y), width, height, boxstyle=shape, facecolor=fill, edgecolor=EDGE)
    )
    ax.text(x + 0.25, y + height / 2, text, va="center", fontsize=9.5, zorder=4, **look)  # type: ignore[arg-type]
