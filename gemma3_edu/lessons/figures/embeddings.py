"""The nearest rows of a table, and whether a group's are closer than chance.

>>> import torch
>>> unit = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
>>> nearest(unit, 0, how_many=2)
[(2, 1.0), (1, 0.0)]
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .alt import listed, with_alt

CLOUD = "#9DB4C6"
_LOWEST, _BINS = -0.85, 37  # cosines to the left of that are not drawn
_TICKS = [-0.5, 0.0, 0.5, 1.0]  # the frame is wider than the cosines, so that the names fit in


def nearest(unit: Float[Tensor, "V D"], index: int, how_many: int) -> list[tuple[int, float]]:
    """The rows with the highest cosine to one of them, which itself is left out, best first.

    `unit` holds rows of length 1.
    """
    like = (unit @ unit[index]).tolist()
    order = sorted(range(len(like)), key=lambda i: -like[i])
    return [(i, like[i]) for i in order if i != index][:how_many]


def mean_cosine(unit: Float[Tensor, "V D"]) -> float:
    """The cosine of two different rows, which have length 1, on average over all pairs.

    >>> import torch
    >>> mean_cosine(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))  # 0, 1 and 0
    0.3333333432674408
    """
    n = len(unit)
    total = (unit @ unit.T).sum() - n  # without each row's cosine with itself
    return (total / (n * (n - 1))).item()


def drawn_cosines(
    unit: Float[Tensor, "V D"],
    lengths: Float[Tensor, "V"],
    group: Sequence[int],
    among: Sequence[int],
    draws: int = 1000,
    nearest: int = 20,
) -> list[float]:
    """`mean_cosine` of rows drawn in the place of a group's, once for each of many draws.

    In the place of each row comes one of the `nearest` of `among` by length that are not drawn yet,
    so that what rows of one length have in common counts for the drawn ones too.
    """
    others, chance = [i for i in among if i not in set(group)], Random(0)
    pools = []
    for index in group:
        away = (lengths[others] - lengths[index]).abs()
        pools.append([others[n] for n in away.argsort(stable=True)[: nearest + len(group)]])
    drawn = []
    for _ in range(draws):
        taken: set[int] = set()
        for pool in pools:
            taken.add(chance.choice([i for i in pool if i not in taken][:nearest]))
        drawn.append(mean_cosine(unit[sorted(taken)]))
    return drawn


def neighbourhoods(
    unit: Float[Tensor, "V D"], pieces: Sequence[str], of: Mapping[str, str], how_many: int = 6
) -> Figure:
    """A panel for each piece of `of`, in its colour: the cosines of all other pieces to it.

    The grey bars count them, and the nearest ones are named, the best at the top.
    """
    fig, axes = plt.subplots(2, 2, figsize=(8, 5.6), layout="constrained", sharex=True, sharey=True)
    said = []
    for ax, (piece, colour) in zip(axes.flat, of.items(), strict=True):
        found = nearest(unit, pieces.index(piece), len(pieces) - 1)
        named = [(pieces[i], like) for i, like in found[:how_many]]
        _count(ax, [like for _, like in found])
        for height, (name, like) in enumerate(reversed(named), start=1):
            _name(ax, name, like, height, colour)
        ax.set_title(f"next to {piece}", color=colour, weight="bold")
        said.append(
            f"next to {piece} are {listed(name for name, _ in named)}, with cosines from"
            f" {named[0][1]:.2f} to {named[-1][1]:.2f}"
        )
    for ax in axes[1]:
        ax.set_xlabel("cosine")
    axes[0, 0].set(xlim=(_LOWEST, 1.2), xticks=_TICKS, ylim=(0, how_many + 0.7), yticks=[])
    return with_alt(fig, f"The cosines of {len(pieces):,} pieces: {'; '.join(said)}.")


def _count(ax: Axes, likes: Sequence[float]) -> None:
    """Bars that count cosines, the highest one as high as the names."""
    edges = [_LOWEST + (1 - _LOWEST) * n / _BINS for n in range(_BINS + 1)]
    counts = [sum(low <= like < high for like in likes) for low, high in pairwise(edges)]
    heights = [6 * count / max(counts) for count in counts]
    ax.bar(edges[:-1], heights, edges[1] - edges[0], align="edge", color=CLOUD, label="all others")


def _name(ax: Axes, piece: str, like: float, height: float, colour: str) -> None:
    x = round(like, 3)
    ax.plot([x], [height], color=colour, ls="none", marker="o", markersize=5, label=piece)
    text = ax.text(x + 0.035, height, piece, family="monospace", fontsize=10)
    text.set(ha="left", va="center", parse_math=False)
