"""The nearest rows of a table: each piece a dot, the nearer to the middle the more alike its row.

>>> import torch
>>> unit = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
>>> nearest(unit, 0, how_many=2)
[(2, 1.0), (1, 0.0)]
"""

from collections.abc import Mapping, Sequence
from math import cos, pi, sin

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .alt import listed, with_alt
from .tokens import KINDS

CLOUD, RING = "#9DB4C6", "#6F6F6F"
_GOLDEN = pi * (3 - 5**0.5)  # the angle that spreads dots evenly, as in a sunflower
_TURN = 0.5  # where the first named neighbour is
_ASIDE = _TURN - pi / 2  # where the rings are named, between two of six neighbours


def nearest(unit: Float[Tensor, "V D"], index: int, how_many: int) -> list[tuple[int, float]]:
    """The rows with the highest cosine to one of them, which itself is left out, best first.

    `unit` holds rows of length 1.
    """
    like = (unit @ unit[index]).tolist()
    order = sorted(range(len(like)), key=lambda i: -like[i])
    return [(i, like[i]) for i in order if i != index][:how_many]


def neighbourhoods(
    unit: Float[Tensor, "V D"], pieces: Sequence[str], of: Mapping[str, str], how_many: int = 6
) -> Figure:
    """A panel for each piece of `of`, in its colour: the piece in the middle, all others around it.

    A row's distance from the middle is 1 - cosine. The nearest ones are named.
    """
    fig, axes = plt.subplots(2, 2, figsize=(8, 8.2), layout="constrained")
    said = []
    for ax, (piece, colour) in zip(axes.flat, of.items(), strict=True):
        index = pieces.index(piece)
        found = nearest(unit, index, len(pieces) - 1)
        named, others = found[:how_many], found[how_many:]
        _cloud(ax, [like for _, like in others])
        for number, (i, like) in enumerate(named):
            _name(ax, pieces[i], like, _TURN + 2 * pi * number / how_many, colour)
        ax.text(0, 0, piece, family="monospace", fontsize=12, weight="bold").set(
            ha="center", va="center", zorder=6, color="white", bbox=_chip(colour, colour)
        )
        told = listed(pieces[i] for i, _ in named)
        said.append(
            f"around {piece} are {told}, with cosines from {named[0][1]:.2f} to {named[-1][1]:.2f}"
        )
    return with_alt(fig, f"Each of {len(pieces):,} pieces as a dot: {'; '.join(said)}.")


def _cloud(ax: Axes, likes: Sequence[float]) -> None:
    far = np.round(1 - np.array(likes), 3)
    angles = _GOLDEN * np.arange(len(far))
    x, y = np.round(far * np.cos(angles), 3), np.round(far * np.sin(angles), 3)
    ax.scatter(x, y, s=5, color=CLOUD, alpha=0.8, linewidths=0, zorder=1, label="other pieces")
    turn = np.linspace(0, 2 * pi, 121)
    for like, style, name in [(0.5, "--", "0.5"), (0.0, ":", "cosine 0")]:
        away = 1 - like
        ax.plot(away * np.cos(turn), away * np.sin(turn), color=RING, ls=style, lw=1, label="ring")
        text = ax.text(away * cos(_ASIDE), away * sin(_ASIDE), name, color=RING, fontsize=8)
        text.set(ha="center", va="center", bbox={"fc": "white", "ec": "none", "pad": 1}, zorder=3)
    ax.set(xlim=(-1.25, 1.25), ylim=(-1.25, 1.25), aspect="equal")
    ax.axis("off")


def _name(ax: Axes, piece: str, like: float, angle: float, colour: str) -> None:
    x, y = (1 - like) * cos(angle), (1 - like) * sin(angle)
    ax.plot([0, round(x, 3)], [0, round(y, 3)], color=colour, ls="-", lw=1.2, zorder=4, label=piece)
    text = ax.text(x, y, piece, family="monospace", fontsize=10)
    text.set(ha="center", va="center", zorder=5, bbox=_chip(KINDS["learned piece"][0], colour))


def _chip(fill: str, edge: str) -> dict[str, object]:
    return {"boxstyle": "round,pad=0.25", "facecolor": fill, "edgecolor": edge, "linewidth": 1.2}
