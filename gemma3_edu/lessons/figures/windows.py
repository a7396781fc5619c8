"""Drawings of lesson 05: ten tokens, what one of them sees, what six layers keep, in how much room.

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
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from ...naive.cache import ring
from ...naive.masks import may_see
from .alt import listed, with_alt

WORDS = ("park", "is", "42", ".", "a", "dog", "ran", ".", "park", "is")
_ASKED = WORDS.index("42")
_LOOKS = {"G": ("C0", "-"), "L": ("C1", "--")}
_FILL = {"G": "#CFE3F1", "L": "#F8DDCB"}
_FADED = "#767676"
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
        FancyBboxPatch(
            (x - 0.44, y - 0.3),
            0.88,
            0.6,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=fill or "white",
            edgecolor="black" if fill else _FADED,
            linestyle="-" if fill else ":",
            linewidth=1.2,
            label=label,
        )
    )


def looking_back(window: int) -> Figure:
    """The last of ten tokens looks back in a global layer, and in a local one with this window."""
    fig, (ax,) = _blank(7.4, 3.1, 1)
    last, seen = len(WORDS) - 1, {kind: _sees(kind, window, len(WORDS) - 1) for kind in "GL"}
    for kind, y in [("G", 1.9), ("L", 0.0)]:
        colour, style = _LOOKS[kind]
        for x, word in enumerate(WORDS):
            visible = x in seen[kind]
            _box(ax, x, y, _FILL[kind] if visible else None, "seen" if visible else "out of sight")
            ink, weight = "black" if visible else _FADED, "bold" if x == _ASKED else "normal"
            ax.text(x, y, word, ha="center", va="center", color=ink, weight=weight)
        for j in seen[kind][:-1]:
            turn = np.linspace(0, np.pi, 25)
            xs = (last + j) / 2 + (last - j) / 2 * np.cos(turn)
            ys = y + 0.34 + (0.25 + 0.12 * (last - j)) * np.sin(turn)
            width = 2.6 if j == _ASKED else 1.1
            ax.plot(xs, ys, color=colour, ls=style, lw=width, label=f"{_KINDS[kind]}: to {j}")
            ax.plot([j], [y + 0.38], color=colour, ls="none", marker="v", ms=5, label="key")
        name = "global\nlayer" if kind == "G" else f"local layer\nW = {window}"
        ax.text(-0.7, y, name, color=colour, weight="bold", ha="right", va="center")
    for x in range(len(WORDS)):
        ax.text(x, -0.55, str(x), ha="center", va="center", fontsize=8)
    ax.text(-0.7, -0.55, "position", ha="right", va="center", fontsize=8)
    if hidden := last - len(seen["L"]) + 1:
        edges = [-0.44, -0.44, hidden - 0.56, hidden - 0.56]
        ax.plot(edges, [0.4, 0.5, 0.5, 0.4], color=_FADED, ls="-", lw=1, label="out of sight")
        ax.text((hidden - 1) / 2, 0.64, "out of sight", ha="center", va="center", color=_FADED)
    ax.set(xlim=(-2.7, last + 0.6), ylim=(-0.8, 3.7))
    return with_alt(
        fig,
        f"Ten tokens twice, {' '.join(WORDS)}. In the global layer the last one has arrows to all"
        f" nine before it; in the local layer, W = {window}, it sees positions"
        f" {listed(seen['L'])} only, and {hidden} tokens are out of sight.",
    )


def ways_back(*stacks: tuple[str, int]) -> Figure:
    """A panel for each stack of layers, such as ("LLG", 3): layers, the lowest first, and W.

    Lines lead from the last token, at the top, to all that it can have taken something from; a
    thick one leads to the token "42", or as near to it as there is a way.
    """
    tallest = max(len(kinds) for kinds, _ in stacks)
    fig, axes = _blank(0.4 + 3.2 * len(stacks), 1.9 + 0.5 * tallest, len(stacks))
    length, said = len(WORDS), []
    for ax, (kinds, window) in zip(axes, stacks, strict=True):
        rows = _steps(kinds, window, length)
        found, back = _ASKED in rows[-1], length - 1 - min(rows[-1])
        way = [length - 1]
        for depth, kind in enumerate(reversed(kinds)):
            above = len(kinds) - depth
            colour, style = _LOOKS[kind]
            xs, ys = [], []
            for i in rows[depth]:
                for j in _sees(kind, window, i):
                    xs += [i, j, np.nan]  # a gap between one line and the next
                    ys += [above, above - 1, np.nan]
            label = f"layer {above}, {_KINDS[kind]}"
            ax.plot(xs, ys, color=colour, ls=style, lw=0.8, zorder=1, label=label)
            way.append(max(_ASKED, min(_sees(kind, window, way[-1]))))
            ax.plot(way[-2:], [above, above - 1], color=colour, ls=style, lw=3, label="thick")
            ax.text(length - 0.3, above - 0.5, _KINDS[kind], color=colour, fontsize=9, va="center")
        ax.text(length - 0.3, 0, "input", fontsize=9, va="center")
        for depth, row in enumerate(rows):
            y = len(kinds) - depth
            grey = [x for x in range(length) if x not in row]
            ax.plot(grey, [y] * len(grey), "o", ms=4, color="#c4c4c4", ls="none", label="unseen")
            ax.plot(row, [y] * len(row), "o", ms=6, color="black", ls="none", label="can be seen")
        for x, word in enumerate(WORDS):
            strong = {"weight": "bold", "fontsize": 10} if x == _ASKED else {"fontsize": 8}
            ink = "black" if x in rows[-1] else _FADED
            ax.text(x, -0.45, word, ha="center", va="center", color=ink, **strong)
        end = "“42” is reached" if found else "“42” is not reached"
        ax.set_title(f"W = {window}: {back} tokens back,\n{end}", fontsize=10)
        ax.set(xlim=(-0.6, length + 1.4), ylim=(-0.8, tallest + 0.3))
        names = listed(_KINDS[kind] for kind in kinds)
        said.append(f"{names} with W = {window} reach {back} tokens back")
    return with_alt(
        fig, f"Ways from the last of ten tokens down through layers: {'; '.join(said)}."
    )


def what_is_kept(kinds: str, window: int) -> Figure:
    """Six layers after ten tokens: which keys and values each still needs."""
    fig, (ax,) = _blank(7.4, 0.6 + 0.42 * len(kinds), 1)
    length, kept = len(WORDS), []
    for layer, kind in enumerate(kinds):
        seen = _sees(kind, window, length - 1)
        y = 0.8 * layer
        for x, word in enumerate(WORDS):
            fill = _FILL[kind] if x in seen else None
            _box(ax, x, y, fill, "kept" if fill else "thrown away")
            if fill:
                ax.text(x, y, word, ha="center", va="center", fontsize=9)
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


def on_a_card(model: float, caches: Mapping[str, float], card: float) -> Figure:
    """A bar for each cache, after the model's own: gigabytes, and a line at what a card has."""
    fig, ax = plt.subplots(figsize=(7.4, 0.62 * len(caches) + 0.9), layout="constrained")
    names = list(caches)
    places = range(len(caches))
    ax.barh(places, [model] * len(caches), 0.62, color="#d9d9d9", ec="black", label="the model")
    for place, (cache, kind) in enumerate(zip(caches.values(), "GL", strict=False)):
        ax.barh(
            place, cache, 0.62, model, color=_FILL[kind], ec=_LOOKS[kind][0], label=names[place]
        )
        ax.text(model / 2, place, f"the model: {model:.1f}", ha="center", va="center")
        inside = model + cache / 2
        ax.text(inside, place, f"notes:\n{cache:.1f}", ha="center", va="center", fontsize=9)
        ax.text(model + cache + 1, place, f"= {model + cache:.0f}", va="center", weight="bold")
    ax.axvline(card, color="black", ls="-.", lw=1.5, label="one card")
    ax.text(card + 0.8, len(caches) / 2 - 0.5, f"one H100: {card:.0f} GB", va="center", fontsize=9)
    ax.set(xlabel="GB", ylim=(len(caches) - 0.4, -0.5), xlim=(0, model + max(caches.values()) + 9))
    ax.set_yticks(places, names)
    ax.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    fits = [f"{name} {model + cache:.0f} GB" for name, cache in caches.items()]
    return with_alt(
        fig,
        f"Bars of the model and its cache together, with a line at {card:.0f} GB: {listed(fits)}.",
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
    said = []
    for ax, (layer, weight) in zip(axes, weights.items(), strict=True):
        kind = "G" if "global" in layer else "L"
        back = torch.arange(len(weight))
        colour = _LOOKS[kind][0]
        ax.axvspan(-0.5, window - 0.5, color="#e4e4e4", label="window", zorder=0)
        ax.vlines(back, 0, weight, color=colour, lw=3, label="weight")
        ax.plot([found], [1.18], color="black", marker="v", ms=7, ls="none", label=name)
        ax.text(found - 4, 1.18, name, va="center", fontsize=9)
        ax.text(window / 2 - 0.5, 1.18, f"W = {window}", ha="center", va="center", fontsize=9)
        ax.set(ylim=(0, 1.3), ylabel="weight")
        ax.set_title(layer, color=colour, weight="bold", loc="left", fontsize=10)
        ax.set_xlim(len(weight) + 3, -4)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        top = int(weight.argmax())
        ax.text(top, float(weight[top]) + 0.04, f"{weight[top]:.2f}", ha="center", color=colour)
        said.append(f"{layer}: the largest is {weight[top]:.2f}, {top} tokens back")
    axes[-1].set_xlabel("tokens back")
    return with_alt(
        fig,
        f"Attention weights of one query in {len(weights)} layers, with the window of {window} in"
        f" grey and {name} {found} tokens back: {'; '.join(said)}.",
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
