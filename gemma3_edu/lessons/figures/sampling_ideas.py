"""Drawings of how an answer comes about: four steps from scores to a token, a conversation's lines.

Light blue is in the running, vermilion with bold words is what was chosen or steers the model.

>>> fig = pipeline(["sea", "ship"], torch.tensor([3.0, 1.0]).log(), Sampler(1.0, 2, 0.9), u=0.8)
>>> alt_of(fig).split(". ")[-1]
'The number 0.8 draws ship.'
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from torch import Tensor

from ...generation.sampling import Sampler
from .alt import alt_of, listed, with_alt
from .cache_ideas import EDGE, GREY, KEPT, NEW, PALE
from .parts import say

__all__ = ["alt_of", "lines_of_a_chat", "loops_and_inventions", "own_words", "pipeline"]

_DARK, _GREEN = "#3F5B73", "#CFE8DE"
_CONTROL = (1, 2, 105, 106)  # <eos>, <bos>, and the two that mark turns


def pipeline(
    names: Sequence[str], logits: Float[Tensor, "V"], sampler: Sampler, u: float
) -> Figure:
    """Scores, their shares, what top-k and top-p leave, and where the number u falls."""
    temperature, k, p = sampler.temperature, sampler.top_k, sampler.top_p
    steps = [Sampler(temperature, None, None), Sampler(temperature, k, None), sampler]
    shares = [step.probabilities(logits[None])[0].tolist() for step in steps]
    stop = torch.tensor(shares[-1], dtype=torch.float64).cumsum(0)
    chosen = int((stop <= u).sum())
    fig, ax = plt.subplots(figsize=(7.6, 0.46 * len(names) + 1.25), layout="constrained")
    height = float(len(names))
    for row, name in enumerate(names):
        weight = "bold" if row == chosen else "normal"
        say(ax, -0.2, row + 0.5, name, "right", NEW if row == chosen else "black", weight)
        _box(ax, 0, row + 0.12, 1.3, 0.76, "white", EDGE)
        say(ax, 0.65, row + 0.5, f"{round(float(logits[row]), 2) + 0.0:.2f}")
    titles = [f"÷ {temperature:g}, softmax", f"top-k, k = {k}", f"top-p, p = {p:g}"]
    for n, (title, now) in enumerate(zip(titles, shares, strict=True)):
        left = 2.5 + 3.7 * n
        say(ax, left + 1.2, -0.45, title, color=_DARK, weight="bold")
        for row, share in enumerate(now):
            _bar(ax, left, row, share, before=shares[n - 1][row] if n else share)
        _arrow(ax, (left - 0.95, height / 2), (left - 0.25, height / 2))
    say(ax, 0.65, -0.45, "logits", color=_DARK, weight="bold")
    strip = 2.5 + 3.7 * len(titles)
    _arrow(ax, (strip - 0.95, height / 2), (strip - 0.25, height / 2))
    say(ax, strip + 0.8, -0.45, "draw", color=_DARK, weight="bold")
    start = 0.0
    for row, end in enumerate(stop.tolist()):
        if end > start:
            new = row == chosen
            _box(ax, strip, start * height, 1.6, (end - start) * height, PALE if new else KEPT)
            ink, weight = (NEW, "bold") if new else ("black", "normal")
            say(ax, strip + 0.8, (start + end) / 2 * height, names[row], "center", ink, weight)
        start = end
    _arrow(ax, (strip + 2.7, u * height), (strip + 1.7, u * height), NEW)
    say(ax, strip + 2.8, u * height, f"{u:g}", "left", NEW, "bold")
    for edge in (0, 1):
        say(ax, strip + 1.7, edge * height, str(edge), "left", GREY)
    _canvas(ax, (-1.9, strip + 3.6), (height + 0.35, -0.9))
    left_over = [listed(n for n, s in zip(names, each, strict=True) if s) for each in shares[1:]]
    return with_alt(
        fig,
        f"Four steps from left to right: the logits of {len(names)} tokens, their shares at"
        f" temperature {temperature:g}, and what is left of them. After top-k: {left_over[0]}."
        f" After top-p: {left_over[1]}. The number {u:g} draws {names[chosen]}.",
    )


def _bar(ax: Axes, left: float, row: int, share: float, before: float) -> None:
    """A share as a bar; where this step dropped the token, its old bar dashed and empty."""
    width = 2.0 * (share or before)
    if share:
        _box(ax, left, row + 0.2, width, 0.6, KEPT)
        say(ax, left + width + 0.1, row + 0.5, f"{share:.0%}", "left")
    elif before:
        _box(ax, left, row + 0.2, width, 0.6, "white", GREY).set_linestyle("--")
        say(ax, left + width + 0.1, row + 0.5, "out", "left", GREY)


def lines_of_a_chat(ids: Sequence[int], piece: Callable[[int], str], asked: int) -> Figure:
    """The tokens of a conversation, a row for each line of its text.

    `piece` gives a token's text; the first `asked` tokens are the prompt, the others the answer.
    """
    rows: list[list[tuple[int, int]]] = [[]]
    for place, token in enumerate(ids):
        rows[-1].append((place, token))
        if piece(token) == "\n" and place + 1 < len(ids):
            rows.append([])
    fig, ax = plt.subplots(figsize=(7.6, 0.62 * len(rows) + 0.75), layout="constrained")
    widest = 0.0
    for n, row in enumerate(rows):
        x = 0.0
        for place, token in row:
            text = piece(token).replace("\n", "\\n").replace("▁", "␣")
            width = 0.55 + 0.21 * len(text)
            control, new = token in _CONTROL, place >= asked
            fill = PALE if control else _GREEN if new else KEPT
            box = _box(ax, x, n * 1.5, width, 0.8, fill, NEW if control else EDGE)
            box.set_linestyle("--" if new else "-")
            ink, weight = (NEW, "bold") if control else ("black", "normal")
            say(ax, x + width / 2, n * 1.5 + 0.4, text, color=ink, weight=weight)
            say(ax, x + width / 2, n * 1.5 + 1.07, str(token), color=GREY, size=8)
            x += width + 0.15
        widest = max(widest, x)
    bottom = len(rows) * 1.5 + 0.1
    x = 0.0
    for fill, edge, text in [
        (PALE, NEW, "marks"),
        (KEPT, EDGE, "text of the prompt"),
        (_GREEN, EDGE, "dashed: written by the model"),
    ]:
        box = _box(ax, x, bottom, 0.5, 0.5, fill, edge)
        box.set_linestyle("--" if fill == _GREEN else "-")
        say(ax, x + 0.7, bottom + 0.25, text, "left", size=9)
        x += 1.6 + 0.19 * len(text)
    _canvas(ax, (-0.2, max(widest, x, 12.0)), (bottom + 0.7, -0.2))
    marks = sum(token in _CONTROL for token in ids)
    return with_alt(
        fig,
        f"A conversation as {len(ids)} tokens with their ids, in {len(rows)} lines: {marks} of them"
        f" are marks, the first {asked} are the prompt, and the model wrote the last"
        f" {len(ids) - asked}, ending in {piece(ids[-1])}.",
    )


def own_words(words: Sequence[str], parts: int = 10) -> tuple[float, float]:
    """The least and the largest share of a part's words that no other part of the text has.

    >>> own_words("the sea the ship the sea a whale".split(), parts=2)
    (0.25, 0.5)
    """
    size = len(words) // parts
    cut = [words[n * size : (n + 1) * size] for n in range(parts)]
    shares = []
    for part in cut:
        others = set().union(*(other for other in cut if other is not part))
        shares.append(sum(word not in others for word in part) / size)
    return min(shares), max(shares)


def loops_and_inventions(
    repeated: Mapping[str, Sequence[float]],
    unknown: Mapping[str, Sequence[float]],
    *,
    melville: tuple[float, float],
) -> Figure:
    """Bars with error bars of two standard errors: repetition, and unknown words.

    Each has for every way to choose a share of each text, the same ways in both. `melville` is a
    band: the lowest and the highest share of his own pages.
    """
    fig, axes = plt.subplots(1, 2, figsize=(7.6, 3.4), layout="constrained")
    low, high = (100 * share for share in melville)
    axes[1].axhspan(low, high, color="0.5", alpha=0.35, lw=0, zorder=0, label="Melville's pages")
    titles = ["runs that came before", "words unknown to the pages"]
    for ax, shares, title, unit in zip(
        axes, (repeated, unknown), titles, ("runs of four tokens", "words"), strict=True
    ):
        ax.set_title(title, fontsize=11)
        ax.set_ylabel(f"% of {unit}")
        for place, ((name, each), colour, hatch) in enumerate(
            zip(shares.items(), _COLOURS, _HATCHES, strict=False)
        ):
            _means(ax, [place], [each], colour, hatch, name)
        ax.set_xticks(range(len(shares)), list(shares), fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
    axes[1].set_ylim(0, 1.25 * axes[1].get_ylim()[1])  # room for the legend
    axes[1].legend(*_first(axes[1]), loc="upper right", fontsize=9)
    loops, inventions = (
        listed(f"{_mean(each):.0%} at {name}" for name, each in shares.items())
        for shares in (repeated, unknown)
    )
    return with_alt(
        fig,
        f"By way to choose. Left, runs of four tokens that came before: {loops}. Right, words"
        f" unknown to the pages: {inventions}; Melville's own pages {low:.0f}% to {high:.0f}%.",
    )


_COLOURS = ["C0", "C1", "C2", "#CC79A7", "#56B4E9", "#E69F00"]  # none grey, as the band is
_HATCHES = ["", "//", "..", "xx", "--", "\\\\"]


def _first(ax: Axes) -> tuple[list[Any], list[str]]:
    """A legend of the band alone: the bars have their names below."""
    handles, labels = ax.get_legend_handles_labels()
    return handles[:1], labels[:1]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _means(
    ax: Axes,
    at: Sequence[float],
    groups: Sequence[Sequence[float]],
    colour: str,
    hatch: str,
    label: str | None,
    width: float = 0.6,
) -> None:
    """A bar for each group's mean in percent, with two standard errors to either side."""
    means = [100 * _mean(group) for group in groups]
    errors = [200 * float(torch.tensor(group).std()) / len(group) ** 0.5 for group in groups]
    low = [min(mean, error) for mean, error in zip(means, errors, strict=True)]  # not below 0
    ax.bar(at, means, width, color=colour, hatch=hatch, edgecolor="white", label=label)
    ax.errorbar(
        at, means, yerr=[low, errors], fmt="none", ecolor="black", elinewidth=1.2, capsize=3
    )


def _canvas(ax: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    ax.set(xlim=x, ylim=y)
    ax.axis("off")


def _box(
    ax: Axes, x: float, y: float, width: float, height: float, fill: str, edge: str = EDGE
) -> Rectangle:
    box = Rectangle((x, y), width, height, facecolor=fill, edgecolor=edge, linewidth=1)
    ax.add_patch(box)
    return box


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = _DARK
) -> None:
    (x, y), size = end, 0.22 if end[0] > start[0] else -0.22
    line = Polygon([start, end], closed=False, fill=False, edgecolor=colour, label="line")
    ax.add_patch(line)
    head = [(x, y), (x - size, y - 0.12), (x - size, y + 0.12)]
    ax.add_patch(Polygon(head, facecolor=colour, edgecolor=colour))
