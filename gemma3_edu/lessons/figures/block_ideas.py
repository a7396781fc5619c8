"""Drawings of lesson 07: a road with two branches, the units of an MLP, what each branch adds.

>>> fig = two_branches()
>>> [text.get_text() for text in fig.axes[0].texts if text.get_text().startswith("norm")]
['norm 1', 'norm 2', 'norm 3', 'norm 4']
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor
from torch.nn import functional as F

from .alt import listed, with_alt

_NAMES = (
    "input_\nlayernorm",
    "post_attention_\nlayernorm",
    "pre_feedforward_\nlayernorm",
    "post_feedforward_\nlayernorm",
)
_LOOKS = (("C0", "-"), ("C1", "--"))
_ATTENTION, _MLP = "C1", "C2"


def two_branches() -> Figure:
    """One layer: the stream as a road, to which each of two branches adds a lane of its colour."""
    fig, ax = _blank(8.6, 3.9)
    lanes = [(-0.4, "0.75"), (5.6, _ATTENTION), (12.2, _MLP)]  # where each begins, and its colour
    for lane, (begin, colour) in enumerate(lanes):
        ax.add_patch(Rectangle((begin, -0.3 * lane), 14.2 - begin, 0.28, facecolor=colour))
    ax.text(-0.3, -0.15, "the stream x", va="top", ha="left")
    for branch, (part, colour) in enumerate([("attention", _ATTENTION), ("MLP", _MLP)]):
        left = 6.6 * branch
        _arrow(ax, (left + 0.5, 0.3), (left + 0.5, 2.0))
        _arrow(ax, (left + 5.6, 2.0), (left + 5.6, 0.42), colour)
        _arrow(ax, (left + 1.25, 2.35), (left + 1.9, 2.35))
        _arrow(ax, (left + 3.75, 2.35), (left + 4.35, 2.35))
        ax.text(left + 0.68, 1.1, "a copy is read", va="center", ha="left", size=9.5)
        ax.text(left + 5.4, 1.1, "the answer is added", va="center", ha="right", size=9.5)
        for place, x in enumerate((left - 0.2, left + 4.35)):
            number = 2 * branch + place
            _box(ax, x, 2.0, 1.45, 0.7, f"norm {number + 1}", "C0", "white")
            ax.text(x + 0.72, 2.82, _NAMES[number], ha="center", va="bottom", size=8, color="0.3")
        _box(ax, left + 1.9, 1.8, 1.85, 1.1, part, colour, "white")
        ax.plot([left + 5.6], [0.14], "o", color="white", mec="black", ms=16, ls="none")
        ax.lines[-1].set_label("sum")
        ax.text(left + 5.6, 0.13, "+", ha="center", va="center", size=13)
    ax.set(xlim=(-0.5, 14.3), ylim=(-0.75, 3.7))
    return with_alt(
        fig,
        "The stream, a grey road, runs from left to right. Twice a copy leaves it upwards, passes a"
        " norm, then attention or the MLP, then another norm, and comes back to a plus sign, from"
        " where a lane of its own colour runs beside the grey one. The norms are numbered 1 to 4.",
    )


def three_units(
    x: Float[Tensor, "D"], w_gate: Float[Tensor, "F D"], w_up: Float[Tensor, "F D"]
) -> Figure:
    """Each unit of a GeGLU as a pipe: what `up` read flows from the left, the gate is the door.

    Pipes are as wide as their numbers are large, all on one scale.
    """
    gate, up = w_gate @ x, w_up @ x
    opened = F.gelu(gate, approximate="tanh") + 0.0  # the sum makes a -0 a 0
    scale = 0.9 / torch.cat([up, opened * up]).abs().max().item()
    fig, ax = _blank(7.4, 1.3 * len(gate) + 0.5)
    told = []
    for unit, (g, o, u) in enumerate(zip(gate.tolist(), opened.tolist(), up.tolist(), strict=True)):
        y, passed = 1.7 * (len(gate) - 1 - unit), o * u
        wide = scale * abs(u)
        ax.add_patch(Rectangle((2.2, y - wide / 2), 3.0, wide, facecolor="C1", label="up"))
        ax.text(2.1, y, f"unit {unit + 1}: up reads {u:g}", ha="right", va="center")
        gap = 0.62 if o > 1 else 0.0
        for low, high in [(y - 0.55, y - gap / 2), (y + gap / 2, y + 0.55)]:
            ax.add_patch(Rectangle((5.2, low), 0.3, high - low, facecolor="C0", label="door"))
        ax.text(5.35, y + 0.62, f"gate {g:g}, GELU {o:g}", ha="center", va="bottom", color="C0")
        if not passed:
            ax.plot([5.5, 8.5], [y, y], color="0.75", ls=":", lw=1.5, label="nothing")
        else:
            out = scale * abs(passed)
            ax.add_patch(Rectangle((5.5, y - out / 2), 3.0, out, facecolor="C2", label="passes"))
        ax.text(8.6, y, f"{passed:g} passes", ha="left", va="center")
        told.append(f"unit {unit + 1}: up {u:g}, gate {g:g}, {passed:g} passes")
    ax.set(xlim=(-0.6, 10.4), ylim=(-0.8, 1.7 * len(gate) - 0.5))
    return with_alt(
        fig,
        "Pipes, as wide as their numbers are large, with a door in each, open or shut;"
        f" {'; '.join(told)}.",
    )


def thirty_layers(
    sizes: Mapping[str, Sequence[float]], shares: Mapping[str, Sequence[float]]
) -> Figure:
    """Stacks by name: the size of the stream before each layer and after the last, and the shares.

    A share is what attention and the MLP have of the squares of all that was added; they sum to 1.
    The first stack is drawn wide and pale, so that curves on it can be seen to be the same.
    """
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(8.6, 3.8), layout="constrained", width_ratios=[1.35, 1]
    )
    (first, found), *others = sizes.items()
    left.plot(found, color="0.8", ls="-", lw=10, solid_capstyle="round", label=first)
    looks = [
        ("C0", (0, (4, 4))),
        ("C1", "-"),
        ("C3", (4, (4, 4))),
        ("C2", "-"),
        ("C4", (0, (1, 1))),
    ]
    for (name, found), (colour, style) in zip(others, looks, strict=False):
        left.plot(found, color=colour, ls=style, lw=2.4, label=name)
    left.set(xlabel="layers passed", ylabel="size of the stream", yscale="log")
    left.yaxis.set_major_formatter("{x:g}")
    handles, names = left.get_legend_handles_labels()
    left.legend(handles, names, fontsize=8.5, frameon=False, ncols=2, loc="upper left")
    left.set_ylim(0.8, 6 * max(map(max, sizes.values())))
    rows = range(len(shares))
    heard, thought = ([pair[n] for pair in shares.values()] for n in (0, 1))
    right.barh(rows, heard, color=_ATTENTION, label="attention", height=0.66)
    right.barh(rows, thought, left=heard, color=_MLP, hatch="//", label="MLP", height=0.66)
    right.set_yticks(list(rows), list(shares))
    right.invert_yaxis()
    right.set(xlabel="share of what was added", xlim=(0, 1))
    fig.legend(*right.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    ends = [f"{name} {found[-1]:.0f}" for name, found in sizes.items()]
    parts = [f"{name} {100 * pair[0]:.1f} %" for name, pair in shares.items()]
    return with_alt(
        fig,
        f"Left, the size of the stream in stacks of layers; at the end: {listed(ends)}. Right,"
        f" attention's share of what was added: {listed(parts)}; the rest is the MLP's.",
    )


def share_by_share(digits: Mapping[str, Sequence[float]]) -> Figure:
    """Sums as steps, one panel a digit: each bar begins where the one before it ended.

    The shares of a digit are the embedding's, then attention's and the MLP's of each layer.
    """
    fig, panels = plt.subplots(
        len(digits), 1, figsize=(7.4, 2.7 * len(digits)), sharex=True, layout="constrained"
    )
    told = []
    for ax, (digit, shares) in zip(np.atleast_1d(panels), digits.items(), strict=True):
        attention, mlp = shares[1::2], shares[2::2]
        _steps(ax, shares)
        ax.set_ylabel(f"for the {digit}, so far")
        parts = [
            f"{name} {listed(f'{value:.2f}' for value in values)}"
            for name, values in [("attention", attention), ("MLP", mlp)]
        ]
        told.append(
            f"for the {digit}: embedding {shares[0]:.2f}; by layers, {'; '.join(parts)};"
            f" together {sum(shares):.1f}"
        )
    ax.set(xlabel="layer", xticks=range(len(mlp) + 1), xlim=(-0.6, len(mlp) + 1.7))
    handles, names = ax.get_legend_handles_labels()
    kinds = [names.index(name) for name in ("embedding", "attention", "MLP")]
    fig.legend(
        [handles[n] for n in kinds], [names[n] for n in kinds], loc="outside upper left", ncols=3
    )
    return with_alt(fig, f"Bars as steps, each from where the last one ended; {'; '.join(told)}.")


def _steps(ax: Axes, heights: Sequence[float]) -> None:
    places = [0.0] + [n // 2 + 1 + (0.2 if n % 2 else -0.2) for n in range(len(heights) - 1)]
    ends = torch.tensor(heights).cumsum(0).tolist()
    begins = [0.0, *ends[:-1]]
    ax.axhline(0, color="black", lw=1, ls="-", label="zero")
    for name, chosen, colour, hatch in [
        ("embedding", slice(0, 1), "0.6", ""),
        ("attention", slice(1, None, 2), _ATTENTION, ""),
        ("MLP", slice(2, None, 2), _MLP, "//"),
    ]:
        ax.bar(
            places[chosen],
            heights[chosen],
            bottom=begins[chosen],
            width=0.38,
            color=colour,
            hatch=hatch,
            label=name,
        )
    ax.hlines(ends, [x - 0.19 for x in places], [x + 0.6 for x in places], color="0.4", lw=0.8)
    ax.text(places[-1] + 0.65, ends[-1], f"{ends[-1]:.1f}", ha="left", va="center", weight="bold")


def likeness(curves: Mapping[str, Sequence[float]]) -> Figure:
    """How much the stream still points where it began, after each number of layers."""
    fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
    for (name, found), (colour, style) in zip(curves.items(), _LOOKS, strict=False):
        ax.plot(found, color=colour, ls=style, lw=2.4, label=name)
    ax.axhline(0, color="0.5", lw=1, ls="-", label="nothing in common")
    ax.set(xlabel="layers passed", ylabel="likeness to the start", ylim=(-0.1, 1.05))
    ax.legend(frameon=False)
    ends = [f"{name}, {found[-1]:.2f}" for name, found in curves.items()]
    firsts = [f"{name}, {found[1]:.2f}" for name, found in curves.items()]
    return with_alt(
        fig,
        f"Likeness of the stream to its start, from 1; after one layer: {listed(firsts)}; at the"
        f" end: {listed(ends)}.",
    )


def _blank(width: float, height: float) -> tuple[Figure, Axes]:
    fig, ax = plt.subplots(figsize=(width, height), layout="constrained")
    ax.axis("off")
    return fig, ax


def _box(
    ax: Axes, x: float, y: float, width: float, height: float, word: str, fill: str, ink: str
) -> None:
    ax.add_patch(Rectangle((x, y), width, height, facecolor=fill, edgecolor="none", zorder=3))
    ax.text(x + width / 2, y + height / 2, word, ha="center", va="center", color=ink, zorder=4)


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = "black"
) -> None:
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=14,
            linewidth=1.8,
            color=colour,
            linestyle="-",
            shrinkA=0,
            shrinkB=0,
            zorder=2,
        )
    )
