"""Figures of lesson 02: why a layer reads a copy of a fixed size, and what RMSNorm keeps.

A size is a root mean square everywhere here.

>>> [round(size, 3) for size in toy_stream(normed=False)]
[1.0, 1.5, 2.625, 6.07, 24.495]
>>> toy_stream(normed=True)
[1.0, 1.5, 2.0, 2.5, 3.0]
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite, pi, sqrt

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator
from torch import Tensor
from torch.nn import functional as F

from ...model.gemma3 import Gemma3
from ...model.layout import Batch
from ...study.capture import capture
from .alt import listed, with_alt
from .parts import arrow

_Point = tuple[float, float]

_MARKERS = {"A": ("C0", "o", 34), "B": ("C1", "s", 50), "C": ("C2", "^", 22)}
_TOKENS: dict[str, tuple[_Point, ...]] = {
    "A": ((0.6, 0.3), (2.6, 1.3)),
    "B": ((-0.4, 0.8), (-1.2, 2.4)),
    "C": ((0.9, -2.7),),
}


def toy_stream(normed: bool, layers: int = 4) -> list[float]:
    """Sizes of a stream that starts at 1, if each layer adds half the square of what it reads."""
    sizes = [1.0]
    for _ in range(layers):
        read = 1.0 if normed else sizes[-1]
        sizes.append(sizes[-1] + read**2 / 2)
    return sizes


def reading_from_the_stream() -> Figure:
    """Four layers read from the stream and add to it: the stream itself, then a copy of size 1."""
    fig, axes = plt.subplots(2, 1, figsize=(8, 5.2), layout="constrained", height_ratios=[1, 0.8])
    for ax, normed in zip(axes, (False, True), strict=True):
        sizes, colour = toy_stream(normed), "C0" if normed else "C1"
        ax.set(xlim=(-0.2, 13.2), ylim=(-0.8 if normed else -1.7, 3.3))
        ax.set_title(
            "a copy of size 1 is read" if normed else "the stream itself is read", loc="left"
        )
        ax.axis("off")
        for layer, (size, after) in enumerate(pairwise(sizes)):
            left, read = 3.2 * layer, 1.0 if normed else size
            _bar(ax, left, 1.8, size)
            _bar(ax, left + 1.8, 1.4, after)
            ax.text(left + 0.15, -0.16 - 0.045 * size, f"{size:.3g}", va="top", ha="left")
            up, down = left + 0.75, left + 2.25
            arrow(ax, (up, 0.045 * size), (up, 1.9), colour, 1 + min(read, 7))
            arrow(ax, (down, 1.9), (down, 0.045 * after), colour, 1 + min(read**2 / 2, 7))
            _box(ax, left + 0.45, 1.9, 2.1, 0.7, f"layer {layer + 1}")
            ax.text(up - 0.15, 2.75, f"reads {read:.3g}", ha="center", size=9)
            ax.text(down + 0.15, 2.75, f"adds {read**2 / 2:.3g}", ha="center", size=9)
            if normed:
                _box(ax, left + 0.3, 0.75, 0.9, 0.55, "norm", fill="C0")
        ax.text(13.0, -0.16 - 0.045 * sizes[-1], f"{sizes[-1]:.3g}", va="top", ha="right")
    ends = [toy_stream(normed)[-1] for normed in (False, True)]
    return with_alt(
        fig,
        "Two rows of four layers that read from the stream and add half the square of what they"
        f" read. Above they read the stream itself, which grows from 1 to {ends[0]:.3g}; below"
        f" each reads a copy of size 1, made by a norm, and the stream grows to {ends[1]:g}.",
    )


def _bar(ax: Axes, left: float, width: float, size: float) -> None:
    """A piece of the stream, as thick as it is large."""
    place = (left, -0.045 * size)
    ax.add_patch(Rectangle(place, width, 0.09 * size, facecolor="0.75", edgecolor="none"))


def _box(
    ax: Axes, x: float, y: float, width: float, height: float, word: str, fill: str = "white"
) -> None:
    ink = "black" if fill == "white" else "white"
    ax.add_patch(Rectangle((x, y), width, height, facecolor=fill, edgecolor="black", zorder=3))
    ax.text(x + width / 2, y + height / 2, word, ha="center", va="center", color=ink, zorder=4)


def same_direction() -> Figure:
    """Five tokens of two numbers as arrows, and the points on the circle to which they move."""
    fig, ax = plt.subplots(figsize=(5.4, 4.2), layout="constrained")
    _circle(ax, sqrt(2), "rms 1")
    for name, tokens in _TOKENS.items():
        colour, marker, area = _MARKERS[name]
        for number, token in enumerate(tokens):
            arrow(ax, (0, 0), token, colour, 1.5)
            end = torch.tensor(token)
            aside = torch.tensor([-end[1], end[0]])
            across, up = (end + 0.25 * aside / aside.norm()).tolist()
            word = name if len(tokens) == 1 else f"{name}{number + 1}"
            ax.text(across, up, word, ha="center", va="center", color=colour)
        after = F.rms_norm(torch.tensor(tokens), (2,), eps=1e-6).double().round(decimals=6)
        ax.scatter(
            after[:, 0],
            after[:, 1],
            s=2 * area,
            marker=marker,
            c=colour,
            label=f"{name} after",
            zorder=4,
        )
    ax.set(xlim=(-2.4, 3.2), ylim=(-3.1, 2.9), aspect="equal")
    ax.set(xlabel="first number", ylabel="second number")
    return with_alt(
        fig,
        "Five arrows from the middle and the circle of all points with an rms of 1. A1 and A2 point"
        " the same way and end at one place on the circle, B1 and B2 at another, C at a third.",
    )


def five_numbers(x: Float[Tensor, "D"], w: Float[Tensor, "D"]) -> Figure:
    """One token as bars: as it comes, divided by its rms, times the gain."""
    fig, axes = plt.subplots(1, 3, figsize=(8, 2.9), layout="constrained", sharey=True)
    normed = x / x.pow(2).mean().sqrt()
    steps = [("x", x), ("divided by its rms", normed), ("times the gain, 1 + w", normed * (1 + w))]
    for ax, colour, (title, values) in zip(axes, ("0.6", "C0", "C2"), steps, strict=True):
        entries = range(1, len(values) + 1)
        ax.bar(entries, values.tolist(), color=colour, label=title)
        ax.axhline(0, color="black", lw=1, ls="-", label="zero")
        for entry, value in zip(entries, values.tolist(), strict=True):
            up = value >= 0
            ax.text(
                entry,
                value + (0.12 if up else -0.12),
                f"{value:g}",
                ha="center",
                va="bottom" if up else "top",
            )
        ax.set(title=title, xlabel="entry", xticks=list(entries), ylim=(-2.9, 4.9))
    told = "; ".join(f"{title}: {listed(f'{v:g}' for v in row.tolist())}" for title, row in steps)
    return with_alt(fig, f"Five bars three times. {told}.")


def stream_and_copies(model: Gemma3, batch: Batch) -> Figure:
    """The stream of a model layer by layer, and the copies that attention and MLP read.

    Of the sizes of the first text's tokens the median, and a band from the smallest to the largest.
    """
    layers = "language_model.layers.*."
    with (
        torch.no_grad(),
        capture(model, layers + "input_layernorm") as attention,
        capture(model, layers + "pre_feedforward_layernorm") as mlp,
        capture(model, layers + "post_attention_layernorm") as heard,
        capture(model, layers + "post_feedforward_layernorm") as thought,
    ):
        x = model.embed(batch)
        model.hidden_states(batch)
    stream = [_sizes(x)]
    for (first,), (second,) in zip(heard.values(), thought.values(), strict=True):
        x = x + first + second
        stream.append(_sizes(x))
    reads = [[_sizes(y) for (y,) in seen.values()] for seen in (attention, mlp)]
    fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    for sizes, colour, dashes, name in [
        (stream, "C1", "--", "the stream x"),
        (reads[0], "C0", "-", "what attention reads"),
        (reads[1], "C2", ":", "what the MLP reads"),
    ]:
        low, middle, high = zip(*sizes, strict=True)
        at = range(len(stream) - len(sizes), len(stream))
        band = f"{name}, all tokens"
        ax.fill_between(at, low, high, color=colour, alpha=0.25, lw=0, label=band)
        ax.plot(at, middle, color=colour, ls=dashes, lw=2, label=name)
    ax.set(xlabel="layer (0: before the first)", ylabel="size", yscale="log")
    ax.yaxis.set_minor_locator(NullLocator())
    powers = [2.0**power for power in range(-1, 6)]
    ax.set_yticks(powers, [f"{power:g}" for power in powers])
    ax.grid(axis="y", alpha=0.4)
    names = [*ax.lines, Rectangle((0, 0), 1, 1, facecolor="0.5", alpha=0.4, label="all tokens")]
    fig.legend(handles=names, loc="outside lower center", ncols=4, fontsize=9)
    count, every = len(stream) - 1, torch.tensor([*reads[0], *reads[1]])
    ends = [
        f"{where} {sizes[0]:.2g} to {sizes[-1]:.2g}"
        for where, sizes in (("before the first", stream[0]), ("after the last", stream[-1]))
    ]
    return with_alt(
        fig,
        f"Sizes in {count} layers, smallest and largest token: the stream {listed(ends)}; what"
        f" attention and MLP read {every.min():.2g} to {every.max():.2g}.",
    )


def _sizes(x: Float[Tensor, "B T D"]) -> list[float]:
    """The smallest, the median and the largest size of the first text's tokens."""
    sizes = x[0].pow(2).mean(-1).sqrt()
    return [value.item() for value in (sizes.min(), sizes.median(), sizes.max())]


_LOOKS = [("C1", "o"), ("C0", "s")]


def trainings(
    times: Sequence[float], losses: Mapping[str, Sequence[Sequence[float]]], unread: float
) -> Figure:
    """The loss of every training, with norms and without, for each size of the first vectors.

    A kind has a row for each size, and in it a number for each draw; nan has a strip of its own.
    `unread` is the loss of reading nothing and knowing how often each letter occurs.
    """
    fig, (strip, ax) = plt.subplots(
        2, 1, figsize=(7.4, 4.2), layout="constrained", height_ratios=[1, 5], sharex=True
    )
    ax.axhline(unread, color="black", lw=1, ls=":", label="reads nothing")
    ends = []
    for number, ((kind, rows), (colour, marker)) in enumerate(
        zip(losses.items(), _LOOKS, strict=True)
    ):
        points = [
            (at + 0.4 * (number - 0.5) + 0.06 * (draw - (len(row) - 1) / 2), loss)
            for at, row in enumerate(rows)
            for draw, loss in enumerate(row)
        ]
        fine = [point for point in points if isfinite(point[1])]
        broken = [(at, 0.0) for at, loss in points if not isfinite(loss)]
        for panel, shown in ((ax, fine), (strip, broken)):
            x, y = [at for at, _ in shown], [height for _, height in shown]
            style = {"color": colour, "marker": marker, "ls": "none", "mfc": "none"}
            panel.plot(x, y, ms=7, mew=1.6, label=kind, **style)
        ends.append(f"{kind} {len(broken)} of {len(points)}")
    strip.set(ylim=(-1, 1), yticks=[0], yticklabels=["nan"])
    ax.set(xlabel="size of the letters' vectors at the start", ylabel="loss (lower is better)")
    ax.set_xlim(-0.5, len(times) - 0.5)
    ax.set_xticks(range(len(times)), [f"{size:g}" for size in times])
    for panel in (strip, ax):
        for border in range(1, len(times)):
            panel.axvline(border - 0.5, color="0.8", lw=1, ls="-", label="border")
    named = [line for line in ax.lines if line.get_label() != "border"]
    fig.legend(handles=named, loc="outside lower center", ncols=5, fontsize=9)
    return with_alt(
        fig,
        f"The loss of single trainings, for {len(times)} sizes of the letters' vectors."
        f" Trainings that end in nan: {listed(ends)}.",
    )


def _circle(ax: Axes, radius: float, label: str) -> None:
    turn = torch.linspace(0, 2 * pi, 73).double()
    ax.plot(radius * turn.cos(), radius * turn.sin(), "k-.", linewidth=1, label=label)
