"""Figures of lesson 04: hands that turn with the position, and how fast each pair of a head turns.

A pair's wavelength is the number of tokens in which it goes
round once.

>>> [round(tokens) for tokens in wavelengths(8, RopeConfig(theta=10_000.0)).tolist()]
[6, 63, 628, 6283]
"""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Wedge
from torch import Tensor

from ...model.config import RopeConfig
from .alt import listed, with_alt

SMALL = RopeConfig(100.0)  # for a head of 8 numbers
# Local, global, global of the large sizes: colour and line style together.
_LOOKS = [("C1", "--"), ("C0", "-"), ("C3", "-.")]
_QUERIES = [("C1", "--", "s"), ("C0", "-", "o")]  # colour, line and mark
_APART = (1.75, 1.85)  # of the dials, across and down, in radii of 0.5


def wavelengths(head_dim: int, rope: RopeConfig) -> Float[Tensor, "H2"]:
    """Tokens in which each pair goes round once, with H2 = H/2."""
    exponent = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
    return 2 * math.pi * rope.factor * rope.theta**exponent


def two_hands(
    query: tuple[int, int], key: tuple[int, int], places: Sequence[tuple[int, int]]
) -> Figure:
    """A query and a key as hands, a panel for each pair of positions; a position is a quarter."""
    fig, axes = plt.subplots(1, len(places), figsize=(2.3 * len(places), 2.8), layout="constrained")
    reach = 1.12 * max(math.hypot(*query), math.hypot(*key))
    told = []
    for ax, positions in zip(axes, places, strict=True):
        ax.add_patch(Circle((0, 0), reach, facecolor="0.96", edgecolor="0.6", label="dial"))
        for quarter in range(4):
            x, y = reach * math.cos(quarter * math.pi / 2), reach * math.sin(quarter * math.pi / 2)
            ax.plot([0.93 * x, x], [0.93 * y, y], color="0.5", lw=1, ls="-", label="mark")
        looks = [("query", "C0", "-", "o"), ("key", "C1", "--", "s")]
        ends = [_quarters(query, positions[0]), _quarters(key, positions[1])]
        for (name, colour, style, mark), (x, y) in zip(looks, ends, strict=True):
            ax.plot([0, x], [0, y], color=colour, ls=style, lw=3, label=name)
            ax.plot([x], [y], color=colour, marker=mark, ms=9, ls="none", label=f"{name}, end")
        ax.plot([0], [0], "k.", ms=8, label="middle")
        ax.set(xlim=(-1.1 * reach, 1.1 * reach), ylim=(-1.1 * reach, 1.1 * reach), aspect="equal")
        ax.set_title(f"query at {positions[0]}, key at {positions[1]}", fontsize=10)
        ax.axis("off")
        told.append(
            f"query at {positions[0]} points to {ends[0]}, key at {positions[1]} to {ends[1]}"
        )
    handles = [line for line in axes[0].lines if line.get_label() in ("query", "key")]
    fig.legend(handles=handles, loc="outside lower center", ncols=2, handlelength=3)
    return with_alt(fig, f"{len(places)} dials with two hands: {'; '.join(told)}.")


def _quarters(pair: tuple[int, int], position: int) -> tuple[int, int]:
    a, b = pair
    for _ in range(position):
        a, b = -b, a
    return a, b


def score_table(scores: Sequence[Sequence[int]]) -> Figure:
    """The score of a query at each position, down, and a key at each position, across."""
    fig, ax = plt.subplots(figsize=(3.9, 3.5), layout="constrained")
    table = torch.tensor(scores)
    ax.imshow(table.numpy())
    middle = (table.min() + table.max()).item() / 2
    for row, values in enumerate(table.tolist()):
        for column, value in enumerate(values):
            ink = "black" if value > middle else "white"
            ax.text(column, row, str(value), ha="center", va="center", color=ink, fontsize=12)
    places = range(len(table))
    ax.set(xticks=places, yticks=places, xlabel="key's position", ylabel="query's position")
    rows = listed(", ".join(map(str, values)) for values in table.tolist()[:2])
    return with_alt(
        fig,
        f"A table of {len(table)} by {len(table)} scores, with one number on each diagonal; its"
        f" first two rows are {rows}.",
    )


def hands_by_position(
    positions: Sequence[int], head_dim: int = 8, rope: RopeConfig = SMALL
) -> Figure:
    """All pairs of a small head as dials, in a row for each position."""
    pairs = range(head_dim // 2)
    fig, ax = plt.subplots(figsize=(6.2, 0.5 + 1.05 * len(positions)), layout="constrained")
    turns = torch.tensor(positions)[:, None] / wavelengths(head_dim, rope)
    names = [f"position {position}" for position in positions]
    _dials(ax, [f"pair {pair}" for pair in pairs], names, turns, ["C0"] * len(positions))
    last = listed(f"{turn:.2f}" for turn in turns[-1].tolist())
    return with_alt(
        fig,
        f"Dials of {len(pairs)} pairs at positions {listed(positions)}, each turning slower than"
        f" the one before it; at {positions[-1]} they have gone round {last} times.",
    )


def scores_by_distance(curves: Mapping[tuple[str, int], Float[Tensor, "D"]]) -> Figure:
    """The scores of queries with one key, named by the query's word and the key's position.

    The first position is a line over the distance; at the others there are only marks.
    """
    fig, ax = plt.subplots(figsize=(6.6, 3.4), layout="constrained")
    words, drawn, said = [*dict.fromkeys(word for word, _ in curves)], set(), []
    for (word, position), scores in curves.items():
        colour, style, mark = _QUERIES[words.index(word)]
        name = f"“{word}”, key at {position}"
        (line,) = ax.plot(scores.tolist(), color=colour, ls=style, label=name)
        if word in drawn:
            line.set(linestyle="none", marker=mark, markerfacecolor="white", markersize=5)
        drawn.add(word)
        said.append(f"{scores.max():.1f} for {name}, at distance {int(scores.argmax())}")
    ax.axhline(0, color="0.7", lw=1, ls="-", zorder=0, label="zero")
    ax.set(xlabel="distance: how many words the query is after the key", ylabel="score")
    ax.legend(handles=ax.lines[:-1], ncols=2, handlelength=3)
    return with_alt(
        fig, f"Scores over the distance, rising and falling; at most {'; '.join(said)}."
    )


def weights_by_order(
    words: Sequence[Sequence[str]],
    without: Sequence[Float[Tensor, "T"]],
    turned: Sequence[Float[Tensor, "T"]],
    marked: str,
) -> Figure:
    """What the last token of each text looks at, without positions and with them, as bars.

    The bars of the word `marked`, which occurs twice, are hatched and have their numbers.
    """
    size = 8, 0.4 + 1.9 * len(words)
    fig, axes = plt.subplots(
        len(words), 2, figsize=size, layout="constrained", sharey=True, squeeze=False
    )
    said = []
    for row, tokens in enumerate(words):
        for column, weights in enumerate((without[row], turned[row])):
            ax, name = axes[row][column], ("without positions", "with positions")[column]
            same = [token == marked for token in tokens]
            bars = ax.bar(
                range(len(tokens)),
                weights.tolist(),
                color=["C1" if found else "C0" for found in same],
                hatch=["//" if found else "" for found in same],
                edgecolor="white",
                label=name,
            )
            shares = zip(weights.tolist(), same, strict=True)
            ax.bar_label(bars, [f"{w:.2f}" if found else "" for w, found in shares], fontsize=9)
            ax.set_xticks(range(len(tokens)), tokens)
            if row == 0:
                ax.set_title(name, fontsize=10)
            if column == 0:
                ax.set_ylabel("weight")
            both = listed(
                f"{weight:.3f}"
                for weight, found in zip(weights.tolist(), same, strict=True)
                if found
            )
            said.append(f"“{' '.join(tokens)}” {name} {both}")
    return with_alt(
        fig, f"The weights of the last token on the word “{marked}”: {'; '.join(said)}."
    )


def wavelength_curves(
    settings: Mapping[str, RopeConfig],
    head_dim: int = 256,
    lengths: Sequence[int] = (1024, 32_768, 131_072),
) -> Figure:
    """The wavelength of every pair, against three lengths of text."""
    fig, ax = plt.subplots(figsize=(6.6, 3.8), layout="constrained")
    pairs = range(head_dim // 2)
    for (name, rope), (colour, style) in zip(settings.items(), _LOOKS, strict=False):
        ax.plot(pairs, wavelengths(head_dim, rope), color=colour, linestyle=style, label=name)
    for length in lengths:
        ax.axhline(length, color="0.35", linestyle=":", linewidth=1.2, label=f"{length:,} tokens")
        ax.text(0.5, length * 1.15, f"{length:,} tokens")
    ax.set(yscale="log", xlabel="pair i", ylabel="tokens to go round once")
    ax.set_xticks([*range(0, head_dim // 2, 16), head_dim // 2 - 1])
    ax.legend(handles=ax.lines[: len(settings)], loc="lower right")
    told = []
    for name, rope in settings.items():
        found = wavelengths(head_dim, rope)
        above = int((found > lengths[-1]).sum())
        told.append(f"{name} ends at {found[-1]:,.0f} tokens, {above} pairs above {lengths[-1]:,}")
    return with_alt(
        fig,
        f"Wavelength of {head_dim // 2} pairs on a log scale, straight lines: {'; '.join(told)}.",
    )


def _dials(
    ax: Axes,
    columns: Sequence[str],
    rows: Sequence[str],
    turns: Float[Tensor, "R C"],
    colours: Sequence[str],
) -> None:
    """Rows of dials. A hand starts at the right and turns against the clock.

    What it has swept is tinted, and a dial is grey once its hand has gone round.
    """
    across, down = _APART
    turn = torch.linspace(0, 2 * math.pi, 41, dtype=torch.float64)
    circle = 0.5 * torch.stack([turn.cos(), turn.sin()], dim=1)
    steps = torch.arange(41, dtype=torch.float64)
    at = torch.arange(len(columns), dtype=torch.float64) * across
    for column, name in enumerate(columns):
        ax.text(float(at[column]), 0.72, name, ha="center", va="bottom", fontsize=10)
    for row, (name, counts) in enumerate(zip(rows, turns.double(), strict=True)):
        centre = torch.stack([at, torch.full_like(at, -down * row)], dim=1)  # columns 2
        angle = 2 * math.pi * counts
        tip = centre + 0.5 * torch.stack([angle.cos(), angle.sin()], dim=1)
        rings = centre[:, None] + circle
        first = counts < 1
        sweeps = [
            torch.cat([middle[None], middle + 0.5 * torch.stack([arc.cos(), arc.sin()], dim=1)])
            for middle, arc in zip(centre[first], (angle[first, None] / 40) * steps, strict=True)
        ]
        for label, areas, colour, alpha in [
            ("gone round", [*rings[~first]], "0.5", 0.18),
            ("first round", sweeps, colours[row], 0.3),
        ]:
            shapes = [area.numpy() for area in areas]
            tint = PolyCollection(shapes, facecolors=colour, alpha=alpha, lw=0, label=label)
            if shapes:
                ax.add_collection(tint)
        hands = torch.stack([centre, tip], dim=1)
        faces = LineCollection([*rings.numpy()], colors="0.6", linewidths=1, label="dial")
        ax.add_collection(faces)
        pointers = LineCollection([*hands.numpy()], colors=colours[row], linewidths=2.2, label=name)
        ax.add_collection(pointers)
        for place, count in zip(centre.tolist(), counts.tolist(), strict=True):
            told = f"{count:,.0f}" if count >= 100 else f"{count:.2f}"
            ax.text(place[0], place[1] - 0.62, f"{told} rounds", ha="center", va="top", fontsize=9)
        ax.text(-0.75, -down * row, name, ha="right", va="center", fontsize=10)
    limits = (-down * len(rows) + 0.75, 1.75)
    ax.set(xlim=(-3.1, float(at[-1]) + 0.8), ylim=limits, aspect="equal")
    ax.axis("off")


def angles_seen(
    pair: int,
    rope: RopeConfig,
    trained: int,
    asked: int,
    factor: float,
    head_dim: int = 256,
) -> Figure:
    """How far one pair turns in the texts of training, in a longer text, and there by a factor."""
    fig, axes = plt.subplots(1, 3, figsize=(8, 2.9), layout="constrained")
    degrees = 360 / wavelengths(head_dim, rope)[pair].item()
    known = trained * degrees
    panels = [
        (f"{trained:,} tokens, as trained", known),
        (f"{asked:,} tokens", asked * degrees),
        (f"{asked:,} tokens, factor {factor:g}", asked / factor * degrees),
    ]
    for ax, (title, reached) in zip(axes, panels, strict=True):
        ax.add_patch(Circle((0, 0), 1, facecolor="0.96", edgecolor="0.6", label="dial"))
        ax.add_patch(Wedge((0, 0), 1, 0, known, facecolor="C0", alpha=0.35, label="trained"))
        if reached > known:
            new = Wedge((0, 0), 1, known, reached, facecolor="C1", alpha=0.35, hatch="//")
            new.set_label("never seen")
            ax.add_patch(new)
        x, y = math.cos(math.radians(reached)), math.sin(math.radians(reached))
        colour, style = ("C1", "--") if reached > known else ("C0", "-")
        ax.plot([0, x], [0, y], color=colour, ls=style, lw=3, label="hand at the end")
        ax.text(1.12 * x, 1.12 * y, f"{reached:.0f}°", ha="left" if x > 0 else "right", va="center")
        ax.set(xlim=(-1.5, 1.6), ylim=(-1.25, 1.25), aspect="equal")
        ax.set_title(title, fontsize=10)
        ax.axis("off")
    fig.legend(handles=axes[1].patches[1:], loc="outside lower center", ncols=2)
    return with_alt(
        fig,
        f"The angles of pair {pair}: up to {panels[0][1]:.0f} degrees in {panels[0][0]}; up to"
        f" {panels[1][1]:.0f} in {panels[1][0]}; up to {panels[2][1]:.0f} in {panels[2][0]}.",
    )
