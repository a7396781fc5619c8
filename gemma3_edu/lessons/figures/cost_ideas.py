"""Drawings of what a call costs: a weight's way to the arithmetic, a row's bytes, the roofline.

Light blue is what memory holds and sends, vermilion is arithmetic, and hatched are scales.

>>> alt_of(one_reading((1, 4), rows=3, columns=4)).split(": ")[1]
'24 bytes and 24 operations with 1 token, 24 bytes and 96 operations with 4 tokens.'
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...study.cost import FORMATS
from .alt import alt_of, listed, with_alt
from .memory_cost import Card
from .parts import arrow, say

SENT, DONE, SCALE, EDGE = "#D6E4F0", "#F0A77B", "#FFFFFF", "#51697F"

__all__ = ["alt_of", "bytes_of_a_row", "one_reading", "roofline"]


def _box(ax: Axes, x: float, y: float, width: float, height: float, **looks: Any) -> None:
    look: dict[str, Any] = {"edgecolor": EDGE, "linewidth": 1, "linestyle": "-", **looks}
    ax.add_patch(Rectangle((x, y), width, height, **look))


def _bare(ax: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    ax.set(xlim=x, ylim=y, aspect="equal")
    ax.set_axis_off()


def one_reading(counts: Sequence[int], rows: int = 3, columns: int = 4) -> Figure:
    """A panel for each number of tokens: a matrix leaves memory once, and every token uses it.

    A weight has two bytes; a square on the right is a multiplication and an addition.
    """
    fig, axes = plt.subplots(1, len(counts), figsize=(7.4, 2.9), layout="constrained")
    weights, told = rows * columns, []
    high = max(counts) * (rows + 0.7)
    for ax, count in zip(axes, counts, strict=True):
        middle = high / 2
        _box(ax, -0.5, middle - rows / 2 - 0.5, columns + 1, rows + 1, fc="white", lw=1.5)
        _squares(ax, 0, middle - rows / 2, rows, columns, SENT, "weight")
        say(ax, columns / 2, middle - rows / 2 - 1.1, "memory")
        start, end = columns + 0.8, columns + 5.2
        arrow(ax, (start, middle), (end, middle), EDGE, 3)
        say(ax, (start + end) / 2, middle - 0.8, f"{2 * weights} bytes", weight="bold")
        left = columns + 6.0
        top = (high - count * (rows + 0.7) + 0.7) / 2
        for token in range(count):
            y = top + token * (rows + 0.7)
            _squares(ax, left, y, rows, columns, DONE, "operations")
            say(ax, left + columns + 0.4, y + rows / 2, f"token {token + 1}", ha="left", size=9)
        work = f"{2 * weights * count} operations"
        say(ax, left + columns / 2, top + count * (rows + 0.7) + 0.2, work, weight="bold")
        tokens = "1 token" if count == 1 else f"{count} tokens"
        ax.set_title(f"a call with {tokens}")
        told.append(f"{2 * weights} bytes and {work} with {tokens}")
        _bare(ax, (-0.8, left + columns + 4.4), (high + 1.2, -0.6))
    return with_alt(
        fig,
        f"A matrix of {weights} weights leaves memory for the arithmetic: {', '.join(told)}.",
    )


def _squares(
    ax: Axes, x: float, y: float, rows: int, columns: int, colour: str, label: str
) -> None:
    for row in range(rows):
        for column in range(columns):
            _box(ax, x + column, y + row, 1, 1, fc=colour, label=label, lw=0.8)


def bytes_of_a_row(numbers: int, formats: Mapping[str, str]) -> Figure:
    """One row of a matrix as it is stored, to scale: a bar for each format, scales hatched.

    `formats` maps the words for each to a name in `cost.FORMATS`.
    """
    fig, ax = plt.subplots(figsize=(7.2, 0.55 * len(formats) + 0.9), layout="constrained")
    told = []
    for place, (words, name) in enumerate(formats.items()):
        stored = FORMATS[name]
        whole = stored.matrix_bytes(1, numbers)
        block = stored.block if isinstance(stored.block, int) else numbers
        codes, end = block * stored.bits / 8, 0.0
        for _ in range(numbers // block):
            _box(ax, end, place + 0.15, codes, 0.7, fc=SENT, label="numbers")
            end += codes
            if stored.block is not None:
                _box(ax, end, place + 0.15, 2, 0.7, fc=SCALE, hatch="/////", label="scale")
                end += 2
        say(ax, end + 2, place + 0.5, f"{whole} bytes", ha="left")
        told.append(f"{words} {whole}")
    ax.set(xlim=(0, 2.3 * numbers), ylim=(len(formats) + 0.1, -0.1), xlabel="bytes")
    ax.set_yticks([n + 0.5 for n in range(len(formats))], list(formats))
    ax.tick_params(axis="y", length=0)
    keys = [Rectangle((0, 0), 1, 1, fc=SENT, ec=EDGE, label=f"{numbers} numbers")]
    keys.append(Rectangle((0, 0), 1, 1, fc=SCALE, ec=EDGE, hatch="/////", label="a scale"))
    ax.legend(handles=keys, loc="lower right", frameon=False)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return with_alt(fig, f"Bytes of a row of {numbers} numbers, to scale: {listed(told)}.")


def roofline(name: str, card: Card, calls: Mapping[str, float]) -> Figure:
    """The operations a second that a card can reach, against operations for each byte it reads.

    `calls` maps the words for a call to its operations for each byte.
    """
    fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
    turn, high = card.operations / card.bandwidth, card.operations / 1e12
    left, right = 0.25, 8192.0
    low = left * card.bandwidth / 1e12
    ax.plot([left, turn, right], [low, high, high], color="C0", ls="-", label="the roof")
    ax.plot([turn, turn], [low, high], color="0.45", ls=":", lw=1.2, label="the corner")
    ax.annotate(f"{turn:.0f}", (turn, low), (4, 3), textcoords="offset points", color="0.3")
    told = []
    for marker, (words, x) in zip("osD^v", calls.items(), strict=False):
        y = min(x * card.bandwidth, card.operations) / 1e12
        ax.plot([x], [y], marker, color="C1", ms=8, label=words)
        offset, side = ((10, -4), "left") if x < 8 else ((-10, 4), "right")
        offset, side = (offset, side) if x < turn else ((0, 9), "center")
        ax.annotate(words, (x, y), offset, textcoords="offset points", ha=side)
        told.append(f"{words} at {x:g}, {y:.3g} TFLOP/s")
    ax.set(xscale="log", yscale="log", xlim=(left, right), ylim=(low, 3 * high))
    ax.set(xlabel="operations for each byte that is read", ylabel="TFLOP/s within reach")
    ticks = [1, 10, 100, 1000]
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.minorticks_off()
    ax.set_title(name, fontsize=10)
    return with_alt(
        fig,
        f"{name}, log-log: a slope up to {turn:.0f} operations for each byte, then level at"
        f" {high:.0f} TFLOP/s; {'; '.join(told)}.",
    )
