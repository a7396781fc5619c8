"""Figures of masks: who may see whom, which tokens notice a wrong one, and how far layers reach.

Masks are two greys: dark where a query (row) may see a key (column).

>>> print(ascii_masks({"global": _local(4, 4), "W = 2": _local(4, 2)}))
global  W = 2
#...    #...
##..    ##..
###.    .##.
####    ..##
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from ...model.config import AttentionType
from ...model.layout import TokenLayout
from ...model.masks import attention_mask
from ...naive.masks import reach
from .alt import with_alt

GREYS = ListedColormap(["#e4e4e4", "#3c3c3c"])


def ascii_masks(masks: Mapping[str, Bool[Tensor, "T S"]]) -> str:
    """Masks side by side under their names: `#` may see, `.` may not; rows are queries."""
    columns = []
    for name, mask in masks.items():
        rows = ["".join(".#"[seen] for seen in row) for row in mask.tolist()]
        width = max(len(name), mask.shape[1])
        columns.append([line.ljust(width) for line in [name, *rows]])
    height = max(map(len, columns))
    filled = [column + [" " * len(column[0])] * (height - len(column)) for column in columns]
    return "\n".join("  ".join(row).rstrip() for row in zip(*filled, strict=True))


def reach_by_depth(layer_types: Sequence[AttentionType], window: int, length: int) -> Figure:
    """How many tokens back the last of `length` has heard, against the layers it went through."""
    fig, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    _reach(ax, layer_types, window, length)
    ax.legend(loc=(0.56, 0.52))
    depth = len(layer_types)
    mixed = reach(layer_types, window, length)
    local = reach([AttentionType.LOCAL] * depth, window, length)
    return with_alt(
        fig,
        f"Tokens back against layers: local layers alone climb {local[0]:,} a layer to"
        f" {local[-1]:,} at layer {depth}; with the global layers the curve reaches {mixed[-1]:,}"
        f" at layer {mixed.index(mixed[-1]) + 1}.",
    )


def who_notices(notices: Mapping[str, Sequence[bool]], first: int = 0) -> Figure:
    """One row a mistake: dark where the output is another one, at positions from `first` on."""
    fig, ax = plt.subplots(figsize=(7.4, 0.42 * len(notices) + 0.9), layout="constrained")
    _mask(ax, torch.tensor(list(notices.values())), "")
    ax.set(xlabel="position of the token", ylabel="", aspect="auto")
    ax.set_yticks(range(len(notices)), list(notices))
    positions = len(next(iter(notices.values())))
    start = -first % 4
    ax.set_xticks(range(start, positions, 4), map(str, range(first + start, first + positions, 4)))
    said = []
    for row, (name, differs) in enumerate(notices.items()):
        column = list(differs).index(True) if any(differs) else None
        said.append(f"{name} {'nowhere' if column is None else f'first at {first + column}'}")
        if column is not None:
            number = str(first + column)
            ax.text(column, row, number, ha="center", va="center", color="white", weight="bold")
    return with_alt(
        fig,
        f"{len(notices)} rows by {positions} positions, dark where the output is another one:"
        f" {', '.join(said)}.",
    )


def masks_and_reach(
    layer_types: Sequence[AttentionType], window: int, length: int, toy: tuple[int, int] = (4, 12)
) -> Figure:
    """Both masks of a toy (its window and length), and the reach in a real size, in one row."""
    fig, axes = plt.subplots(
        1, 3, figsize=(7, 2.7), layout="constrained", width_ratios=[1, 1, 1.75]
    )
    _mask(axes[0], _local(toy[1], toy[1]), "global layer")
    _mask(axes[1], _local(toy[1], toy[0]), f"local, W = {toy[0]}")
    axes[1].set(ylabel="")
    _reach(axes[2], layer_types, window, length)
    axes[2].set_title(f"reach, W = {window}")
    axes[2].legend(loc=(0.3, 0.5), handlelength=2.2, borderpad=0.3)
    return fig


def _local(length: int, window: int) -> Bool[Tensor, "length length"]:
    text = TokenLayout.of_text(torch.ones(1, length, dtype=torch.bool))
    return attention_mask(text, text, window)[0]


def _mask(ax: Axes, mask: Tensor, title: str) -> None:
    rows, columns = mask.shape
    # one mesh with white edges: grid lines at minor ticks take several times as long to draw
    edges = [[k - 0.5 for k in range(n + 1)] for n in (columns, rows)]
    ax.pcolormesh(
        *edges, mask.int().numpy(), cmap=GREYS, vmin=0, vmax=1, edgecolors="white", linewidth=0.6
    )
    ax.set(title=title, xlabel="key", ylabel="query", aspect="equal")
    ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))  # the first query on top
    step = 5 if columns > 12 else 4
    ax.set_xticks(range(0, columns, step))
    ax.set_yticks(range(0, rows, step))
    ax.tick_params(length=0)


def _reach(ax: Axes, layer_types: Sequence[AttentionType], window: int, length: int) -> None:
    depth = range(1, len(layer_types) + 1)
    local = [AttentionType.LOCAL] * len(layer_types)
    for kinds, colour, style, name in [
        (layer_types, "C0", "-", "5 local : 1 global"),
        (local, "C1", "--", "local layers only"),
    ]:
        back = reach(kinds, window, length)
        ax.plot(depth, back, color=colour, ls=style, marker="o", ms=3, label=name)
    ax.axhline(length - 1, color="black", ls="-.", lw=1, label="the first token")
    ax.set(xlabel="layers passed", ylabel="tokens back", ylim=(0, 1.08 * length))
    ax.set_xticks(range(0, len(layer_types) + 1, 6))
    ax.yaxis.set_major_formatter("{x:,.0f}")
