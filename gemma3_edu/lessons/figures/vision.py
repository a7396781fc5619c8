"""Figures of lesson 11: pictures cut up, what patches know and look at.

>>> import torch
>>> from gemma3_edu.model.presets import PRESETS
>>> encoder = VisionEncoder(PRESETS["tiny"].vision)
>>> weights = attention_of_patches(encoder, torch.zeros(5, 3, 36, 36))
>>> weights.shape, bool((weights.sum(-1) - 1).abs().max() < 1e-5)  # pictures, layers, heads, P, P
(torch.Size([5, 2, 2, 36, 36]), True)
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isqrt

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ...model.vision import VisionBlock, VisionEncoder
from ...study.capture import capture
from .alt import listed, with_alt

_EDGE = "#D55E00"


def attention_of_patches(
    encoder: VisionEncoder, pictures: Float[Tensor, "I 3 Y X"]
) -> Float[Tensor, "I layers heads P P"]:
    """The weights of every layer and head: row p is what patch p looks at, and sums to 1.

    The encoder's kernel never stores them, so they are made again from what each layer reads.
    """
    with torch.no_grad(), capture(encoder, "layers.*.layer_norm1") as seen:
        encoder(pictures)
        weights = []
        for layer, (x,) in zip(encoder.layers, seen.values(), strict=True):
            assert isinstance(layer, VisionBlock)
            attention = layer.self_attn
            q, k = (
                project(x).unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
                for project in (attention.q_proj, attention.k_proj)
            )
            weights.append((q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).softmax(-1))
    return torch.stack(weights, dim=1)


def as_colours(pixels: Float[Tensor, "3 Y X"]) -> np.ndarray:
    """From the encoder's [-1, 1], channels first, to what imshow draws."""
    return ((pixels + 1) / 2).permute(1, 2, 0).numpy()


def jigsaw(pictures: Mapping[str, Float[Tensor, "3 Y Y"]], size: int) -> Figure:
    """Square pictures side by side, with the cuts between their patches."""
    fig, axes = plt.subplots(1, len(pictures), figsize=(6, 3.2), layout="constrained")
    for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
        side = picture.shape[1]
        ax.imshow(as_colours(picture))
        cuts = [size * n - 0.5 for n in range(1, side // size)]
        thin = {"color": "white", "linewidth": 0.8}
        ax.vlines(cuts, -0.5, side - 0.5, label="cuts down", **thin)
        ax.hlines(cuts, -0.5, side - 0.5, label="cuts across", **thin)
        ax.set_title(title, fontsize=11)
    _no_ticks(axes)
    count = (side // size) ** 2
    return with_alt(fig, f"{listed(pictures)}: {len(pictures)} squares of the same {count} pieces.")


def known_by_step(
    steps: Sequence[str],
    known: Mapping[str, Mapping[str, Sequence[int]]],
    guess: Mapping[str, int],
) -> Figure:
    """What is read right after each step of some encoders, in whole percent; a question a panel.

    `known` has the curves of each panel, one an encoder, and `guess` what a guess would reach.
    """
    size = (max(5.6, 2.8 * len(known) + 0.4), 3.4)
    fig, axes = plt.subplots(
        1, len(known), figsize=size, layout="constrained", sharey=True, squeeze=False
    )
    marks, told = [("o", 7), ("s", 6), ("^", 6), ("D", 5)], []
    for ax, (title, curves) in zip(axes[0], known.items(), strict=True):
        for (name, curve), (mark, points) in zip(curves.items(), marks, strict=False):
            ax.plot(range(len(steps)), curve, marker=mark, ms=points, label=name)
        ax.axhline(guess[title], color="0.6", ls="-", lw=1, label="a guess")
        ax.set_xticks(range(len(steps)), steps, rotation=40, ha="right")
        ax.set(title=title, ylim=(0, 104))
        last = ", ".join(f"{name} {curve[-1]}" for name, curve in curves.items())
        told.append(f"{title}: {last}")
    axes[0, 0].set_ylabel("patches read right, %")
    lines, names = axes[0, 0].get_legend_handles_labels()
    fig.legend(lines, names, loc="outside upper center", ncols=len(names), frameon=False)
    return with_alt(
        fig,
        f"Curves of what is read from the patches after {len(steps)} steps, from the pixels to the"
        f" last layer, in percent; at the end {'; '.join(told)}.",
    )


def where_it_looks(
    pictures: Sequence[Float[Tensor, "3 Y X"]],
    maps: Sequence[Float[Tensor, "P"]],
    patches: Sequence[int],
) -> Figure:
    """Above, pictures with one patch outlined; below, how much it looks at each patch."""
    fig, axes = plt.subplots(
        2, len(pictures), figsize=(1.75 * len(pictures), 3.7), layout="constrained"
    )
    across = isqrt(len(maps[0]))
    for (upper, lower), picture, field, patch in zip(axes.T, pictures, maps, patches, strict=True):
        row, column = divmod(patch, across)
        upper.imshow(as_colours(picture))
        _outline(upper, row, column, picture.shape[1] // across, width=2.5)
        shares = field.mul(100).round().unflatten(0, (across, across)).numpy()
        lower.imshow(shares, norm=PowerNorm(0.5, vmin=0, vmax=50))
        _outline(lower, row, column, 1, width=2.5)
    axes[0, 0].set_ylabel("the picture")
    axes[1, 0].set_ylabel("looked at")
    _no_ticks(axes.flat)
    most = [f"{field.max().item():.0%}" for field in maps]
    return with_alt(
        fig,
        f"{len(pictures)} pictures with a patch outlined, and below each how its attention is"
        f" spread over the patches; the brightest have {listed(most)} of it.",
    )


def _outline(ax: Axes, row: int, column: int, size: int, width: float) -> None:
    corner = column * size - 0.5, row * size - 0.5
    ax.add_patch(
        Rectangle(corner, size, size, fill=False, edgecolor=_EDGE, linewidth=width, label="patch")
    )


def _no_ticks(axes: Iterable[Axes]) -> None:
    for ax in axes:
        ax.set_xticks([])
        ax.set_yticks([])
