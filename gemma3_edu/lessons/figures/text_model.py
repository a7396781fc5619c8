"""Figures of lesson 09: where the parameters are, and what the model says after n blocks.

>>> from gemma3_edu.model.presets import PRESETS
>>> config = PRESETS["tiny-text"]
>>> found = read_early(Gemma3(config), Batch.from_ids(torch.tensor([[2, 7, 8]]), config))
>>> found.surprise.shape, found.best.shape  # after 0 to 7 blocks, of the two tokens to come
(torch.Size([8, 2]), torch.Size([8, 2]))
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor
from torch.nn import functional as F

from ...model.config import Gemma3Config
from ...model.gemma3 import Gemma3
from ...model.layout import Batch
from ...study import cost
from ...study.capture import capture
from .alt import listed, with_alt

CLEAR = 0.1
"""A first choice is written out where its logit leads by this much; else it may be another one on
another machine."""

SHORTEST = 0.05
"""No bar is shorter, in nats: less cannot be seen, and its digits are the machine's."""

_PARTS = [  # colour and hatching
    ("embedding", "#0072B2", ""),
    ("attention", "#E69F00", "//"),
    ("mlp", "#F0E442", ".."),
    ("norms", "#000000", ""),
    ("vision", "#009E73", "xx"),
]
_NAMES = {"mlp": "MLP", "vision": "vision and projector"}

_CHOICES = [  # what a first choice is: colour and hatching
    ("says what comes, in bold", "#0072B2", ""),
    ("says what it read", "#E69F00", "//"),
    ("says another, or none clearly", "#CCCCCC", ""),
]


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


def surprise_against_position(nats: Float[Tensor, "P T"], levels: Mapping[str, float]) -> Figure:
    """Mean surprise in stretches of positions that double in length, with its uncertainty.

    Rows are texts, NaN where one has ended. The band is two standard errors of the mean to either
    side; `levels` are drawn across.
    """
    fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
    edges = [0, 1]
    while edges[-1] < nats.shape[1]:
        edges.append(min(2 * edges[-1], nats.shape[1]))
    places, means, errors = [], [], []
    for low, high in pairwise(edges):
        there = nats[:, low:high]
        there = there[~there.isnan()].double()
        places.append((low + 1 + high) / 2)  # the first token has one before it, <bos>
        means.append(there.mean().item())
        errors.append(2 * there.std().item() / len(there) ** 0.5)
    below = [m - e for m, e in zip(means, errors, strict=True)]
    above = [m + e for m, e in zip(means, errors, strict=True)]
    ax.fill_between(places, below, above, color="C0", alpha=0.25, label="two standard errors")
    ax.plot(places, means, "C0-", marker="o", ms=4, label="the model")
    for (name, level), style in zip(levels.items(), ["-.", ":"], strict=False):
        ax.axhline(level, color="black", ls=style, lw=1.5, label=name)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="tokens before it", ylabel="surprise, nats a token")
    ax.set_ylim(bottom=0)
    fig.legend(loc="outside upper center", ncols=2, frameon=False)
    across = ", ".join(f"{name} {level:.1f}" for name, level in levels.items()) or "none"
    return with_alt(
        fig,
        f"Surprise in nats a token against the number of tokens before, up to {nats.shape[1]}:"
        f" {means[0]:.1f} at the first token, {means[-1]:.1f} in the last stretch; levels drawn"
        f" across: {across}.",
    )


@dataclass(frozen=True)
class Early:
    """What a model would say of one text's next tokens after 0, 1, ... blocks.

    `surprise` at the right next token in nats, the `best` token by logit, and by how much its logit
    leads the second.
    """

    surprise: Float[Tensor, "blocks_and_one T"]
    best: Int[Tensor, "blocks_and_one T"]
    lead: Float[Tensor, "blocks_and_one T"]
    read: Int[Tensor, "T"]
    next: Int[Tensor, "T"]


@torch.no_grad()
def read_early(model: Gemma3, batch: Batch) -> Early:
    """Final norm and head on the stream of the first text, before each block and after the last."""
    with capture(model, "language_model.layers.*[0-9]") as seen:
        model.hidden_states(batch)
    streams = [model.embed(batch), *(outputs[0] for outputs in seen.values())]
    read, following = batch.tokens[0, :-1], batch.tokens[0, 1:]
    rows: dict[str, list[Tensor]] = {"surprise": [], "best": [], "lead": []}
    for stream in streams:
        logits = model.logits(model.language_model.norm(stream))[0, :-1].float()
        top = logits.topk(2, dim=-1)
        rows["surprise"].append(F.cross_entropy(logits, following, reduction="none"))
        rows["best"].append(top.indices[:, 0])
        rows["lead"].append(top.values[:, 0] - top.values[:, 1])
    found = {name: torch.stack(values) for name, values in rows.items()}
    return Early(**found, read=read, next=following)


def through_blocks(early: Early, levels: Mapping[str, float]) -> Figure:
    """Left, mean surprise after n blocks; right, how often the first choice is which token."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(7, 3.4), layout="constrained")
    count = range(len(early.surprise))
    left.plot(count, early.surprise.mean(1), "C0-", marker="o", ms=4, label="the model")
    for (name, level), style in zip(levels.items(), ["-.", ":"], strict=False):
        left.axhline(level, color="black", ls=style, lw=1.5, label=name)
    left.set(xlabel="blocks passed", ylabel="surprise, nats a token")
    left.set_ylim(0, 1.4 * early.surprise.mean(1).max().item())
    shares = []
    for token, look, name in [
        (early.read, "C1--s", "the token it read"),
        (early.next, "C0-o", "the token that comes"),
    ]:
        share = 100 * (early.best == token).double().mean(1)
        right.plot(count, share, look, ms=4, label=name)
        shares += [f"{share[0]:.0f} %", f"{share[-1]:.0f} %"]
    right.set(xlabel="blocks passed", ylabel="its first choice, % of tokens", ylim=(-4, 140))
    right.set_yticks(range(0, 101, 25))
    for ax in (left, right):
        ax.set_xticks(range(0, len(early.surprise), 2))
        ax.legend(loc="upper right", fontsize=9)
    ends = [early.surprise[n].mean().item() for n in (0, -1)]
    return with_alt(
        fig,
        f"Through {len(early.surprise) - 1} blocks: left, surprise goes from {ends[0]:.1f} to"
        f" {ends[1]:.1f} nats a token; right, the token just read is the first choice in"
        f" {shares[0]} before and {shares[1]} after, the one that comes in"
        f" {shares[2]} and {shares[3]}.",
    )


def after_blocks(early: Early, piece: Callable[[int], str], blocks: Sequence[int]) -> Figure:
    """One panel for each number of blocks: surprise at each next token, and the first choice.

    `piece` names a token; ≈ stands where no choice is clear. The widget's callback: with one
    number, one panel.
    """
    pairs = zip(*_lists(early.read, early.next), strict=True)
    steps = [f"{_shown(piece(a))} → {_shown(piece(b))}" for a, b in pairs]
    size = (7.0 if len(blocks) > 1 else 5.6, 0.27 * len(steps) + 1.2)
    fig, axes = plt.subplots(1, len(blocks), figsize=size, squeeze=False, sharex=True, sharey=True)
    # By hand: the automatic layout draws everything twice, too slow under a slider.
    fig.subplots_adjust(
        left=1.6 / size[0], right=0.98, bottom=0.5 / size[1], top=1 - 0.66 / size[1], wspace=0.06
    )
    for ax, count in zip(axes[0], blocks, strict=True):
        _choices(ax, early, piece, count)
    axes[0, 0].set_yticks(range(len(steps)), steps)
    axes[0, 0].invert_yaxis()
    axes[0, 0].set_xlim(0, 1.45 * early.surprise.max().item())
    handles = [  # by hand: a panel may have no bar of a kind
        Patch(facecolor=colour, hatch=hatch, edgecolor="black", linewidth=0.5, label=name)
        for name, colour, hatch in _CHOICES
    ]
    fig.legend(handles=handles, loc="upper center", ncols=3, frameon=False, fontsize=9)
    told = listed(f"{early.surprise[count].mean():.1f} after {count}" for count in blocks)
    return with_alt(
        fig,
        f"A bar for each of {len(steps)} steps, one panel for each number of blocks; mean surprise"
        f" in nats is {told}.",
    )


def _choices(ax: Axes, early: Early, piece: Callable[[int], str], count: int) -> None:
    surprise, best = early.surprise[count], early.best[count]
    clear = early.lead[count] >= CLEAR
    right = clear & (best == early.next)
    again = clear & (best == early.read) & ~right
    kinds = [right, again, ~right & ~again]
    lengths = surprise.clamp_min(SHORTEST)
    for chosen, (name, colour, hatch) in zip(kinds, _CHOICES, strict=True):
        (where,) = _lists(chosen.nonzero()[:, 0])
        look: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "black"}
        ax.barh(where, lengths[chosen].tolist(), height=0.72, label=name, linewidth=0.5, **look)
    pad = 0.02 * early.surprise.max().item()
    rows = zip(*_lists(surprise, best, clear, right), strict=True)
    for row, (nats, token, sure, hit) in enumerate(rows):
        # A right choice has a bar too short to show its colour.
        look = {"color": _CHOICES[0][1], "weight": "bold"} if hit else {}
        words = _shown(piece(token)) if sure else "≈"
        ax.text(nats + pad, row, words, va="center", fontsize=9, **look)
    told = f"after {count} blocks" if count != 1 else "after 1 block"
    ax.set_title(f"{told}: mean {surprise.mean():.1f}", fontsize=9)
    ax.set_xlabel("surprise, nats")


def _shown(piece: str) -> str:
    """A piece on one line."""
    return piece.replace("\n", "↵")


def _lists(*tensors: Tensor) -> list[list[Any]]:
    return [tensor.tolist() for tensor in tensors]
