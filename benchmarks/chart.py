"""Pictures of a run: how many times better each comparison came out, as bars around 1.

>>> bar = Bar("1b", "float32", "decode 128: speed", "transformers sdpa", 2.0, 1.8, 2.2)
>>> alt_of([bar]).split("; ")[1]
'the largest is 2.00 at decode 128: speed in float32, beside transformers sdpa'
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter

from gemma3_edu.lessons.nb import COLOURS, STYLE

from .rows import OURS

# Colour and pattern always change together, so that bars are told apart by either.
LOOKS = {
    "transformers sdpa": (COLOURS[0], ""),
    "transformers eager": (COLOURS[1], "////"),
    "transformers sdpa in chunks": (COLOURS[2], "...."),
    "transformers compiled": ("#CC79A7", "xxxx"),
}
_BAR, _GAP = 0.2, 0.12  # inches, of a bar and between rows


@dataclass(frozen=True)
class Bar:
    """One comparison: of which shape, what was measured, beside whom; the ratio, its interval."""

    size: str
    dtype: str
    what: str
    beside: str
    value: float
    low: float
    high: float


def bars_of(results: Mapping[str, Any]) -> list[Bar]:
    """The comparisons of a document with transformers, in its order."""
    bars = []
    for entry in results["measurements"]:
        tokens = f" {entry['tokens']:,}" if entry["tokens"] else ""
        what = f"{entry['kind']}{tokens}: {entry['quantity']}"
        for each in entry["comparisons"]:
            if each["beside"] in LOOKS:
                own = each["ours"].removeprefix(OURS)  # as a whole, or how it was changed
                names = (entry["size"], entry["dtype"], what + own, each["beside"])
                bars.append(Bar(*names, each["value"], each["low"], each["high"]))
    return bars


def alt_of(bars: Sequence[Bar]) -> str:
    """The picture in words, with its extremes."""
    best, worst = max(bars, key=lambda bar: bar.value), min(bars, key=lambda bar: bar.value)
    better = sum(bar.value > 1 for bar in bars)
    told = [f"{b.value:.2f} at {b.what} in {b.dtype}, beside {b.beside}" for b in (best, worst)]
    return (
        f"{len(bars)} comparisons with transformers as horizontal bars around 1, {better} of them "
        f"above it (gemma3_edu better); the largest is {told[0]}; the smallest is {told[1]}."
    )


def draw(bars: Sequence[Bar], title: str) -> Figure:
    """Horizontal bars on logarithmic axes, one a dtype: right of 1 gemma3_edu is better."""
    dtypes = list(dict.fromkeys(bar.dtype for bar in bars))
    names = [name for name in LOOKS if any(bar.beside == name for bar in bars)]
    places, ticks, height = _places(bars)
    style: Any = {**STYLE, "font.size": 9, "hatch.linewidth": 0.6}
    with plt.rc_context(style):
        size = (3 + 3.5 * len(dtypes), height + 1.5)
        fig, axes = plt.subplots(
            1, len(dtypes), figsize=size, layout="constrained", squeeze=False, sharey=True
        )
        for ax, dtype in zip(axes[0], dtypes, strict=True):
            for bar in bars:
                if bar.dtype == dtype:
                    _bar(ax, bar, places[bar.what, bar.beside])
            _axis(ax, bars)
            ax.set(title=dtype, xlabel="times better (line: 95% interval)", ylim=(height, -_GAP))
            ax.set_yticks(list(ticks.values()), list(ticks))
            ax.tick_params(axis="y", length=0)
        looks = [
            Patch(fc=LOOKS[name][0], hatch=LOOKS[name][1], ec="white", label=f"beside {name}")
            for name in names
        ]
        fig.suptitle(title)
        fig.legend(handles=looks, loc="outside lower center", ncols=len(looks), frameon=False)
    return fig


def _places(
    bars: Sequence[Bar],
) -> tuple[dict[tuple[str, str], float], dict[str, float], float]:
    """Where bars lie, by what and beside whom; where rows have their names; the height of all."""
    rows: dict[str, list[str]] = {}
    for bar in bars:
        if bar.beside not in rows.setdefault(bar.what, []):
            rows[bar.what].append(bar.beside)
    places, ticks, top = {}, {}, 0.0
    for what, besides in rows.items():
        for number, beside in enumerate(besides):
            places[what, beside] = top + (number + 0.5) * _BAR
        ticks[what] = top + len(besides) * _BAR / 2
        top += len(besides) * _BAR + _GAP
    return places, ticks, top


def _bar(ax: Axes, bar: Bar, place: float) -> None:
    colour, hatch = LOOKS[bar.beside]
    ax.barh(place, bar.value - 1, 0.85 * _BAR, left=1, color=colour, hatch=hatch, ec="white")
    ax.plot([bar.low, bar.high], [place, place], color="black", ls="-", lw=1.2)
    right = bar.value >= 1  # the number stands past the bar and its interval
    ax.annotate(
        f"{bar.value:.2f}",
        (max(bar.value, bar.high) if right else min(bar.value, bar.low), place),
        xytext=(4 if right else -4, 0),
        textcoords="offset points",
        va="center",
        ha="left" if right else "right",
        fontsize=8,
    )


def _axis(ax: Axes, bars: Sequence[Bar]) -> None:
    least = min(0.8, *(min(bar.value, bar.low) for bar in bars))
    most = max(1.25, *(max(bar.value, bar.high) for bar in bars))
    room = (most / least) ** 0.2  # for the numbers at the ends of the longest bars
    ax.set_xscale("log")
    ax.set_xlim(least / room, most * room)
    steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
    if most / least < 6:
        steps = [0.25, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4]
    ax.set_xticks([step for step in steps if least / room <= step <= most * room])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.axvline(1, color="black", ls="-", lw=1)
    ax.spines[["top", "right", "left"]].set_visible(False)


def png(figure: Figure) -> bytes:
    """The picture as a file's content; closes the figure."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=144, metadata={"Software": None})
    plt.close(figure)
    return out.getvalue()
