"""Drawings of lesson 06: query heads are circles, and a key/value head is a cabinet of drawers.

A drawer is one token: its label is the key, its content the value. Blue and vermilion are key/value
heads by turns; what is copied has a dashed edge.

>>> readers(8, 4)
[0, 0, 1, 1, 2, 2, 3, 3]
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from .alt import listed, with_alt

INKS, FILLS = ("#0072B2", "#D55E00"), ("#D9E8F4", "#FBE3D4")  # of every other key/value head
GREY = "#6F6F6F"
NAMES = {True: "multi-head", False: "grouped-query"}


def readers(heads: int, kv_heads: int) -> list[int]:
    """The key/value head that each query head reads: n // G."""
    return [n // (heads // kv_heads) for n in range(heads)]


def cabinets(words: Sequence[str], heads: int, kv_heads: Sequence[int]) -> Figure:
    """A panel for each number of key/value heads: circles, cabinets, and what a new token adds."""
    fig, axes = plt.subplots(1, len(kv_heads), figsize=(7, 3.3), layout="constrained")
    for ax, count in zip(axes, kv_heads, strict=True):
        middles = _row(heads)
        below = _middles(middles, count)
        _read(ax, middles, below, readers(heads, count))
        for m, x in enumerate(below):
            for row in range(len(words) + 1):
                new = row == len(words)
                _drawer(ax, x, -row, 0.8, "white" if new else FILLS[m % 2], INKS[m % 2], new)
        name = "multi-query" if count == 1 else NAMES[count == heads]
        ax.set_title(f"{name}\nK = {count}", fontsize=10)
        adds = f"+ {count} drawer{'s' if count > 1 else ''}"
        _words(ax, 0, -len(words) - 1.0, adds, weight="bold")
        left = heads / 2 + (1.9 if ax is axes[0] else 0.1)
        _canvas(ax, (-left, heads / 2 + 0.1), (-len(words) - 1.6, 2.4))
    for row, word in enumerate([*words, "next token"]):
        ink = GREY if row == len(words) else "black"
        _words(axes[0], -heads / 2 - 0.05, -row, word, ha="right", color=ink, size=9)
    _words(axes[0], -heads / 2 - 0.05, 1.8, "queries", ha="right", size=9)
    return with_alt(
        fig,
        f"{heads} query heads and the drawers they read, for {listed(kv_heads)} key/value heads: a"
        f" new token adds {listed(kv_heads)} drawers.",
    )


def opened(
    words: Sequence[str],
    labels: Sequence[Sequence[str]],
    questions: Sequence[str],
    contents: Float[Tensor, "K S"],
    weights: Float[Tensor, "N S"],
) -> Figure:
    """A cabinet a row, with its questions above; each line leads to the drawer with most weight."""
    kv_heads, group = len(labels), len(questions) // len(labels)
    fig, axes = plt.subplots(kv_heads, 1, figsize=(7, 2.15 * kv_heads), layout="constrained")
    chosen = weights.argmax(1).tolist()
    for m, ax in enumerate(axes):
        for n in range(m * group, (m + 1) * group):
            x, to = 1.7 * (n - m * group) + 0.3, chosen[n]
            ax.add_collection(
                LineCollection(
                    [[(x, 1.62), (to, 0.42)]], colors=INKS[m % 2], linewidths=2, label=f"head {n}"
                )
            )
            _circle(ax, x, 1.85, n, m)
            _words(ax, x + 0.25, 1.85, questions[n], ha="left", color=INKS[m % 2])
        for s, word in enumerate(words):
            _drawer(ax, s, 0, 0.9, FILLS[m % 2], INKS[m % 2])
            _words(ax, s, 0.16, labels[m][s] or "(none)", size=8)
            _words(ax, s, -0.2, f"{contents[m, s]:g}", weight="bold", size=11)
            _words(ax, s, -0.66, word, color=GREY, size=9)
        _words(ax, -0.6, 0, f"key/value\nhead {m}", ha="right", color=INKS[m % 2], weight="bold")
        _canvas(ax, (-1.6, len(words) - 0.4), (-0.9, 2.2))
    told = [f"head {n} opens {words[s]}" for n, s in enumerate(chosen)]
    return with_alt(
        fig,
        f"{kv_heads} cabinets of {len(words)} drawers, each asked by {group} heads: "
        f"{listed(told)}. Heads with the same cabinet open different drawers.",
    )


def copied_or_queued(heads: int, kv_heads: int, tokens: int) -> Figure:
    """On the left each question has a copy of its cabinet; on the right a group asks together."""
    fig, axes = plt.subplots(1, 2, figsize=(7, 2.7), layout="constrained")
    group, middles = heads // kv_heads, _row(heads)
    for ax, copies in zip(axes, (True, False), strict=True):
        below = middles if copies else _middles(middles, kv_heads)
        if copies:
            _read(ax, middles, below, range(heads), [n // group for n in range(heads)])
        for place, x in enumerate(below):
            m = place // group if copies else place
            for row in range(tokens):
                _drawer(ax, x, -row, 0.8, FILLS[m % 2], INKS[m % 2], copies)
            if not copies:
                first = x - (group - 1) / 2
                ax.add_collection(
                    LineCollection([[(x, 1.2), (x, 0.4)]], colors=INKS[m % 2], linewidths=2)
                )
                for i in range(group):
                    _circle(ax, first + i, 1.7, m * group + i, m)
                box = Rectangle((first - 0.5, 1.2), group, 1.0, fill=False, edgecolor=INKS[m % 2])
                ax.add_patch(box)
        title = f"copy: {heads} new cabinets at every step" if copies else "queue: nothing copied"
        ax.set_title(title, fontsize=10)
        _canvas(ax, (-heads / 2 - 0.2, heads / 2 + 0.2), (-tokens + 0.3, 2.5))
    return with_alt(
        fig,
        f"{heads} questions twice. On the left each has a cabinet of its own, a copy with a dashed"
        f" edge; on the right {group} questions in a box stand before each of the"
        f" {kv_heads} cabinets, and nothing is copied.",
    )


def looks(
    words: Sequence[str], weights: Float[Tensor, "N S"], kv_heads: int, asked_by: str
) -> Figure:
    """The attention weights of one query in each head, a row a head, coloured by what it reads."""
    reads = readers(len(weights), kv_heads)
    fig, axes = plt.subplots(
        len(weights), 1, figsize=(7, 0.95 * len(weights) + 0.6), sharex=True, layout="constrained"
    )
    places = list(range(len(words)))
    for n, ax in enumerate(axes):
        m, row = reads[n], weights[n].tolist()
        ax.bar(places, row, color=INKS[m % 2], width=0.8, label=f"head {n}")
        ax.set(ylim=(0, 1), yticks=[0, 1])
        ax.set_ylabel(
            f"head {n}\nreads {m}", color=INKS[m % 2], rotation=0, ha="right", va="center"
        )
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    axes[-1].set_xticks(places, words, rotation=60, ha="right", fontsize=9)
    most = [f"head {n} at {words[s].strip()!r}" for n, s in enumerate(weights.argmax(1).tolist())]
    return with_alt(
        fig,
        f"Where the query of {asked_by.strip()!r} looks in {len(weights)} heads that read"
        f" {kv_heads} key/value heads. Most weight: {listed(most)}.",
    )


def repeated_or_tiled(sizes: Mapping[str, tuple[int, int]]) -> Figure:
    """One row a model: on the left neighbours share a key/value head, on the right every K-th."""
    fig, axes = plt.subplots(
        len(sizes), 2, figsize=(7, 1.35 * len(sizes)), squeeze=False, layout="constrained"
    )
    wrong = []
    for (name, (heads, kv_heads)), row in zip(sizes.items(), axes, strict=True):
        right, tiled = readers(heads, kv_heads), [n % kv_heads for n in range(heads)]
        middles, below = _row(heads), _middles(_row(heads), kv_heads)
        for ax, reads in zip(row, (right, tiled), strict=True):
            _read(ax, middles, below, reads, below_at=0.25)
            for m, x in enumerate(below):
                _drawer(ax, x, 0, 0.8, FILLS[m % 2], INKS[m % 2])
                _words(ax, x, -0.02, str(m), color=INKS[m % 2])
            above = (
                ""
                if name != next(iter(sizes))
                else "neighbours\n"
                if reads is right
                else "every K-th\n"
            )
            ax.set_title(f"{above}{name}: {' '.join(map(str, reads))}", fontsize=10)
            _canvas(ax, (-4.3, 4.3), (-0.6, 2.3))
        wrong.append(
            f"{sum(a != b for a, b in zip(right, tiled, strict=True))} of {heads} in {name}"
        )
    return with_alt(
        fig,
        "Query heads and the key/value heads they read, shared by neighbours on the left and by"
        f" every K-th head on the right: the two differ for {listed(wrong)}.",
    )


def _row(count: int) -> list[float]:
    return [n - (count - 1) / 2 for n in range(count)]


def _middles(above: Sequence[float], count: int) -> list[float]:
    """The middle of each group of neighbours."""
    group = len(above) // count
    return [sum(above[m * group : (m + 1) * group]) / group for m in range(count)]


def _read(
    ax: Axes,
    above: Sequence[float],
    below: Sequence[float],
    reads: Sequence[int],
    colours: Sequence[int] | None = None,
    below_at: float = 0.42,
) -> None:
    """A circle for each query head, and a line to the cabinet it reads."""
    for n, (x, m) in enumerate(zip(above, reads, strict=True)):
        colour = m if colours is None else colours[n]
        way = [(x, 1.7), (below[m], below_at)]
        ax.add_collection(
            LineCollection([way], colors=INKS[colour % 2], linewidths=1.5, label="reads")
        )
        _circle(ax, x, 1.8, n, colour)


def _circle(ax: Axes, x: float, y: float, n: int, m: int) -> None:
    ax.scatter([x], [y], s=170, color=INKS[m % 2], zorder=3, label="query head")
    _words(ax, x, y - 0.02, str(n), color="white", size=8, weight="bold")


def _drawer(
    ax: Axes, x: float, y: float, width: float, fill: str, edge: str, dashed: bool = False
) -> None:
    ax.add_patch(
        Rectangle(
            (x - width / 2, y - 0.42),
            width,
            0.84,
            facecolor=fill,
            edgecolor=edge,
            linestyle="--" if dashed else "-",
            linewidth=1.1,
            label="added" if dashed else "drawer",
        )
    )


def _words(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    ha: str = "center",
    color: str = "black",
    weight: str = "normal",
    size: float = 10,
) -> None:
    ax.text(x, y, text, ha=ha, va="center", color=color, weight=weight, fontsize=size, zorder=4)


def _canvas(ax: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    ax.set(xlim=x, ylim=y)
    ax.set_axis_off()
