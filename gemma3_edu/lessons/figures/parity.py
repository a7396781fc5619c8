"""Figures of lesson 15: errors from stage to stage, and what a mistake costs at each position.

>>> nats = torch.tensor([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 8.0]])  # two texts, four positions
>>> in_stretches(nats, 2)
(tensor([0.5000, 2.5000]), tensor([1.5000, 4.5000]))
"""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from torch import Tensor

from .alt import with_alt

STRETCH = 16
"""So many positions are averaged in every figure here."""
FLOOR = 1e-5
"""Errors up to this are rounding; they are drawn at it, since they differ between machines."""

_LOOKS: list[tuple[str, Any, str]] = [
    ("C0", "-", "o"),
    ("C1", "--", "s"),
    ("C2", ":", "^"),
    ("black", "-.", "D"),
    ("#6A3D9A", (0, (4, 1, 1, 1, 1, 1)), "v"),
]


def in_stretches(
    nats: Float[Tensor, "P T"], length: int = STRETCH
) -> tuple[Float[Tensor, "S"], Float[Tensor, "S"]]:
    """The middle positions of S stretches of a text, and the mean over each in all P texts."""
    pieces = nats.mean(0).split(length)
    starts = torch.arange(len(pieces)) * length
    middles = [start + (len(piece) - 1) / 2 for start, piece in zip(starts, pieces, strict=True)]
    return torch.stack(middles), torch.stack([piece.mean() for piece in pieces])


def error_per_stage(curves: Mapping[str, Mapping[str, float]]) -> Figure:
    """One line a curve: the error at each stage, logarithmic, from the rounding's level up."""
    fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for (name, errors), look in zip(curves.items(), _LOOKS * 2, strict=False):
        _errors(ax, errors, name, look)
    _stage_ticks(ax, list(next(iter(curves.values()))))
    fig.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    told = []
    for name, errors in curves.items():
        above = [stage for stage, error in errors.items() if error > FLOOR]
        told.append(f"{name} {f'from {above[0]} on' if above else 'nowhere'}")
    stages = len(next(iter(curves.values())))
    return with_alt(
        fig,
        f"Relative error at {stages} stages, logarithmic; above the floor of 0.00001 is"
        f" {'; '.join(told)}.",
    )


def cost_by_position(costs: Mapping[str, Float[Tensor, "P T"]], window: int) -> Figure:
    """A row a mistake, a column a stretch of positions: red where it costs, blue where it pays."""
    # three decimals: below a thousandth of a nat is the rounding of one machine
    rows = torch.stack([in_stretches(cost)[1] for cost in costs.values()]).round(decimals=3)
    fig, ax = plt.subplots(figsize=(7, 0.235 * len(rows) + 1.1), layout="constrained")
    columns = [STRETCH * k for k in range(rows.shape[1] + 1)]
    edges = [k - 0.5 for k in range(len(rows) + 1)]
    norm = SymLogNorm(linthresh=0.01, linscale=0.6, vmin=-10, vmax=10)
    mesh = ax.pcolormesh(columns, edges, rows.numpy(), norm=norm, cmap="RdBu_r")
    ax.axvline(window, color="black", ls="-.", lw=1.5, label="window")
    ax.set_yticks(range(len(rows)), list(costs), fontsize=10)
    ax.invert_yaxis()
    ax.set_xticks(range(0, columns[-1] + 1, window))
    ax.set(xlabel="position; the line is the window")
    ticks = [-10, -1, -0.1, -0.01, 0, 0.01, 0.1, 1, 10]
    bar = fig.colorbar(mesh, ax=ax, label="cost, nats a token", ticks=ticks)
    bar.ax.set_yticklabels([f"{tick:g}" for tick in ticks])
    bar.ax.minorticks_off()
    early = rows[:, : window // STRETCH].abs().amax(1) < 0.01
    late = [name for name, white in zip(costs, early.tolist(), strict=True) if white]
    return with_alt(
        fig,
        "Cost of each mistake by position, red for more and blue for less; white, less than 0.01"
        f" nats, before position {window} {'are' if len(late) > 1 else 'is'}"
        f" {', '.join(late) or 'no row'}.",
    )


def loss_by_position(
    right: Float[Tensor, "P T"], wrong: Mapping[str, Float[Tensor, "P T"]], window: int
) -> Figure:
    """A panel a mistake: the loss without it and with it, by position."""
    columns = min(2, len(wrong))
    lines = -(-len(wrong) // columns)
    size = (7, 2.0 * lines + 0.7)
    fig, axes = plt.subplots(
        lines, columns, figsize=size, layout="constrained", sharex=True, squeeze=False
    )
    for ax, (name, nats) in zip(axes.flat, wrong.items(), strict=False):
        _losses(ax, right, nats, name, window)
    for ax in axes.flat[len(wrong) :]:
        ax.remove()
    for ax in axes[-1]:
        ax.set_xlabel("position")
    for line in axes:
        line[0].set_ylabel("nats a token")
    handles, names = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    told = []
    for name, nats in wrong.items():
        near, far = (
            round((nats - right)[:, part].mean().item(), 2) + 0.0  # no -0
            for part in (slice(window), slice(window, None))
        )
        told.append(f"{name} {near:+.2f} and {far:+.2f}")
    return with_alt(
        fig,
        f"Loss by position without and with each of {len(wrong)} mistakes; the mean difference in"
        f" nats up to position {window} and after it: {'; '.join(told)}.",
    )


def one_mistake(
    name: str,
    right: Float[Tensor, "P T"],
    wrong: Float[Tensor, "P T"],
    errors: Mapping[str, float],
    window: int,
) -> Figure:
    """One mistake: left its error at each stage, right its loss by position.

    The widget's callback. Margins are set by hand: the automatic layout draws everything twice.
    """
    fig, (left, beside) = plt.subplots(1, 2, figsize=(7, 3.2))
    fig.subplots_adjust(left=0.1, right=0.985, bottom=0.3, top=0.86, wspace=0.24)
    _errors(left, errors, "error", _LOOKS[1])
    _stage_ticks(left, list(errors))
    left.set(title="error at each stage", ylabel="")
    _losses(beside, right, wrong, "loss by position, nats", window)
    beside.set_xlabel("position")
    beside.legend(loc="upper right", fontsize=8)
    low, high = beside.get_ylim()
    beside.set_ylim(low, high + 0.55 * (high - low))  # room for the legend
    fig.suptitle(name, fontsize=11)
    return with_alt(fig, f"{name}: left its error at each stage, right its loss by position.")


def _errors(ax: Axes, errors: Mapping[str, float], name: str, look: tuple[str, Any, str]) -> None:
    colour, style, marker = look
    # two digits: more would differ from machine to machine
    values = [max(FLOOR, float(f"{min(error, 1e3):.1e}")) for error in errors.values()]
    ax.plot(range(len(values)), values, color=colour, ls=style, marker=marker, ms=4, label=name)


def _stage_ticks(ax: Axes, stages: list[str]) -> None:
    shown = [name.removeprefix("block ") for name in stages]
    ax.set_xticks(range(len(stages)), shown, rotation=90, fontsize=9)
    ax.set_yscale("log")
    ax.set_ylim(FLOOR / 2, 100)
    ax.set_yticks([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100])
    ax.set_yticklabels(["≤ 0.00001", "0.0001", "0.001", "0.01", "0.1", "1", "10", "100"])
    ax.minorticks_off()
    ax.set(xlabel="stage (numbers are blocks)", ylabel="relative error, worst column")


def _losses(ax: Axes, right: Tensor, wrong: Tensor, title: str, window: int) -> None:
    for nats, name, colour, style in [
        (right, "correct", "C0", "-"),
        (wrong, "with the mistake", "C1", "--"),
    ]:
        ax.plot(*in_stretches(nats), color=colour, ls=style, label=name)
    ax.axvline(window, color="black", ls="-.", lw=1, label="the window's length")
    ax.set_title(title, fontsize=10)
