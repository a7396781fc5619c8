"""Figures of lesson 04: how fast each pair turns, what that does to scores, and dials to see it.

A setting is a RopeConfig with a name. A pair's wavelength is the number of tokens in which it goes
round once, and the likeness at a distance is the mean of its pairs' cosines there: the score of a
key equal to the query, all of whose pairs are of the same size, over the score at distance 0.

>>> local = RopeConfig(theta=10_000.0)
>>> [round(tokens) for tokens in wavelengths(8, local).tolist()]
[6, 63, 628, 6283]
>>> likeness(torch.tensor([0, 1000]), 256, local).round(decimals=2).tolist()
[1.0, 0.19]
"""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from ...model.config import RopeConfig
from .alt import listed, with_alt

SETTINGS = {
    "base 10k": RopeConfig(10_000.0),
    "base 1M": RopeConfig(1_000_000.0),
    "1M, factor 8": RopeConfig(1_000_000.0, 8.0),
}
# Local, global, global of the large sizes: colour and line style together.
_LOOKS = [("C1", "--"), ("C0", "-"), ("C3", "-.")]
_PAIRS = (0, 16, 32, 48, 64, 80, 96, 112, 127)
_APART = (1.35, 1.85)  # of the dials, across and down, in radii of 0.5


def wavelengths(head_dim: int, rope: RopeConfig) -> Float[Tensor, "H2"]:
    """Tokens in which each pair goes round once, with H2 = H/2."""
    exponent = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
    return 2 * math.pi * rope.factor * rope.theta**exponent


def likeness(distance: Int[Tensor, "T"], head_dim: int, rope: RopeConfig) -> Float[Tensor, "T"]:
    """The mean over all pairs of the cosine of the angle they turn in so many tokens."""
    total = torch.zeros(distance.shape, dtype=torch.float64)
    for tokens in wavelengths(head_dim, rope):  # one at a time: distances may be many
        total += (2 * math.pi / tokens * distance.double()).cos()
    return total / (head_dim // 2)


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


def likeness_curves(
    settings: Mapping[str, RopeConfig], head_dim: int = 256, longest: int = 131_072
) -> Figure:
    """The likeness against the distance, for whole distances evenly spread on a log scale."""
    fig, ax = plt.subplots(figsize=(6.6, 3.6), layout="constrained")
    distance = torch.logspace(0, math.log10(longest), 400, dtype=torch.float64).round().unique()
    for (name, rope), (colour, style) in zip(settings.items(), _LOOKS, strict=False):
        ax.plot(
            distance.long(),
            likeness(distance.long(), head_dim, rope),
            color=colour,
            linestyle=style,
            linewidth=1.5,
            label=name,
        )
    ax.axhline(0, color="0.35", linestyle=":", linewidth=1, label="0")
    ax.set(xscale="log", xlabel="distance of query and key", ylabel="likeness")
    ax.legend(handles=ax.lines[: len(settings)], loc="upper right")
    places = torch.tensor([longest // 32, longest])
    told = []
    for name, rope in settings.items():
        near, far = (round(value, 2) + 0.0 for value in likeness(places, head_dim, rope).tolist())
        told.append(f"{near:.2f} and {far:.2f} for {name}")
    return with_alt(
        fig,
        f"Likeness against distance on a log scale, falling from 1; at {longest // 32:,} and"
        f" {longest:,} tokens it is {'; '.join(told)}.",
    )


def dials(
    *distances: int,
    settings: Mapping[str, RopeConfig] = SETTINGS,
    head_dim: int = 256,
    pairs: Sequence[int] = _PAIRS,
) -> Figure:
    """For each distance, how far nine of the pairs have turned; below each dial its full turns.

    A hand starts at the right and turns against the clock. Right of a row stands its likeness.
    """
    rows = len(settings)
    fig, axes = plt.subplots(
        len(distances), 1, squeeze=False, figsize=(7, len(distances) * (0.35 + 0.76 * rows))
    )
    # By hand: the automatic layout draws everything twice, too slow under a slider.
    height = fig.get_figheight()
    fig.subplots_adjust(left=0, right=1, top=1 - 0.05 / height, bottom=0.02 / height, hspace=0.02)
    for ax, distance in zip(axes[:, 0], distances, strict=True):
        _block(ax, distance, settings, head_dim, pairs)
    most = max(distances)
    turns = {name: most / wavelengths(head_dim, rope)[-1] for name, rope in settings.items()}
    told = listed(f"{count:.3g} times with {name}" for name, count in turns.items())
    return with_alt(
        fig,
        f"Dials of {len(pairs)} pairs for {rows} settings at distances"
        f" {listed(f'{distance:,}' for distance in distances)}: at {most:,} the slowest pair has"
        f" gone round {told}.",
    )


def _block(
    ax: Axes,
    distance: int,
    settings: Mapping[str, RopeConfig],
    head_dim: int,
    pairs: Sequence[int],
) -> None:
    across, down = _APART
    turn = torch.linspace(0, 2 * math.pi, 41, dtype=torch.float64)
    circle = 0.5 * torch.stack([turn.cos(), turn.sin()], dim=1)
    at = torch.arange(len(pairs), dtype=torch.float64) * across
    for column, pair in enumerate(pairs):
        ax.text(float(at[column]), 0.72, str(pair), ha="center", va="bottom", fontsize=10)
    ax.text(-0.75, 0.72, "pair", ha="right", va="bottom", fontsize=10)
    for row, (name, rope) in enumerate(settings.items()):
        colour = _LOOKS[row][0]
        turns = distance / wavelengths(head_dim, rope)[list(pairs)]
        centre = torch.stack([at, torch.full_like(at, -down * row)], dim=1)  # pairs 2
        angle = 2 * math.pi * turns
        tip = centre + 0.5 * torch.stack([angle.cos(), angle.sin()], dim=1)
        rings = centre[:, None] + circle
        hands = torch.stack([centre, tip], dim=1)
        faces = LineCollection([*rings.numpy()], colors="0.6", linewidths=1, label="dial")
        ax.add_collection(faces)
        pointers = LineCollection([*hands.numpy()], colors=colour, linewidths=2.2, label=name)
        ax.add_collection(pointers)
        for place, count in zip(centre.tolist(), turns.tolist(), strict=True):
            told = f"{count:,.0f}" if count >= 100 else f"{count:.2f}"
            ax.text(place[0], place[1] - 0.62, told, ha="center", va="top", fontsize=10)
        ax.text(-0.75, -down * row, name, ha="right", va="center", fontsize=10)
        alike = round(float(likeness(torch.tensor([distance]), head_dim, rope)), 2) + 0.0  # no -0
        ax.text(float(at[-1]) + 0.75, -down * row, f"{alike:.2f}", va="center", fontsize=10)
    rows = len(settings)
    ax.set(xlim=(-3.1, float(at[-1]) + 1.8), ylim=(-down * rows + 0.75, 1.75), aspect="equal")
    heading = f"distance {distance:,}; below a dial its turns, at the end of a row its likeness"
    ax.set_title(heading, x=0.5, y=0.9, fontsize=10)
    ax.axis("off")
