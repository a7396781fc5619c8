"""Figures of lesson 16: which card holds what, and how long a token must take at least.

>>> plan = Plan("27b", "int4-32", 32_768, "RTX 4090")
>>> plan.fits, round(plan.total / 1e9, 2), round(1 / plan.seconds)
(True, 19.16, 55)
>>> fig = what_fits([("27b", "int4-32")])
>>> [text.get_text() for text in fig.axes[0].texts]  # GB at 1K to 128K tokens
['16.6', '16.6', '16.8', '17.1', '17.8', '19.2', '21.8', '27.2']
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ...model.config import TextConfig
from ...model.presets import PRESETS
from ...study import cost
from .alt import listed, with_alt
from .cache import CONTEXTS


@dataclass(frozen=True)
class Card:
    """What a card is sold with: 10^9 bytes of memory, bytes and operations a second."""

    memory: int
    bandwidth: float
    operations: float


CARDS = {
    "RTX 4060": Card(8, 272e9, 30e12),
    "T4": Card(16, 320e9, 8.1e12),  # in float32: it has no bfloat16, and float16 is too narrow
    "RTX 4090": Card(24, 1008e9, 165e12),
    "L40S": Card(48, 864e9, 362e12),
    "H100": Card(80, 3350e9, 989e12),
}
"""Smallest memory first. Operations are those of dense bfloat16 products, without sparsity."""


@dataclass(frozen=True)
class Plan:
    """One size in one format, with `context` tokens in each row's cache, on one card."""

    size: str = "27b"
    weights: str = "int4-32"
    context: int = 32_768
    card: str = "RTX 4090"
    batch: int = 1

    @property
    def text(self) -> TextConfig:
        """The language model's part of the config."""
        return PRESETS[self.size].text

    @property
    def text_bytes(self) -> int:
        """Weights that every decoding step reads."""
        return cost.weight_bytes(self.text, self.weights)

    @property
    def vision_bytes(self) -> int:
        """Weights that only images need."""
        return cost.weight_bytes(PRESETS[self.size], self.weights) - self.text_bytes

    @property
    def cache_bytes(self) -> int:
        """Keys and values of all rows, in bfloat16."""
        return cost.cache_bytes(self.text, self.context, self.batch)

    @property
    def total(self) -> int:
        """All bytes that have to lie in the card's memory; activations are not counted."""
        return self.text_bytes + self.vision_bytes + self.cache_bytes

    @property
    def fits(self) -> bool:
        """Whether the card holds them."""
        return self.total <= CARDS[self.card].memory * 10**9

    @property
    def known(self) -> bool:
        """Whether the size is made for so long a context."""
        return self.context <= self.text.max_position_embeddings

    @property
    def reading(self) -> float:
        """Seconds to read weights and caches once."""
        return (self.text_bytes + self.cache_bytes) / CARDS[self.card].bandwidth

    @property
    def computing(self) -> float:
        """Seconds of arithmetic for one new token in each row."""
        work = cost.flops(self.text, 1, self.context - 1, self.batch)
        return work / CARDS[self.card].operations

    @property
    def seconds(self) -> float:
        """No step is shorter: the longer of the two, as if they overlapped perfectly."""
        return max(self.reading, self.computing)


def smallest_card(total: int) -> int:
    """Index into CARDS of the first that holds so many bytes; their number if none does.

    >>> [smallest_card(n * 10**9) for n in (7, 8, 9, 81)]
    [0, 0, 1, 5]
    """
    return sum(card.memory * 10**9 < total for card in CARDS.values())


SIZES = ("270m", "1b", "4b", "12b", "27b")
ROWS = [(size, weights) for size in SIZES for weights in ("bf16", "int8", "int4-32")]


# Lightest for the smallest card; the last is for what none of them holds.
_HUES = ["#FDEA45", "#BCAE6C", "#8E8C85", "#3B496C", "#00224E", "#D55E00"]


def what_fits(rows: Sequence[tuple[str, str]] = ROWS) -> Figure:
    """A cell for each size, format and context: GB of weights and cache, and the smallest card."""
    plans = [[Plan(size, weights, n) for n in CONTEXTS] for size, weights in rows]
    cards = np.array([[smallest_card(p.total) if p.known else np.nan for p in r] for r in plans])
    fig, ax = plt.subplots(figsize=(7, 0.29 * len(rows) + 1.3), layout="constrained")
    shown = np.ma.masked_invalid(cards)
    ax.pcolormesh(shown, cmap=ListedColormap(_HUES), vmin=0, vmax=5, edgecolors="0.85", lw=0.5)
    for y, row in enumerate(plans):
        for x, plan in enumerate(row):
            dark = cards[y, x] in (3, 4)
            gigabytes = f"{plan.total / 1e9:.1f}" if plan.known else "-"
            colour = "white" if dark else "black"
            ax.text(x + 0.5, y + 0.5, gigabytes, color=colour, ha="center", va="center")
        if y and rows[y][0] != rows[y - 1][0]:
            ax.plot([0, len(CONTEXTS)], [y, y], "k-", lw=1.5, label=f"{rows[y][0]} from here")
    ax.set_xticks([i + 0.5 for i in range(len(CONTEXTS))], [f"{n // 1024}K" for n in CONTEXTS])
    ax.set_yticks([i + 0.5 for i in range(len(rows))], [f"{s.upper()} {w}" for s, w in rows])
    ax.set(xlabel="context, tokens", xlim=(0, len(CONTEXTS)), ylim=(len(rows), 0))
    ax.tick_params(length=0)
    names = [f"{card.memory} GB: {name}" for name, card in CARDS.items()] + ["none of them"]
    keys = [Patch(fc=hue, ec="black", label=n) for hue, n in zip(_HUES, names, strict=True)]
    keys = keys[: len(CARDS) + bool((cards == len(CARDS)).any())]
    keys.append(Patch(fc="white", ec="black", label="- past the size's limit"))
    fig.legend(handles=keys, loc="outside upper center", ncols=3, frameon=False)
    last = rows[-1][0]
    of_last = [(name, row) for (size, name), row in zip(rows, plans, strict=True) if size == last]
    told = [f"{name} {r[0].total / 1e9:.1f} and {r[-1].total / 1e9:.1f}" for name, r in of_last]
    return with_alt(
        fig,
        f"{len(rows)} rows of sizes and formats, {len(CONTEXTS)} contexts, the gigabytes in each"
        f" cell and the smallest card as its colour; at 1K and at 128K tokens {last.upper()} takes"
        f" in {listed(told)}.",
    )


def many_rows(size: str, weights: str, card: str, contexts: Sequence[int]) -> Figure:
    """Most tokens a second of all rows together against their number, a line for each context.

    The dash-dotted line is what the arithmetic allows at the shortest context. Lines stop where the
    card is full; a square marks the batches whose arithmetic takes longer than their reading.
    """
    fig, ax = plt.subplots(figsize=(6.4, 3.5), layout="constrained")
    rows = [2**n for n in range(16)]
    looks = ["C0-", "C1--", "C2:", "k-"]
    highest: dict[int, float] = {}
    for context, look in zip(contexts, looks, strict=False):
        plans = [Plan(size, weights, context, card, n) for n in rows]
        plans = [plan for plan in plans if plan.fits]
        x, y = [p.batch for p in plans], [p.batch / p.seconds for p in plans]
        ax.plot(x, y, look, marker="o", ms=4, mfc="white", label=f"{context:,} tokens a row")
        busy = [p for p in plans if p.computing > p.reading]
        if busy:
            name, at = "arithmetic takes longer", [p.batch / p.seconds for p in busy]
            ax.plot([p.batch for p in busy], at, "s", color=look[:-1].rstrip("-"), ms=6, label=name)
        highest[context] = y[-1]
    most = 1 / Plan(size, weights, contexts[0], card).computing
    ax.axhline(most, color="black", ls="-.", lw=1, label="arithmetic alone")
    ax.set(xscale="log", yscale="log", xlabel="rows", ylabel="most tokens a second")
    ax.minorticks_off()
    ax.set_xticks([1, 8, 64, 512, 4096], ["1", "8", "64", "512", "4096"])
    ax.set_yticks([1e3, 1e4, 1e5], ["1,000", "10,000", "100,000"])
    ax.legend(loc="lower right", fontsize=9)
    ax.set_title(f"{size.upper()} {weights} on {card}", fontsize=10)
    told = listed(
        f"{rate / most:.0%} with {context:,} tokens a row" for context, rate in highest.items()
    )
    return with_alt(
        fig,
        f"Most tokens a second against rows, log-log, for {size.upper()} {weights} on {card}; at"
        f" the end of each line they are, of what the arithmetic alone allows, {told}.",
    )


def compare_plans(*plans: Plan) -> Figure:
    """Bars for each plan: left its bytes against the card's memory, right its least time.

    The widget's callback: with one plan, one row.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.4, 0.62 * len(plans) + 1.1))
    # By hand: the automatic layout draws everything twice, too slow under a slider.
    height = fig.get_figheight()
    fig.subplots_adjust(left=0.19, right=0.98, wspace=0.14, bottom=0.5 / height)
    fig.subplots_adjust(top=1 - 0.45 / height)
    places = range(len(plans))
    gb = [[p.text_bytes / 1e9, p.vision_bytes / 1e9, p.cache_bytes / 1e9] for p in plans]
    speed = [CARDS[p.card].bandwidth for p in plans]
    ms = [[1e12 * row[0] / s, 0.0, 1e12 * row[2] / s] for row, s in zip(gb, speed, strict=True)]
    for ax, bars in ((left, gb), (right, ms)):
        _stack(ax, bars)
        ax.set_yticks(places, [])
        ax.set_ylim(len(plans) - 0.4, -0.6)
    limits = [CARDS[p.card].memory for p in plans]
    left.plot(limits, places, "k|", ms=22, mew=2.5, label="the card's memory")
    right.plot([1000 * p.computing for p in plans], places, "kD", ms=6, label="arithmetic")
    ends = [max(card, p.total / 1e9) for card, p in zip(limits, plans, strict=True)]
    longest = max(1000 * plan.seconds for plan in plans)
    names = [f"{p.size.upper()} {p.weights}\n{p.context // 1024}K, {p.card}" for p in plans]
    told = []
    for place, (plan, end, card) in enumerate(zip(plans, ends, limits, strict=True)):
        held = f"{plan.total / 1e9:.1f} of {card}"
        left.text(end + 0.03 * max(ends), place, held, va="center")
        rate = f"{1 / plan.seconds:,.0f} a second" if plan.fits else "does not fit"
        rate = rate if plan.known else "past its limit"
        right.text(1000 * plan.seconds + 0.04 * longest, place, rate, va="center")
        told.append(f"{names[place]}: {held} GB, {rate}".replace("\n", ", "))
    left.set(xlabel="GB", xlim=(0, 1.5 * max(ends)))
    right.set(xlabel="least ms a token", xlim=(0, 1.55 * longest))
    left.set_yticks(places, names)
    handles = [*left.containers, left.lines[0], right.lines[0]]
    fig.legend(handles=handles, loc="upper center", ncols=5, frameon=False, columnspacing=1.2)
    return with_alt(
        fig,
        "Bars for each plan: its bytes against the card's memory, and the most tokens that it can"
        f" write. {'; '.join(told)}.",
    )


def _stack(ax: Axes, bars: Sequence[Sequence[float]]) -> None:
    before = [0.0] * len(bars)
    looks = [("text weights", "C0", ""), ("vision", "C2", ".."), ("cache", "C1", "//")]
    for part, (name, colour, hatch) in enumerate(looks):
        width = [row[part] for row in bars]
        look: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "white"}
        ax.barh(range(len(bars)), width, left=before, height=0.6, label=name, **look)
        before = [a + b for a, b in zip(before, width, strict=True)]
