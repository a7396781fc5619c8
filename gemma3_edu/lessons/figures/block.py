"""Figures of lesson 07: the curve that gates the MLP, and what each block adds to the stream.

>>> from gemma3_edu.model.presets import PRESETS
>>> config = PRESETS["tiny-text"]
>>> sizes = stream_sizes(Gemma3(config), Batch.from_ids(torch.tensor([[2, 7, 8]]), config))
>>> sizes.stream.shape, sizes.attention.shape, sizes.mlp.shape  # 7 layers, 3 tokens
(torch.Size([8, 3]), torch.Size([7, 3]), torch.Size([7, 3]))
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional as F

from ...model.config import AttentionType
from ...model.gemma3 import Gemma3
from ...model.layout import Batch
from ...study.capture import capture
from .alt import with_alt

_SERIES = [("stream", "C0", "-", "o"), ("attention", "C1", "--", "s"), ("mlp", "C2", ":", "^")]
_NAMES = {"stream": "stream", "attention": "attention adds", "mlp": "MLP adds"}


@dataclass(frozen=True)
class Sizes:
    """Root mean squares of one text's vectors: the stream before each layer and after the last,
    and what attention and MLP add in each layer, after their second norms.

    With them the root mean squares of those norms' gains, attention's and the MLP's, which are
    weights and the same for every text.
    """

    stream: Float[Tensor, "layers_and_one T"]
    attention: Float[Tensor, "layers T"]
    mlp: Float[Tensor, "layers T"]
    gains: Float[Tensor, "layers 2"]
    global_layers: tuple[int, ...]


def stream_sizes(model: Gemma3, batch: Batch) -> Sizes:
    """Run the first text of a batch, and measure the stream and what is added to it."""
    layers = "language_model.layers.*."
    with (
        torch.no_grad(),
        capture(model, layers + "post_attention_layernorm") as heard,
        capture(model, layers + "post_feedforward_layernorm") as thought,
    ):
        stream = [model.embed(batch)[0]]
        model.hidden_states(batch)
    added = [[x[0] for (x,) in seen.values()] for seen in (heard, thought)]
    for attention, mlp in zip(*added, strict=True):
        stream.append(stream[-1] + attention + mlp)
    kinds, weights = model.config.text.layer_types, dict(model.named_parameters())
    gains = [
        [
            rms(1 + weights[f"language_model.layers.{i}.post_{after}_layernorm.weight"].detach())
            for after in ("attention", "feedforward")
        ]
        for i in range(len(kinds))
    ]
    return Sizes(
        stream=torch.stack([rms(x) for x in stream]),
        attention=torch.stack([rms(x) for x in added[0]]),
        mlp=torch.stack([rms(x) for x in added[1]]),
        gains=torch.tensor(gains),
        global_layers=tuple(i for i, kind in enumerate(kinds) if kind is AttentionType.GLOBAL),
    )


def rms(x: Float[Tensor, "... D"]) -> Float[Tensor, "..."]:
    """Root mean square over the last axis.

    >>> rms(torch.tensor([[4.0, -1.0, 1.0, -1.0, 1.0]])).item()
    2.0
    """
    return x.pow(2).mean(-1).sqrt()


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
    ax.legend(*_last(ax, 2), loc="center left", frameon=False)
    return with_alt(
        fig,
        "GELU against the gate: nearly 0 left of -2, the gate itself right of 2, and between them a"
        " smooth bend, which dips to -0.17; ReLU has a corner at 0 instead.",
    )


def _last(ax: Axes, count: int) -> tuple[list[Artist], list[str]]:
    handles, names = ax.get_legend_handles_labels()
    return handles[-count:][::-1], names[-count:][::-1]


def through_layers(sizes: Sizes) -> Figure:
    """Sizes against the layers passed: the median over all tokens but the first, `<bos>`.

    A band reaches from the smallest of these tokens to the largest. Crosses are the gains of the
    second norms. The black curve is the stream if all that is added were at right angles.
    """
    fig, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
    depth = torch.arange(len(sizes.stream))
    found = {name: getattr(sizes, name)[:, 1:] for name, *_ in _SERIES}
    middle = {name: values.median(dim=1).values for name, values in found.items()}
    for name, colour, style, marker in _SERIES:
        places, values = depth[-len(middle[name]) :], found[name]
        if name != "stream":
            low, high = values.amin(1).numpy(), values.amax(1).numpy()
            ax.fill_between(
                places.numpy(), low, high, color=colour, alpha=0.2, lw=0, label="all tokens"
            )
        ax.plot(places, middle[name], color=colour, ls=style, marker=marker, ms=4)
        ax.lines[-1].set_label(_NAMES[name])
        _at_the_end(ax, places, middle[name], _NAMES[name], colour)
    squares = torch.cat([middle["stream"][:1] ** 2, middle["attention"] ** 2 + middle["mlp"] ** 2])
    right = squares.cumsum(0).sqrt()
    ax.plot(depth, right, color="C3", ls="-.", lw=1.4, label="at right angles")
    _at_the_end(ax, depth, right, "at right angles", "C3")
    for gains, name, colour in [(0, "gains, attention", "C1"), (1, "gains, MLP", "C2")]:
        ax.plot(depth[1:], sizes.gains[:, gains], color=colour, ls="none", marker="x", label=name)
        ax.lines[-1].set(ms=8, mew=2)
    ax.set(xlabel="layers passed", ylabel="size", xlim=(-0.3, len(depth) + 1.6))
    ax.set_xticks(depth.tolist())
    _doublings(ax)
    ax.set_ylim(bottom=0.35)
    handles: list[Artist] = [line for line in ax.lines if "gains" in str(line.get_label())]
    handles += ax.collections[:1]  # a band
    ax.legend(handles=handles, loc="lower right", ncols=3, frameon=False, fontsize=9)
    stream, attention, mlp = middle["stream"], middle["attention"], middle["mlp"]
    return with_alt(
        fig,
        f"Sizes through {len(attention)} layers, in powers of 2: the stream begins at"
        f" {stream[0]:.1f} and ends at {stream[-1]:.1f}; attention adds {attention.min():.1f} to"
        f" {attention.max():.1f} a layer, the MLP {mlp.min():.1f} to {mlp.max():.1f}; crosses, the"
        " gains, are near.",
    )


def _at_the_end(ax: Axes, places: Tensor, values: Tensor, name: str, colour: str) -> None:
    x, y = float(places[-1]) + 0.25, float(values[-1])
    ax.text(x, y, name, color=colour, va="center", ha="left", size=9.5)


def _doublings(ax: Axes) -> None:
    """A logarithmic axis with a tick at every power of two, written as a number."""
    ax.set_yscale("log", base=2)
    ax.yaxis.set_major_formatter("{x:g}")
