"""Figures of lesson 03: a token that asks, scores as angle and lengths, and three cures.

The toy head reads "Anna walks Rex. She". Its keys have two numbers: how much a word is a name, and
whether it is female or male. `factor` multiplies both W_q and W_k.

>>> [round(weight, 2) for weight in toy_weights("fixed scale", factor=1.0).tolist()]
[0.72, 0.02, 0.17, 0.09]
>>> [round(weight, 2) for weight in toy_weights("soft cap", factor=64.0).tolist()]
[0.5, 0.0, 0.5, 0.0]
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor
from torch.nn import functional as F

from .alt import listed, with_alt

WORDS = ("Anna", "walks", "Rex", "She")
QUERY = (1.0, 1.0)  # of "She"
KEYS = ((2.0, 1.0), (-2.0, 0.0), (2.0, -1.0), (-1.0, 1.0))
WAYS = ("fixed scale", "soft cap", "QK-norm")
CAP = 50.0  # of Gemma 2's attention
_LOOKS = (("C0", "-"), ("C3", ":"), ("C1", "--"), ("C2", "-."))  # of the four words
_LINE = 66  # characters in a row of tokens


def toy_weights(way: str, factor: float) -> Float[Tensor, "4"]:
    """The weights that "She" gives the four words under one of WAYS; ValueError otherwise."""
    if way not in WAYS:
        raise ValueError(f"way={way!r} is none of {', '.join(WAYS)}")
    q, k = factor * torch.tensor(QUERY).double(), factor * torch.tensor(KEYS).double()
    if way == "QK-norm":
        q, k = (F.rms_norm(x, (2,), eps=1e-6) for x in (q, k))
    scores = k @ q / sqrt(2)
    return (CAP * torch.tanh(scores / CAP) if way == "soft cap" else scores).softmax(-1)


def shares(tokens: Sequence[str], rows: Mapping[str, Float[Tensor, "S"]]) -> Figure:
    """A text, token by token in boxes, once for each row: the darker, the more attention it gets.

    The shares of the three strongest are written below them.
    """
    shown = [token.replace("\n", "↵").strip() or ("␣" if token else "•") for token in tokens]
    places, line, at = [], 0, 0.0
    for word in shown:
        width = len(word) + 1.2
        if at + width > _LINE:
            line, at = line + 1, 0.0
        places.append((at, line, width))
        at += width + 0.35
    height = 0.62 * (line + 1) + 0.35
    fig, axes = plt.subplots(
        len(rows), 1, figsize=(8, len(rows) * height), layout="constrained", squeeze=False
    )
    told = []
    for ax, (title, weights) in zip(axes[:, 0], rows.items(), strict=True):
        top = [int(i) for i in weights.topk(min(3, len(weights))).indices if weights[i] > 0.005]
        for i, ((x, row, width), word) in enumerate(zip(places, shown, strict=True)):
            share = float(weights[i])
            ink = "white" if share > 0.3 else "black"
            _card(ax, (x, -2.6 * row), (width, 1.4), _tint(share**0.5), "a token", "0.6")
            _write(ax, x + width / 2, 0.7 - 2.6 * row, word, color=ink, family="monospace", size=9)
            if i in top:
                _write(ax, x + width / 2, -0.45 - 2.6 * row, f"{share:.2f}", size=8)
        ax.set(xlim=(-0.5, _LINE + 1), ylim=(-2.6 * line - 1.2, 1.8))
        ax.set_title(title, loc="left", fontsize=10)
        ax.axis("off")
        told.append(f"{title}: " + listed(f"{float(weights[i]):.2f} on {shown[i]!r}" for i in top))
    return with_alt(fig, f"{len(tokens)} tokens with their shares of attention. {'; '.join(told)}.")


def she_asks() -> Figure:
    """The four words with the labels they are found by; "She" asks, and mixes what they hand over.

    An arrow is the thicker, the more attention there is.
    """
    fig, ax = plt.subplots(figsize=(8, 4.1), layout="constrained")
    ax.set(xlim=(-0.2, 12.6), ylim=(-0.35, 6.1))
    ax.axis("off")
    labels = ("a name, female", "no name", "a name, male", "no name, female")
    wares = ("a woman,\ncalled Anna", "nobody", "a male,\ncalled Rex", "female")
    weights = torch.tensor(KEYS) @ torch.tensor(QUERY)
    for i, weight in enumerate(weights.softmax(0).tolist()):
        left, middle = 3.2 * i, 3.2 * i + 1.35
        _card(ax, (left, 1.75), (2.7, 0.6), _tint(0.25), "key", "C0")
        _write(ax, middle, 2.05, labels[i], size=9)
        _card(ax, (left, 0.65), (2.7, 0.95), "0.93", "value", "0.5")
        _write(ax, middle, 1.12, wares[i], size=9)
        _write(ax, middle, 0.25, WORDS[i], size=12, weight="bold")
        _arrow(ax, (9.9 + 0.3 * i, 3.6), (middle, 2.4), "C1", 0.7 + 6 * weight)
    _card(ax, (8.4, 3.6), (4.1, 0.75), "#fbe3d2", "query", "C1")
    _write(ax, 10.45, 3.97, "She asks: a name, female?", size=10)
    _card(ax, (8.4, 5.1), (4.1, 0.8), "0.93", "received", "0.5")
    _write(ax, 10.45, 5.5, "She receives: mostly\na woman, called Anna", size=9)
    _arrow(ax, (10.45, 4.4), (10.45, 5.05), "0.4", 1.5)
    for height, name, what in [
        (5.5, "mixture", "of the values, by their shares"),
        (3.97, "query", "what a token looks for"),
    ]:
        ax.text(0, height, f"{name}: {what}", size=10, va="center")
    ax.text(0, 3.1, "key: what a token is found by", size=10, va="center", color="C0")
    ax.text(0, -0.25, "value (grey): what a token hands over", size=10, va="center", color="0.3")
    return with_alt(
        fig,
        "Four words, each with a key and a value. The query of She asks for a female name; a thick"
        " arrow goes to the key of Anna, thin ones to 3 others, and She receives mostly Anna's"
        " value.",
    )


def arrows(query: Float[Tensor, "2"], keys: Float[Tensor, "4 2"]) -> Figure:
    """The query of "She" and the four keys as arrows in the plane."""
    fig, ax = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
    _plane(ax, query, keys, names=True)
    ax.set(xlabel="first number: a name", ylabel="second number: female")
    ax.set(xlim=(-2.9, 3.2), ylim=(-1.7, 1.9), aspect="equal")
    angles = F.cosine_similarity(query, keys, dim=-1).clamp(-1, 1).acos().rad2deg().tolist()
    told = listed(f"{angle:.0f} for {word}" for word, angle in zip(WORDS, angles, strict=True))
    return with_alt(fig, f"A query and four keys as arrows. Degrees from the query: {told}.")


def three_cures() -> Figure:
    """Three columns, one for each of WAYS: what it does, and the weights as W_q and W_k grow."""
    fig, axes = plt.subplots(2, 3, figsize=(8.4, 5), layout="constrained", height_ratios=[1, 1.1])
    factors = [2.0 ** (step / 2) for step in range(-6, 13)]
    query, keys = torch.tensor(QUERY), torch.tensor(KEYS)
    for ax, factor in zip(axes[0, ::2], (1.0, None), strict=True):
        if factor:
            _plane(ax, query, keys, names=False)
        else:
            angle = torch.linspace(0, 6.2832, 73).double()
            ax.plot(sqrt(2) * angle.cos(), sqrt(2) * angle.sin(), color="0.6", lw=1, ls="-")
            _plane(ax, *(F.rms_norm(x, (2,), eps=1e-6) for x in (query, keys)), names=False)
        ax.set(xlim=(-2.5, 2.5), ylim=(-1.8, 1.8), aspect="equal", xticks=[], yticks=[])
    axes[0, 0].set_title("1: fixed scale\nlengths stay as they are", fontsize=10)
    axes[0, 1].set_title("2: soft cap\nscores are bent", fontsize=10)
    axes[0, 2].set_title("3: QK-norm\nlengths become equal", fontsize=10)
    scores = torch.linspace(-200, 200, 81).double()
    bent = CAP * torch.tanh(scores / CAP)
    axes[0, 1].plot(scores, scores, color="0.6", lw=1, ls=":", label="as it comes")
    axes[0, 1].plot(scores, bent, color="C2", lw=2, ls="-", label="bent")
    axes[0, 1].set(ylim=(-80, 80), xlabel="score", xticks=[-200, 0, 200], yticks=[-50, 0, 50])
    told = []
    for ax, way in zip(axes[1], WAYS, strict=True):
        found = torch.stack([toy_weights(way, factor) for factor in factors])
        for word, (colour, style), weights in zip(WORDS, _LOOKS, found.T, strict=True):
            ax.plot(factors, weights, color=colour, ls=style, label=word)
        ax.set_xscale("log", base=2)
        ax.set(xlabel="growth of W_q and W_k", ylim=(-0.04, 1.06))
        ax.set_xticks([1 / 8, 1, 8, 64], ["1/8", "1", "8", "64"])
        told.append(f"{way} {found[-1, 0]:.2f} on Anna and {found[-1, 2]:.2f} on Rex")
    axes[1, 0].set_ylabel("weight")
    axes[1, 2].legend(fontsize=9, ncols=2, loc="upper center")
    return with_alt(
        fig,
        "Three columns: arrows of many lengths, a curve that flattens at 50, arrows that end on one"
        f" circle. Weights when both matrices are 64 times as large: {'; '.join(told)}.",
    )


def by_factor(
    factors: Sequence[float],
    bits: Mapping[str, Sequence[float]],
    right: Mapping[str, Sequence[int]],
) -> Figure:
    """Entropy of attention and right answers against the factor on W_q and W_k of a model."""
    fig, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    told = []
    for ax, rows, name in zip(axes, (bits, right), ("bits", "right answers of 10"), strict=True):
        for (way, values), look in zip(rows.items(), ("C0-s", "C1--o"), strict=True):
            ax.plot(factors, values, look, ms=5, label=way)
            told.append(f"{name} {way}: {round(values[0], 1):g} to {round(values[-1], 1):g}")
        ax.set_xscale("log", base=2)
        ax.set_xticks(factors, [f"1/{1 / f:g}" if f < 1 else f"{f:g}" for f in factors])
        ax.set(xlabel="factor on W_q and W_k", ylabel=name)
        ax.set_ylim(-0.05 * max(max(v) for v in rows.values()))
    axes[0].legend()
    return with_alt(fig, f"Two panels, from the smallest to the largest factor. {'; '.join(told)}.")


def learnt(scales: Sequence[float], right: Mapping[str, Sequence[float]]) -> Figure:
    """Share of right answers after training, against the scale of the first W_q and W_k."""
    fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
    for (way, shares_right), look in zip(right.items(), ("C1--o", "C2:^", "C0-s"), strict=True):
        ax.plot(range(len(scales)), shares_right, look, ms=6, label=way)
    ax.axhline(0.1, color="0.4", lw=1, ls="-.", label="guessing")
    ax.set_xticks(range(len(scales)), [f"{scale:g} times" for scale in scales])
    ax.set(xlabel="scale of the first W_q and W_k", ylabel="right answers", ylim=(0, 1.05))
    ax.legend(loc="lower left", fontsize=9)
    last = listed(f"{row[-1]:.1f} with {way}" for way, row in right.items())
    return with_alt(fig, f"Right answers after training; at scale {scales[-1]:g}: {last}.")


def _plane(ax: Axes, query: Float[Tensor, "2"], keys: Float[Tensor, "4 2"], *, names: bool) -> None:
    ax.axhline(0, color="0.8", lw=1, ls="-", label="axis", zorder=0)
    ax.axvline(0, color="0.8", lw=1, ls="-", label="axis", zorder=0)
    for word, key in zip(WORDS, keys.tolist(), strict=True):
        _arrow(ax, (0, 0), (key[0], key[1]), "C0", 1.8)
        away = 1 + 0.33 / max(sqrt(key[0] ** 2 + key[1] ** 2), 0.3)
        _write(ax, key[0] * away, key[1] * away + 0.04, word, color="C0", size=9 if names else 8)
    _arrow(ax, (0, 0), (query[0].item(), query[1].item()), "C1", 3)
    if names:
        _write(ax, query[0].item(), query[1].item() + 0.22, "query of She", color="C1", size=9)


def _card(
    ax: Axes,
    corner: tuple[float, float],
    size: tuple[float, float],
    fill: object,
    name: str,
    edge: str,
) -> None:
    style = "round,pad=0,rounding_size=0.15"
    box = FancyBboxPatch(
        corner, *size, boxstyle=style, facecolor=fill, edgecolor=edge, label=name, zorder=3
    )
    ax.add_patch(box)


def _write(ax: Axes, x: float, y: float, text: str, **looks: Any) -> None:
    ax.text(x, y, text, ha="center", va="center", zorder=4, **looks)


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, width: float
) -> None:
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=9 + 2 * width,
            linewidth=width,
            color=colour,
            linestyle="-",
            shrinkA=0,
            shrinkB=0,
            label="arrow",
            zorder=2,
        )
    )


def _tint(depth: float) -> tuple[float, float, float]:
    """From white to the first colour of the palette."""
    red, green, blue = (1 - depth * (1 - part / 255) for part in (0x00, 0x72, 0xB2))
    return red, green, blue
