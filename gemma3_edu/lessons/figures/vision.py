"""Figures of lesson 11: pictures cut into patches, what patches look at, and losses of pairs.

>>> import torch
>>> from gemma3_edu.model.presets import PRESETS
>>> encoder = VisionEncoder(PRESETS["tiny"].vision)
>>> weights = attention_of_patches(encoder, torch.zeros(3, 36, 36))
>>> weights.shape, bool((weights.sum(-1) - 1).abs().max() < 1e-5)  # layers, heads, P, P
(torch.Size([2, 2, 36, 36]), True)
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
from numpy.typing import ArrayLike
from torch import Tensor

from ...model.vision import VisionBlock, VisionEncoder
from ...study.capture import capture
from .alt import listed, with_alt

SIGNED = "PuOr_r"  # zero is white; told apart by colour-blind eyes too
_EDGE = "#D55E00"


def attention_of_patches(
    encoder: VisionEncoder, picture: Float[Tensor, "3 Y X"]
) -> Float[Tensor, "layers heads P P"]:
    """The weights of every layer and head: row p is what patch p looks at, and sums to 1.

    The encoder's kernel never stores them, so they are made again from what each layer reads.
    """
    with torch.no_grad(), capture(encoder, "layers.*.layer_norm1") as seen:
        encoder(picture[None])
        weights = []
        for layer, (x,) in zip(encoder.layers, seen.values(), strict=True):
            assert isinstance(layer, VisionBlock)
            attention = layer.self_attn
            q, k = (
                project(x[0]).unflatten(-1, (attention.num_heads, -1)).transpose(0, 1)
                for project in (attention.q_proj, attention.k_proj)
            )
            weights.append((q @ k.transpose(1, 2) * q.shape[-1] ** -0.5).softmax(-1))
    return torch.stack(weights)


def as_colours(pixels: Float[Tensor, "3 Y X"]) -> np.ndarray:
    """From the encoder's [-1, 1], channels first, to what imshow draws."""
    return ((pixels + 1) / 2).permute(1, 2, 0).numpy()


def cut_up(
    photo: ArrayLike,
    square: Float[Tensor, "3 Y Y"],
    small: Float[Tensor, "3 S S"],
    patch_size: int,
    patch: int,
) -> Figure:
    """A photograph, squeezed to a square and cut; one patch of it; and a smaller square, cut."""
    fig, axes = plt.subplots(1, 4, figsize=(7, 2.5), layout="constrained")
    pixels = np.asarray(photo)
    axes[0].imshow(pixels, interpolation="auto")
    axes[0].set_title(f"the file\n{pixels.shape[1]} x {pixels.shape[0]}", fontsize=10)
    for ax, part in ((axes[1], square), (axes[3], small)):
        side, across = part.shape[1], part.shape[1] // patch_size
        ax.imshow(as_colours(part), interpolation="auto")
        ax.set_title(f"{side} x {side} pixels\n{across} x {across} patches", fontsize=10)
        lines = [patch_size * i - 0.5 for i in range(1, across)]
        thin = {"color": "white", "linewidth": 6 / across, "alpha": 0.6}
        ax.vlines(lines, -0.5, side - 0.5, label="columns of patches", **thin)
        ax.hlines(lines, -0.5, side - 0.5, label="rows of patches", **thin)
    row, column = divmod(patch, square.shape[1] // patch_size)
    _outline(axes[1], row, column, patch_size, width=1)
    down, right = (slice(i * patch_size, (i + 1) * patch_size) for i in (row, column))
    axes[2].imshow(as_colours(square[:, down, right]))
    axes[2].set_title(f"patch {patch:,}\n{patch_size} x {patch_size} pixels", fontsize=10)
    _no_ticks(axes)
    side, less = square.shape[1], small.shape[1]
    many, few = side // patch_size, less // patch_size
    return with_alt(
        fig,
        f"A photograph, {pixels.shape[1]} by {pixels.shape[0]}, squeezed to a square of {side}"
        f" pixels and cut into {many} by {many} patches; one patch of {patch_size} by {patch_size}"
        f" pixels; the same at {less} pixels, {few} by {few} patches.",
    )


def where_patches_look(
    picture: Float[Tensor, "3 Y X"],
    weights: Float[Tensor, "layers heads P P"],
    patches: Sequence[int],
) -> Figure:
    """One row a patch: where it lies, and in each layer the mean of its heads' weights.

    The widget's callback: with one patch, one row. Each layer has a scale of its own, over all
    patches, so that a slider does not change it; it follows the root, so that faint weights show.
    """
    layers, height = len(weights), 1.55 * len(patches) + 0.35
    fig, axes = plt.subplots(len(patches), layers + 1, figsize=(7, height), squeeze=False)
    fig.subplots_adjust(
        left=0.01, right=0.99, bottom=0.1 / height, top=1 - 0.3 / height, wspace=0.06, hspace=0.2
    )
    mean = weights.mean(1)  # layers P P
    across = isqrt(mean.shape[-1])
    size = picture.shape[1] // across
    for row, patch in zip(axes, patches, strict=True):
        row[0].imshow(as_colours(picture))
        row[0].set_title(f"patch {patch}", fontsize=10)
        _outline(row[0], *divmod(patch, across), size, width=2)
        for layer, ax in enumerate(row[1:]):
            field = mean[layer, patch].unflatten(0, (across, across))
            ax.imshow(field.numpy(), norm=PowerNorm(0.5, vmin=0, vmax=float(mean[layer].max())))
            ax.set_title(f"layer {layer}", fontsize=10)
            _outline(ax, *divmod(patch, across), 1, width=2)
    _no_ticks(axes.flat)
    largest = mean[:, list(patches)].amax(-1)
    return with_alt(
        fig,
        f"A picture, one row each for patch {listed(patches)}, and where the patch looks in"
        f" {layers} layers; the brightest cell of a field has {largest.min():.0%} to"
        f" {largest.max():.0%} of the attention.",
    )


def patch_fields(
    fields: Mapping[str, Float[Tensor, "P"]],
    label: str,
    *,
    low: float,
    high: float,
    marked: Sequence[int] = (),
) -> Figure:
    """A number for every patch, laid out as the picture, under each title; one scale for all.

    With `low` below 0 the colours are those of signed fields. `marked` names one patch a field.
    """
    fig, axes = plt.subplots(1, len(fields), figsize=(7, 2.4), layout="constrained", squeeze=False)
    colours = SIGNED if low < 0 else "cividis"
    for ax, (title, field) in zip(axes[0], fields.items(), strict=True):
        across = isqrt(len(field))
        grid = field.unflatten(0, (across, across)).numpy()
        drawn = ax.imshow(grid, cmap=colours, vmin=low, vmax=high)
        ax.set_title(title, fontsize=10)
    for ax, patch in zip(axes[0], marked, strict=False):
        _outline(ax, *divmod(patch, across), 1, width=2)
    _no_ticks(axes.flat)
    fig.colorbar(drawn, ax=axes, label=label, shrink=0.9)
    told = [f"{title} {_from_to(field)}" for title, field in fields.items()]
    return with_alt(
        fig,
        f"A value for every patch, laid out as the picture; {label}, from least to most:"
        f" {'; '.join(told)}.",
    )


def gradients(fields: Mapping[str, tuple[Float[Tensor, "R R"], Float[Tensor, "R R"]]]) -> Figure:
    """For each loss its gradient after one similarity moved; dots where it is not as before."""
    fig, axes = plt.subplots(
        1, len(fields), figsize=(7, 3.3), layout="constrained", squeeze=False, sharey=True
    )
    most = max(float(after.abs().max()) for _, after in fields.values())
    for ax, (title, (before, after)) in zip(axes[0], fields.items(), strict=True):
        drawn = ax.imshow(after.numpy(), cmap=SIGNED, vmin=-most, vmax=most)
        rows, columns = torch.nonzero((after - before).abs() > 1e-7, as_tuple=True)
        ax.scatter(columns.numpy(), rows.numpy(), s=26, c="black", label="moved")
        ax.set(title=title, xlabel="caption", ylabel="picture")
        ax.label_outer()
        ax.set_xticks(range(len(after)))
        ax.set_yticks(range(len(after)))
    fig.colorbar(drawn, ax=axes, label="gradient", shrink=0.9)
    told = [
        f"{int(((after - before).abs() > 1e-7).sum())} for {title}"
        for title, (before, after) in fields.items()
    ]
    return with_alt(
        fig,
        f"Gradients for {len(after)} pictures and {len(after)} captions after one logit has moved,"
        f" a panel for each loss; dots mark the places that changed, {listed(told)}.",
    )


def similarities(matrices: Mapping[str, Float[Tensor, "R R"]], captions: Sequence[str]) -> Figure:
    """Cosines of pictures (rows) and captions (columns), one panel a loss."""
    fig, axes = plt.subplots(
        1, len(matrices), figsize=(7, 3.9), layout="constrained", squeeze=False, sharey=True
    )
    for ax, (title, matrix) in zip(axes[0], matrices.items(), strict=True):
        drawn = ax.imshow(matrix.numpy(), cmap=SIGNED, vmin=-1, vmax=1)
        ax.set_title(title, fontsize=11)
        ax.set_xticks(range(len(captions)), captions, rotation=60, ha="right", fontsize=10)
        ax.set_yticks(range(len(captions)), captions)
        ax.set(xlabel="caption", ylabel="picture of a")
        ax.label_outer()
    fig.colorbar(drawn, ax=axes, label="cosine", shrink=0.7)
    told = []
    for title, matrix in matrices.items():
        own = torch.eye(len(matrix), dtype=torch.bool)
        told.append(f"{title} {_from_to(matrix[own])} and {_from_to(matrix[~own])}")
    return with_alt(
        fig,
        f"Cosines of {len(captions)} pictures with {len(captions)} captions, a panel for each loss;"
        f" on the diagonal and off it they are {'; '.join(told)}.",
    )


def _from_to(values: Tensor) -> str:
    """The least and the greatest value."""
    low, high = (round(value.item(), 2) + 0.0 for value in values.aminmax())  # no -0
    return f"{low:.2f} to {high:.2f}"


def _outline(ax: Axes, row: int, column: int, size: int, width: float) -> None:
    corner = column * size - 0.5, row * size - 0.5
    ax.add_patch(
        Rectangle(corner, size, size, fill=False, edgecolor=_EDGE, linewidth=width, label="patch")
    )


def _no_ticks(axes: Iterable[Axes]) -> None:
    for ax in axes:
        ax.set_xticks([])
        ax.set_yticks([])
