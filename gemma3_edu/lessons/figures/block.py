"""Figures of lesson 07: the curves that gate the MLP, and what each block adds to the stream.

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
from matplotlib.axes import Axes
from matplotlib.figure import Figure
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
    """GELU's tanh form beside SiLU and ReLU, and how far each other curve is from it."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
    a = torch.linspace(-5, 5, 201).double()
    gelu = F.gelu(a, approximate="tanh")
    for curve, colour, style, name in [
        (gelu, "C0", "-", "GELU, tanh form"),
        (F.silu(a), "C1", "--", "SiLU"),
        (F.relu(a), "C3", "-.", "ReLU"),
    ]:
        left.plot(a, curve, color=colour, ls=style, label=name)
    left.set(xlabel="gate a", ylabel="what it lets through", ylim=(-0.5, 3), xlim=(-5, 3))
    left.legend(loc="upper left")
    for curve, colour, style, name in [
        (F.silu(a), "C1", "--", "SiLU"),
        (F.gelu(a), "C2", ":", "GELU by erf"),
    ]:
        away = (curve - gelu).abs().clamp_min(1e-7)
        right.plot(a, away, color=colour, ls=style, label=name)
    right.set(xlabel="gate a", ylabel="distance from GELU, tanh form", yscale="log")
    right.set(ylim=(1e-7, 10))
    right.legend(loc="upper right", ncols=2, fontsize=9)
    return with_alt(
        fig,
        "Left, GELU, SiLU and ReLU, alike from afar; right, distance from GELU's tanh form, on a"
        " logarithmic axis: SiLU up to 0.2, GELU by erf never above 0.0005.",
    )


def through_layers(sizes: Sizes) -> Figure:
    """Sizes against the layers passed: the median over all tokens but the first, `<bos>`.

    The black curve is the stream if all additions were at right angles to it and to each other;
    crosses are the gains of the second norms.
    """
    fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    depth = torch.arange(len(sizes.stream))
    for layer in sizes.global_layers:
        ax.axvline(layer + 1, color="0.85", ls="-", lw=6, zorder=0, label="global layer")
    middle = {name: getattr(sizes, name)[:, 1:].median(dim=1).values for name, *_ in _SERIES}
    for name, colour, style, marker in _SERIES:
        found = middle[name]
        places = depth[-len(found) :]
        ax.plot(places, found, color=colour, ls=style, marker=marker, ms=4, label=_NAMES[name])
    squares = torch.cat([middle["stream"][:1] ** 2, middle["attention"] ** 2 + middle["mlp"] ** 2])
    ax.plot(depth, squares.cumsum(0).sqrt(), color="C3", ls="-.", label="at right angles")
    for gains, name, marker in [(0, "gains, attention", "x"), (1, "gains, MLP", "+")]:
        found = sizes.gains[:, gains]
        ax.plot(depth[1:], found, color="C3", ls="none", marker=marker, ms=7, label=name)
    ax.set(xlabel="layers passed", ylabel="root mean square")
    ax.set_xticks(depth.tolist())
    _doublings(ax)
    handles, names = ax.get_legend_handles_labels()
    once = dict(zip(names, handles, strict=True))
    fig.legend(once.values(), once.keys(), loc="outside upper center", ncols=4, frameon=False)
    stream, attention, mlp = middle["stream"], middle["attention"], middle["mlp"]
    return with_alt(
        fig,
        f"Root mean squares through {len(attention)} layers, in powers of 2: the stream begins at"
        f" {stream[0]:.2g} and ends at {stream[-1]:.2g}; attention adds {attention.min():.2g} to"
        f" {attention.max():.2g} a layer, the MLP {mlp.min():.2g} to {mlp.max():.2g}.",
    )


def _doublings(ax: Axes) -> None:
    """A logarithmic axis with a tick at every power of two, written as a number."""
    ax.set_yscale("log", base=2)
    ax.yaxis.set_major_formatter("{x:g}")
