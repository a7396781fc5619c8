"""Figures of appendix A1: what the technical report prints, compared with what the formulas give.

>>> agrees(25_600, 25_599.7), agrees(18.7, 18.66), agrees(18.7, 3.12)
(True, True, False)
>>> common_factor([2.0, 4.0], 0.5, [1.0, 2.0]), common_factor([2.0, 4.0], 0.5, [1.0, 1.0])
((1.75, 2.25), None)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from .alt import listed, with_alt
from .parts import say

_LOOKS: dict[bool, dict[str, Any]] = {  # of a cell that agrees, and of one that does not
    True: {"facecolor": "#CFE4F3", "edgecolor": "#0072B2"},
    False: {"facecolor": "#FBE0CF", "edgecolor": "#D55E00", "hatch": "////", "alpha": 0.85},
}
_POINTS = [("C0", "o", "-"), ("C1", "s", "--"), ("C2", "^", ":"), ("C3", "D", "-.")]

Cells = Mapping[str, Sequence[tuple[float, float]]]
"""For each row's name, what is printed and what we computed, column by column."""


def agrees(printed: float, ours: float) -> bool:
    """Whether our number rounds to the printed one, at the decimals it is printed with."""
    decimals = 0 if isinstance(printed, int) else 1
    return f"{ours:.{decimals}f}" == f"{printed:.{decimals}f}"


def common_factor(
    printed: Sequence[float], give: float, ours: Sequence[float]
) -> tuple[float, float] | None:
    """From what to what a factor may be that takes each of ours into `printed` ± `give`, or None.

    A factor must be in the range of every pair, so it is between the largest low end and the
    smallest high end, if these are in order.
    """
    pairs = list(zip(printed, ours, strict=True))
    low = max((p - give) / o for p, o in pairs)
    high = min((p + give) / o for p, o in pairs)
    return (low, high) if low <= high else None


def difference_is_a_range(total: float, part: float) -> Figure:
    """Two printed numbers with one decimal, the range of each, and that of their difference."""
    fig, ax = plt.subplots(figsize=(8, 2.7), layout="constrained")
    rows = [(f"{total} printed", total, 0.05), (f"{part} printed", part, 0.05)]
    rows.append((f"{total} - {part}", total - part, 0.1))
    fills = ["#BBD7EA", "#BFE3D6", "#F8CDB0"]
    told, ends = [], []
    for y, ((name, centre, half), fill) in enumerate(zip(rows, fills, strict=True)):
        look: dict[str, Any] = {"facecolor": fill, "edgecolor": "black", "zorder": 3}
        ax.add_patch(Rectangle((-half, y - 0.25), 2 * half, 0.5, label=name, **look))
        low, high = (f"{centre + side * half:.{2 if y < 2 else 1}f}" for side in (-1, 1))
        ends.append((low, high))
        told.append(f"{name} is {low} to {high}")
        say(ax, 0, y, name)
    (a, b), (c, d), (low, high) = ends
    labels = [(a, b), (c, d), (f"{a} - {d} = {low}", f"{b} - {c} = {high}")]
    for y, ((left, right), (_, _, half)) in enumerate(zip(labels, rows, strict=True)):
        say(ax, -half - 0.004, y, left, ha="right", weight="bold")
        say(ax, half + 0.004, y, right, ha="left", weight="bold")
    ax.set(xlim=(-0.2, 0.2), ylim=(2.4, -0.4))
    ax.axis("off")
    return with_alt(
        fig,
        f"Three bars: {listed(told)}. Its ends are {labels[2][0]} and {labels[2][1]}.",
    )


def scorecard(tables: Mapping[str, tuple[Sequence[str], Cells]]) -> Figure:
    """A panel for each table, a cell for each printed number, with ours below it.

    Blue and plain agrees after rounding; vermilion and hatched does not.
    """
    heights = [len(cells) for _, cells in tables.values()]
    fig, axes = plt.subplots(
        len(tables),
        1,
        figsize=(8, 0.52 * sum(heights) + 0.95 * len(tables)),
        layout="constrained",
        height_ratios=[n + 1 for n in heights],
        squeeze=False,
    )
    told = []
    for ax, (title, (columns, cells)) in zip(axes[:, 0], tables.items(), strict=True):
        good = sum(agrees(*pair) for row in cells.values() for pair in row)
        every = sum(len(row) for row in cells.values())
        told.append(f"{good} of {every} agree in {title}")
        for y, row in enumerate(cells.values()):
            for x, (printed, ours) in enumerate(row):
                _cell(ax, x, y, printed, ours)
        ax.set(xlim=(-0.02, len(columns) + 0.02), ylim=(len(cells) + 0.02, -0.02))
        ax.set_xticks([x + 0.5 for x in range(len(columns))], columns)
        ax.set_yticks([y + 0.5 for y in range(len(cells))], list(cells))
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        ax.set_title(title, loc="left", weight="bold", fontsize=10)
        for side in ax.spines.values():
            side.set_visible(False)
    names = {True: "ours rounds to it", False: "ours does not"}
    keys = [Rectangle((0, 0), 1, 1, label=names[same], **look) for same, look in _LOOKS.items()]
    fig.legend(handles=keys, loc="outside lower center", ncols=2, frameon=False)
    return with_alt(
        fig, f"Printed numbers, bold, with ours below: {listed(told)}; the others are hatched."
    )


def _cell(ax: Axes, x: int, y: int, printed: float, ours: float) -> None:
    same = agrees(printed, ours)
    name = "agrees" if same else "differs"
    box = Rectangle((x + 0.03, y + 0.05), 0.94, 0.9, linewidth=1, label=name, **_LOOKS[same])
    ax.add_patch(box)
    whole = isinstance(printed, int)
    above, below = (f"{printed:,}", f"{ours:,.1f}") if whole else (f"{printed}", f"{ours:.2f}")
    back: dict[str, Any] = (
        {} if same else {"bbox": {"facecolor": "#FBE0CF", "edgecolor": "none", "pad": 0.8}}
    )
    at: dict[str, Any] = {"ha": "center", "va": "center", "color": "black"}
    ax.text(x + 0.5, y + 0.33, above, weight="bold", size=9.5, **at, **back)
    ax.text(x + 0.5, y + 0.7, below, size=8.5, **at, **back)


def three_columns(millions: Mapping[str, float]) -> Figure:
    """The parts of a model in order, and the column of Table 1 that counts each; two have none.

    `millions` holds the parameters of vision, projector, embedding, padding and layers.
    """
    boxes = [  # part, words, colour, hatch, column of the table
        ("vision", "vision\nencoder", "#BFE3D6", "", "vision encoder"),
        ("projector", "projector", "white", "xx", ""),
        ("embedding", "table of\n262,144 rows", "#BBD7EA", "", "embedding"),
        ("padding", "64 rows\nmore", "white", "xx", ""),
        ("layers", "all layers and\nthe final norm", "#F8CDB0", "", "non-embedding"),
    ]
    fig, ax = plt.subplots(figsize=(8, 2.9), layout="constrained")
    for x, (part, words, fill, hatch, column) in enumerate(boxes):
        look: dict[str, Any] = {"facecolor": fill, "edgecolor": "black", "hatch": hatch}
        ax.add_patch(Rectangle((x + 0.06, 1.0), 0.88, 1.0, label=part, **look))
        back = {"facecolor": "white", "edgecolor": "none", "pad": 2} if hatch else {}
        ax.text(x + 0.5, 1.5, words, ha="center", va="center", color="black", bbox=back or None)
        count = millions[part]
        say(
            ax,
            x + 0.5,
            2.22,
            f"{count:,.0f} M" if count >= 100 else f"{count:.2f} M",
            weight="bold",
        )
        if column:
            ax.plot([x + 0.1, x + 0.1, x + 0.9, x + 0.9], [0.85, 0.7, 0.7, 0.85], "k-", lw=1.4)
            say(ax, x + 0.5, 0.42, column, weight="bold")
        else:
            say(ax, x + 0.5, 0.62, "?", size=18, weight="bold", color="#D55E00")
    say(ax, -0.08, 2.22, "parameters", ha="right")
    say(ax, -0.08, 0.42, "column of\nTable 1", ha="right")
    ax.set(xlim=(-0.95, 5), ylim=(0.1, 2.45))
    ax.axis("off")
    known = listed(f"{part} {millions[part]:,.0f} M" for part, *_, column in boxes if column)
    open_ = listed(f"{part} {millions[part]:.2f} M" for part, *_, column in boxes if not column)
    return with_alt(
        fig,
        f"Five parts of a model. Each of Table 1's columns is under one of them: {known}. Under"
        f" {open_} there is a question mark.",
    )


def rows_that_fit(
    intervals: Mapping[str, tuple[int, int]], candidates: Mapping[str, int], padded: int
) -> Figure:
    """How many rows of a table give each printed embedding, and what candidates would have.

    An interval is all numbers of rows that round to what is printed; the band is in all of those
    whose embedding has `padded` rows or more in common, the sizes that see.
    """
    fig, ax = plt.subplots(figsize=(8, 0.42 * len(intervals) + 2.3), layout="constrained")
    seeing = [ends for ends in intervals.values() if ends[0] > padded]
    low, high = max(a for a, _ in seeing), min(b for _, b in seeing)
    for y, (name, (first, last)) in enumerate(intervals.items()):
        ax.plot([first, last], [y, y], "C0-", lw=7, solid_capstyle="butt", label=name)
        ax.text(last + 25, y, f"{first:,} to {last:,}", va="center", fontsize=8.5)
    ax.axvspan(low, high, color="#D55E00", alpha=0.9, label=f"all that see: {low:,} to {high:,}")
    looks = [("black", "-"), ("black", "--"), ("black", ":"), ("black", "-.")]
    for (name, rows), (colour, style) in zip(candidates.items(), looks, strict=False):
        ax.axvline(rows, color=colour, ls=style, lw=1.4, label=f"{name}: {rows:,}")
    ax.set_yticks(range(len(intervals)), list(intervals))
    ax.set(xlabel="rows of the embedding, each as wide as the model", ylim=(len(intervals), -0.6))
    ax.set_xlim(261_600, 264_450)
    ax.set_xticks(range(262_000, 264_001, 500), [f"{n:,}" for n in range(262_000, 264_001, 500)])
    handles, names = ax.get_legend_handles_labels()
    chosen = [(h, n) for h, n in zip(handles, names, strict=True) if n not in intervals]
    ax.legend(*zip(*chosen, strict=True), loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2,
              frameon=False, fontsize=8.5)  # fmt: skip
    told = "; ".join(f"{name} {a:,} to {b:,}" for name, (a, b) in intervals.items())
    others = "; ".join(f"{name} at {rows:,}" for name, rows in candidates.items())
    inside = [name for name, rows in candidates.items() if low <= rows <= high]
    return with_alt(
        fig,
        f"Rows that fit the printed embedding: {told}. The sizes that see share {low:,} to"
        f" {high:,}. Lines for {others}; in that band is {listed(inside or ['none of them'])}.",
    )


def times_larger(readings: Mapping[str, Sequence[float]], printed: Mapping[str, float]) -> Figure:
    """The printed caches divided by each reading's, a line for each reading, a place for each size.

    A bar is what rounding leaves open: a difference of two numbers with one decimal is good to 0.1.
    A reading that is right but for a factor makes a level line. All axes span the same percentage,
    so that bars can be compared across panels; the longest one may leave its panel.
    """
    fig, axes = plt.subplots(
        1, len(readings), figsize=(8, 3.1), layout="constrained", squeeze=False
    )
    told, ends = [], []
    for ax, (name, ours), look in zip(axes[0], readings.items(), _POINTS, strict=False):
        colour, marker, _ = look
        ratios = [p / o for p, o in zip(printed.values(), ours, strict=True)]
        lows = [(p - 0.1) / o for p, o in zip(printed.values(), ours, strict=True)]
        highs = [(p + 0.1) / o for p, o in zip(printed.values(), ours, strict=True)]
        places = range(len(ratios))
        ax.vlines(places, lows, highs, color=colour, lw=3, label="what rounding leaves open")
        ax.plot(places, ratios, marker, color=colour, ms=4, mec="black", label="report ÷ ours")
        factor = common_factor(list(printed.values()), 0.1, ours)
        if factor:
            ax.axhspan(*factor, color="0.75", zorder=0, label="one factor fits all")
        ax.set_xticks(list(places), list(printed))
        widest = max(places, key=lambda i: highs[i] - lows[i])
        kept = [i for i in places if i != widest or len(ratios) == 1]
        ends.append((min(lows[i] for i in kept), max(highs[i] for i in kept)))
        ax.set_title(name, fontsize=9.5)
        ax.set_xlim(-0.5, len(ratios) - 0.5)
        ax.yaxis.set_major_locator(MaxNLocator(5))
        one = f"{factor[0]:.2f} to {factor[1]:.2f}" if factor else "none"
        ax.text(0.97, 0.95, f"one factor: {one}", transform=ax.transAxes, ha="right", va="top")
        told.append(f"{name} {listed(f'{r:.2f}' for r in ratios)}, one factor for all: {one}")
    share = 0.75 * max((high - low) / (high + low) * 2 for low, high in ends)
    for ax, (low, high) in zip(axes[0], ends, strict=False):
        ax.set_ylim((low + high) / 2 * (1 - share), (low + high) / 2 * (1 + share))
    axes[0, 0].set_ylabel("report ÷ ours")
    return with_alt(
        fig,
        f"The report's caches divided by ours for {listed(printed)}, a panel for each reading, all"
        f" axes of the same percentage: {'; '.join(told)}.",
    )


def patterns_with_one_factor(
    found: Mapping[tuple[int, str], tuple[float, float] | None],
) -> Figure:
    """For each pattern (a row) and window (a column) the factor that fits all sizes, if one does.

    `found` is by local layers for each global one and the window's name.
    """
    patterns, windows = (list(dict.fromkeys(keys)) for keys in zip(*found, strict=True))
    fig, ax = plt.subplots(figsize=(8, 0.42 * len(patterns) + 1.1), layout="constrained")
    for (pattern, window), factor in found.items():
        x, y = windows.index(window), patterns.index(pattern)
        fits = factor is not None
        box = Rectangle((x + 0.03, y + 0.06), 0.94, 0.88, **_LOOKS[fits])
        box.set_label("one factor" if fits else "none")
        ax.add_patch(box)
        if factor is not None:
            say(ax, x + 0.5, y + 0.5, f"{factor[0]:.2f} to {factor[1]:.2f}", size=9, weight="bold")
    ax.set(xlim=(-0.02, len(windows) + 0.02), ylim=(len(patterns) + 0.02, -0.02))
    ax.set_xticks([x + 0.5 for x in range(len(windows))], windows)
    ax.set_yticks([y + 0.5 for y in range(len(patterns))], [f"{n} to 1" for n in patterns])
    ax.set(xlabel="tokens that a local layer keeps", ylabel="local to global")
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    names = {True: "one factor fits all sizes: from, to", False: "no factor"}
    keys = [Rectangle((0, 0), 1, 1, label=names[fits], **look) for fits, look in _LOOKS.items()]
    fig.legend(handles=keys, loc="outside lower center", ncols=2, frameon=False)
    told = [
        f"{pattern} to 1 with {window}: {factor[0]:.2f} to {factor[1]:.2f}"
        for (pattern, window), factor in found.items()
        if factor is not None
    ]
    return with_alt(
        fig,
        f"Patterns of {listed(str(n) for n in patterns)} local layers for each global one, and"
        f" windows of {listed(windows)}. One factor fits all sizes for {'; '.join(told) or 'none'};"
        " for no other.",
    )


def of_what(shares: Sequence[float] = (0.60, 0.15)) -> Figure:
    """Two ways to read an overhead: of the weights, or of weights and cache together."""
    fig, axes = plt.subplots(1, 2, figsize=(8, 3.0), layout="constrained", sharex=True, sharey=True)
    told = []
    readings = {
        "of the weights": list(shares),
        "of weights and cache": [share / (1 - share) for share in shares],
    }
    for ax, (title, caches) in zip(axes, readings.items(), strict=True):
        places = [1.5 * row for row in range(len(caches))]
        ax.barh(places, [1.0] * len(caches), color="0.8", edgecolor="black", label="weights")
        look: dict[str, Any] = {"color": "C1", "hatch": "//", "edgecolor": "white"}
        ax.barh(places, caches, left=1.0, label="cache", **look)
        for y, share, cache in zip(places, shares, caches, strict=True):
            end = 1.0 if caches == list(shares) else 1 + cache
            edge, bar = y + 0.48, y + 0.56
            ax.plot([0, 0, end, end], [edge, bar, bar, edge], "k-", lw=1.3, label="the whole")
            say(ax, end / 2, y + 0.8, "100 %", size=8.5)
            say(ax, 1.04 + cache, y, f"{share:.0%}", ha="left", weight="bold")
        ax.set_title(f"{title}:\nthe cache shrinks {caches[0] / caches[-1]:.1f} times", fontsize=10)
        ax.set_yticks(places, ["every layer global", "3:1, W = 1,024"])
        ax.set(xlim=(-0.03, 2.9), ylim=(places[-1] + 1, -0.5), xticks=[])
        for side in ("top", "right", "bottom"):
            ax.spines[side].set_visible(False)
        told.append(f"{title}, the cache shrinks {caches[0] / caches[-1]:.1f} times")
    axes[1].legend(loc="lower right", handles=list(axes[1].containers), frameon=False)
    both = listed(f"{share:.0%}" for share in shares)
    return with_alt(fig, f"Bars of weights and cache for an overhead of {both}: {listed(told)}.")
