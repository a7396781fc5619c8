"""Drawings of how a picture becomes soft tokens, how they are learnt, and what they say.

Green boxes are soft tokens, blue ones words; vermilion is what learns, and the way its error takes.

>>> from .alt import alt_of
>>> alt_of(context_filled(1_024, {"patches": 32, "squares": 2}, pictures=32))
'32 pictures in 1,024 places: with 32 patches each all are taken, with 2 squares each 6.2 %.'
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor
from torch.nn import functional as F

from ...model.layout import Batch
from ...prompt.processor import Processor
from ...prompt.tokenizer import Tokenizer
from ...train.data.drawing import Picture
from ...train.data.examples import Example
from ...train.scores import interval
from .alt import listed, with_alt
from .parts import arrow, say

WORD, SOFT, LEARNS = "#0072B2", "#009E73", "#D55E00"
PALE_SOFT, PALE_LEARNS, GREY = "#D9F0E8", "#FBE3D4", "#6F6F6F"
NUMBERS = 10  # of each vector that is drawn


def with_answers(
    processor: Processor, examples: Sequence[Example]
) -> tuple[Batch, Bool[Tensor, "B T"]]:
    """Questions with their right answers, and which tokens are answers, with the end of the turn.

    Short rows are filled up on the left, and a new line ends each.
    """
    batch = processor([each.messages() for each in examples], add_generation_prompt=False)
    spelled = [processor.tokenizer.encode(each.answer, add_bos=False) for each in examples]
    lengths = torch.tensor([[len(ids) + 1] for ids in spelled])
    back = torch.arange(batch.layout.length - 1, -1, -1)
    return batch, (back >= 1) & (back <= lengths)


def squares_of(picture: Picture, squares: int = 4) -> list[int]:
    """The number of the square, row by row, in which the middle of each mark is."""
    side = picture.image.width / squares
    return [
        int(mark.place[1] / side) * squares + int(mark.place[0] / side) for mark in picture.marks
    ]


def context_filled(places: int, each: Mapping[str, int], pictures: int = 32) -> Figure:
    """A bar a way to represent a picture: how much of the context so many pictures take."""
    fig, axes = plt.subplots(len(each), 1, figsize=(7, 1.0 * len(each) + 0.3), layout="constrained")
    told = []
    for ax, (name, count) in zip(np.atleast_1d(axes), each.items(), strict=True):
        edges = np.arange(pictures + 1) * count
        fills = ["#0072B2", "#7FBCE0"] * pictures
        ax.bar(edges[:-1], 1, width=count, align="edge", color=fills[:pictures], label="pictures")
        ax.set(xlim=(0, places), ylim=(0, 1), yticks=[], title=f"{count:,} {name} a picture")
        ax.set_xticks([0, places], ["0", f"{places:,} tokens"])
        ax.title.set_fontsize(10)
        ax.get_xticklabels()[1].set_ha("right")
        free = places - pictures * count
        middle = (places + pictures * count) / 2
        if free > places / 3:
            say(ax, middle, 0.5, f"{free:,} tokens are left for text")
        taken = "all are taken" if free == 0 else f"{100 - 100 * free / places:.1f} %"
        told.append(f"with {count:,} {name} each {taken}")
    return with_alt(fig, f"{pictures} pictures in {places:,} places: {', '.join(told)}.")


def square_to_vector(
    pixels: Float[Tensor, "3 Y X"], row: int, column: int, patches: int = 64, squares: int = 16
) -> Figure:
    """One square of patches on a picture in [-1, 1], its vectors (invented), and their mean."""
    side, edge = patches // squares, pixels.shape[-1]
    patch, square = edge // patches, edge // squares
    image = ((pixels + 1) / 2).clamp(0, 1).permute(1, 2, 0).numpy()
    widths = {"width_ratios": [1.15, 0.85, 1.3, 0.22, 1.15]}
    fig, axes = plt.subplots(1, 5, figsize=(8.6, 2.6), layout="constrained", gridspec_kw=widths)
    photo, zoom, many, one, small = axes
    photo.imshow(image)
    top, left = row * square, column * square
    photo.set_title(f"{patches} x {patches} patches:\n{patches**2:,} vectors", fontsize=9)
    zoom.imshow(image[top : top + square, left : left + square])
    for k in range(1, side):
        zoom.axvline(k * patch - 0.5, color="white", lw=1, ls="-")
        zoom.axhline(k * patch - 0.5, color="white", lw=1, ls="-")
    zoom.set_title(f"one square:\n{side} x {side} patches", fontsize=9)
    g = torch.Generator().manual_seed(3)
    vectors = torch.randn(NUMBERS, 1, generator=g) + 0.9 * torch.randn(
        NUMBERS, side**2, generator=g
    )
    for ax, drawn in [(many, vectors), (one, vectors.mean(1, keepdim=True))]:
        ax.imshow(drawn.numpy(), cmap="RdBu_r", vmin=-2.5, vmax=2.5, aspect="auto")
    many.set_title(f"its {side**2} vectors,\none a column", fontsize=9)
    one.set_title("their\nmean", fontsize=9)
    means = F.avg_pool2d(pixels[None], square)[0]
    small.imshow(((means + 1) / 2).clamp(0, 1).permute(1, 2, 0).numpy())
    small.set_title(f"{squares} x {squares} squares:\n{squares**2:,} vectors", fontsize=9)
    photo.add_patch(_frame(left, top, square))
    small.add_patch(_frame(column - 0.5, row - 0.5, 1))
    for ax in axes:
        ax.set(xticks=[], yticks=[])
    for ax in (zoom, one):
        for spine in ax.spines.values():
            spine.set(color=LEARNS, linewidth=2.5)
    return with_alt(
        fig,
        f"A photograph of {patches} x {patches} patches; one square of {side} x {side} of them; its"
        f" {side**2} vectors as columns of colours, and one column, their mean; the photograph in"
        f" {squares} x {squares} mean colours, with that square marked.",
    )


def how_it_learns(question: Sequence[str], answer: Sequence[str], soft: int = 4) -> Figure:
    """From a picture through encoder and projector into a row of words; the error's way back."""
    fig, ax = plt.subplots(figsize=(8.6, 3.9))
    words = [*question, *answer]
    cell, start, row, band, level = 1.15, 9.9, 2.0, 3.6, 2.1
    width = cell * (soft + len(words)) - 0.15
    for left, name, fill, edge in [
        (0.0, "picture", "white", GREY),
        (3.2, "encoder\n(SigLIP),\nfrozen", "#EEEEEE", GREY),
        (6.4, "projector:\nmean, norm,\nmatrix", PALE_LEARNS, LEARNS),
    ]:
        _box(ax, left, row - 0.45, 2.5, 2.1, "", fill, edge)
        say(ax, left + 1.25, row + 0.95, name, size=8)
        arrow(
            ax, (left + 2.55, row + 0.75), (left + 3.15 + (left > 6) * 0.3, row + 0.75), "0.2", 1.5
        )
    _box(ax, start, band, width, 1.55, "", PALE_LEARNS, LEARNS)
    say(ax, start + width / 2, band + 1.1, "language model")
    for n in range(soft + len(words)):
        name = "#" if n < soft else words[n - soft]
        fill, edge = (PALE_SOFT, SOFT) if n < soft else ("white", WORD)
        _box(ax, start + n * cell, row, cell - 0.15, 0.9, name, fill, edge, 8)
        middle = start + n * cell + cell / 2 - 0.075
        ax.plot([middle, middle], [row + 0.9, band], color="0.6", lw=1, ls="-", label="_up")
    for n, word in enumerate([*answer, "end"]):
        middle = start + (soft + len(question) - 1 + n) * cell + cell / 2 - 0.075
        arrow(ax, (middle, band + 1.55), (middle, band + 2.25), "0.2", 1.2)
        say(ax, middle, band + 2.55, word, weight="bold")
    say(ax, start + soft * cell / 2, row - 0.45, "soft tokens", color=SOFT)
    say(ax, start + (soft + len(words) / 2) * cell, row - 0.45, "words", color=WORD)
    say(ax, start + width, band + 3.25, "loss: were these tokens expected?", ha="right")
    say(ax, start + soft * cell / 2, band + 2.2, "no loss here", color=SOFT)
    first, last = start + 0.2, start + width - cell / 2  # beside the first letter, not over it
    error: dict[str, Any] = {"color": LEARNS, "lw": 2.2, "ls": "--"}
    ax.plot([last, last, first, first], [band + 1.5, band + 0.5, band + 0.5, level], **error)
    ax.plot([first, 6.05], [level, level], **error)
    ax.plot([6.0, 6.0], [level - 0.4, level + 0.4], color="black", lw=4, ls="-", label="stop")
    say(ax, 6.0, row - 0.95, "the error stops here", color=LEARNS)
    ax.set(xlim=(-0.2, start + width + 0.3), ylim=(0.6, band + 3.7))
    ax.axis("off")
    return with_alt(
        fig,
        f"A picture goes through the frozen encoder and the projector and becomes {soft} soft"
        f" tokens before {len(words)} words. The loss is on {len(answer) + 1} tokens of the answer."
        " A dashed line leads from it back through the language model and the soft tokens into the"
        " projector, and stops before the encoder.",
    )


def while_learning(losses: Sequence[float], marks: Mapping[int, int], asked: int) -> Figure:
    """The loss of every step, and after some steps how many held-out answers are right."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.7), layout="constrained")
    left.plot(range(1, len(losses) + 1), losses, color=GREY, ls="-", label="loss")
    left.set(xlabel="steps", ylabel="loss on the answers, nats a token", ylim=(0, None))
    steps = list(marks)
    shares = [interval(count, asked) for count in marks.values()]
    right.vlines(steps, *np.array(shares).T * 100, color=LEARNS, lw=4, alpha=0.35, label="95 %")
    right.plot(steps, [100 * n / asked for n in marks.values()], color=LEARNS, marker="o", ls="--")
    right.set(xlabel="steps", ylabel=f"% of {asked} held-out numbers read", ylim=(-4, 104))
    first, *_, last = marks.values()
    return with_alt(
        fig,
        f"In {len(losses)} steps the loss falls from {losses[0]:.1f} to"
        f" {sum(losses[-5:]) / 5:.1f} nats a token, and right answers rise from {first} to {last}"
        f" of {asked}.",
    )


def row_of_tokens(tokenizer: Tokenizer, ids: Sequence[int], across: float = 15.5) -> Figure:
    """The tokens of a prompt as boxes, soft tokens in green; a long row goes on below."""
    pieces = []
    for index, run in groupby(ids):
        name = tokenizer.piece(index).replace("\n", "↵").replace("▁", "").strip("<>")
        pieces += [("#" if index == tokenizer.soft_id else name)] * len(list(run))
    places, x, y = [], 0.0, 0.0
    for name in pieces:
        width = 0.62 if name == "#" else max(0.62, 0.3 + 0.185 * len(name))
        if x + width > across:
            x, y = 0.0, y - 1.2
        places.append((x, y, width))
        x += width
    fig, ax = plt.subplots(figsize=(8.6, 0.55 * (1 - y / 1.2) + 0.1), layout="constrained")
    for name, (x, y, width) in zip(pieces, places, strict=True):
        fill, edge = (PALE_SOFT, SOFT) if name == "#" else ("white", WORD)
        _box(ax, x, y, width - 0.1, 0.9, name, fill, edge, 8)
    ax.set(xlim=(-0.1, across + 0.1), ylim=(min(y for _, y, _ in places) - 0.15, 1.05))
    ax.axis("off")
    before = pieces.index("#")
    return with_alt(
        fig,
        f"A row of {len(pieces)} boxes: {before} of text and marks, {pieces.count('#')} green soft"
        f" tokens, and {len(pieces) - before - pieces.count('#')} of text and marks.",
    )


def who_may_look_ahead(words: Sequence[str], here: int = 2, squares: int = 3) -> Figure:
    """A word that must guess the next one; a soft token after which nothing has to be guessed."""
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(7.6, 2.6), layout="constrained", gridspec_kw={"width_ratios": [1.5, 1]}
    )
    for n, word in enumerate(words):
        _box(left, 1.6 * n, 0, 1.4, 0.8, word, "white", WORD)
    top = (1.6 * here + 0.7, 0.85)
    for n in range(here):
        _bow(left, top, (1.6 * n + 0.7, 0.85), SOFT, 0.7)
    _bow(left, top, (1.6 * here + 2.3, 0.85), LEARNS, -0.9, "--")
    say(left, 1.6 * here + 2.0, 2.0, "may it look at this?", ha="left", color=LEARNS, size=9)
    say(left, top[0], -0.45, "which word comes after me?", size=9)
    left.set(xlim=(-0.2, 1.6 * len(words) + 0.9), ylim=(-0.9, 2.6))
    left.set_title("words", fontsize=10)
    middle = squares // 2
    for row in range(squares):
        for column in range(squares):
            fill = SOFT if (row, column) == (middle, 0) else PALE_SOFT
            right.add_patch(
                Rectangle((1.2 * column, 1.2 * row), 1, 1, fc=fill, ec=SOFT, label="soft token")
            )
            if (row, column) != (middle, 0):
                tip = (1.2 * column + 0.5, 1.2 * row + 0.5)
                arrow(right, (0.5, 1.2 * middle + 0.5), tip, SOFT, 1)
    right.set(xlim=(-0.2, 1.2 * squares + 0.2), ylim=(-0.2, 1.2 * squares + 0.1), aspect="equal")
    right.set_title("soft tokens of one picture", fontsize=10)
    for ax in (left, right):
        ax.axis("off")
    return with_alt(
        fig,
        f"Left {len(words)} words: {words[here]!r} has arrows back to"
        f" {listed(map(repr, words[:here]))} and a dashed one ahead, to {words[here + 1]!r}."
        f" Right {squares} x {squares} soft tokens:"
        " one of them has arrows to all others, before it and after it.",
    )


def said_at_squares(picture: Picture, said: Mapping[int, str], squares: int = 4) -> Figure:
    """A picture under its squares, and in some of them, by number, what was read there."""
    edge = picture.image.width
    side = edge / squares
    fig, axes = plt.subplots(1, 2, figsize=(5.2, 2.75), layout="constrained")
    for ax, name in zip(axes, ("the picture", "what the head reads there"), strict=True):
        ax.imshow(np.asarray(picture.image), alpha=0.3 if ax is axes[1] else 1)
        for k in range(1, squares):
            ax.axvline(k * side - 0.5, color=SOFT, lw=1, ls="-")
            ax.axhline(k * side - 0.5, color=SOFT, lw=1, ls="-")
        ax.set(xticks=[], yticks=[])
        ax.set_title(name, fontsize=10)
        for square in said:
            ax.add_patch(
                _frame(square % squares * side - 0.5, square // squares * side - 0.5, side)
            )
    for square, word in said.items():
        x, y = (square % squares + 0.5) * side, (square // squares + 0.5) * side
        axes[1].text(x, y, word, ha="center", va="center", size=24, weight="bold", color=LEARNS)
    places = listed(f"{word} at square {square}" for square, word in said.items())
    return with_alt(
        fig,
        f"A picture of {picture.caption} in {squares} x {squares} squares, and what is read in"
        f" some of them: {places}.",
    )


def _frame(left: float, top: float, side: float) -> Rectangle:
    return Rectangle(
        (left, top), side, side, fill=False, ec=LEARNS, lw=2.5, label="square", zorder=3
    )


def _box(
    ax: Axes,
    x: float,
    y: float,
    width: float,
    height: float,
    text: str,
    fill: str,
    edge: str,
    size: float = 9,
) -> None:
    ax.add_patch(Rectangle((x, y), width, height, fc=fill, ec=edge, lw=1.4, label="box", zorder=1))
    say(ax, x + width / 2, y + height / 2, text, size=size)


def _bow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: str,
    bend: float,
    line: str = "-",
) -> None:
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            connectionstyle=f"arc3,rad={bend}",
            arrowstyle="-|>",
            mutation_scale=13,
            color=colour,
            linestyle=line,
            lw=1.7,
            label="bow",
        )
    )
