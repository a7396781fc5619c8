"""Drawings of what a key/value cache does: what is computed again, who reads what, slots, chunks.

Light blue is kept from before; vermilion, with bold words, is what the newest step makes.

>>> alt_of(again_or_kept(prompt=2, steps=3)).split(": ")[1]
'2 + 3 + 4 = 9 tokens computed if everything is read again, 2 + 1 + 1 = 4 if the rest is kept.'
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle, Wedge
from torch import Tensor

from .alt import alt_of, listed, with_alt
from .parts import say

_TIMES = "\N{MULTIPLICATION SIGN}"
KEPT, NEW, PALE, EDGE, GREY = "#D6E4F0", "#D55E00", "#FBE3D4", "#7D98B0", "#6F6F6F"
_WRONG = "#B00020"

__all__ = ["again_or_kept", "alt_of", "chunk_over_ring", "new_column", "one_query", "ring_of_slots"]


def again_or_kept(prompt: int = 4, steps: int = 6) -> Figure:
    """The tokens computed in each step of writing: all of them again, or the new one only."""
    tokens = prompt + steps - 1
    fig, axes = plt.subplots(1, 2, figsize=(7, 0.36 * steps + 1.5), layout="constrained")
    sums = []
    for ax, keeps in zip(axes, (False, True), strict=True):
        work = []
        for step in range(steps):
            count = prompt + step
            for token in range(count):
                new = not keeps or step == 0 or token == count - 1
                _box(ax, token + 0.07, step + 0.07, 0.86, 0.86, NEW if new else KEPT, EDGE)
            work.append(1 if keeps and step else count)
            say(ax, tokens + 0.7, step + 0.5, str(work[-1]))
            if not keeps:
                say(ax, -0.3, step + 0.5, f"step {step + 1}", ha="right")
        sums.append(" + ".join(map(str, work)) + f" = {sum(work)}")
        _line(ax, [(tokens + 0.2, steps + 0.1), (tokens + 1.2, steps + 0.1)])
        say(ax, tokens + 0.7, steps + 0.7, str(sum(work)), weight="bold")
        say(ax, tokens, steps + 0.7, "tokens computed", ha="right")
        ax.set_title("keep, and read what is new" if keeps else "read everything again")
        _canvas(ax, (-2.3, tokens + 1.4), (steps + 2.6, -0.2))
        _box(ax, 0.07, steps + 1.6, 0.86, 0.86, KEPT if keeps else NEW, EDGE)
        words = "kept from before" if keeps else "computed in this step"
        say(ax, 1.3, steps + 2.05, words, ha="left")
    return with_alt(
        fig,
        f"{steps} steps of writing after a prompt of {prompt} tokens: {sums[0]} tokens computed if"
        f" everything is read again, {sums[1]} if the rest is kept.",
    )


def new_column(words: Sequence[str], layers: int = 3) -> Figure:
    """Tokens to the right, layers upwards; grey is what was read before the last token came."""
    fig, ax = plt.subplots(figsize=(7, 1.25 * layers + 0.9), layout="constrained")
    old = len(words) - 1
    places = [1.75 * n for n in range(old)] + [1.75 * old + 1.6]
    right = places[-2] + 1.0
    ax.add_patch(
        Rectangle((-0.3, -0.3), right + 0.6, 1.6 * layers + 0.15, fc="#F4F7FA", ec=EDGE, ls="--")
    )
    say(ax, right / 2, 1.6 * layers + 0.15, "computed before", color="#3F5B73")
    for n, (x, word) in enumerate(zip(places, words, strict=True)):
        new = n == old
        ink = NEW if new else "black"
        weight = "bold" if new else "normal"
        say(ax, x + 0.5, -0.85, word, color=ink, weight=weight, size=11)
        for layer in range(layers):
            y = 1.6 * layer
            _arrow(ax, (x + 0.5, y - 0.62), (x + 0.5, y - 0.02), ink if new else EDGE)
            _box(ax, x, y, 1, 0.95, PALE if new else KEPT, NEW if new else EDGE)
            if new:
                say(ax, x + 0.5, y + 0.76, "q", color=NEW, weight="bold")
                for side in (0.2, 0.8):  # its own key and value
                    start, tip = (x + side, y + 0.48), (x + 0.36 + 0.28 * (side > 0.5), y + 0.7)
                    _line(ax, [start, tip], NEW)
                    _head(ax, start, tip, NEW, 0.12)
            for left, name in [(0.09, "k"), (0.53, "v")]:
                _box(ax, x + left, y + 0.08, 0.38, 0.4, "white", NEW if new else EDGE)
                say(ax, x + left + 0.19, y + 0.28, name, color=ink)
    for layer in range(layers):
        y, end = 1.6 * layer, places[-1] - 0.04
        say(ax, -0.5, y + 0.47, f"layer {layer + 1}", ha="right")
        for n, x in enumerate(places[:-1]):
            for reader in range(n + 1, old):
                tip = (places[reader] - 0.04, y + 0.7)
                _bow(ax, (x + 0.92, y + 0.3), tip, 0.1 * (reader - n), GREY)
            _bow(ax, (x + 0.92, y + 0.3), (end, y + 0.74), 0.25 + 0.1 * (old - n))
    top = 1.6 * (layers - 1) + 0.95
    _arrow(ax, (places[-1] + 0.5, top), (places[-1] + 0.5, top + 0.5), NEW)
    say(ax, places[-1] + 0.5, top + 0.75, "next word?", color=NEW)
    _canvas(ax, (-2.1, places[-1] + 1.5), (-1.3, top + 1.1))
    return with_alt(
        fig,
        f"{len(words)} tokens from left to right, {layers} layers from bottom to top. In each layer"
        " arrows lead from the keys and values of every token to the tokens on its right; those"
        f" from {listed(map(repr, words[:-1]))} to the query of {words[-1]!r} are new.",
    )


def one_query(words: Sequence[str], q: Tensor, keys: Tensor, values: Tensor) -> Figure:
    """The query of the last token on all keys: scores, weights, and the weighted sum of values."""
    scores = keys @ q
    weights = scores.softmax(0)
    received = weights @ values
    fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
    last, height = len(words) - 1, 0.7
    for n, word in enumerate(words):
        ink, weight = (NEW, "bold") if n == last else ("black", "normal")
        say(ax, -0.2, n * height + 0.35, word, ha="right", color=ink, weight=weight)
    columns = [(0.0, 0.8, "keys", keys), (3.4, 0.9, "scores", scores[:, None])]
    columns += [(6.1, 1.35, "weights", weights[:, None]), (8.5, 0.8, "values", values)]
    for left, width, name, table in columns:
        say(ax, left + width * table.shape[1] / 2, -0.4, name)
        kept = last if name in ("keys", "values") else 0  # rows before this one are kept
        for n, row in enumerate(table.tolist()):
            for j, value in enumerate(row):
                text = f"{value:.3f}" if name == "weights" else f"{value:g}"
                _cell(ax, left + j * width, n * height, width, height, text, n >= kept)
    middle = height * len(words) / 2
    for x, text in [(1.7, "· query"), (4.4, "softmax"), (10.2, "sum")]:
        _arrow(ax, (x + 0.05, middle), (x + 1.55, middle))
        say(ax, x + 0.8, middle - 0.35, text, size=9)
    say(ax, 8.0, middle, _TIMES, size=15)
    for j, value in enumerate(received.tolist()):
        _cell(ax, 11.9 + j * 1.3, middle - height / 2, 1.3, height, f"{value:.2f}", True)
    say(ax, 13.2, middle - 0.75, f"what “{words[-1]}” gets", color=NEW)
    below = height * len(words) + 0.5
    say(ax, -0.2, below + 0.35, "query", ha="right", color=NEW, weight="bold")
    for j, value in enumerate(q.tolist()):
        _cell(ax, j * 0.8, below, 0.8, height, f"{value:g}", True)
    for x, fill, text in [(4.6, KEPT, "kept from before"), (9.4, PALE, "computed now")]:
        _box(ax, x, below + 0.1, 0.5, 0.5, fill, EDGE)
        say(ax, x + 0.75, below + 0.35, text, ha="left", size=9)
    _canvas(ax, (-1.9, 14.7), (below + 0.9, -0.8))
    told = listed(f"{score:g}" for score in scores.tolist())
    return with_alt(
        fig,
        f"One query meets {len(words)} keys, of which {last} were kept, as were their values. The"
        f" scores {told} become weights of {listed(f'{w:.3f}' for w in weights.tolist())}, and the"
        f" weighted sum of the values is {listed(f'{r:.2f}' for r in received.tolist())}.",
    )


def ring_of_slots(window: int, moments: Sequence[int]) -> Figure:
    """A panel for each moment, named by the newest token: the window on the text, and the slots."""
    size = (1.75 * len(moments), 2.9)
    fig, axes = plt.subplots(1, len(moments), figsize=size, layout="constrained", squeeze=False)
    told = []
    for ax, newest in zip(axes[0], moments, strict=True):
        _ring(ax, window, newest, max(*moments, 12))
        held = sorted(range(max(0, newest - window + 1), newest + 1), key=lambda c: c % window)
        told.append(f"after token {newest} they hold {listed(held)}")
    return with_alt(fig, f"A ring of {window} slots, counted from 0: {'; '.join(told)}.")


def _ring(ax: Axes, window: int, newest: int, last: int) -> None:
    for slot in range(min(window, newest + 1)):
        token = newest - (newest - slot) % window
        new = token == newest
        start = 90 - slot * 360 / window
        wedge = Wedge((0, 0), 2.3, start - 360 / window + 1.5, start - 1.5, width=1.1)
        wedge.set(facecolor=NEW if new else KEPT, edgecolor=EDGE)
        ax.add_patch(wedge)
        middle = np.deg2rad(start - 180 / window)
        x, y = np.cos(middle), np.sin(middle)
        ink, weight = ("white", "bold") if new else ("black", "normal")
        say(ax, 1.75 * x, 1.75 * y, str(token), color=ink, weight=weight, size=12)
        say(ax, 0.85 * x, 0.85 * y, str(slot), color=GREY, size=9)
    say(ax, 0, 0, "slot", color=GREY, size=8)
    lost = newest - window
    over = f"{newest} goes over {lost}" if lost >= 0 else f"{newest} is written"
    say(ax, 0, -2.9, over, color=NEW, weight="bold", size=11)
    say(ax, 0, -3.6, f"{newest} = {newest // window} · {window} + {newest % window}", color=GREY)
    step = 5.4 / (last + 1)
    for token in range(newest + 1):
        fill = NEW if token == newest else KEPT if token > lost else "white"
        _box(ax, -2.7 + token * step, 3.0, step, 0.7, fill, EDGE)
    first = max(0, lost + 1)
    left, right = -2.7 + first * step, -2.7 + (newest + 1) * step
    _line(ax, [(left, 3.85), (left, 4.1), (right, 4.1), (right, 3.85)])
    say(ax, (left + right) / 2, 4.55, f"window: {first} to {newest}", size=9)
    _canvas(ax, (-2.9, 2.9), (-4.0, 5.0))


def chunk_over_ring(window: int, length: int, chunk: int) -> Figure:
    """What the queries of a chunk find: written first, and with the old ring still in place."""
    first, stop = max(0, length - window), length + chunk
    lost = range(first, max(first, stop - window))
    fig, axes = plt.subplots(1, 2, figsize=(7, 0.42 * chunk + 1.5), layout="constrained")
    found: dict[bool, list[int]] = {True: [], False: []}
    for ax, early in zip(axes, (True, False), strict=True):
        ax.set_title("write, then look" if early else "look, then write")
        for token in range(first, stop):
            gone, new = early and token in lost, token >= length
            fill = "white" if gone else NEW if new else KEPT
            box = _box(ax, token + 0.05, 0, 0.9, 0.8, fill, EDGE)
            box.set_linestyle("--" if gone else "-")
            ink = GREY if gone else "white" if new else "black"
            say(ax, token + 0.5, 0.4, str(token), color=ink, weight="bold" if new else "normal")
        for row, query in enumerate(range(length, stop), start=1):
            if early:
                say(ax, first - 0.2, row + 0.45, f"query {query}", ha="right")
            needed = [c for c in range(first, query + 1) if c > query - window]
            there = [c for c in needed if not (early and c in lost)]
            for token in needed:
                ink, mark = ("#1F6B4E", "✓") if token in there else (_WRONG, _TIMES)
                fill = "#CFE8DE" if token in there else "white"
                _box(ax, token + 0.08, row + 0.05, 0.84, 0.8, fill, ink)
                say(ax, token + 0.5, row + 0.45, mark, color=ink, size=11, weight="bold")
            found[early].append(len(there))
            ink, weight = (_WRONG, "bold") if len(there) < len(needed) else ("black", "normal")
            words = f"{len(there)} of {len(needed)}"
            say(ax, stop + 0.2, row + 0.45, words, ha="left", color=ink, weight=weight)
        _canvas(ax, (first - 2.4, stop + 2.0), (chunk + 1.1, -0.2))
    said = [listed(found[early]) for early in (True, False)]
    return with_alt(
        fig,
        f"Keys {first} to {stop - 1} and the queries {listed(range(length, stop))}, each in need of"
        f" {window} keys. Written first, they find {said[0]}; looked at first, {said[1]}.",
    )


def _canvas(ax: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    ax.set(xlim=x, ylim=y)
    ax.set_aspect("equal")
    ax.axis("off")


def _box(
    ax: Axes, x: float, y: float, width: float, height: float, fill: str, edge: str
) -> Rectangle:
    box = Rectangle((x, y), width, height, facecolor=fill, edgecolor=edge, linewidth=1)
    ax.add_patch(box)
    return box


def _cell(ax: Axes, x: float, y: float, width: float, height: float, text: str, new: bool) -> None:
    _box(ax, x, y, width, height, PALE if new else KEPT, "white")
    ink, weight = (NEW, "bold") if new else ("black", "normal")
    say(ax, x + width / 2, y + height / 2, text, color=ink, weight=weight)


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = "black"
) -> None:
    _line(ax, [start, end], colour)
    _head(ax, start, end, colour)


def _bow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    height: float,
    colour: str = NEW,
) -> None:
    """An arrow that rises over what is between."""
    t = np.linspace(0, 1, 30)
    x = start[0] + (end[0] - start[0]) * t
    y = start[1] + (end[1] - start[1]) * t + 4 * height * t * (1 - t)
    _line(ax, list(zip(x, y, strict=True)), colour)
    _head(ax, (x[-4], y[-4]), end, colour, 0.12 if colour == GREY else 0.16)


def _line(ax: Axes, points: Sequence[tuple[float, float]], colour: str = "black") -> None:
    line = Polygon(points, closed=False, fill=False, edgecolor=colour)
    line.set(linewidth=0.7 if colour == GREY else 1.2, label="line")
    ax.add_patch(line)


def _head(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, size: float = 0.16
) -> None:
    along = np.subtract(end, start)
    along = along / np.hypot(*along) * size
    across = np.array([-along[1], along[0]]) * 0.6
    back = np.array(end) - along
    ax.add_patch(Polygon([end, back + across, back - across], facecolor=colour, edgecolor=colour))
