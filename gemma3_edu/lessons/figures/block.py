"""Figures of lesson 07: the curve that gates the MLP, stacks of blocks, and a louder nano.

>>> fig = activations()
>>> [line.get_label() for line in fig.axes[0].lines]
['ReLU', 'GELU']
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch.nn import functional as F

from .alt import listed, with_alt

_SCALES = [("C1", ":", 8.0), ("C0", "-", 4.0), ("C3", "--", 1.8)]
_ADDED = [("stream", "C0"), ("attention adds", "C1"), ("MLP adds", "C2")]
_RETURNED = [("attention returns", "C1", "s"), ("MLP returns", "C2", "^")]


def activations() -> Figure:
    """GELU's tanh form, where it is shut, bends and is open; ReLU for comparison."""
    fig, ax = plt.subplots(figsize=(6.6, 3.2), layout="constrained")
    a = torch.linspace(-5, 5, 201).double()
    for left, right, shade, word in [
        (-5, -2, "0.88", "nearly shut"),
        (-2, 2, "#fdebc8", "the bend"),
        (2, 5, "#d6ebf7", "open: the gate itself"),
    ]:
        ax.add_patch(Rectangle((left, -0.7), right - left, 6.3, facecolor=shade, label=word))
        ax.text((left + right) / 2, 5.3, word, ha="center", va="center", size=9.5)
    ax.plot(a, F.relu(a), color="C3", ls="--", lw=1.6, label="ReLU")
    ax.plot(a, F.gelu(a, approximate="tanh"), color="C0", ls="-", lw=3, label="GELU")
    ax.set(xlabel="gate", ylabel="factor", xlim=(-5, 5), ylim=(-0.7, 5.6), yticks=range(6))
    ax.legend(handles=ax.lines[::-1], loc="center left", frameon=False)
    return with_alt(
        fig,
        "GELU against the gate: nearly 0 left of -2, the gate itself right of 2, and between them a"
        " smooth bend, which dips to -0.17; ReLU has a corner at 0 instead.",
    )


def stacks(
    with_norms: Mapping[str, Sequence[Sequence[float]]],
    without: Mapping[str, Sequence[Sequence[float]]],
) -> Figure:
    """Two panels: the size of the stream before each layer and after the last, by scale and draw.

    Of each scale the median of its draws is drawn, and a band from the smallest to the largest. The
    curves become thinner from scale to scale, so that those below can be seen.
    """
    fig, panels = plt.subplots(1, 2, figsize=(8.6, 3.9), layout="constrained", sharey=True)
    told = []
    for ax, scales, title in [
        (panels[0], with_norms, "norms 2 and 4 in place"),
        (panels[1], without, "norms 2 and 4 removed"),
    ]:
        ends = []
        for (name, draws), (colour, style, width) in zip(scales.items(), _SCALES, strict=True):
            found = torch.tensor(draws)
            layers, middle = range(found.shape[1]), found.median(0).values
            low, high = found.amin(0).numpy(), found.amax(0).numpy()
            ax.fill_between(layers, low, high, color=colour, alpha=0.2, lw=0, label="all draws")
            ax.plot(layers, middle, color=colour, ls=style, lw=width, label=name)
            ends.append(f"{name} {low[-1]:.3g} to {high[-1]:.3g}")
        ax.set_title(title, loc="left")
        ax.set(xlabel="layers passed", yscale="log")
        told.append(f"{title}: {listed(ends)}")
    panels[0].set_ylabel("size of the stream")
    panels[0].yaxis.set_major_formatter("{x:g}")
    panels[0].legend(handles=list(panels[0].lines), loc="upper left", frameon=False)
    return with_alt(fig, f"The stream after the last layer; {'; '.join(told)}.")


def loud_and_quiet(
    plain: Mapping[str, Sequence[float]], loud: Mapping[str, Sequence[float]], times: float
) -> Figure:
    """Sizes by layer in a model, wide and pale, and in one whose parts are louder, thin.

    Both have a series for each of "stream", "attention returns", "attention adds", "MLP returns"
    and "MLP adds", with a number for each layer.
    """
    fig, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
    layers = range(1, len(plain["stream"]) + 1)
    for name, colour in _ADDED:
        ax.plot(layers, plain[name], color=colour, ls="-", lw=7, alpha=0.35, label=name)
        ax.plot(layers, loud[name], color=colour, ls="--", lw=1.6, label=f"{name}, louder")
        _at_the_end(ax, plain[name], name, colour)
    for name, colour, marker in _RETURNED:
        ax.plot(layers, plain[name], color=colour, ls="-", marker=marker, lw=4, alpha=0.5)
        ax.lines[-1].set_label(name)
        ax.plot(layers, loud[name], color=colour, ls="--", marker=marker, mfc="white", lw=1.6)
        ax.lines[-1].set_label(f"{name}, louder")
        _at_the_end(ax, plain[name], name, colour)
        _at_the_end(ax, loud[name], f"{name} (\N{MULTIPLICATION SIGN} {times:g})", colour)
    ax.set(xlabel="layer", ylabel="size", yscale="log", xlim=(0.5, len(layers) + 4.8))
    ax.set_xticks(list(layers))
    ax.yaxis.set_major_formatter("{x:,.0f}")
    told = [
        f"{name} from {min(plain[name]):.3g} to {max(plain[name]):.3g}, louder from"
        f" {min(loud[name]):.3g} to {max(loud[name]):.3g}"
        for name in [*(name for name, _ in _ADDED), *(name for name, *_ in _RETURNED)]
    ]
    return with_alt(fig, f"Sizes in {len(layers)} layers, smallest to largest: {'; '.join(told)}.")


def _at_the_end(ax: Axes, values: Sequence[float], name: str, colour: str) -> None:
    ax.text(len(values) + 0.3, values[-1], name, color=colour, va="center", ha="left", size=9)
