"""Drawings of lesson 11: squares as words, two kinds of block, pairs of pictures and captions.

>>> fig = two_blocks()
>>> [ax.get_title() for ax in fig.axes]
['a block of Gemma 3 (lesson 07)', "a block of SigLIP's encoder"]
"""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from torch import Tensor

from .alt import with_alt
from .parts import arrow, say

_PALE = {"C0": "#D6E4F0", "C1": "#FBE3D4", "C2": "#D5EDE4"}


def patches_as_words(
    picture: Float[Tensor, "3 Y Y"], size: int, lines: int, words: Sequence[str]
) -> Figure:
    """A text cut into its pieces; a picture cut into squares, and these in lines, as one reads."""
    side = picture.shape[1]
    across = side // size
    fig = plt.figure(figsize=(8.6, 4.3), layout="constrained")
    text, whole, read = fig.subplot_mosaic(
        [["text", "text"], ["whole", "read"]], height_ratios=[1, 4], width_ratios=[1, 2.3]
    ).values()
    text.axis("off")
    text.set(xlim=(0, 10), ylim=(0, 1))
    for n, word in enumerate(words):
        text.add_patch(Rectangle((1.6 * n + 0.1, 0.2), 1.4, 0.6, facecolor=_PALE["C0"]))
        say(text, 1.6 * n + 0.8, 0.5, word, size=12)
    text.set_title("a text, cut into its tokens", fontsize=11)
    pixels = ((picture + 1) / 2).permute(1, 2, 0).numpy()
    whole.imshow(pixels)
    cuts = [size * n - 0.5 for n in range(1, across)]
    thin: dict[str, Any] = {"color": "black", "linewidth": 0.6}
    whole.vlines(cuts, -0.5, side - 0.5, label="cuts down", **thin)
    whole.hlines(cuts, -0.5, side - 0.5, label="cuts across", **thin)
    whole.set_title(f"a picture, cut into {across} x {across} squares", fontsize=11)
    per_line, gap = across**2 // lines, size // 3
    page = np.ones((lines * (size + 2 * gap), per_line * (size + gap), 3))
    for n in range(across**2):
        row, column = divmod(n, across)
        line, at = divmod(n, per_line)
        y, x = line * (size + 2 * gap) + gap, at * (size + gap)
        page[y : y + size, x : x + size] = pixels[
            row * size : (row + 1) * size, column * size : (column + 1) * size
        ]
    read.imshow(page)
    read.set_title(f"the same squares in reading order, {per_line} to a line", fontsize=11)
    for ax in (whole, read):
        ax.set_xticks([])
        ax.set_yticks([])
    for edge in read.spines.values():
        edge.set_visible(False)
    return with_alt(
        fig,
        f"A text in {len(words)} pieces. Below it a square picture of {side} pixels a side, cut"
        f" into {across} by {across} squares, and the same {across**2} squares apart from each"
        f" other in {lines} lines, in the order in which one reads.",
    )


def two_blocks() -> Figure:
    """Gemma's block and the encoder's, from below: stream, norms, parts, and who sees whom."""
    fig, axes = plt.subplots(1, 2, figsize=(8.6, 4.6), layout="constrained")
    gemma = ["RMSNorm", "attention\nrotated; causal", "RMSNorm", "RMSNorm", "GeGLU\nMLP", "RMSNorm"]
    vision = [
        "LayerNorm",
        "attention, biases\nnothing rotated",
        "",
        "LayerNorm",
        "MLP, biases\nGELU, no gate",
        "",
    ]
    titles = ("a block of Gemma 3 (lesson 07)", "a block of SigLIP's encoder")
    for ax, title, parts, causal in zip(axes, titles, (gemma, vision), (True, False), strict=True):
        _block(ax, parts)
        _mask(ax, causal)
        ax.set_title(title, fontsize=11)
    return with_alt(
        fig,
        "Two blocks, each with two branches that leave a stream and are added to it. Left, four"
        " RMSNorms, rotated attention with a mask whose lower triangle is filled, and a gated MLP;"
        " right, two LayerNorms, attention and an MLP with biases, and a mask that is all filled.",
    )


def _block(ax: Axes, parts: Sequence[str]) -> None:
    """Six boxes at the right of an upward stream, in two branches; an empty name is no box."""
    ax.axis("off")
    ax.set(xlim=(-0.6, 6.4), ylim=(-0.4, 9.2))
    arrow(ax, (0, -0.3), (0, 9.1), "0.6", 4)
    for branch in range(2):
        low = 4.5 * branch
        boxes = [(low + y, parts[3 * branch + n]) for n, y in enumerate((0.1, 1.35, 3.0))]
        for (y, name), tall in zip(boxes, (0.8, 1.2, 0.8), strict=True):
            if not name:
                continue
            part = tall > 1
            colour = "C1" if part and branch == 0 else "C2" if part else "C0"
            ax.add_patch(
                Rectangle((1.0, y), 2.7, tall, facecolor=_PALE[colour], edgecolor="black", zorder=3)
            )
            say(ax, 2.35, y + tall / 2, name, size=9.5)
        arrow(ax, (0.1, low + 0.5), (1.0, low + 0.5), "black", 1.5)
        arrow(ax, (2.35, low + 0.9), (2.35, low + 1.35), "black", 1.5)
        last = low + 3.0 if boxes[-1][1] else low + 3.4
        arrow(ax, (2.35, low + 2.55), (2.35, last), "black", 1.5)
        start = (1.0, low + 3.4) if boxes[-1][1] else (2.35, low + 3.4)
        arrow(ax, start, (0.22, low + 3.4), "black", 1.5)
        ax.add_patch(Circle((0, low + 3.4), 0.2, facecolor="white", edgecolor="black", zorder=3))
        say(ax, 0, low + 3.38, "+", size=12)


def _mask(ax: Axes, causal: bool) -> None:
    """Eight tokens by eight; filled where the one of the row sees that of the column."""
    cell = 0.24
    for row in range(8):
        for column in range(8):
            sees = not causal or column <= row
            ax.add_patch(
                Rectangle(
                    (4.3 + cell * column, 2.9 - cell * row),
                    cell,
                    cell,
                    facecolor=_PALE["C1"] if sees else "white",
                    edgecolor="black",
                    linewidth=0.5,
                    label="sees" if sees else "does not see",
                )
            )
    say(ax, 4.3 + 4 * cell, 3.5, "who sees whom", size=9.5)


def pairs_on_a_circle(
    before: Float[Tensor, "2 R 2"], after: Float[Tensor, "2 R 2"], titles: Sequence[str]
) -> Figure:
    """Pictures and captions as directions in a plane, twice: pictures outside, captions inside.

    A line joins those that belong together; it is short where their directions agree.
    """
    fig, axes = plt.subplots(1, 2, figsize=(7.4, 3.9), layout="constrained")
    # in whole degrees, so that rounding on another machine does not show
    turns = [
        torch.deg2rad(torch.rad2deg(torch.atan2(each[..., 1], each[..., 0])).round())
        for each in (before, after)
    ]
    told, kinds = [], (("pictures", "s", "C0", 1.0), ("captions", "o", "C1", 0.72))
    for ax, angles, title in zip(axes, turns, titles, strict=True):
        for _, _, _, radius in kinds:
            ax.add_patch(Circle((0, 0), radius, fill=False, edgecolor="0.8", label="directions"))
        radii = torch.tensor([[kind[3]] for kind in kinds])
        x, y = radii * angles.cos(), radii * angles.sin()
        for n in range(x.shape[1]):
            ax.plot(x[:, n], y[:, n], color="0.4", ls="-", lw=1.2, label=f"pair {n}")
        for number, (name, marker, colour, _) in enumerate(kinds):
            ax.scatter(x[number], y[number], marker=marker, c=colour, s=200, zorder=3, label=name)
            for n in range(x.shape[1]):
                at = x[number, n].item(), y[number, n].item()
                say(ax, *at, str(n), color="white", weight="bold", size=9)
        ax.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal", title=title)
        ax.axis("off")
        apart = torch.rad2deg((angles[0] - angles[1]).cos().clamp(-1, 1).acos())
        told.append(f"{title} up to {round(apart.max().item() / 5) * 5} degrees")
    fig.legend(handles=axes[1].collections, loc="outside lower center", ncols=2, frameon=False)
    return with_alt(
        fig,
        f"{before.shape[1]} pictures on an outer circle and their captions on an inner one, those"
        f" that belong together joined by a line; in their directions they differ,"
        f" {' and '.join(told)}.",
    )
