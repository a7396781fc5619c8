"""Figures of lesson 02: why a layer reads a copy of a fixed size, and what RMSNorm keeps.

A size is a root mean square everywhere here. The stack of MLPs is fresh and computed in float64,
so that its numbers are the same on every machine.

>>> [round(size, 3) for size in toy_stream(normed=False)]
[1.0, 1.5, 2.625, 6.07, 24.495]
>>> toy_stream(normed=True)
[1.0, 1.5, 2.0, 2.5, 3.0]
"""

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite, pi, sqrt

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional as F

from ...model.gemma3 import Gemma3
from ...model.layers import GatedMLP
from ...model.layout import Batch
from ...study.capture import capture
from .alt import listed, with_alt
from .parts import arrow

_Point = tuple[float, float]

_MARKERS = {"A": ("C0", "o", 34), "B": ("C1", "s", 50), "C": ("C2", "^", 22)}
_LAYERS, _WIDTH = 12, 32  # of the stack of fresh MLPs
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


def added_by_layer(size: float) -> tuple[list[float], list[float]]:
    """What each of twelve fresh MLPs adds to a stream that starts with this size.

    Without a norm, and with one before every MLP. A layer after the first infinite one adds nan.
    """
    g = torch.Generator().manual_seed(0)
    start = torch.randn(8, _WIDTH, generator=g).double()
    start = size * start / start.pow(2).mean(-1, keepdim=True).sqrt()
    added: tuple[list[float], list[float]] = ([], [])
    for normed, sizes in zip((False, True), added, strict=True):
        x, g = start, torch.Generator().manual_seed(1)
        for _ in range(_LAYERS):
            read = F.rms_norm(x, (_WIDTH,), eps=1e-6) if normed else x
            answer = _fresh_mlp(g)(read[None])[0]
            sizes.append(answer.pow(2).mean().sqrt().item())
            x = x + answer
    return added


@torch.no_grad()
def _fresh_mlp(g: torch.Generator) -> GatedMLP:
    mlp = GatedMLP(_WIDTH, 3 * _WIDTH).double()
    for matrix in mlp.parameters():
        matrix.copy_(torch.randn(matrix.shape, generator=g).double() / matrix.shape[1] ** 0.5)
    return mlp.requires_grad_(False)


def layers_at_work(sizes: Sequence[float]) -> Figure:
    """One panel for each size with which the stream starts: what every layer adds.

    A single panel has a band, from 0.05 to 1, to aim at.
    """
    fig, axes = plt.subplots(
        1, len(sizes), figsize=(2.9 * len(sizes) + 0.6, 3.1), sharey=True, squeeze=False
    )
    # By hand: the automatic layout draws everything twice, too slow under a slider.
    fig.subplots_adjust(left=0.1 if len(sizes) > 1 else 0.2, right=0.97, bottom=0.17, top=0.88)
    top, said = 1e4, []
    for ax, size in zip(axes[0], sizes, strict=True):
        bare, normed = added_by_layer(size)
        seen = [value if isfinite(value) and value <= top else float("nan") for value in bare]
        if len(sizes) == 1:
            ax.axhspan(0.05, 1, color="0.9", label="at work", zorder=0)
        layers = range(1, _LAYERS + 1)
        ax.plot(layers, seen, "C1--o", ms=4, label="without a norm")
        ax.plot(layers, normed, "C0-s", ms=4, label="with a norm")
        lost = sum(value != value for value in seen)
        if lost:
            ax.text(_LAYERS - lost + 0.6, 2.5e3, "too large →", color="C1", va="center")
        ax.set(yscale="log", ylim=(1e-5, top), title=f"starts at size {size:.3g}")
        ax.set(xlabel="layer", xlim=(0.3, _LAYERS + 0.7), xticks=[1, 4, 8, 12])
        first, last = normed[0], normed[-1]
        fate = (
            f"{lost} of {_LAYERS} layers add more than {top:g} or nothing finite"
            if lost
            else (f"the last layer adds {bare[-1]:.2g}")
        )
        said.append(f"at {size:.3g}, {fate}, with a norm from {first:.2g} to {last:.2g}")
    axes[0][0].set_ylabel("size of what a layer adds")
    axes[0][0].legend(loc="lower right", fontsize=9)
    return with_alt(
        fig, f"What each layer of a fresh stack adds, without a norm: {'; '.join(said)}."
    )


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


def losses_by_scale(
    scales: Sequence[float], bare: Sequence[float], normed: Sequence[float], unread: float
) -> Figure:
    """The loss after training against the scale of the first weights; nan is a cross at the top.

    `unread` is the loss of one who reads nothing and knows how often each letter occurs.
    """
    fig, ax = plt.subplots(figsize=(6.2, 3.3), layout="constrained")
    places, top = range(len(scales)), unread + 0.45
    ax.axhline(unread, color="black", lw=1, ls=":", label="letter frequencies")
    ax.plot(places, normed, "C0-s", ms=6, label="with norms")
    ax.plot(places, bare, "C1--o", ms=6, label="without norms")
    failed = [place for place, loss in zip(places, bare, strict=True) if not isfinite(loss)]
    ax.plot(failed, [top - 0.2] * len(failed), "C1x", ls="none", ms=9, mew=2, label="nan")
    ax.set_xticks(list(places), [f"{scale:g} times" for scale in scales])
    ax.set(xlabel="scale of the first weights", ylabel="loss (lower is better)")
    ax.set(ylim=(1.5, top))
    ax.legend(loc="lower right", ncols=2, fontsize=9)
    return with_alt(
        fig,
        f"The loss of networks whose first weights have {len(scales)} scales: without norms"
        f" {len(failed)} end in nan, with norms {sum(not isfinite(loss) for loss in normed)}.",
    )


def _circle(ax: Axes, radius: float, label: str) -> None:
    turn = torch.linspace(0, 2 * pi, 73).double()
    ax.plot(radius * turn.cos(), radius * turn.sin(), "k-.", linewidth=1, label=label)
