"""Figures of lesson 09: a name's way to its place, nano reading, and where the parameters are.

>>> fig = name_to_place("file.layers.4.mlp.up_proj.weight", ["file.", "other.file."])
>>> [text.get_text() for text in fig.axes[0].texts][:3]
['file.', 'other.file.', '|']
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor

from ...model.config import Gemma3Config
from ...study import cost
from ...train.scores import margin
from .alt import listed, with_alt

CLEAR = 0.1
"""A first choice is written out where its logit leads by this much; else it may be another one on
another machine."""

_PARTS = [  # colour and hatching
    ("embedding", "#0072B2", ""),
    ("attention", "#E69F00", "//"),
    ("mlp", "#F0E442", ".."),
    ("norms", "#000000", ""),
    ("vision", "#009E73", "xx"),
]
_NAMES = {"mlp": "MLP", "vision": "vision and projector"}


def name_to_place(name: str, spellings: Sequence[str]) -> Figure:
    """The beginning of a name is cut off; each word of the rest opens one box more.

    `spellings` are beginnings that mean the same, that of `name` first.
    """
    rest = name.removeprefix(spellings[0])
    words, step, begin = rest.split("."), 1.6, 5.4
    fig, ax = plt.subplots(figsize=(8.6, 3.6), layout="constrained")
    ax.axis("off")
    half = len(spellings) // 2  # the name's own beginning is level with the rest of the name
    middle = 7.2 - 0.75 * half
    for row, spelling in zip([half, *range(half), *range(half + 1, 9)], spellings, strict=False):
        look: dict[str, Any] = {"family": "monospace", "size": 10, "va": "center", "ha": "right"}
        look |= {"weight": "bold"} if row == half else {"color": "0.45"}
        ax.text(4.6, 7.2 - 0.75 * row, spelling, **look)
    ax.text(4.85, middle, "|", size=34, va="center", ha="center", color="0.6")
    ax.text(3.3, 2.4, "the decoder", ha="left", va="center", size=10)
    ax.add_patch(Rectangle((3.1, 0), 11.4, 4.8, fc="0.97", ec="black", lw=1.2))
    for depth, word in enumerate(words):
        left, margin, last = begin + step * depth, 0.3 * (depth + 1), depth == len(words) - 1
        wide = 1.2 if last else 14.5 - margin - left
        face = "C0" if last else str(0.92 - 0.07 * depth)
        box = Rectangle((left, margin), wide, 4.8 - 2 * margin, facecolor=face, edgecolor="black")
        ax.add_patch(box)
        ink, dot = ("white", "") if last else ("black", ".")
        ax.text(left + 0.2, middle, word + dot, family="monospace", size=10, va="center")
        ax.text(left + 0.2, 2.4, word, va="center", size=10, color=ink)
        arrow: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 14, "linestyle": "-"}
        ends = (left + 0.45, middle - 0.4), (left + 0.45, 2.8)
        ax.add_patch(FancyArrowPatch(*ends, linewidth=1.4, color="black", **arrow))
    ax.set(xlim=(0, 14.6), ylim=(-0.1, 7.7))
    return with_alt(
        fig,
        f"{len(spellings)} beginnings of a name stand before one bar, the one that fits in bold and"
        f" level with the rest. After the bar the words of {rest}"
        f" have arrows into boxes inside each other, from the decoder to the tensor, {words[-1]}.",
    )


def read_along(pieces: Sequence[str], logits: Float[Tensor, "T V"], came: Tensor) -> Figure:
    """A bar for each token of a text: the probability the model gave it before it came.

    Where that token was not clearly the first choice, a diamond is at the probability of the one
    that was, with its name by `pieces`, unless two are nearly as likely.
    """
    shares = logits.double().softmax(-1)
    top = logits.topk(2, dim=-1)
    clear = (top.values[:, 0] - top.values[:, 1] >= CLEAR).tolist()
    given = (100 * shares.gather(1, came[:, None])[:, 0]).tolist()
    most = (100 * shares.max(-1).values).tolist()
    best, tokens = top.indices[:, 0].tolist(), came.tolist()
    fig, ax = plt.subplots(figsize=(7.6, 0.27 * len(tokens) + 1.2), layout="constrained")
    hits = [clear[n] and best[n] == token for n, token in enumerate(tokens)]
    missed = [n for n, hit in enumerate(hits) if not hit]
    kinds = [("it was the first choice", "C0", ""), ("it was not", "C1", "//")]
    for hit, (label, colour, hatch) in zip((True, False), kinds, strict=True):
        rows = [n for n, h in enumerate(hits) if h is hit]
        look: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "black"}
        ax.barh(rows, [given[n] for n in rows], height=0.72, linewidth=0.5, label=label, **look)
    mark: dict[str, Any] = {"ls": "none", "color": "black", "mfc": "white", "ms": 6}
    marks = ax.plot([most[n] for n in missed], missed, "D", label="the first choice", **mark)
    for row in missed:
        told = pieces[best[row]] if clear[row] else "near tie"
        ax.text(most[row] + 2, row, told, va="center", size=9)
    ax.set_yticks(range(len(tokens)), [pieces[token] for token in tokens])
    ax.set_xticks(range(0, 101, 20))
    ax.invert_yaxis()
    ax.set(xlabel="probability, %", xlim=(0, 115))
    ax.spines[["right", "top"]].set_visible(False)
    ax.spines["bottom"].set_bounds(0, 100)
    fig.legend(handles=[*ax.containers, *marks], loc="outside upper center", ncols=3, frameon=False)
    return with_alt(
        fig,
        f"A bar for each of {len(tokens)} tokens: its probability before it came, at most"
        f" {max(given):.0f} %; {sum(hits)} of them were clearly the first choice. At the others a"
        " diamond is at the first choice's probability.",
    )


def read_by_both(
    pieces: Sequence[str], logits: Mapping[str, Float[Tensor, "T V"]], came: Tensor
) -> Figure:
    """For each token of a text, the probability that each of two models gave it before it came."""
    tokens, told = came.tolist(), []
    fig, ax = plt.subplots(figsize=(7.6, 0.32 * len(tokens) + 1.2), layout="constrained")
    given = {
        name: (100 * each.double().softmax(-1).gather(1, came[:, None])[:, 0]).tolist()
        for name, each in logits.items()
    }
    for n, (name, shares) in enumerate(given.items()):
        rows = [row + 0.4 * n - 0.2 for row in range(len(tokens))]
        look: dict[str, Any] = {"color": f"C{n}", "hatch": "//" * n, "edgecolor": "black"}
        ax.barh(rows, shares, height=0.38, linewidth=0.5, label=name, **look)
        told.append(f"{name} at most {max(shares):.0f} %")
    ax.set_yticks(range(len(tokens)), [pieces[token] for token in tokens])
    ax.invert_yaxis()
    ax.set(xlabel="probability, %", xlim=(0, 100))
    fig.legend(handles=[*ax.containers], loc="outside upper center", ncols=2, frameon=False)
    one, other = given.values()
    shorter = sum(b < a for a, b in zip(one, other, strict=True))
    return with_alt(
        fig,
        f"Two bars for each of {len(tokens)} tokens, its probability before it came:"
        f" {listed(told)}; the second is shorter at {shorter}.",
    )


def surprise_by_loading(
    nats: Mapping[str, Float[Tensor, "P"]], without: Mapping[str, float]
) -> Figure:
    """Mean surprise of each way to load, with an interval of 95 % (`train.scores.margin`).

    `without` are one or two means that need no model, each drawn as a line.
    """
    fig, ax = plt.subplots(figsize=(7, 0.5 * len(nats) + 1.1), layout="constrained")
    told = []
    for row, (name, each) in enumerate(nats.items()):
        mean, half = each.mean().item(), margin(each)
        ax.errorbar([mean], [row], xerr=[half], fmt="o", color="C0", ls="none", capsize=5)
        clear: dict[str, Any] = {"bbox": {"fc": "white", "ec": "none", "pad": 1}}
        ax.text(mean, row - 0.22, f"{mean:.1f}", ha="center", va="bottom", size=9, **clear)
        told.append(f"{name} {mean:.1f} ± {half:.1g}")
    lines = [
        ax.axvline(mean, color=colour, ls=style, lw=1.5, label=name)
        for (name, mean), colour, style in zip(
            without.items(), ("C1", "black"), ("--", ":"), strict=False
        )
    ]
    ax.legend(handles=lines, loc="lower left", fontsize=9)
    ax.set_yticks(range(len(nats)), list(nats))
    ax.set(xlabel="surprise, nats a token", ylim=(len(nats) - 0.5, -0.8), xlim=(0, None))
    lines_told = listed([f"{name} {mean:.1f}" for name, mean in without.items()])
    return with_alt(
        fig,
        f"Mean surprise in nats a token, with intervals: {listed(told)}. Lines of what needs no"
        f" model: {lines_told}.",
    )


def parameter_shares(configs: Mapping[str, Gemma3Config]) -> Figure:
    """One bar a size, as long as all others, cut into the parts' shares; the total beside it."""
    rows = len(configs)
    fig, ax = plt.subplots(figsize=(7, 0.42 * rows + 1.2), layout="constrained")
    counted = [cost.parameters_by_part(config) for config in configs.values()]
    totals = [sum(parts.values()) for parts in counted]
    before = [0.0] * rows
    for part, colour, hatch in _PARTS:
        both = {"vision": ("vision", "projector")}.get(part, (part,))
        share = [
            100 * sum(parts.get(name, 0) for name in both) / total
            for parts, total in zip(counted, totals, strict=True)
        ]
        look: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "black"}
        name = _NAMES.get(part, part)
        ax.barh(range(rows), share, left=before, height=0.66, label=name, linewidth=0.6, **look)
        before = [a + b for a, b in zip(before, share, strict=True)]
    names = [f"{name}: {total / 1e6:,.0f} M" for name, total in zip(configs, totals, strict=True)]
    ax.set_yticks(range(rows), names)
    ax.invert_yaxis()
    ax.set(xlabel="share of all parameters, %", xlim=(0, 100))
    fig.legend(loc="outside upper center", ncols=5, frameon=False, handlelength=1.6)
    told = [
        f"{name} {parts['embedding'] / total:.0%} and {parts['mlp'] / total:.0%}"
        for name, parts, total in zip(configs, counted, totals, strict=True)
    ]
    return with_alt(
        fig,
        f"{rows} bars cut by share of parameters; the embedding's share and the MLPs' are"
        f" {'; '.join(told)}.",
    )
