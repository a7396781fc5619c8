"""Figures of the embedding: which rows of a table are alike, and where the root of D is rounded.

>>> neighbours(640)
(25.25, 25.375)
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from math import sqrt

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from .alt import listed, with_alt


def likeness(rows: Float[Tensor, "V D"]) -> Float[Tensor, "V V"]:
    """The cosine of each row with each other: 1 where they point the same way.

    >>> likeness(torch.tensor([[2.0, 0.0], [3.0, 3.0], [0.0, -1.0]]))[0]
    tensor([1.0000, 0.7071, 0.0000])
    """
    unit = F.normalize(rows.detach().float(), dim=-1)
    return unit @ unit.T


def inside_and_across(like: Float[Tensor, "V V"], group: Sequence[int]) -> tuple[float, float]:
    """The mean likeness within a group of rows (not with itself), and with all others."""
    inside = torch.zeros(len(like), dtype=torch.bool)
    inside[list(group)] = True
    block = like[inside][:, inside]
    count = len(block)
    within = (block.sum() - block.diagonal().sum()) / (count * (count - 1))
    return float(within), float(like[inside][:, ~inside].mean())


def row_likeness(groups: Mapping[str, Sequence[str]], rows: Float[Tensor, "V D"]) -> Figure:
    """How alike the rows of some words are, as colours; `rows` has one for each word, in order."""
    like = likeness(rows).round(decimals=3)
    words = list(chain.from_iterable(groups.values()))
    fig, ax = plt.subplots(figsize=(5.6, 4.6), layout="constrained")
    image = ax.imshow(like.numpy(), vmin=0, vmax=1)
    ax.set_xticks(range(len(words)), words, rotation=90)
    ax.set_yticks(range(len(words)), words)
    said, start = [], 0
    for name, members in groups.items():
        end = start + len(members)
        for at in (start, end):
            for x, y in [((at, at), (start, end)), ((start, end), (at, at))]:
                ax.plot(np.subtract(x, 0.5), np.subtract(y, 0.5), "w-", lw=2, label=name)
        within, across = inside_and_across(like, range(start, end))
        said.append(f"{name} {within:.2f} with each other and {across:.2f} with the rest")
        start = end
    fig.colorbar(image, ax=ax, label="cosine of the two rows")
    return with_alt(fig, f"Cosines of {len(words)} rows, on average: {listed(said)}.")


def neighbours(width: int) -> tuple[float, float]:
    """The numbers of bfloat16 around the root of a width; twice the root itself if it is one."""
    root = sqrt(width)
    near = torch.tensor(root).bfloat16()
    step = 2.0 ** (int(torch.tensor(root).log2().floor()) - 7)  # 8 significant binary digits
    low = float(near) if float(near) <= root else float(near) - step
    return (low, low) if low == root else (low, low + step)


def roots_on_grid(widths: Mapping[str, int]) -> Figure:
    """Where the root of each width is, between the two nearest numbers of bfloat16."""
    fig, ax = plt.subplots(figsize=(7, 0.55 * len(widths) + 0.5), layout="constrained")
    said = []
    for row, (name, width) in enumerate(widths.items()):
        low, high = neighbours(width)
        place = (sqrt(width) - low) / (high - low) if high > low else 0.0
        ax.plot([0, 1], [row, row], color="0.6", ls="-", marker="|", markersize=16, label="grid")
        ax.scatter([round(place, 3)], [row], color="C1", marker="D", s=42, zorder=3, label=name)
        for x, value, side in [(-0.03, low, "right"), (1.03, high, "left")]:
            ax.text(x, row, f"{value:g}", ha=side, va="center")
        ax.text(place, row - 0.3, f"{sqrt(width):.3f}", ha="center", va="center", color="C1")
        ax.text(-0.24, row, f"{name}, D = {width}", ha="right", va="center", weight="bold")
        said.append(f"{sqrt(width):.3f} between {low:g} and {high:g}")
    ax.set(xlim=(-0.62, 1.2), ylim=(len(widths) - 0.5, -0.6))
    ax.axis("off")
    return with_alt(fig, f"Roots between their neighbours in bfloat16: {listed(said)}.")
