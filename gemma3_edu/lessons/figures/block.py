"""Figures of lesson 07: the gate's curve, and a model's loud parts.

>>> fig = activations()
>>> [line.get_label() for line in fig.axes[0].lines]
['GELU']
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch.nn import functional as F

from .alt import with_alt

_PARTS = {"MLP": ("C2", "-", "s"), "attention": ("C1", "--", "o")}


def activations() -> Figure:
    """GELU's tanh form, where it is shut, bends and is open."""
    fig, ax = plt.subplots(figsize=(6.6, 3.2), layout="constrained")
    a = torch.linspace(-5, 5, 201).double()
    for left, right, shade, word in [
        (-5, -2, "0.88", "nearly shut"),
        (-2, 2, "#fdebc8", "the bend"),
        (2, 5, "#d6ebf7", "open: the gate itself"),
    ]:
        ax.add_patch(Rectangle((left, -0.7), right - left, 6.3, facecolor=shade, label=word))
        ax.text((left + right) / 2, 5.3, word, ha="center", va="center", size=9.5)
    ax.plot(a, F.gelu(a, approximate="tanh"), color="C0", ls="-", lw=3, label="GELU")
    ax.set(xlabel="gate", ylabel="factor", xlim=(-5, 5), ylim=(-0.7, 5.6), yticks=range(6))
    return with_alt(
        fig,
        "GELU against the gate: nearly 0 left of -2, the gate itself right of 2, and between them a"
        " smooth bend, which dips to -0.17.",
    )


def loudness(
    returned: Mapping[str, Sequence[float]],
    added: Mapping[str, Sequence[float]],
    stream: Sequence[float],
) -> Figure:
    """By layer, the sizes of what attention and MLP return, of what is added, and of the stream.

    Both mappings are by part, "MLP" and "attention"; what is added has open marks.
    """
    fig, ax = plt.subplots(figsize=(7.4, 3.6), layout="constrained")
    layers, told = range(1, len(stream) + 1), []
    for sizes, verb, inside in [(returned, "returns", None), (added, "adds", "white")]:
        for part, (colour, style, marker) in _PARTS.items():
            label = f"{part} {verb}"
            ax.plot(layers, sizes[part], color=colour, ls=style, marker=marker, label=label)
            ax.lines[-1].set_markerfacecolor(inside or colour)
            told.append(f"{label} {_two(min(sizes[part]))} to {_two(max(sizes[part]))}")
    ax.plot(layers, stream, color="0.4", ls="-", lw=4, label="the stream")
    told.append(f"the stream {_two(min(stream))} to {_two(max(stream))}")
    ax.set(xlabel="layer", ylabel="size", yscale="log")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return with_alt(fig, f"Sizes in {len(stream)} layers, from one to another: {'; '.join(told)}.")


def _two(number: float) -> str:
    """Two digits, without an exponent."""
    return f"{float(f'{number:.2g}'):,g}"
