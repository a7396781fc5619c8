"""Figures of appendix A3: a released model's losses, its giant numbers, and where its heads look.

>>> [round(largest / 10**4, 2) for largest in map(largest_number, FORMATS.values())][0]
6.55
"""

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .alt import with_alt

FORMATS = {"float16": (5, 10), "bfloat16": (8, 7)}
"""Bits for the exponent, and for the digits after the first."""
LEAST = 0.01
"""Where the ladder's bars begin: less has no bar on a logarithmic axis, only its number."""
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


def losses_above(rows: Mapping[str, Sequence[float]], healthy: str) -> dict[str, list[float]]:
    """What each mistake adds to the losses of the healthy row, the costliest first."""
    added = {
        name: [value - usual for value, usual in zip(row, rows[healthy], strict=True)]
        for name, row in rows.items()
        if name != healthy
    }
    return dict(sorted(added.items(), key=lambda item: -sum(item[1])))


def ladder(rows: Mapping[str, Sequence[float]], healthy: str, window: int) -> Figure:
    """Two bars for each mistake: the loss it adds before and after the window, logarithmic."""
    right, added = rows[healthy], losses_above(rows, healthy)
    names = list(added)
    fig, ax = plt.subplots(figsize=(7.4, 0.8 + 0.42 * len(names)), layout="constrained")
    places = np.arange(len(names))
    for number, (side, offset) in enumerate(
        [(f"first {window} tokens", -0.2), (f"after {window}", 0.2)]
    ):
        values = [added[name][number] for name in names]
        look: dict[str, Any] = {
            "color": f"C{number}",
            "hatch": ["", "//"][number],
            "edgecolor": "white",
        }
        ends = [max(value, LEAST) for value in values]
        ax.barh(places + offset, [e - LEAST for e in ends], 0.38, LEAST, label=side, **look)
        for place, value, end in zip(places, values, ends, strict=True):
            ax.text(1.05 * end, place + offset, f"{value:.2f}", va="center", fontsize=7.5)
    ax.set_yticks(places, names)
    ax.set_xscale("log")
    ax.set_xlim(LEAST, 2 * max(map(max, added.values())))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlabel(f"loss above {right[0]:.2f} and {right[1]:.2f}, nats per token, logarithmic")
    ax.invert_yaxis()
    ax.legend(loc="lower right")
    first, last = names[0], names[-1]
    told = {name: " and ".join(f"{value:.2f}" for value in added[name]) for name in (first, last)}
    return with_alt(
        fig,
        f"Bars of the loss that {len(names)} mistakes add before and after the window, to"
        f" {right[0]:.2f} and {right[1]:.2f} with {healthy}: from {first} ({told[first]} more) down"
        f" to {last} ({told[last]}).",
    )


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
    """How float16 and bfloat16 spend 16 bits, and how far each reaches; `largest` is marked."""
    fig, (boxes, ruler) = plt.subplots(
        2, 1, figsize=(8, 3.9), layout="constrained", height_ratios=[1.2, 1]
    )
    for row, (name, bits) in enumerate(FORMATS.items()):
        place = 0.0
        for (part, fill, hatch), count in zip(_PARTS, (1, *bits), strict=True):
            for i in range(count):
                boxes.add_patch(
                    Rectangle(
                        (place + i, -1.5 * row),
                        0.92,
                        0.8,
                        facecolor=fill,
                        edgecolor="black",
                        hatch=hatch,
                        label=f"{name}, {part}",
                    )
                )
            if count > 1:
                words = (
                    f"{count} bits: how large" if part == "exponent" else f"{count} bits: how exact"
                )
                middle = (place + count / 2, 0.4 - 1.5 * row)
                back = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
                boxes.text(*middle, words, ha="center", va="center", bbox=back, size=9)
            place += count
        boxes.text(-0.3, 0.4 - 1.5 * row, name, ha="right", va="center", weight="bold")
        end = largest_number(bits)
        ruler.plot([0, log10(end)], [-row, -row], color=f"C{1 - row}", ls="-", lw=7, label=name)
        shown = (
            f"{end:,.0f}" if end < 10**6 else f"{end / 10 ** int(log10(end)):.1f}e{int(log10(end))}"
        )
        ruler.text(log10(end) + 0.5, -row, f"{name} ends at {shown}", va="center", size=9)
    ruler.plot([log10(largest)] * 2, [-1.5, 0.6], color="black", ls=":", lw=1.6, label="the stream")
    ruler.text(
        log10(largest) + 0.4, 0.62, f"the stream reaches {largest:,.0f}", va="bottom", size=9
    )
    boxes.set(xlim=(-2.6, 16.4), ylim=(-1.8, 1.0))
    ruler.set(xlim=(-5, 56), ylim=(-1.6, 1.3), yticks=[], xlabel="size of a number")
    ruler.set_xticks([0, 10, 20, 30, 40], ["1", "1e10", "1e20", "1e30", "1e40"])
    boxes.axis("off")
    for side in ("left", "right", "top"):
        ruler.spines[side].set_visible(False)
    ends = [largest_number(bits) for bits in FORMATS.values()]
    return with_alt(
        fig,
        "Sixteen bits spent in two ways: float16 has 5 for how large and 10 for how exact, and ends"
        f" at {ends[0]:,.0f}; bfloat16 has 8 and 7, and ends at {ends[1]:.1e}. A dotted line at"
        f" {largest:,.0f}, which the stream reaches, is right of the first end and far left of the"
        " second.",
    )
