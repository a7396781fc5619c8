"""Figures of lesson 03: a token that asks, scores as angle and lengths, and three ways with them.

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
from matplotlib.patches import FancyBboxPatch
from torch import Tensor
from torch.nn import functional as F

from .alt import listed, with_alt
from .parts import arrow

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
    said = []
    for ax, (title, weights) in zip(axes[:, 0], rows.items(), strict=True):
        top = [int(i) for i in weights.topk(min(3, len(weights))).indices if weights[i] > 0.005]
        for i, ((x, row, width), word) in enumerate(zip(places, shown, strict=True)):
            share = float(weights[i])
            ink, edge = ("white" if share > 0.3 else "black"), ("C0" if i in top else "0.75")
            _card(ax, (x, -2.6 * row), (width, 1.4), _tint(share**0.5), "a token", edge)
            _write(ax, x + width / 2, 0.7 - 2.6 * row, word, color=ink, family="monospace", size=9)
            if i in top:
                _write(ax, x + width / 2, -0.45 - 2.6 * row, f"{share:.2f}", size=8)
        ax.set(xlim=(-0.5, _LINE + 1), ylim=(-2.6 * line - 1.2, 1.8))
        ax.set_title(title, loc="left", fontsize=10)
        ax.axis("off")
        said.append(f"{title}: " + listed(f"{float(weights[i]):.2f} on {shown[i]!r}" for i in top))
    return with_alt(fig, f"{len(tokens)} tokens with their shares of attention. {'; '.join(said)}.")


def she_asks() -> Figure:
    """Four words as drawers with a label, the key, and contents, the value; "She" asks and mixes.

    An arrow is the thicker, the more attention there is; the bar below is what "She" receives.
    """
    fig, ax = plt.subplots(figsize=(8.4, 5), layout="constrained")
    ax.set(xlim=(-0.1, 12.5), ylim=(-1.35, 6.35))
    ax.axis("off")
    labels = ("a name, female", "no name", "a name, male", "no name, female")
    wares = ("a human", "walking", "a dog", "nothing yet")
    weights = (torch.tensor(KEYS) @ torch.tensor(QUERY)).softmax(0).tolist()
    _card(ax, (8.0, 5.35), (4.3, 0.85), "#fbe3d2", "query", "C1")
    _write(ax, 10.15, 5.78, "She asks: a name, female?", size=11)
    for i, weight in enumerate(weights):
        left, middle = 3.2 * i, 3.2 * i + 1.35
        arrow(ax, (9.6 + 0.35 * i, 5.3), (middle, 3.75), "C1", 0.8 + 8 * weight, label="arrow")
        ax.text(middle - 0.25, 4.0, f"{weight:.2f}", ha="right", va="center", size=10, color="C1")
        _card(ax, (left, 1.75), (2.7, 1.95), "0.94", "drawer", "0.6")
        _card(ax, (left + 0.15, 2.95), (2.4, 0.6), _tint(0.22), "key", "C0")
        _write(ax, middle, 3.24, labels[i], size=10)
        _write(ax, middle, 2.35, wares[i], size=11, style="italic")
        _write(ax, middle, 1.35, WORDS[i], size=13, weight="bold")
    start = 0.0
    for i, weight in enumerate(weights):
        width, middle, depth = 12.3 * weight, 3.2 * i + 1.35, weight**0.3
        _card(ax, (start, -0.55), (width, 0.8), _tint(depth), "share", "0.3")
        if weight > 0.1:
            arrow(
                ax,
                (middle, 1.05),
                (start + width / 2, 0.32),
                _tint(depth),
                0.8 + 4 * weight,
                label="arrow",
            )
            said = f"{weight:.2f} of {wares[i]}" if weight > 0.5 else f"{weight:.2f}"
            _write(
                ax,
                start + width / 2,
                -0.15,
                said,
                size=11,
                color="white" if depth > 0.6 else "black",
            )
        start += width
    ax.text(0, 5.78, "query: what a token looks for", size=11, va="center", color="C1")
    ax.text(0, 5.15, "key: what a token is found by", size=11, va="center", color="C0")
    ax.text(0, 4.52, "value (in italics): what it hands over", size=11, va="center", color="0.25")
    ax.text(0, -1.0, "She receives: a mixture of the values", size=11, va="center", color="0.25")
    shares = listed(f"{w:.2f} from {word}" for w, word in zip(weights, WORDS, strict=True))
    return with_alt(
        fig,
        "Four words as drawers, each labelled with a key and holding a value. The query of She, a"
        " name, female, goes to every key. A bar shows the mixture of values that She receives:"
        f" {shares}.",
    )


def arrows(query: Float[Tensor, "2"], keys: Float[Tensor, "4 2"], grown: float = 2.0) -> Figure:
    """The query of "She" and the four keys as arrows, at size 1 and `grown`, with the weights."""
    fig, axes = plt.subplots(1, 2, figsize=(8.6, 3.5), layout="constrained")
    reach = grown * 3.2
    angles = F.cosine_similarity(query, keys, dim=-1).clamp(-1, 1).acos().rad2deg().tolist()
    first, last = (torch.atan2(end[1], end[0]) for end in (keys[0], query))
    arc = first + (last - first) * torch.linspace(0, 1, 9)
    for ax, factor in zip(axes, (1.0, grown), strict=True):
        q, k = factor * query, factor * keys
        _plane(ax, q, k, weights=(k @ q).softmax(0).tolist())
        ax.plot(1.2 * arc.cos(), 1.2 * arc.sin(), color="0.25", lw=1.5, ls="-", label="angle")
        _write(ax, 1.8, 0.35, f"{angles[0]:.0f}°", color="0.25", size=8)
        ax.set(xlim=(-reach, reach), ylim=(-0.55 * reach, 0.62 * reach), aspect="equal")
        ax.set(xlabel="a name", ylabel="female", xticks=[], yticks=[])
        size = "as they are" if factor == 1 else f"{factor:g} times as large"
        ax.set_title(f"W_q and W_k {size}", fontsize=10)
    named = listed(f"{angle:.0f} for {word}" for word, angle in zip(WORDS, angles, strict=True))
    return with_alt(
        fig,
        f"A query and four keys as arrows, on the right {grown:g} times as long. Degrees from the"
        f" query, on both sides: {named}.",
    )


def three_ways() -> Figure:
    """Three columns, one for each of WAYS: what it does, and the weights as W_q and W_k grow."""
    fig, axes = plt.subplots(2, 3, figsize=(8.6, 5.2), layout="constrained", height_ratios=[1, 1.1])
    factors = [2.0 ** (step / 2) for step in range(-6, 13)]
    scores = torch.linspace(-200, 200, 81).double()
    for ax, became in zip(
        axes[0], (scores / sqrt(2), CAP * torch.tanh(scores / CAP)), strict=False
    ):
        ax.plot(scores, scores, color="0.6", lw=1, ls=":", label="as it was")
        ax.plot(scores, became, color="C0", lw=2.5, ls="-", label="afterwards")
        ax.set(ylim=(-160, 160), xlabel="score", xticks=[-200, 0, 200], yticks=[-50, 0, 50])
    axes[0, 0].set_ylabel("becomes")
    angle = torch.linspace(0, 6.2832, 73).double()
    axes[0, 2].plot(sqrt(2) * angle.cos(), sqrt(2) * angle.sin(), color="0.6", lw=1, ls="-")
    query, keys = torch.tensor(QUERY), torch.tensor(KEYS)
    query, keys = (F.rms_norm(x, (2,), eps=1e-6) for x in (query, keys))
    _plane(axes[0, 2], query, keys)
    axes[0, 2].set(xlim=(-2.6, 2.6), ylim=(-1.75, 1.75), aspect="equal", xticks=[], yticks=[])
    ends = []
    for i, (ax, way) in enumerate(zip(axes[1], WAYS, strict=True)):
        axes[0, i].set_title(f"{i + 1}. {way}", fontsize=11)
        found = torch.stack([toy_weights(way, factor) for factor in factors])
        for word, (colour, style), weights in zip(WORDS, _LOOKS, found.T, strict=True):
            ax.plot(factors, weights, color=colour, ls=style, lw=2.5, label=word)
        ax.set_xscale("log", base=2)
        ax.set(xlabel="size of W_q and W_k", ylim=(-0.04, 1.06))
        ax.set_xticks([1 / 8, 1, 8, 64], ["1/8", "1", "8", "64"])
        ends.append(f"{way} {found[-1, 0]:.2f} on Anna and {found[-1, 2]:.2f} on Rex")
    axes[1, 0].set_ylabel("weight")
    axes[1, 2].legend(fontsize=9, ncols=2, loc="upper center")
    return with_alt(
        fig,
        "Three columns: a straight line, a curve that flattens at 50, arrows that end on one"
        f" circle. Weights when both matrices are 64 times as large: {'; '.join(ends)}.",
    )


def by_factor(factors: Sequence[float], rows: Mapping[str, Sequence[float]], ylabel: str) -> Figure:
    """What was measured of two models, against the factor on W_q and W_k."""
    fig, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    ends = []
    for (model, values), look in zip(rows.items(), ("C0-s", "C1--o"), strict=True):
        ax.plot(factors, values, look, ms=6, lw=2.5, label=model)
        ends.append(f"{model}: {listed(f'{value:.2g}' for value in values)}")
    ax.set_xscale("log", base=2)
    ax.set_xticks(factors, [f"1/{1 / f:g}" if f < 1 else f"{f:g}" for f in factors])
    ax.set(xlabel="factor on W_q and W_k", ylabel=ylabel, ylim=(0, 1.05))
    ax.legend(fontsize=9)
    named = listed(f"{factor:.3g}" for factor in factors)
    return with_alt(fig, f"{ylabel[0].upper()}{ylabel[1:]} at factors {named}. {'; '.join(ends)}.")


def learnt(
    steps: Sequence[int],
    right: Mapping[float, Mapping[str, Sequence[Sequence[float]]]],
    guessed: float,
) -> Figure:
    """Right answers while training, one panel a size of the first W_q and W_k, one line a seed.

    What can be `guessed` without looking is a level line.
    """
    fig, axes = plt.subplots(
        1, len(right), figsize=(8.6, 3.4), layout="constrained", sharey=True, squeeze=False
    )
    ends = []
    for ax, (size, rows) in zip(axes[0], right.items(), strict=True):
        looks = (("C3:", 3.5), ("C1--", 2), ("C0-", 2))  # a wide line shows below a narrow one
        for (way, seeds), (look, width) in zip(rows.items(), looks, strict=True):
            for number, shares_right in enumerate(seeds):
                label = way if number == 0 else f"_{way}, seed {number}"
                ax.plot(steps, shares_right, look, lw=width, label=label)
            middle = sorted(row[steps.index(200)] for row in seeds)[len(seeds) // 2]
            ends.append(f"{way} at size {size:g} {middle:.1f}")
        ax.axhline(guessed, color="0.5", lw=1, ls="-.", label="commonest digit")
        ax.set_xscale("log", base=2)
        ax.set_xticks(steps, [f"{step}" for step in steps])
        ax.set(xlabel="steps of training", ylim=(0, 1.05))
        ax.set_title(f"W_q and W_k start at size {size:g}", fontsize=10)
    axes[0, 0].set_ylabel("right answers")
    axes[0, 0].legend(loc="lower right", fontsize=9, bbox_to_anchor=(1, 0.12))
    return with_alt(fig, f"Right answers while training; after 200 steps: {'; '.join(ends)}.")


def _plane(
    ax: Axes,
    query: Float[Tensor, "2"],
    keys: Float[Tensor, "4 2"],
    weights: Sequence[float] | None = None,
) -> None:
    ax.axhline(0, color="0.85", lw=1, ls="-", label="axis", zorder=0)
    ax.axvline(0, color="0.85", lw=1, ls="-", label="axis", zorder=0)
    for i, (word, (x, y)) in enumerate(zip(WORDS, keys.tolist(), strict=True)):
        arrow(ax, (0, 0), (x, y), "C0", 2, label="arrow")
        said = word if weights is None else f"{word}\n{weights[i]:.2f}"
        away = 1 + (0.38 if weights is None else 0.95) / max(sqrt(x**2 + y**2), 0.3)
        _write(ax, x * away, y * away + 0.04, said, color="C0", size=9)
    x, y = query.tolist()
    arrow(ax, (0, 0), (x, y), "C1", 3.5, label="arrow")
    if weights is not None:
        _write(ax, x - 0.45, y + 0.4, "query of She", color="C1", size=9)


def _card(
    ax: Axes,
    corner: tuple[float, float],
    size: tuple[float, float],
    fill: object,
    name: str,
    edge: str,
) -> None:
    style = f"round,pad=0,rounding_size={min(0.15, size[0] / 4):g}"
    box = FancyBboxPatch(
        corner, *size, boxstyle=style, facecolor=fill, edgecolor=edge, label=name, zorder=3
    )
    ax.add_patch(box)


def _write(ax: Axes, x: float, y: float, text: str, **looks: Any) -> None:
    ax.text(x, y, text, ha="center", va="center", zorder=4, **looks)


def _tint(depth: float) -> tuple[float, float, float]:
    """From white to the first colour of the palette."""
    red, green, blue = (1 - depth * (1 - part / 255) for part in (0x00, 0x72, 0xB2))
    return red, green, blue
