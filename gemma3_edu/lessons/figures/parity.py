"""Figures of lesson 15: where and when two models part, and how far apart they are.

>>> wrong_cells(["embeddings", "block 0", "logits"], 4, "block 0", 2).int().tolist()
[[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from torch import Tensor

from .alt import with_alt
from .parts import arrow, say

FLOOR = 1e-5
"""Errors up to this are rounding; they are drawn at it, since they differ between machines."""

_LOOKS: list[tuple[str, Any, str]] = [
    ("C0", "-", "o"),
    ("C1", "--", "s"),
    ("C2", ":", "^"),
    ("black", "-.", "D"),
    ("#6A3D9A", (0, (4, 1, 1, 1, 1, 1)), "v"),
]
_PALE, _ORANGE, _GREY = "#D6E4F0", "#D55E00", "#EEEEEE"
_CELLS = ListedColormap(["white", _ORANGE])
_SAME, _OTHER = "=", "\N{NOT EQUAL TO}"


def side_by_side(tokens: int = 8, where: int = 2, when: int = 1) -> Figure:
    """Two models on the same tokens: stages that agree, the first that does not, and its tokens."""
    names = ["embeddings", "block 0", "block 1", "block 2", "final norm", "logits"]
    fig, (towers, row) = plt.subplots(
        1, 2, figsize=(9, 4.6), layout="constrained", width_ratios=[1, 1.15]
    )
    for ax in (towers, row):
        ax.set_axis_off()
    towers.set(xlim=(0, 10), ylim=(-1.6, len(names) + 0.6))
    for x, who in [(2.3, "reference"), (7.7, "port")]:
        say(towers, x, len(names) + 0.2, who, weight="bold")
        for height, name in enumerate(names):
            wrong = who == "port" and height >= where
            _box(towers, x, height - 0.3, 3.4, 0.62, _ORANGE if wrong else _PALE)
            say(towers, x, height - 0.3, name, color="white" if wrong else "black", size=9.5)
            arrow(towers, (x, height - 0.9), (x, height - 0.62), "black", 1.0)
        arrow(towers, (5, -1.1), (x, -0.95), "black", 1.0)
    say(towers, 5, -1.35, "the same tokens")
    for height in range(len(names)):
        sign = _OTHER if height >= where else _SAME
        say(towers, 5, height - 0.3, sign, weight="bold", size=15, color=_ink(height >= where))
    row.set(xlim=(-1.6, tokens + 0.2), ylim=(-1.6, len(names) + 0.6))
    say(row, tokens / 2, len(names) + 0.2, f"inside the stage {names[where]}", weight="bold")
    for y, who in [(3.2, "reference"), (0.6, "port")]:
        say(row, -0.25, y + 0.65, who, ha="right", size=9.5)
        for token in range(tokens):
            wrong = who == "port" and token >= when
            for cell in range(3):
                fill = _ORANGE if wrong else _PALE
                place = (token + 0.2, y + 0.45 * cell)
                look: dict[str, Any] = {"facecolor": fill, "edgecolor": "white", "label": "column"}
                row.add_patch(Rectangle(place, 0.6, 0.42, **look))
    for token in range(tokens):
        wrong = token >= when
        sign = _OTHER if wrong else _SAME
        say(row, token + 0.5, 2.55, sign, weight="bold", size=15, color=_ink(wrong))
        say(row, token + 0.5, 0.25, str(token), size=9)
    say(row, tokens / 2, -0.25, "position")
    equal = "position 0" if when == 1 else f"positions 0 to {when - 1}"
    return with_alt(
        fig,
        f"Two towers of {len(names)} stages, reference and port, on the same tokens: equal up to"
        f" {names[where - 1]}, different from {names[where]} on. Beside them that stage, a column"
        f" for each of {tokens} tokens: equal at {equal}, different from {when}.",
    )


def _ink(wrong: bool) -> str:
    return _ORANGE if wrong else "#0072B2"


def _box(ax: Axes, x: float, y: float, width: float, height: float, fill: str) -> None:
    style: dict[str, Any] = {
        "boxstyle": "round,pad=0,rounding_size=0.12",
        "edgecolor": "black",
        "linewidth": 0.8,
    }
    corner = (x - width / 2, y - height / 2)
    ax.add_patch(FancyBboxPatch(corner, width, height, facecolor=fill, label="stage", **style))


def wrong_cells(
    stages: Sequence[str], tokens: int, where: str, when: int
) -> Bool[Tensor, "stages T"]:
    """The columns that a mistake reaches: from its stage up, and from its position on."""
    late = torch.arange(len(stages))[:, None] >= list(stages).index(where)
    return late & (torch.arange(tokens) >= when)


FIVE = {
    "A": ("block 0", 4),
    "B": ("final norm", 0),
    "C": ("block 5", 1),
    "D": ("block 0", 0),
    "E": ("block 0", 1),
}
"""Stage and position at which each of five mistakes begins, for `which_grid`."""


def which_grid(grids: Mapping[str, tuple[str, int]], tokens: int, blocks: int) -> Figure:
    """A grid for each letter: stages upwards, tokens to the right, and what a mistake reaches."""
    stages = ["embeddings", *(f"block {n}" for n in range(blocks)), "final norm", "logits"]
    fig, axes = plt.subplots(
        1, len(grids), figsize=(2.0 * len(grids) + 0.6, 2.9), layout="constrained", sharey=True
    )
    told = []
    for ax, (letter, (where, when)) in zip(axes, grids.items(), strict=True):
        _grid(ax, wrong_cells(stages, tokens, where, when), [str(n) for n in range(tokens)])
        ax.set_title(letter, fontsize=11, fontweight="bold")
        told.append(f"{letter} from {where} and position {when}")
    axes[0].set_yticks(
        [n + 0.5 for n in range(len(stages))], [_short(s) for s in stages], fontsize=9
    )
    axes[0].set_xlabel("position")
    return with_alt(
        fig,
        f"{len(grids)} grids of {len(stages)} stages and {tokens} positions. In each the cells are"
        f" wrong above and to the right of a corner: {'; '.join(told)}.",
    )


def where_and_when(
    errors: Mapping[str, Mapping[str, Float[Tensor, "T"]]], positions: Sequence[int]
) -> Figure:
    """A grid a mistake: the columns whose error is more than `FLOOR`, at some positions."""
    columns = min(4, len(errors))
    rows = -(-len(errors) // columns)
    size = (2.15 * columns + 0.9, 2.75 * rows + 0.3)
    fig, axes = plt.subplots(
        rows, columns, figsize=size, layout="constrained", sharey=True, squeeze=False
    )
    told = []
    for ax, (name, found) in zip(axes.flat, errors.items(), strict=False):
        grid = ~(torch.stack(list(found.values()))[:, list(positions)] <= FLOOR)
        _grid(ax, grid, [str(n) for n in positions])
        ax.set_title(name, fontsize=9.5)
        first = next((stage for stage, wrong in zip(found, grid, strict=True) if wrong.any()), None)
        if first is None:
            told.append(f"{name} nowhere")
        else:
            place = int(grid[list(found).index(first)].int().argmax())
            told.append(f"{name} from {first} and position {positions[place]}")
    for ax in axes.flat[len(errors) :]:
        ax.remove()
    stages = list(next(iter(errors.values())))
    for line in axes:
        line[0].set_yticks(
            [n + 0.5 for n in range(len(stages))], [_short(s) for s in stages], fontsize=8
        )
    axes[-1, 0].set_xlabel("position")
    return with_alt(
        fig,
        f"Wrong columns at {len(stages)} stages and {len(positions)} positions: {'; '.join(told)}.",
    )


def _grid(ax: Axes, wrong: Bool[Tensor, "stages T"], positions: Sequence[str]) -> None:
    ax.pcolormesh(
        wrong.int().numpy(), cmap=_CELLS, vmin=0, vmax=1, edgecolors="#CCCCCC", linewidth=0.6
    )
    ax.set_xticks([n + 0.5 for n in range(len(positions))], positions, fontsize=8, rotation=90)


def _short(stage: str) -> str:
    return stage.removeprefix("block ")


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


def _errors(ax: Axes, errors: Mapping[str, float], name: str, look: tuple[str, Any, str]) -> None:
    colour, style, marker = look
    # two digits: more would differ from machine to machine
    values = [max(FLOOR, float(f"{min(error, 1e3):.1e}")) for error in errors.values()]
    ax.plot(range(len(values)), values, color=colour, ls=style, marker=marker, ms=4, label=name)


def _stage_ticks(ax: Axes, stages: list[str]) -> None:
    ax.set_xticks(range(len(stages)), [_short(name) for name in stages], rotation=90, fontsize=9)
    ax.set_yscale("log")
    ax.set_ylim(FLOOR / 2, 100)
    ax.set_yticks([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100])
    ax.set_yticklabels(
        ["\N{LESS-THAN OR EQUAL TO} 0.00001", "0.0001", "0.001", "0.01", "0.1", "1", "10", "100"]
    )
    ax.minorticks_off()
    ax.set(xlabel="stage (numbers are blocks)", ylabel="relative error, worst column")


def added_loss(rows: Mapping[str, Sequence[float]], healthy: str, window: int) -> Figure:
    """Two dots a mistake: the loss it adds before and after the window, logarithmic from 0.1 up."""
    right = rows[healthy]
    added = {
        name: [value - usual for value, usual in zip(row, right, strict=True)]
        for name, row in rows.items()
        if name != healthy
    }
    names = sorted(added, key=lambda name: -sum(added[name]))  # the costliest first
    fig, ax = plt.subplots(figsize=(7.4, 0.9 + 0.42 * len(names)), layout="constrained")
    right_of_it: dict[str, Any] = {"xytext": (8, 0), "textcoords": "offset points", "va": "center"}
    for number, side in enumerate([f"first {window} tokens", f"after {window}"]):
        values = [added[name][number] for name in names]
        heights = [row + (-0.2, 0.2)[number] for row in range(len(names))]
        colour, _, marker = _LOOKS[number]
        ax.scatter(values, heights, s=50, color=colour, marker=marker, label=side)
        for value, height in zip(values, heights, strict=True):
            ax.annotate(f"{value:.2f}", (value, height), fontsize=8, **right_of_it)
    ax.set_yticks(range(len(names)), names)
    ax.set_yticks([n - 0.5 for n in range(1, len(names))], minor=True)
    ax.tick_params(axis="y", which="minor", length=0)
    ax.grid(axis="y", which="minor", color="#DDDDDD", ls="-", lw=0.8)
    ax.set_xscale("symlog", linthresh=0.1, linscale=0.5)
    ax.set_xticks([0, 0.1, 1, 10], ["0", "0.1", "1", "10"])
    ax.grid(axis="x", color="#AAAAAA", ls=":", lw=0.9)
    ax.set_axisbelow(True)
    ax.set_xlim(-0.03, 2.5 * max(map(max, added.values())))
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel(
        f"loss above {right[0]:.2f} and {right[1]:.2f}, nats per token\n"
        "from 0.1 on, each line is ten times the one before"
    )
    fig.legend(loc="outside upper center", ncols=2, frameon=False)
    told = [f"{name} {' and '.join(f'{value:.2f}' for value in added[name])}" for name in names]
    return with_alt(
        fig,
        f"The loss that {len(names)} mistakes add before and after the window, to {right[0]:.2f}"
        f" and {right[1]:.2f} with {healthy}: {'; '.join(told)}.",
    )
