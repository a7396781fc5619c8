"""Figures of lesson 06: who reads whom, and what sharing keys and values costs a toy layer.

The toy is one attention layer of 8 heads with random matrices and random text: QK-norm, a causal
mask, no turn. Its key and value matrices are averaged over groups of heads, and the error is the
length of the change in its output over the length of the output, on text it was not trained on.

>>> readers(8, 4)
[0, 0, 1, 1, 2, 2, 3, 3]
"""

from collections.abc import Mapping, Sequence
from functools import cache
from math import sqrt

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from .alt import listed, with_alt

HEADS, WIDTH, HIDDEN = 8, 6, 40  # N, H and D of the toy
KV_HEADS = (8, 4, 2, 1)
UNLIKE, ALIKE, TRAINED = WAYS = (
    "unlike, averaged",
    "pairs alike, averaged",
    "unlike, then trained",
)
STEPS = 60
_LOOKS = {UNLIKE: ("C1", "--", "s"), ALIKE: ("C2", ":", "^"), TRAINED: ("C0", "-", "o")}
_FILLS = ("#0072B2", "white")  # of every other group
_LENGTH = 16  # tokens of a text
Weights = tuple[Tensor, Tensor, Tensor, Tensor]  # q: N H D, k and v: K H D, o: D N H


def readers(heads: int, kv_heads: int) -> list[int]:
    """The key/value head that each query head reads: n // G."""
    return [n // (heads // kv_heads) for n in range(heads)]


def who_reads_whom(sizes: Mapping[str, tuple[int, int]]) -> Figure:
    """One row a model: its query heads above, its key/value heads below, a line for each reader."""
    widest = max(heads for heads, _ in sizes.values())
    height = 0.95 * len(sizes) + 0.1
    fig, axes = plt.subplots(len(sizes), 1, figsize=(7, height), squeeze=False)
    fig.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=1 - 0.28 / height, hspace=0.55)
    for ax, (name, (heads, kv_heads)) in zip(axes[:, 0], sizes.items(), strict=True):
        _lines(ax, heads, kv_heads)
        plural = "s" if kv_heads > 1 else ""
        ax.set_title(
            f"{name}: {heads} query heads, {kv_heads} key/value head{plural},"
            f" G = {heads // kv_heads}",
            fontsize=10,
        )
        ax.set_xlim(-widest / 2 - 0.2, widest / 2 + 0.2)
    told = [f"{name} {heads} to {kv_heads}" for name, (heads, kv_heads) in sizes.items()]
    return with_alt(
        fig,
        "Query heads as circles above, key/value heads as squares below, lines between: circles to"
        f" squares are {listed(told)}.",
    )


def bytes_and_error() -> Figure:
    """The toy's error against the bytes it keeps a token, for 8, 4, 2 and 1 key/value heads."""
    fig, ax = plt.subplots(figsize=(6.6, 3.7), layout="constrained")
    kept = [kept_bytes(kv_heads) for kv_heads in KV_HEADS]
    for way in WAYS:
        colour, style, marker = _LOOKS[way]
        found = [error(way, kv_heads) for kv_heads in KV_HEADS]
        ax.plot(kept, found, color=colour, ls=style, marker=marker, ms=6, label=way)
    ax.set_xscale("log", base=2)
    named = [f"{n}, K = {k}" for n, k in zip(kept, KV_HEADS, strict=True)]
    ax.set_xticks(kept, named)
    ax.set(xlabel="bytes kept for a token", ylabel="relative error", ylim=(-0.03, 1.03))
    ax.legend(loc="lower left")
    return with_alt(
        fig,
        f"Relative error against bytes kept for a token, {kept[0]} down to {kept[-1]}: unlike heads"
        f" lose {error(UNLIKE, 4):.2f} at the first halving, like pairs {error(ALIKE, 4):.2f}, and"
        f" {STEPS} steps of training bring {error(UNLIKE, 4):.2f} down to {error(TRAINED, 4):.2f}.",
    )


def sharing(*kv_heads: int) -> Figure:
    """One row a number of key/value heads: who reads whom, bytes against 8 heads', errors.

    The widget's callback: with one number, one row.
    """
    rows = len(kv_heads)
    size = (7, 1.5 * rows + 0.55)
    fig, axes = plt.subplots(
        rows, 2, figsize=size, squeeze=False, width_ratios=[1.0, 0.85], sharex="col"
    )
    # By hand: the automatic layout draws everything twice, too slow under a slider.
    fig.subplots_adjust(
        left=0.01,
        right=0.94,
        bottom=0.5 / size[1],
        top=1 - 0.3 / size[1],
        wspace=0.62,
        hspace=0.42,
    )
    for (left, right), count in zip(axes, kv_heads, strict=True):
        _lines(left, HEADS, count)
        left.set_title(f"K = {count}, G = {HEADS // count}", fontsize=10)
        _bars(right, count)
    axes[-1, 1].set_xlabel("cache (1 is that of K = 8); relative error")
    shares = [f"{count / HEADS:.2f}" for count in kv_heads]
    lost = [f"{way} {listed(f'{error(way, count):.2f}' for count in kv_heads)}" for way in WAYS]
    return with_alt(
        fig,
        f"A row each for K = {listed(kv_heads)}: lines from {HEADS} query heads to K squares, and"
        f" bars of the cache, {listed(shares)}, and of three errors: {'; '.join(lost)}.",
    )


def kept_bytes(kv_heads: int) -> int:
    """What the toy keeps for a token: a key and a value a head, 2 bytes a number.

    >>> kept_bytes(8), kept_bytes(1)
    (192, 24)
    """
    return 2 * kv_heads * WIDTH * 2


@cache
def error(way: str, kv_heads: int) -> float:
    """The toy's relative error with so many key/value heads, one of WAYS; ValueError otherwise.

    >>> error(UNLIKE, 8)
    0.0
    """
    if way not in WAYS:
        raise ValueError(f"way={way!r} is none of {', '.join(WAYS)}")
    teacher = layer(0.9 if way == ALIKE else 0.0)
    student = pooled(teacher, kv_heads)
    if way == TRAINED and kv_heads < HEADS:
        student = _trained(student, teacher)
    unseen = _text(0)
    want = output(unseen, teacher)
    return float((output(unseen, student) - want).norm() / want.norm())


def layer(alike: float) -> Weights:
    """Random matrices; keys and values of heads 2i and 2i + 1 share this part of their square."""
    own = [_numbers(HEADS, WIDTH, HIDDEN, kind=kind) for kind in (1, 2, 3)]
    common = [_numbers(HEADS // 2, WIDTH, HIDDEN, kind=kind) for kind in (4, 5)]
    k, v = (
        sqrt(alike) * c.repeat_interleave(2, dim=0) + sqrt(1 - alike) * o
        for c, o in zip(common, own[1:], strict=True)
    )
    out = _numbers(HIDDEN, HEADS, WIDTH, kind=6)
    q, k, v = (a / sqrt(HIDDEN) for a in (own[0], k, v))
    return q, k, v, out / sqrt(HEADS * WIDTH)


def pooled(weights: Weights, kv_heads: int) -> Weights:
    """The same layer with the key and value matrices of each group averaged."""
    q, k, v, out = weights
    k, v = (a.unflatten(0, (kv_heads, -1)).mean(1) for a in (k, v))
    return q, k, v, out


def output(x: Float[Tensor, "B T D"], weights: Weights) -> Float[Tensor, "B T D"]:
    """What the layer makes of these texts."""
    q, k, v = (torch.einsum("btd,nhd->bnth", x, w) for w in weights[:3])
    q, k = (a * torch.rsqrt(a.pow(2).mean(-1, keepdim=True) + 1e-6) for a in (q, k))
    q = q.unflatten(1, (k.shape[1], -1))  # B K G T H
    scores = torch.einsum("bkgth,bksh->bkgts", q, k) / sqrt(WIDTH)
    length = x.shape[1]
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    heard = torch.einsum("bkgts,bksh->bkgth", scores.masked_fill(later, -torch.inf).softmax(-1), v)
    return torch.einsum("bnth,dnh->btd", heard.flatten(1, 2), weights[3])


def _trained(student: Weights, teacher: Weights) -> Weights:
    """All four matrices, moved towards the teacher's output on fresh text at every step."""
    q, k, v, out = (a.clone().requires_grad_() for a in student)
    adam = torch.optim.Adam([q, k, v, out], lr=0.02)
    for step in range(STEPS):
        x = _text(1 + step)
        loss = (output(x, (q, k, v, out)) - output(x, teacher)).pow(2).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        adam.param_groups[0]["lr"] = 0.02 * (1 - (step + 1) / STEPS)
    return q.detach(), k.detach(), v.detach(), out.detach()


def _text(number: int) -> Float[Tensor, "B T D"]:
    return _numbers(12, _LENGTH, HIDDEN, kind=100 + number)


def _numbers(*shape: int, kind: int) -> Tensor:
    """Evenly spread between -1.7 and 1.7, rms 1: far decimals of a sine, the same everywhere."""
    k = torch.arange(torch.Size(shape).numel()).double() + 1e6 * kind
    return sqrt(12) * ((43758.5453 * k.sin()) % 1 - 0.5).reshape(shape)


def _lines(ax: Axes, heads: int, kv_heads: int) -> None:
    reads = readers(heads, kv_heads)
    above = [n - (heads - 1) / 2 for n in range(heads)]
    group = heads // kv_heads
    below = [sum(above[j * group : (j + 1) * group]) / group for j in range(kv_heads)]
    ways = [[(above[n], 1.0), (below[j], 0.0)] for n, j in enumerate(reads)]
    ax.add_collection(LineCollection(ways, colors="0.3", linewidths=1.2, label="reads"))
    _dots(ax, above, 1, reads, "o", "query heads")
    _dots(ax, below, 0, range(kv_heads), "s", "key/value heads")
    ax.set(xlim=(-heads / 2 - 0.2, heads / 2 + 0.2), ylim=(-0.45, 1.45))
    ax.set_axis_off()


def _dots(
    ax: Axes, x: Sequence[float], y: float, group: Sequence[int], marker: str, name: str
) -> None:
    fills = [_FILLS[j % 2] for j in group]
    ax.scatter(
        x,
        [y] * len(x),
        s=75,
        marker=marker,
        facecolors=fills,
        edgecolors="black",
        zorder=3,
        label=name,
    )


def _bars(ax: Axes, kv_heads: int) -> None:
    names = ["cache", *WAYS]
    found = [kv_heads / HEADS, *(error(way, kv_heads) for way in WAYS)]
    bars = ax.barh(names[::-1], found[::-1], height=0.7, edgecolor="black", label="of K = 8")
    for bar, name in zip(bars, names[::-1], strict=True):
        bar.set_facecolor("0.45" if name == "cache" else _LOOKS[name][0])
        bar.set_hatch({"cache": "", UNLIKE: "//", ALIKE: "..", TRAINED: ""}[name])
    ax.bar_label(bars, [f"{value:.2f}" for value in found[::-1]], padding=3)
    ax.set(xlim=(0, 1.2), xticks=[0, 0.5, 1])
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
