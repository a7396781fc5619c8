"""Figures of lesson 12: the mask of texts with images.

A prompt is drawn as letters: "t" is a token of text, and "[####]" an image: start of image, soft
tokens, end of image.

>>> print(spelled("tI"), layout_of(spelled("tI")).image_id[0].tolist())
t[####] [0, 0, 1, 1, 1, 1, 0]
"""

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from torch.nn import functional as F

from ...model.layout import TokenLayout
from ...model.masks import attention_mask
from .alt import with_alt

SOFT_TOKENS = 4  # of an image in these drawings: 2 x 2 squares
_GREYS = ListedColormap(["#e4e4e4", "#3c3c3c"])
_FILLS = [("#009E73", ""), ("#56B4E9", "///"), ("#F0E442", "...")]  # first, second, third image


def spelled(order: str) -> str:
    """The letters of a prompt: "I" becomes an image.

    >>> spelled("tIt")
    't[####]t'
    """
    return order.replace("I", f"[{'#' * SOFT_TOKENS}]")


def layout_of(letters: str) -> TokenLayout:
    """Where the tokens sit: every run of "#" is the next image."""
    soft = torch.tensor([[letter == "#" for letter in letters]])
    starts = soft & ~F.pad(soft, (1, 0))[:, :-1]
    image_id = torch.where(soft, starts.long().cumsum(1), 0)
    return TokenLayout.of(torch.ones_like(soft), image_id)


def mixed_masks(order: str = "ttItItt", window: int = 5) -> Figure:
    """One prompt's mask on a global and on a local layer, images in colour."""
    fig, axes = plt.subplots(1, 2, figsize=(7, 3.75), layout="constrained")
    letters = spelled(order)
    _mask(axes[0], letters, None, "global layer")
    _mask(axes[1], letters, window, f"local layer, W = {window}")
    axes[0].set(xlabel="key\nt: text   #: soft token")
    axes[1].set(xlabel="key\n[ start of image   ] end of image", ylabel="")
    images = order.count("I")
    return with_alt(
        fig,
        f"Masks of {len(letters)} tokens with {images} images of {SOFT_TOKENS}: on a global layer"
        f" {images} coloured squares on the diagonal and a full triangle below; on a local layer,"
        f" W = {window}, the same squares and a band.",
    )


def _mask(ax: Axes, letters: str, window: int | None, title: str) -> None:
    layout = layout_of(letters)
    mask = attention_mask(layout, layout, window)[0]
    count = len(letters)
    edges = [k - 0.5 for k in range(count + 1)]
    ax.pcolormesh(
        edges,
        edges,
        mask.int().numpy(),
        cmap=_GREYS,
        vmin=0,
        vmax=1,
        edgecolors="white",
        linewidth=0.5,
    )
    image_id = layout.image_id[0]
    for number in range(1, int(image_id.max()) + 1):
        own = image_id == number
        cells = (mask & own[:, None] & own[None, :]).nonzero().tolist()
        fill, hatch = _FILLS[(number - 1) % len(_FILLS)]
        # one path for all cells: many small patches are slow to draw
        ax.add_patch(
            PathPatch(
                Path.make_compound_path(*[_cell(row, column) for row, column in cells]),
                facecolor=fill,
                edgecolor="black",
                hatch=hatch,
                linewidth=0.5,
                label=f"image {number}",
            )
        )
    ax.set(title=title, xlabel="key", ylabel="query", aspect="equal")
    ax.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5))  # the first query on top
    ax.set_xticks(range(count), letters)
    ax.set_yticks(range(count), letters)
    ax.tick_params(length=0, pad=1, labelsize=10)


def _cell(row: int, column: int) -> Path:
    left, right, top, bottom = column - 0.5, column + 0.5, row - 0.5, row + 0.5
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return Path(corners, closed=True)
