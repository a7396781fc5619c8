"""Drawings of lesson 07: a road with two branches, the units of an MLP, a token in a branch.

>>> fig = two_branches()
>>> [text.get_text() for text in fig.axes[0].texts if text.get_text().startswith("norm")]
['norm 1', 'norm 2', 'norm 3', 'norm 4']
"""

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from torch import Tensor
from torch.nn import functional as F

from ...naive.layers import rms_norm
from .alt import with_alt

_NAMES = (
    "input_\nlayernorm",
    "post_attention_\nlayernorm",
    "pre_feedforward_\nlayernorm",
    "post_feedforward_\nlayernorm",
)
_ATTENTION, _MLP = "C1", "C2"
_TIMES = "\N{MULTIPLICATION SIGN}"


def two_branches() -> Figure:
    """One layer: the stream as a road, on which each of two branches lays a lane of its colour."""
    fig, ax = _blank(8.6, 3.9)
    lanes = [(-0.4, "0.75"), (5.6, _ATTENTION), (12.2, _MLP)]  # where each begins, and its colour
    for lane, (begin, colour) in enumerate(lanes):
        y = 0.3 * lane - 0.6
        ax.add_patch(Rectangle((begin, y), 14.2 - begin, 0.28, facecolor=colour, label="lane"))
    ax.text(-0.3, -0.7, "the stream x", va="top", ha="left")
    for branch, (part, colour) in enumerate([("attention", _ATTENTION), ("MLP", _MLP)]):
        left = 6.6 * branch
        start = 0.3 * branch - 0.16  # the middle of the lane that begins here
        _arrow(ax, (left + 0.5, -0.6), (left + 0.5, 2.0))  # from below all lanes
        _arrow(ax, (left + 5.6, 2.0), (left + 5.6, start + 0.25), colour)
        _arrow(ax, (left + 1.25, 2.35), (left + 1.9, 2.35))
        _arrow(ax, (left + 3.75, 2.35), (left + 4.35, 2.35))
        ax.text(left + 0.68, 1.1, "a copy is read", va="center", ha="left", size=9.5)
        ax.text(left + 5.4, 1.1, "the answer is added", va="center", ha="right", size=9.5)
        for place, x in enumerate((left - 0.2, left + 4.35)):
            number = 2 * branch + place
            _box(ax, x, 2.0, 1.45, 0.7, f"norm {number + 1}", "C0", "white")
            ax.text(x + 0.72, 2.82, _NAMES[number], ha="center", va="bottom", size=8, color="0.3")
        _box(ax, left + 1.9, 1.8, 1.85, 1.1, part, colour, "white")
        ax.plot([left + 5.6], [start], "o", color="white", mec="black", ms=16, ls="none")
        ax.lines[-1].set_label("sum")
        ax.text(left + 5.6, start - 0.01, "+", ha="center", va="center", size=13)
    ax.set(xlim=(-0.5, 14.3), ylim=(-1.1, 3.7))
    return with_alt(
        fig,
        "The stream, a grey road, runs from left to right. Twice a copy of all its lanes leaves it"
        " upwards, passes a norm, then attention or the MLP, then another norm, and comes back to a"
        " plus sign, from where a lane of its own colour runs on top of those before. The norms"
        " are numbered 1 to 4.",
    )


def three_units(
    x: Float[Tensor, "D"], w_gate: Float[Tensor, "F D"], w_up: Float[Tensor, "F D"]
) -> Figure:
    """Each unit of a GeGLU as a pipe: what `up` read comes from the left and meets its factor.

    Pipes are as wide as their numbers are large, all on one scale.
    """
    gate, up = w_gate @ x, w_up @ x
    factors = F.gelu(gate, approximate="tanh") + 0.0  # the sum makes a -0 a 0
    scale = 0.9 / torch.cat([up, factors * up]).abs().max().item()
    fig, ax = _blank(7.4, 1.3 * len(gate) + 0.5)
    told = []
    for unit, (g, o, u) in enumerate(
        zip(gate.tolist(), factors.tolist(), up.tolist(), strict=True)
    ):
        y, passed = 2.2 * (len(gate) - 1 - unit), o * u
        wide, out = scale * abs(u), scale * abs(passed)
        ax.add_patch(Rectangle((2.2, y - wide / 2), 2.5, wide, facecolor="C1", label="up"))
        ax.text(2.1, y, f"unit {unit + 1}: up reads {u:g}", ha="right", va="center")
        if not passed:
            ax.plot([5.8, 8.5], [y, y], color="0.75", ls=":", lw=1.5, label="nothing")
        else:
            ax.add_patch(Rectangle((5.7, y - out / 2), 2.8, out, facecolor="C2", label="passes"))
        ax.text(5.2, y + 0.98, f"gate {g:g}", ha="center", va="bottom", color="C0", weight="bold")
        _arrow(ax, (5.2, y + 0.95), (5.2, y + 0.4), "C0")
        box = FancyBboxPatch((4.8, y - 0.2), 0.8, 0.4, boxstyle="round,pad=0.2", facecolor="C0")
        ax.add_patch(box)
        words = f"{_TIMES} {o:.2g}"
        ax.text(5.2, y, words, ha="center", va="center", color="white", weight="bold")
        ax.text(8.6, y, f"{passed:.2g} passes", ha="left", va="center")
        told.append(f"unit {unit + 1}: up {u:g}, gate {g:g}, {_TIMES} {o:.2g}, {passed:.2g} passes")
    ax.set(xlim=(-0.6, 10.4), ylim=(-0.9, 2.2 * len(gate) - 0.7))
    return with_alt(
        fig,
        "Pipes, as wide as their numbers are large; in the middle each meets its factor;"
        f" {'; '.join(told)}.",
    )


def one_branch(x: Float[Tensor, "D"], parts: Mapping[str, Callable[[Tensor], Tensor]]) -> Figure:
    """A token through norm, part, norm and sum, with all gains 1; a row for each of some parts.

    A pipe is the wider, the larger its vector is, by a logarithm of the size.
    """
    fig, axes = plt.subplots(len(parts), 1, figsize=(8.6, 2.6 * len(parts)), layout="constrained")
    told = []
    for ax, (name, part) in zip(np.atleast_1d(axes), parts.items(), strict=True):
        no_w = torch.zeros_like(x)
        with torch.no_grad():
            read = rms_norm(x, no_w)
            answer = part(read)
            added = rms_norm(answer, no_w)
        ax.axis("off")
        ax.set_title(name, loc="left")
        for left, width, v in [(0.0, 11.4, x), (11.4, 3.3, x + added)]:
            _pipe(ax, left, width, 0.0, v, "0.75")
        _arrow(ax, (0.9, 0.2), (0.9, 1.65))
        for left, width, v, colour in [
            (2.0, 2.0, read, "0.75"),
            (5.6, 1.9, answer, _MLP),
            (9.1, 2.3, added, _MLP),
        ]:
            _pipe(ax, left, width, 2.0, v, colour)
        for left, word, colour in [
            (0.4, "norm 3", "C0"),
            (4.0, "MLP", _MLP),
            (7.5, "norm 4", "C0"),
        ]:
            _box(ax, left, 1.65, 1.6, 0.7, word, colour, "white")
        _arrow(ax, (11.4, 2.0), (11.4, 0.35), _MLP)
        ax.plot([11.4], [0.0], "o", color="white", mec="black", ms=16, ls="none", label="sum")
        ax.text(11.4, 0.0, "+", ha="center", va="center", size=13)
        ax.set(xlim=(-0.2, 14.9), ylim=(-0.9, 3.3))
        steps = [("reads", read), ("answers", answer), ("adds", added), ("then", x + added)]
        told.append(f"{name}, {', '.join(f'{word} {_vector(v)}' for word, v in steps)}")
    return with_alt(
        fig,
        f"A token {_vector(x)} on the stream, through a branch: {'; '.join(told)}. Pipes are the"
        " wider, the larger their vectors are, by a logarithm.",
    )


def _pipe(
    ax: Axes, left: float, width: float, y: float, v: Float[Tensor, "D"], colour: str
) -> None:
    size = v.pow(2).mean().sqrt().item()
    high = 0.2 + 0.3 * float(np.log10(size))
    ax.add_patch(Rectangle((left, y - high / 2), width, high, facecolor=colour, label="pipe"))
    words = f"{_vector(v)}, size {_three(size)}"
    below = y == 0  # the stream's words stand below it, those of a branch above
    edge = y - high / 2 - 0.1 if below else y + max(high, 0.7) / 2 + 0.08
    ax.text(left + 0.15, edge, words, ha="left", va="top" if below else "bottom", size=9.5)


def _vector(v: Float[Tensor, "D"]) -> str:
    return f"[{', '.join(map(_three, v.tolist()))}]"


def _three(number: float) -> str:
    """Three digits, without an exponent."""
    return f"{float(f'{number:.3g}'):g}"


def _blank(width: float, height: float) -> tuple[Figure, Axes]:
    fig, ax = plt.subplots(figsize=(width, height), layout="constrained")
    ax.axis("off")
    return fig, ax


def _box(
    ax: Axes, x: float, y: float, width: float, height: float, word: str, fill: str, ink: str
) -> None:
    ax.add_patch(Rectangle((x, y), width, height, facecolor=fill, edgecolor="black", zorder=3))
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
