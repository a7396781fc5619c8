"""Figures of lesson 02: why a layer reads a copy of a fixed size, and what RMSNorm keeps.

A size is a root mean square everywhere here.

>>> [round(size, 3) for size in toy_stream(normed=False)]
[1.0, 1.5, 2.625, 6.07, 24.495]
>>> toy_stream(normed=True)
[1.0, 1.5, 2.0, 2.5, 3.0]
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite, nan, pi, sqrt
from statistics import median

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
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

    The median size over the tokens of the first text but its first, `<bos>`, whose size is its own.
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
    stream = [_median_size(x)]
    for (first,), (second,) in zip(heard.values(), thought.values(), strict=True):
        x = x + first + second
        stream.append(_median_size(x))
    reads = [[_median_size(y) for (y,) in seen.values()] for seen in (attention, mlp)]
    fig, ax = plt.subplots(figsize=(6.6, 3.3), layout="constrained")
    count = len(stream)
    ax.plot(range(count), stream, "C1--o", ms=5, label="the stream x")
    ax.plot(range(1, count), reads[0], "C0-s", ms=5, label="what attention reads")
    ax.plot(range(1, count), reads[1], "C2:^", ms=5, label="what the MLP reads")
    ax.set(xlabel="layer (0: before the first)", ylabel="size", ylim=(0, 1.15 * max(stream)))
    ax.legend(loc="upper left")
    every = [*reads[0], *reads[1]]
    return with_alt(
        fig,
        f"Sizes in {count - 1} layers: the stream goes from {stream[0]:.2g} to {stream[-1]:.2g};"
        f" what attention and MLP read stays between {min(every):.2g} and {max(every):.2g}.",
    )


def _median_size(x: Float[Tensor, "B T D"]) -> float:
    return x[0, 1:].pow(2).mean(-1).sqrt().median().item()


PLACES = ("nowhere", "before", "after", "before and after")
_LOOKS = dict(zip(PLACES, ("C1--o", "C0-s", "C2:^", "k-.D"), strict=True))


def placements(
    rates: Sequence[float],
    losses: Mapping[str, Sequence[Sequence[float]]],
    added: Mapping[str, Sequence[Sequence[float]]],
    unread: float,
) -> Figure:
    """Loss and size of what a layer adds, for each place of the norms, learning rate and seed.

    A place has a row for each rate, and in it a number for each seed; nan is a cross at the top.
    `unread` is the loss of one who reads nothing and knows how often each letter occurs.
    """
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    axes[0].axhline(unread, color="black", lw=1, ls=":", label="letter frequencies")
    found = [loss for rows in losses.values() for row in rows for loss in row if isfinite(loss)]
    top = max(found) + 0.15
    for ax, values in zip(axes, (losses, added), strict=True):
        for number, (place, rows) in enumerate(values.items()):
            where = [at + 0.13 * (number - 1.5) for at in range(len(rates))]
            middles = [median(row) if all(map(isfinite, row)) else nan for row in rows]
            (line,) = ax.plot(where, middles, _LOOKS[place], ms=6, label=place)
            for at, row in zip(where, rows, strict=True):
                seen = [value for value in row if isfinite(value)]
                style = {"color": line.get_color(), "marker": ".", "ls": "none"}
                ax.plot([at] * len(seen), seen, label="seeds", **style)
        ax.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        ax.set(xlabel="learning rate", xlim=(-0.4, len(rates) - 0.6))
    crosses = [
        at - 0.195 for at, row in enumerate(losses["nowhere"]) if not all(map(isfinite, row))
    ]
    axes[0].plot(crosses, [top] * len(crosses), "C1x", ls="none", ms=9, mew=2, label="nan")
    axes[0].set(ylabel="loss (lower is better)", ylim=(None, top + 0.1))
    axes[1].set(ylabel="size of what the last layer adds", yscale="log")
    handles, labels = axes[0].get_legend_handles_labels()
    kept = [(h, name) for h, name in zip(handles, labels, strict=True) if name != "seeds"]
    fig.legend(*zip(*kept, strict=True), loc="outside lower center", ncols=6, fontsize=9)
    ends = [
        f"{place} {f'{median(rows[-1]):.2g}' if all(map(isfinite, rows[-1])) else 'nan'}"
        for place, rows in losses.items()
    ]
    return with_alt(
        fig,
        f"Left, the loss after training at {len(rates)} learning rates for norms in four places;"
        f" at the largest: {listed(ends)}. Right, the size of what the last layer then adds.",
    )


def _circle(ax: Axes, radius: float, label: str) -> None:
    turn = torch.linspace(0, 2 * pi, 73).double()
    ax.plot(radius * turn.cos(), radius * turn.sin(), "k-.", linewidth=1, label=label)
