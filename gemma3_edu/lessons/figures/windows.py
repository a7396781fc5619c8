"""Drawings of lesson 05: ten tokens, what one of them sees, and what six layers keep.

A token is a box with its word; blue and solid is a global layer, vermilion and dashed a local one,
and a box with a dotted edge is out of sight.

>>> [len(row) for row in _steps("LLG", window=3, length=10)]
[1, 10, 10, 10]
>>> [min(row) for row in _steps("LLL", window=3, length=10)]
[9, 7, 5, 3]
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ...naive.cache import ring
from ...naive.masks import may_see
from .alt import listed, with_alt

WORDS = ("park", "is", "7", ".", "a", "dog", "ran", ".", "park", "is")
_ASKED = WORDS.index("7")
_LOOKS = {"G": ("C0", "-"), "L": ("C1", "--")}
_FILL = {"G": "#CFE3F1", "L": "#F8DDCB"}
_KINDS = {"G": "global", "L": "local"}


def _sees(kind: str, window: int, i: int) -> list[int]:
    """The keys of a query at i in one layer."""
    return [j for j in range(i + 1) if may_see(i, j, window=window if kind == "L" else None)]


def _steps(kinds: str, window: int, length: int) -> list[list[int]]:
    """From the top down: the tokens whose state the last one can have taken something from."""
    rows = [[length - 1]]
    for kind in reversed(kinds):
        rows.append(sorted({j for i in rows[-1] for j in _sees(kind, window, i)}))
    return rows


def _blank(width: float, height: float, columns: int) -> tuple[Figure, list[Axes]]:
    fig, axes = plt.subplots(
        1, columns, figsize=(width, height), layout="constrained", squeeze=False
    )
    for ax in axes[0]:
        ax.set_xticks([])
        ax.set_yticks([])
        for side in ax.spines.values():
            side.set_visible(False)
    return fig, list(axes[0])


def _box(ax: Axes, x: float, y: float, fill: str | None, label: str) -> None:
    ax.add_patch(
        Rectangle(
            (x - 0.45, y - 0.3),
            0.9,
            0.6,
            facecolor=fill or "white",
            edgecolor="black" if fill else "#767676",
            linestyle="-" if fill else ":",
            linewidth=1.2,
            label=label,
        )
    )


def looking_back(window: int) -> Figure:
    """The last of ten tokens looks back in a global layer, and in a local one with this window."""
    fig, (ax,) = _blank(7, 3.0, 1)
    last, seen = len(WORDS) - 1, {kind: _sees(kind, window, len(WORDS) - 1) for kind in "GL"}
    for kind, y in [("G", 1.9), ("L", 0.0)]:
        colour, style = _LOOKS[kind]
        for x, word in enumerate(WORDS):
            visible = x in seen[kind]
            _box(ax, x, y, _FILL[kind] if visible else None, "seen" if visible else "out of sight")
            ax.text(x, y, word, ha="center", va="center", color="black" if visible else "#767676")
        for j in seen[kind][:-1]:
            turn = np.linspace(0, np.pi, 25)
            xs = (last + j) / 2 + (last - j) / 2 * np.cos(turn)
            ys = y + 0.34 + (0.25 + 0.12 * (last - j)) * np.sin(turn)
            ax.plot(xs, ys, color=colour, ls=style, lw=1.3, label=f"{_KINDS[kind]}: to {j}")
            ax.plot([j], [y + 0.38], color=colour, ls="none", marker="v", ms=5, label="key")
        name = "global\nlayer" if kind == "G" else f"local layer\nW = {window}"
        ax.text(-0.7, y, name, color=colour, weight="bold", ha="right", va="center")
    for x in range(len(WORDS)):
        ax.text(x, -0.55, str(x), ha="center", va="center", fontsize=8)
    ax.text(-0.6, -0.55, "position", ha="right", va="center", fontsize=8)
    ax.set(xlim=(-2.7, last + 0.6), ylim=(-0.8, 3.7))
    return with_alt(
        fig,
        f"Ten tokens twice, {' '.join(WORDS)}. In the global layer the last one has arrows to all"
        f" nine before it; in the local layer, W = {window}, it sees positions"
        f" {listed(seen['L'])} only, and {len(WORDS) - len(seen['L'])} are out of sight.",
    )


def ways_back(*stacks: tuple[str, int]) -> Figure:
    """A panel for each stack of layers, such as ("LLG", 3): layers, the lowest first, and W.

    Lines lead from the last token, at the top, to all that it can have taken something from.
    """
    fig, axes = _blank(
        0.4 + 3.1 * len(stacks), 1.7 + 0.45 * max(len(k) for k, _ in stacks), len(stacks)
    )
    length, told = len(WORDS), []
    for ax, (kinds, window) in zip(axes, stacks, strict=True):
        rows = _steps(kinds, window, length)
        for depth, kind in enumerate(reversed(kinds)):
            above = len(kinds) - depth
            colour, style = _LOOKS[kind]
            xs, ys = [], []
            for i in rows[depth]:
                for j in _sees(kind, window, i):
                    xs += [i, j, np.nan]  # a gap between one line and the next
                    ys += [above, above - 1, np.nan]
            label = f"layer {above}, {_KINDS[kind]}"
            ax.plot(xs, ys, color=colour, ls=style, lw=1, zorder=1, label=label)
            ax.text(length - 0.3, above - 0.5, _KINDS[kind], color=colour, fontsize=8, va="center")
        for depth, row in enumerate(rows):
            y = len(kinds) - depth
            grey = [x for x in range(length) if x not in row]
            ax.plot(grey, [y] * len(grey), "o", ms=4, color="#c4c4c4", ls="none", label="unseen")
            ax.plot(row, [y] * len(row), "o", ms=6, color="black", ls="none", label="can be seen")
        for x, word in enumerate(WORDS):
            strong = "bold" if x == _ASKED else "normal"
            ax.text(x, -0.45, word, ha="center", va="center", fontsize=7.5, weight=strong)
        found = _ASKED in rows[-1]
        back = length - 1 - min(rows[-1])
        ax.set_title(
            f"W = {window}: {back} back, 7 {'reached' if found else 'not reached'}", fontsize=9
        )
        ax.set(xlim=(-0.6, length + 1.2), ylim=(-0.8, max(len(k) for k, _ in stacks) + 0.3))
        names = listed(_KINDS[kind] for kind in kinds)
        told.append(f"{names} with W = {window} reach {back} tokens back")
    return with_alt(
        fig, f"Ways from the last of ten tokens down through layers: {'; '.join(told)}."
    )


def what_is_kept(kinds: str, window: int) -> Figure:
    """Six layers after ten tokens: which keys and values each still needs."""
    fig, (ax,) = _blank(7, 0.6 + 0.42 * len(kinds), 1)
    length, kept = len(WORDS), []
    for layer, kind in enumerate(kinds):
        seen = _sees(kind, window, length - 1)
        y = 0.8 * layer
        for x, word in enumerate(WORDS):
            fill = _FILL[kind] if x in seen else None
            _box(ax, x, y, fill, "kept" if fill else "thrown away")
            if fill:
                ax.text(x, y, word, ha="center", va="center", fontsize=8)
        colour = _LOOKS[kind][0]
        name = f"layer {layer + 1}, {_KINDS[kind]}"
        ax.text(-0.7, y, name, ha="right", va="center", fontsize=9, color=colour)
        ax.text(length - 0.3, y, f"{len(seen)} of {length}", va="center", fontsize=9)
        kept.append(len(seen))
    ax.set(xlim=(-3.2, length + 1.2), ylim=(-0.5, 0.8 * len(kinds) - 0.3))
    return with_alt(
        fig,
        f"Boxes for ten tokens in {len(kinds)} layers. Kept in each layer, from below:"
        f" {listed(kept)} of {length}; in all {sum(kept)} of {length * len(kinds)}.",
    )


def where_it_looks(
    weights: Mapping[str, Float[Tensor, "distance"]], window: int, found: int, name: str
) -> Figure:
    """For each layer the weights of one query, the last; number d is of the key d tokens back.

    `name` is what the query should look at, `found` how many tokens back it is.
    """
    fig, axes = plt.subplots(
        len(weights), 1, figsize=(7, 1.7 * len(weights) + 0.5), layout="constrained", sharex=True
    )
    told = []
    for ax, (layer, weight) in zip(axes, weights.items(), strict=True):
        kind = "G" if "global" in layer else "L"
        back = torch.arange(len(weight))
        ax.vlines(back, 0, weight, color=_LOOKS[kind][0], lw=2.5, label="weight")
        ax.axvspan(-0.5, window - 0.5, color="#e4e4e4", label="window", zorder=0)
        ax.plot([found], [1.06], color="black", marker="v", ms=7, ls="none", label=name)
        ax.text(found - 4, 1.06, name, va="center", fontsize=9)
        ax.text(window / 2 - 0.5, 1.06, "window", ha="center", va="center", fontsize=9)
        ax.set(ylim=(0, 1.2), ylabel="weight", title=layer)
        ax.set_xlim(len(weight) + 3, -4)
        top = int(weight.argmax())
        told.append(f"{layer}: the largest is {weight[top]:.2f}, {top} tokens back")
    axes[-1].set_xlabel("tokens back")
    return with_alt(
        fig,
        f"Attention weights of one query in {len(weights)} layers, with the window of {window} in"
        f" grey and {name} {found} tokens back: {'; '.join(told)}.",
    )


def slots_in_turn(slots: int, lengths: Sequence[int]) -> Figure:
    """A row of slots for each length: which position's key each one holds, the newest in colour."""
    fig, (ax,) = _blank(7, 0.8 + 0.62 * len(lengths), 1)
    rows = {length: ring(length, slots) for length in lengths}
    for row, (length, held) in enumerate(rows.items()):
        y = -row
        for slot, position in enumerate(held):
            newest = position == length - 1
            empty = "white" if position is None else _FILL["L" if newest else "G"]
            _box(ax, slot, y, empty, "empty" if position is None else "key")
            word = "" if position is None else f"key {position}"
            ink, weight = (_LOOKS["L"][0], "bold") if newest else ("black", "normal")
            ax.text(slot, y, word, ha="center", va="center", fontsize=9, color=ink, weight=weight)
        ax.text(-0.7, y, f"{length} written", ha="right", va="center", fontsize=9)
    for slot in range(slots):
        ax.text(slot, 0.55, f"slot {slot}", ha="center", va="center", fontsize=8)
    ax.set(xlim=(-2.2, slots), ylim=(-len(lengths) + 0.5, 0.8))
    told = [
        f"after {length} keys they hold {listed('none' if p is None else p for p in held)}"
        for length, held in rows.items()
    ]
    return with_alt(fig, f"{slots} slots, each with the key of one position: {'; '.join(told)}.")
