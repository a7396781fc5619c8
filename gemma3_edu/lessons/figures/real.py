"""Figures of appendix A3: a released model's losses, its giant numbers, and where its heads look.

>>> [round(largest / 10**4, 2) for largest in map(largest_number, FORMATS.values())][0]
6.55
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .alt import with_alt
from .parts import say

FORMATS = {"float16": (5, 10), "bfloat16": (8, 7)}
"""Bits for the exponent, and for the digits after the first."""
_PARTS = [("sign", "white", ""), ("exponent", "#F8DDCB", "//"), ("digits", "#CFE3F1", "")]


def largest_number(bits: tuple[int, int]) -> float:
    """The largest number that is not infinite.

    >>> largest_number(FORMATS["float16"])
    65504.0
    """
    exponent, digits = bits
    return float((2 - 2.0**-digits) * 2.0 ** (2 ** (exponent - 1) - 1))


def losses_by_position(losses: Mapping[str, Sequence[float]], width: int, window: int) -> Figure:
    """Mean loss against position, one curve for each model, a point for `width` tokens."""
    fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
    for number, (name, curve) in enumerate(losses.items()):
        middles = [width * i + width / 2 for i in range(len(curve))]
        look: dict[str, Any] = {
            "color": f"C{number}",
            "marker": "os^"[number],
            "ls": ["-", "--", ":"][number],
        }
        ax.plot(middles, curve, label=name, ms=5, **look)
    ax.axvline(window, color="black", ls=":", lw=1.2, label=f"window, {window}")
    ax.set(xlabel="position in the text", ylabel="loss, nats per token", ylim=(0, None))
    ax.legend(loc="lower left")
    before = window // width
    told = "; ".join(
        f"{name}: {np.mean(curve[:before]):.2f} up to the window, {np.mean(curve[before:]):.2f}"
        " after it"
        for name, curve in losses.items()
    )
    return with_alt(fig, f"Mean loss against position, {told}.")


def sinks(shares: Sequence[Sequence[float]], every: int = 6) -> Figure:
    """The share of its attention that each head (a row) of each layer gives to the first token."""
    table = 100 * np.array(shares).T
    heads, layers = table.shape
    fig, ax = plt.subplots(figsize=(8, 0.45 * heads + 1.0), layout="constrained")
    picture = ax.imshow(table, vmin=0, vmax=100, cmap="cividis", aspect="auto")
    kinds = ["global" if (i + 1) % every == 0 else "local" for i in range(layers)]
    ax.set_xticks(
        range(layers), [f"{i}\nG" if k == "global" else f"{i}\n" for i, k in enumerate(kinds)]
    )
    ax.set_yticks(range(heads), [f"head {i}" for i in range(heads)])
    ax.set(xlabel="layer (G: global)")
    for (row, column), value in np.ndenumerate(table):
        shade = "black" if value > 55 else "white"
        ax.text(column, row, f"{value:.0f}", ha="center", va="center", color=shade, size=7.5)
    fig.colorbar(picture, ax=ax, label="percent of its attention", pad=0.01)
    row, column = np.unravel_index(table.argmax(), table.shape)
    return with_alt(
        fig,
        f"The share of attention given to the first token by {heads} heads in {layers} layers:"
        f" {table.mean():.0f} % on average, at most {table.max():.0f} %, in head {row}"
        f" of layer {column}; {table[:, 0].mean():.0f} % in layer 0.",
    )


def giants(sizes: Mapping[str, Sequence[float]], limit: float) -> Figure:
    """Sizes in the residual stream after each layer, on a logarithmic axis, and float16's limit."""
    fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for number, (name, curve) in enumerate(sizes.items()):
        look: dict[str, Any] = {
            "color": f"C{number}",
            "marker": "os^D"[number],
            "ls": ["-", "--", ":", "-."][number],
        }
        ax.plot(range(len(curve)), curve, label=name, ms=5, **look)
    ax.axhline(limit, color="black", ls="-", lw=1, label=f"float16 ends, {limit:,.0f}")
    ax.set_yscale("log")
    ax.set(xlabel="after layer", ylabel="size of a number in the stream")
    ax.set_xticks(range(0, len(curve), 2))
    ax.legend(loc="lower right", fontsize=8.5)
    (first, curve), *others = sizes.items()
    past = next((i for i, value in enumerate(curve) if value > limit), None)
    where = "never passes" if past is None else f"passes, after layer {past},"
    rest = "; ".join(f"{name}: at most {max(values):,.0f}" for name, values in others)
    return with_alt(
        fig,
        f"Sizes in the stream after each layer. {first}: rises from {curve[0]:,.0f} to"
        f" {max(curve):,.0f} and {where} {limit:,.0f}, where float16 ends. {rest}.",
    )


def sixteen_bits(largest: float) -> Figure:
    """How float16 and bfloat16 spend 16 bits, and what for: sizes up to `largest`, fine steps."""
    fig, axes = plt.subplot_mosaic(
        [["boxes", "boxes"], ["sizes", "steps"]],
        figsize=(8, 4.2),
        layout="constrained",
        height_ratios=[1.3, 1],
        width_ratios=[1.2, 1],
    )
    boxes, sizes, steps = (axes[name] for name in ("boxes", "sizes", "steps"))
    counts, reach = [], 1.25 * largest
    for row, (name, bits) in enumerate(FORMATS.items()):
        _boxes(boxes, row, name, bits)
        end = largest_number(bits)
        bar: dict[str, Any] = {"color": f"C{1 - row}", "ls": "-", "lw": 7, "label": name}
        sizes.plot([0, min(end, reach)], [-row, -row], solid_capstyle="butt", **bar)
        words = f"ends at {end:,.0f}" if end < reach else f"goes on to {end:.1e}"
        say(sizes, min(end, 0.98 * largest), 0.3 - row, words.replace("e+", "e"), "right", size=9)
        if end > reach:
            sizes.plot([reach], [-row], ">", color=bar["color"], ms=13, label=f"more {name}")
        count = 2 ** bits[1] // 32
        places = [1 + i / 2 ** bits[1] for i in range(count + 1)]
        steps.plot(
            places, [-row] * len(places), "|", color=bar["color"], ms=18, mew=1.4, label=name
        )
        counts.append(f"{count} steps in {name}")
    sizes.plot([largest] * 2, [-1.3, 0.8], color="black", ls=":", lw=1.6, label="the stream")
    say(sizes, largest, 0.95, f"the stream reaches {largest:,.0f}", size=9)
    boxes.set(xlim=(-2.6, 16.4), ylim=(-1.8, 1.0))
    sizes.set(xlim=(0, 1.08 * reach), ylim=(-1.4, 1.2), xlabel="how large: sizes of numbers")
    sizes.set_xticks([0, 50_000, 100_000], ["0", "50,000", "100,000"])
    steps.set(ylim=(-1.4, 1.2), xlabel="how exact: all numbers from 1 to 1.03125")
    steps.set_xticks([1, 1 + 1 / 32], ["1", "1.03125"])
    boxes.axis("off")
    for ax in (sizes, steps):
        ax.set_yticks([0, -1], FORMATS)
        ax.tick_params(axis="y", length=0)
        ax.spines[["left", "right", "top"]].set_visible(False)
    ends = [largest_number(bits) for bits in FORMATS.values()]
    return with_alt(
        fig,
        "Sixteen bits spent in two ways: float16 has 5 for how large and 10 for how exact, and ends"
        f" at {ends[0]:,.0f}; bfloat16 has 8 and 7, and ends at {ends[1]:.1e}. The stream reaches"
        f" {largest:,.0f}, between the two. From 1 to 1.03125 there are {' and '.join(counts)}.",
    )


def _boxes(ax: Axes, row: int, name: str, bits: tuple[int, int]) -> None:
    """A box a bit, and over each part of them what it is for."""
    place = 0
    back = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    for (part, fill, hatch), count in zip(_PARTS, (1, *bits), strict=True):
        look: dict[str, Any] = {"facecolor": fill, "edgecolor": "black", "hatch": hatch}
        for i in range(place, place + count):
            corner = (i, -1.5 * row)
            ax.add_patch(Rectangle(corner, 0.92, 0.8, label=f"{name}, {part}", **look))
        if count > 1:
            words = f"{count} bits: how {'large' if part == 'exponent' else 'exact'}"
            middle = (place + count / 2, 0.4 - 1.5 * row)
            ax.text(*middle, words, ha="center", va="center", bbox=back, size=9)
        place += count
    say(ax, -0.3, 0.4 - 1.5 * row, name, ha="right", weight="bold")
