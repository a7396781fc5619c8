"""Drawings of lesson 06: query heads are circles, and a key/value head is a cabinet of drawers.

A drawer is one token: its label is the key, its content the value. Each key/value head has a colour
of its own, which its query heads take on; what is copied or still to come has a dashed edge.

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
from .parts import say

# Of key/value head 0, 1, ...
INKS = ("#0072B2", "#D55E00", "#007F5C", "#8A4F9E", "#8F6B00", "#444444")
FILLS = ("#D9E8F4", "#FBE3D4", "#D3EEE4", "#EADCF0", "#F3E7BF", "#E4E4E4")
GREY = "#6F6F6F"
NAMES = {True: "multi-head", False: "grouped-query"}


def readers(heads: int, kv_heads: int) -> list[int]:
    """The key/value head that each query head reads: n // G."""
    return [n // (heads // kv_heads) for n in range(heads)]


def cabinets(words: Sequence[str], heads: int, kv_heads: Sequence[int]) -> Figure:
    """A panel for each number of key/value heads: circles, cabinets, and what a new token adds."""
    fig, axes = plt.subplots(1, len(kv_heads), figsize=(7, 3.5), layout="constrained")
    for ax, count in zip(axes, kv_heads, strict=True):
        middles = _row(heads)
        below = _middles(middles, count)
        _read(ax, middles, below, readers(heads, count))
        for m, x in enumerate(below):
            _cabinet(ax, x, 0, len(words), m)
            _drawer(ax, x, -len(words) - 0.25, 0.8, m, dashed=True)
        name = "multi-query" if count == 1 else NAMES[count == heads]
        ax.set_title(f"{name}\nK = {count}", fontsize=10)
        adds = f"+ {count} drawer{'s' if count > 1 else ''}"
        say(ax, 0, -len(words) - 1.3, adds, weight="bold")
        left = heads / 2 + (1.9 if ax is axes[0] else 0.1)
        _canvas(ax, (-left, heads / 2 + 0.1), (-len(words) - 1.8, 2.4))
    for row, word in enumerate([*words, "next token"]):
        last = row == len(words)
        place = -row - 0.25 * last
        ink = GREY if last else "black"
        say(axes[0], -heads / 2 - 0.05, place, word, ha="right", color=ink, size=9)
    say(axes[0], -heads / 2 - 0.05, 1.8, "queries", ha="right", size=9)
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
    """A cabinet a row, with its questions above; the drawer with most weight is pulled out."""
    kv_heads, group = len(labels), len(questions) // len(labels)
    fig, axes = plt.subplots(kv_heads, 1, figsize=(7, 2.35 * kv_heads), layout="constrained")
    chosen = weights.argmax(1).tolist()
    for m, ax in enumerate(axes):
        asked = range(m * group, (m + 1) * group)
        pulled = {chosen[n] for n in asked}
        for n in asked:
            x, to = 1.7 * (n - m * group) + 0.3, chosen[n]
            ax.add_collection(
                LineCollection(
                    [[(x, 1.62), (to, 0.24)]], colors=INKS[m], linewidths=2, label=f"head {n}"
                )
            )
            _circle(ax, x, 1.85, n, m)
            say(ax, x + 0.25, 1.85, questions[n], ha="left", color=INKS[m])
        for s, word in enumerate(words):
            out = s in pulled
            y, ink = -0.22 * out, "white" if out else "black"
            _drawer(ax, s, y, 0.9, m, strong=out)
            say(ax, s, y + 0.16, labels[m][s] or "(none)", size=8, color=ink)
            say(ax, s, y - 0.2, f"{contents[m, s]:g}", weight="bold", size=11, color=ink)
            say(ax, s, -0.9, word, size=9, color="black" if out else GREY)
        say(ax, -0.6, 0, f"key/value\nhead {m}", ha="right", color=INKS[m], weight="bold")
        _canvas(ax, (-1.6, len(words) - 0.4), (-1.1, 2.2))
    told = [f"head {n} opens {words[s]}" for n, s in enumerate(chosen)]
    return with_alt(
        fig,
        f"{kv_heads} cabinets of {len(words)} drawers, each asked by {group} heads: "
        f"{listed(told)}. Heads with the same cabinet open different drawers.",
    )


def copied_or_queued(heads: int, kv_heads: int, tokens: int) -> Figure:
    """Originals below; on the left copies go to the questions, on the right questions queue."""
    fig, axes = plt.subplots(1, 2, figsize=(7, 4.2), layout="constrained")
    group, middles, deep = heads // kv_heads, _row(heads), -tokens - 1.6
    centres = _middles(middles, kv_heads)
    for ax, copies in zip(axes, (True, False), strict=True):
        for m, x in enumerate(centres):
            first = x - (group - 1) / 2
            _cabinet(ax, x, deep, tokens, m)
            for i in range(group if copies else 0):
                at = first + i
                _cabinet(ax, at, 0, tokens, m, dashed=True)
                _line(ax, (x, deep + 0.5), (at, -tokens + 0.35), m, "copies")
                _line(ax, (at, 1.7), (at, 0.5), m)
            end = 1.3 - 0.9 * (group - 1)  # of the queue, whose first is the lowest
            if not copies:
                box = Rectangle((x - 0.5, end), 1.0, 2.3 - end, fill=False, edgecolor=INKS[m])
                ax.add_patch(box)
                _line(ax, (x, end), (x, deep + 0.5), m)
            for i in range(group):
                place = (first + i, 1.8) if copies else (x, end + 0.5 + 0.9 * i)
                _circle(ax, *place, m * group + i, m)
        title = "bring the cabinets to the questions" if copies else "let the questions queue"
        ax.set_title(title, fontsize=10)
        say(ax, 0, deep - tokens + 0.1, "the cache", color=GREY, size=9)
        _canvas(ax, (-heads / 2 - 0.2, heads / 2 + 0.2), (deep - tokens - 0.3, 2.5))
    return with_alt(
        fig,
        f"{heads} questions and {kv_heads} cabinets, twice. On the left {heads} copies of the"
        f" cabinets, with dashed edges, are made for the questions; on the right {group} questions,"
        " one behind another, wait before each cabinet, and no copy is made.",
    )


def looks(
    words: Sequence[str], weights: Float[Tensor, "N S"], kv_heads: int, asked_by: str
) -> Figure:
    """The attention weights of one query in each head, a row a head, coloured by what it reads."""
    reads = readers(len(weights), kv_heads)
    fig, axes = plt.subplots(
        len(weights), 1, figsize=(7, 0.95 * len(weights) + 0.6), sharex=True, layout="constrained"
    )
    places, tops = list(range(len(words))), weights.argmax(1).tolist()
    for n, ax in enumerate(axes):
        m, row = reads[n], weights[n].tolist()
        bars = ax.bar(places, row, color=FILLS[m], edgecolor=INKS[m], width=0.8, label=f"head {n}")
        bars[tops[n]].set_facecolor(INKS[m])
        say(ax, tops[n], 1.17, words[tops[n]].strip(), color=INKS[m], weight="bold", size=9)
        ax.set(ylim=(0, 1.3), yticks=[0, 1])
        ax.set_ylabel(
            f"head {n}\nasks cabinet {m}", color=INKS[m], rotation=0, ha="right", va="center"
        )
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    axes[0].set_title("attention weight of each token", fontsize=10)
    axes[-1].set_xticks(places, words, rotation=60, ha="right", fontsize=9)
    most = [f"head {n} at {words[s].strip()!r}" for n, s in enumerate(tops)]
    return with_alt(
        fig,
        f"Where the query of {asked_by.strip()!r} looks in {len(weights)} heads that read"
        f" {kv_heads} key/value heads. Most weight: {listed(most)}.",
    )


def repeated_or_tiled(sizes: Mapping[str, tuple[int, int]]) -> Figure:
    """One row a model: on the left neighbours share a key/value head, on the right every K-th."""
    fig, axes = plt.subplots(
        len(sizes), 2, figsize=(7, 1.5 * len(sizes)), squeeze=False, layout="constrained"
    )
    wrong: list[str] = []
    above = ("neighbours share\n", "every K-th shares\n")
    for (name, (heads, kv_heads)), row in zip(sizes.items(), axes, strict=True):
        first = not wrong
        right, tiled = readers(heads, kv_heads), [n % kv_heads for n in range(heads)]
        middles, below = _row(heads), _middles(_row(heads), kv_heads)
        for ax, reads, words in zip(row, (right, tiled), above, strict=True):
            _read(ax, middles, below, reads)
            for m, x in enumerate(below):
                _drawer(ax, x, 0, 0.8, m)
                say(ax, x, -0.02, str(m), color=INKS[m], weight="bold")
            ax.set_title(f"{words * first}{name}: {' '.join(map(str, reads))}", fontsize=10)
            _canvas(ax, (-4.3, 4.3), (-0.6, 2.3))
        count = sum(a != b for a, b in zip(right, tiled, strict=True))
        wrong.append(f"{count} of {heads} in {name}")
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


def _read(ax: Axes, above: Sequence[float], below: Sequence[float], reads: Sequence[int]) -> None:
    """A circle for each query head, and a line to the cabinet it reads."""
    for n, (x, m) in enumerate(zip(above, reads, strict=True)):
        _line(ax, (x, 1.7), (below[m], 0.5), m)
        _circle(ax, x, 1.8, n, m)


def _line(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], m: int, label: str = "reads"
) -> None:
    style = "-" if label == "reads" else ":"
    ax.add_collection(
        LineCollection(
            [[start, end]], colors=INKS[m], linewidths=1.6, linestyles=style, label=label
        )
    )


def _circle(ax: Axes, x: float, y: float, n: int, m: int) -> None:
    ax.scatter([x], [y], s=170, color=INKS[m], zorder=3, label="query head")
    say(ax, x, y - 0.02, str(n), color="white", size=8, weight="bold")


def _cabinet(ax: Axes, x: float, top: float, rows: int, m: int, dashed: bool = False) -> None:
    """Drawers one above the other, each with a handle, in a frame."""
    style = "--" if dashed else "-"
    frame = Rectangle((x - 0.46, top - rows + 0.44), 0.92, rows + 0.06, facecolor="white")
    frame.set(edgecolor=INKS[m], linestyle=style, linewidth=1.4)
    ax.add_patch(frame)
    for row in range(rows):
        _drawer(ax, x, top - row, 0.76, m, dashed=dashed)
        handle = [[(x - 0.14, top - row), (x + 0.14, top - row)]]
        ax.add_collection(LineCollection(handle, colors=INKS[m], linewidths=2.2, label="handle"))


def _drawer(
    ax: Axes, x: float, y: float, width: float, m: int, dashed: bool = False, strong: bool = False
) -> None:
    drawer = Rectangle((x - width / 2, y - 0.42), width, 0.84, edgecolor=INKS[m], linewidth=1.1)
    drawer.set_facecolor(INKS[m] if strong else "white" if dashed else FILLS[m])
    drawer.set(linestyle="--" if dashed else "-", label="added" if dashed else "drawer")
    ax.add_patch(drawer)


def _canvas(ax: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    ax.set(xlim=x, ylim=y)
    ax.set_axis_off()
