"""Drawings of lesson 07: a highway with two branches, the units of an MLP, what each branch adds.

>>> fig = two_branches()
>>> [text.get_text() for text in fig.axes[0].texts if text.get_text().startswith("norm")]
['norm 1', 'norm 2', 'norm 3', 'norm 4']
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
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
_LOOKS = (
    ("C3", "-", "o"),
    ("C0", "--", "s"),
    ("C1", ":", "^"),
    ("C2", "-.", "D"),
    ("0.45", "-", "v"),
)


def two_branches() -> Figure:
    """One layer: the stream as a road that widens, and two branches with a norm at each end."""
    fig, ax = _blank(8.4, 3.6)
    for left, right, half in [(-0.4, 5.6, 0.16), (5.6, 12.2, 0.24), (12.2, 13.4, 0.32)]:
        ax.add_patch(Rectangle((left, -half), right - left, 2 * half, facecolor="0.78"))
    ax.text(-0.3, -0.42, "the stream x", va="top", ha="left")
    for branch, (part, colour) in enumerate([("attention", "C1"), ("MLP", "C2")]):
        left, half = 6.6 * branch, 0.16 + 0.08 * branch
        _arrow(ax, (left + 0.5, half), (left + 0.5, 2.0))
        _arrow(ax, (left + 5.6, 2.0), (left + 5.6, half + 0.2))
        _arrow(ax, (left + 1.2, 2.35), (left + 4.6, 2.35))
        ax.text(left + 0.62, 1.05, "a copy is read", va="center", ha="left", size=9)
        ax.text(left + 5.48, 1.05, "the answer is added", va="center", ha="right", size=9)
        for place, x in enumerate((left - 0.15, left + 4.35)):
            number = 2 * branch + place
            _box(ax, x, 2.0, 1.45, 0.7, f"norm {number + 1}", "C0", "white")
            ax.text(x + 0.72, 2.85, _NAMES[number], ha="center", va="bottom", size=7.5)
        _box(ax, left + 1.9, 1.85, 1.85, 1.0, part, "white", "black", colour)
        ax.plot([left + 5.6], [0], "o", color="white", mec="black", ms=15, ls="none", label="sum")
        ax.text(left + 5.6, -0.01, "+", ha="center", va="center", size=12)
    ax.set(xlim=(-0.5, 13.5), ylim=(-0.95, 3.7))
    return with_alt(
        fig,
        "A wide grey road, the stream, runs from left to right. Twice a copy leaves it upwards,"
        " passes a norm, then attention or the MLP, then another norm, and comes back to a plus"
        " sign, after which the road is a little wider. The norms have the numbers 1 to 4.",
    )


def three_units(
    x: Float[Tensor, "D"], w_gate: Float[Tensor, "F D"], w_up: Float[Tensor, "F D"]
) -> Figure:
    """Each unit of a GeGLU as a pipe: what `up` read flows from the left, the gate is the door."""
    gate, up = w_gate @ x, w_up @ x
    opened = F.gelu(gate, approximate="tanh") + 0.0  # the sum makes a -0 a 0
    fig, ax = _blank(7.4, 1.3 * len(gate) + 0.5)
    told = []
    for unit, (g, o, u) in enumerate(zip(gate.tolist(), opened.tolist(), up.tolist(), strict=True)):
        y, passed = 1.7 * (len(gate) - 1 - unit), o * u
        wide = 0.1 + 0.1 * torch.tensor(abs(u)).log1p().item()
        ax.add_patch(Rectangle((2.2, y - wide / 2), 3.0, wide, facecolor="C1", label="up"))
        ax.text(2.1, y, f"unit {unit + 1}: up reads {u:g}", ha="right", va="center")
        gap = 0.62 if o > 1 else 0.0
        for low, high in [(y - 0.55, y - gap / 2), (y + gap / 2, y + 0.55)]:
            ax.add_patch(Rectangle((5.2, low), 0.3, high - low, facecolor="C0", label="door"))
        ax.text(5.35, y + 0.62, f"gate {g:g}, GELU {o:g}", ha="center", va="bottom", color="C0")
        if passed:
            out = 0.1 + 0.1 * torch.tensor(abs(passed)).log1p().item()
            ax.add_patch(Rectangle((5.5, y - out / 2), 3.0, out, facecolor="C2", label="passes"))
        ax.text(8.6, y, f"{passed:g} passes", ha="left", va="center")
        told.append(f"unit {unit + 1}: up {u:g}, gate {g:g}, {passed:g} passes")
    ax.set(xlim=(-0.6, 10.4), ylim=(-0.8, 1.7 * len(gate) - 0.5))
    return with_alt(fig, f"Pipes with a door in each, open or shut; {'; '.join(told)}.")


def thirty_layers(
    sizes: Mapping[str, Sequence[float]], shares: Mapping[str, Sequence[float]]
) -> Figure:
    """Stacks by name: the size of the stream before each layer and after the last, and the shares.

    A share is what attention and the MLP have of the squares of all that was added; they sum to 1.
    """
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(8.4, 3.6), layout="constrained", width_ratios=[1.25, 1]
    )
    for (name, found), (colour, style, marker) in zip(sizes.items(), _LOOKS, strict=False):
        left.plot(
            found, color=colour, ls=style, marker=marker, ms=4, markevery=5, label=name, lw=1.6
        )
    left.set(xlabel="layers passed", ylabel="size of the stream", yscale="log")
    left.yaxis.set_major_formatter("{x:g}")
    left.legend(fontsize=8.5)
    rows = range(len(shares))
    heard, thought = ([pair[n] for pair in shares.values()] for n in (0, 1))
    right.barh(rows, heard, color="C1", label="attention", height=0.6)
    right.barh(rows, thought, left=heard, color="C2", label="MLP", height=0.6)
    right.set_yticks(list(rows), list(shares))
    right.invert_yaxis()
    right.set(xlabel="share of what was added", xlim=(0, 1))
    fig.legend(*right.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    ends = [f"{name} {found[-1]:.2g}" for name, found in sizes.items()]
    parts = [f"{name} {pair[0]:.0%}" for name, pair in shares.items()]
    return with_alt(
        fig,
        f"Left, the size of the stream in stacks of layers; at the end: {listed(ends)}. Right,"
        f" attention's share of what was added: {listed(parts)}; the rest is the MLP's.",
    )


def by_branch(
    attention: Sequence[float], mlp: Sequence[float], what: str, start: float | None = None
) -> Figure:
    """Two bars for each layer, attention's and the MLP's; `start` is a bar of the embedding."""
    fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
    layers = range(1, len(attention) + 1)
    ax.axhline(0, color="black", lw=1, ls="-", label="zero")
    ax.bar([n - 0.2 for n in layers], attention, width=0.38, color="C1", label="attention")
    ax.bar([n + 0.2 for n in layers], mlp, width=0.38, color="C2", hatch="//", label="MLP")
    if start is not None:
        ax.bar([0], [start], width=0.38, color="0.6", label="embedding")
    ax.set(xlabel="layer", ylabel=what, xticks=list(layers))
    handles, names = ax.get_legend_handles_labels()
    fig.legend(handles[1:], names[1:], loc="outside upper right", ncols=3)
    told = [
        f"{name} {listed(f'{value:.2g}' for value in values)}"
        for name, values in [("attention", attention), ("MLP", mlp)]
    ]
    begin = "" if start is None else f"; embedding {start:.2g}"
    return with_alt(fig, f"Bars for each layer, {what}: {'; '.join(told)}{begin}.")


def likeness(curves: Mapping[str, Sequence[float]]) -> Figure:
    """How much the stream still points where it began, after each number of layers."""
    fig, ax = plt.subplots(figsize=(6.4, 3), layout="constrained")
    for (name, found), (colour, style, marker) in zip(curves.items(), _LOOKS, strict=False):
        ax.plot(found, color=colour, ls=style, marker=marker, ms=4, markevery=5, label=name)
    ax.axhline(0, color="0.5", lw=1, ls="-", label="nothing in common")
    ax.set(xlabel="layers passed", ylabel="likeness to the start", ylim=(-0.1, 1.05))
    ax.legend()
    ends = [f"{name}, {abs(found[-1]):.1g}" for name, found in curves.items()]
    return with_alt(
        fig, f"Likeness of the stream to its start, from 1; at the end: {listed(ends)}."
    )


def _blank(width: float, height: float) -> tuple[Figure, Axes]:
    fig, ax = plt.subplots(figsize=(width, height), layout="constrained")
    ax.axis("off")
    return fig, ax


def _box(
    ax: Axes,
    x: float,
    y: float,
    width: float,
    height: float,
    word: str,
    fill: str,
    ink: str,
    edge: str = "black",
) -> None:
    ax.add_patch(
        Rectangle((x, y), width, height, facecolor=fill, edgecolor=edge, linewidth=1.6, zorder=3)
    )
    ax.text(x + width / 2, y + height / 2, word, ha="center", va="center", color=ink, zorder=4)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=14,
            linewidth=1.8,
            color="black",
            linestyle="-",
            shrinkA=0,
            shrinkB=0,
            zorder=2,
        )
    )
