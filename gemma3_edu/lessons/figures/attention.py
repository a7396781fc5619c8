"""Figures of lesson 03: what becomes of attention scores when the projections grow.

One head of 270M's size looks at 64 tokens. Its numbers come from a formula, are of order one, and
look random; `factor` multiplies both W_q and W_k, so that a score without a norm grows with its
square. Each key unseen would weigh 1/64, which is 6 bits; a single key is 0 bits.

>>> [round(bits(scores(way, factor=1.0)), 1) for way in WAYS]
[5.3, 5.3, 5.3]
>>> [round(bits(scores(way, factor=16.0)), 1) for way in WAYS]
[0.0, 4.4, 5.3]
"""

from collections.abc import Sequence
from functools import cache
from math import sqrt

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ...model.layers import RMSNorm
from ...model.presets import PRESETS
from .alt import listed, with_alt

WAYS = ("no norm", "soft cap", "QK-norm")
CAP = 50.0  # of Gemma 2's attention
TOKENS = 64
_LOOKS = {"no norm": ("C3", "-.", "xx"), "soft cap": ("C1", "--", "//"), "QK-norm": ("C0", "-", "")}
_EDGE = 61  # the histograms end here; odd, so that the caps lie inside a bar two wide


def bits(scores: Float[Tensor, "T S"]) -> float:
    """Entropy of the attention weights, mean over the queries: log2 of how many keys share them.

    >>> bits(torch.zeros(2, 8)), bits(torch.tensor([[0.0, -1e9]]))
    (3.0, 0.0)
    """
    weights = scores.double().softmax(-1)
    logs = weights.clamp_min(1e-300).log2()  # 0 log 0 is 0
    return -(weights * logs).sum(-1).mean().item() + 0.0


def scores(way: str, factor: float) -> Float[Tensor, "T T"]:
    """Scores of all 64 tokens for each other, nothing masked, one of WAYS; ValueError otherwise."""
    if way not in WAYS:
        raise ValueError(f"way={way!r} is none of {', '.join(WAYS)}")
    q, k = (factor * projected for projected in _queries_and_keys())
    if way == "QK-norm":
        q, k = _normed(q), _normed(k)
    raw = q @ k.T / sqrt(q.shape[1])
    return CAP * torch.tanh(raw / CAP) if way == "soft cap" else raw


def entropy_curves() -> Figure:
    """Bits of attention against the factor on both matrices, one curve for each way."""
    fig, ax = plt.subplots(figsize=(6.4, 3.5), layout="constrained")
    factors = [2.0 ** (step / 2) for step in range(-8, 17)]
    for way in WAYS:
        colour, style, _ = _LOOKS[way]
        bend = [bits(scores(way, factor)) for factor in factors]
        ax.plot(factors, bend, color=colour, ls=style, label=way)
    ax.axhline(6, color="0.5", lw=1, ls=":", label="64 keys alike")
    ax.set_xscale("log", base=2)
    ax.set(xlabel="factor on W_q and W_k", ylabel="bits", ylim=(-0.2, 6.6))
    ax.set_xticks([2.0**k for k in range(-4, 9, 2)], ["1/16", "1/4", "1", "4", "16", "64", "256"])
    ax.legend(loc="center left")
    return with_alt(
        fig,
        "Bits of attention against the factor on W_q and W_k: without norm from 6 to 0, with soft"
        " cap down to 0.6 at factor 4 and up again to 5.0, with QK-norm level at 5.3.",
    )


def score_histograms(factors: Sequence[float]) -> Figure:
    """One row a factor, one column a way: where its scores lie between -61 and 61.

    The widget's callback: with one factor, one row.
    """
    rows = len(factors)
    size = (7, 1.75 * rows + 0.9)
    fig, axes = plt.subplots(rows, 3, figsize=size, squeeze=False, sharex=True, sharey=True)
    # By hand: the automatic layout draws everything twice, too slow under a slider.
    fig.subplots_adjust(
        left=0.09,
        right=0.98,
        bottom=0.55 / size[1],
        top=1 - 0.4 / size[1],
        wspace=0.12,
        hspace=0.42,
    )
    for row, factor in zip(axes, factors, strict=True):
        for ax, way in zip(row, WAYS, strict=True):
            _histogram(ax, way, factor)
        row[0].set_ylabel(f"factor {factor:.3g}")
    for ax in axes[-1]:
        ax.set_xlabel("score")
    told = [
        f"at factor {factor:.3g}, "
        + listed(f"{bits(scores(way, factor)):.1f} with {way}" for way in WAYS)
        for factor in factors
    ]
    return with_alt(
        fig,
        "Histograms of scores, a row for each factor and a column for each way; bits of"
        f" attention: {'; '.join(told)}.",
    )


def _histogram(ax: Axes, way: str, factor: float) -> None:
    found = scores(way, factor)
    counts = torch.histc(found, bins=_EDGE, min=-_EDGE, max=_EDGE)
    share = counts / found.numel()
    colour, _, hatch = _LOOKS[way]
    edges = torch.arange(-_EDGE, _EDGE + 1, 2)
    ax.stairs(
        share, edges, fill=True, color=colour, hatch=hatch, edgecolor="white", lw=0, label="share"
    )
    outside = 1 - share.sum().item()
    beyond = f", {outside:.0%} outside" if outside > 0.005 else ""
    ax.set_title(f"{way}{beyond}\n{bits(found):.1f} bits", fontsize=10)
    ax.set(xlim=(-_EDGE, _EDGE), ylim=(0, 0.8), xticks=[-50, 0, 50])


def norm_and_turn(
    q_gain: tuple[float, float], k_gain: tuple[float, float], length: int = 25
) -> Figure:
    """Score of each token with the one before it, all vectors alike: right, and two mistakes.

    A token at position p turns its two entries by 0.4 p, as rotary embedding does.
    """
    fig, ax = plt.subplots(figsize=(6.4, 3.1), layout="constrained")
    q, k = torch.tensor([[1.0, 0.5]]).double(), torch.tensor([[0.5, 1.0]]).double()
    gains = torch.tensor([q_gain, k_gain]).double()
    place = torch.arange(length).double()
    swapped = [turned(_normed(x) * g, place) for x, g in zip((q, k), gains.flip(0), strict=True)]
    late = [_normed(turned(x, place)) * g for x, g in zip((q, k), gains, strict=True)]
    right = [turned(_normed(x) * g, place) for x, g in zip((q, k), gains, strict=True)]
    told = []
    for (queries, keys), colour, style, name in [
        (right, "C0", "-", "norm, then turn"),
        (late, "C1", "--", "turn, then norm"),
        (swapped, "C2", ":", "norms swapped"),
    ]:
        found = (queries[1:] * keys[:-1]).sum(-1) / sqrt(2)
        ax.plot(place[1:], found, color=colour, ls=style, marker="o", ms=3, label=name)
        low, high = f"{found.min():.2f}", f"{found.max():.2f}"
        told.append(f"{name}: " + (f"flat at {low}" if low == high else f"{low} to {high}"))
    ax.set(xlabel="position of the query; the key is one before it", ylabel="score")
    ax.legend(loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.2), frameon=False)
    return with_alt(
        fig,
        f"Score with the left neighbour at {length - 1} positions, three curves:"
        f" {'; '.join(told)}.",
    )


def turned(x: Float[Tensor, "... 2"], place: Float[Tensor, "T"]) -> Float[Tensor, "T 2"]:
    """Each pair of numbers as a point in the plane, turned by 0.4 times its position.

    >>> turned(torch.tensor([[1.0, 0.0]]), torch.tensor([0.0, 2.5])).round(decimals=3).tolist()[0]
    [1.0, 0.0]
    """
    cos, sin = (0.4 * place).cos(), (0.4 * place).sin()
    first, second = x.unbind(-1)
    return torch.stack([first * cos - second * sin, second * cos + first * sin], dim=-1)


def _normed(x: Tensor) -> Tensor:
    """A fresh RMSNorm, gain 1, in float64."""
    size = x.shape[-1]
    eps = RMSNorm(1).eps
    return x * torch.rsqrt(x.pow(2).sum(-1, keepdim=True) / size + eps)


@cache
def _queries_and_keys() -> tuple[Float[Tensor, "T H"], Float[Tensor, "T H"]]:
    """What the projections make of 64 tokens; entries of order one."""
    text = PRESETS["270m"].text
    d, h = text.hidden_size, text.head_dim
    x = _normed(_numbers(TOKENS, d, 1))  # as the norm before attention leaves them
    return x @ _numbers(h, d, 2).T / sqrt(d), x @ _numbers(h, d, 3).T / sqrt(d)


def _numbers(rows: int, columns: int, kind: int) -> Float[Tensor, "rows columns"]:
    """Evenly spread between -1.7 and 1.7, rms 1: far decimals of a sine, the same everywhere."""
    k = torch.arange(rows * columns).double() + 1e6 * kind
    return sqrt(12) * ((43758.5453 * k.sin()) % 1 - 0.5).reshape(rows, columns)
