"""Figures of lesson 14: where an answer's words look, where a mistake shows, who weighs what.

A picture reaches the language model as M soft tokens in reading order, side by side in a square.
What is known about each of them is laid back over the picture here.

>>> to_pixels(torch.tensor([1.0, 2.0, 3.0, 4.0]), 2, 4).tolist()
[[1.0, 1.0, 2.0, 2.0], [3.0, 3.0, 4.0, 4.0]]
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike
from torch import Tensor

from ...generation.generate import generate
from ...generation.sampling import Sampler
from ...model.attention import visible_attention
from ...model.gemma3 import Gemma3
from ...model.layout import Batch
from ...prompt.chat_template import Message
from ...prompt.images import ImageSource, load_image
from ...prompt.processor import Processor
from ...study.capture import capture
from .alt import with_alt

WORDS = 4  # of an answer, at most: more panels than that are too small to read
WRITTEN = 5  # per cent: a share is written on its square from here on


def to_pixels(values: Float[Tensor, "M"], height: int, width: int) -> Float[Tensor, "Y X"]:
    """Each soft token's value on all the pixels it stands for, whatever the picture's shape.

    Nothing is blended between squares: there is no finer knowledge than one value a square.
    """
    side = math.isqrt(len(values))
    rows = torch.arange(height) * side // height
    columns = torch.arange(width) * side // width
    return values.view(side, side)[rows[:, None], columns]


@dataclass(frozen=True)
class Story:
    """A picture, what was asked about it, and where each word of the answer looked.

    `looks` is how much of the attention of the column that chose word a goes to soft token m, in
    layer l, the mean over its heads.
    """

    picture: ArrayLike  # Y X 3, 0 to 255
    question: str
    words: tuple[str, ...]
    looks: Float[Tensor, "L A M"]


def tell(model: Gemma3, processor: Processor, picture: ImageSource, question: str) -> Story:
    """Ask, let the model answer greedily in at most WORDS tokens, and read its attention.

    Where the first token already ends the turn, that token is the answer's one word.
    """
    batch = processor([Message.user(picture, question)])
    written = generate(model, batch, Sampler(temperature=0), WORDS, processor.stop_tokens)
    ids = [int(column[0]) for column in written]
    if len(ids) > 1 and ids[-1] in processor.stop_tokens:
        ids.pop()
    words = tuple(processor.decode([i], skip_special=False).replace("\n", r"\n") for i in ids)
    return Story(np.asarray(load_image(picture)), question, words, answer_looks(model, batch, ids))


def continued(batch: Batch, ids: Sequence[int]) -> Batch:
    """The batch of one row with text behind it."""
    layout = batch.layout
    for _ in ids:
        layout = layout.followed_by(layout.next_column())
    return Batch(
        torch.cat([batch.tokens, torch.tensor([[*ids]], dtype=torch.long)], 1), layout, batch.images
    )


@torch.no_grad()
def answer_looks(model: Gemma3, batch: Batch, ids: Sequence[int]) -> Float[Tensor, "L A M"]:
    """The attention on all soft tokens of the prompt by the columns that chose `ids`.

    The column before a word chooses it, so the first row is that of the prompt's last column.
    """
    pattern = "language_model.layers.*.self_attn.attention_weights"
    with visible_attention(model), capture(model, pattern) as seen:
        _ = model(continued(batch, ids))
    weights = torch.stack([layer[0] for (layer,) in seen.values()])  # L N T S
    chose = slice(batch.layout.length - 1, batch.layout.length - 1 + len(ids))
    soft = (batch.layout.image_id[0] > 0).nonzero()[:, 0]
    return weights[:, :, chose].mean(1)[..., soft]


def laid_over(*stories: Story, layers: Sequence[int] | None = None) -> Figure:
    """One row a story: the picture, then for each word the picture lit where the word looks.

    The widget's callback: with one story, one row. `layers` None averages over all. Squares are
    drawn and written in whole per cent; below stands what falls on the picture altogether.
    """
    size = (7.0, 1.95 * len(stories) + 0.1)
    fig, axes = plt.subplots(len(stories), WORDS + 1, figsize=size, squeeze=False)
    # By hand: the automatic layout draws everything twice, too slow under a knob.
    low, high = 0.5 / size[1], 1 - 0.34 / size[1]
    fig.subplots_adjust(left=0.01, right=0.99, bottom=low, top=high, wspace=0.05, hspace=0.55)
    for row, story in zip(axes, stories, strict=True):
        chosen = story.looks if layers is None else story.looks[list(layers)]
        shares = chosen.mean(0)  # A M
        row[0].imshow(np.asarray(story.picture))
        row[0].set_title(story.question, x=0, ha="left", fontsize=11)
        row[0].set_xlabel("answer:\n" + "".join(story.words).replace(r"\n", " ")[:14])
        for ax, word, values in zip(row[1:], story.words, shares, strict=False):
            lit(ax, story.picture, (100 * values).round(), WRITTEN)
            ax.set_xlabel(f"'{word}'\n{100 * values.sum():.0f} %")
        for ax in row[1 + len(story.words) :]:
            ax.remove()
        _no_ticks(row)
    told = [f"{s.question} {''.join(s.words)}".replace(r"\n", " ").strip() for s in stories]
    return with_alt(
        fig,
        f"The picture of each question, then once for each of the first {WORDS} tokens of the"
        f" answer, bright where the attention that chose the token falls. {'; '.join(told)}.",
    )


def looks_and_needs(
    picture: ArrayLike,
    words: Sequence[str],
    looks: Float[Tensor, "A M"],
    needs: Float[Tensor, "A M"],
) -> Figure:
    """Above, what each word looks at; below, by how many nats it suffers where a square is grey."""
    fig, axes = plt.subplots(2, len(words), figsize=(1.7 * len(words) + 0.5, 4.1), squeeze=False)
    fig.subplots_adjust(left=0.09, right=0.99, bottom=0.02, top=0.93, wspace=0.05, hspace=0.05)
    for column, word in zip(axes.T, words, strict=True):
        column[0].set_title(f"'{word}'", fontsize=11)
    for name, row, values, least in [
        ("looks at, %", axes[0], (100 * looks).round(), WRITTEN),
        ("needs, nats", axes[1], (10 * needs).round().clamp(min=0) / 10, 0.3),
    ]:
        for ax, each in zip(row, values, strict=True):
            lit(ax, picture, each, least)
        row[0].set_ylabel(name)
        _no_ticks(row)
    return with_alt(
        fig,
        f"The picture once for each of {len(words)} tokens of the answer, in 2 rows: above, bright"
        f" where the token looks, at most {looks.max():.0%} of the attention on a square; below,"
        f" bright where covering the square makes it less likely, by at most {needs.max():.1f}"
        " nats.",
    )


def lit(ax: Axes, picture: ArrayLike, values: Float[Tensor, "M"], least: float) -> None:
    """The picture, brightest in the square of the largest value, dim where the value is 0.

    Values of `least` and more are written on their squares; a picture without any stays dim.
    """
    pixels = np.asarray(picture, dtype=float) / 255
    height, width = pixels.shape[:2]
    top = max(float(values.max()), least)
    light = 0.2 + 0.8 * to_pixels(values / top, height, width).double().numpy()
    ax.imshow(pixels * light[:, :, None])
    side = math.isqrt(len(values))
    for place, value in enumerate(values.tolist()):
        if value >= least:
            row, column = divmod(place, side)
            x, y = (column + 0.5) * width / side, (row + 0.5) * height / side
            label = ax.text(x, y, f"{value:.3g}", color="white", ha="center", va="center")
            label.set_path_effects([withStroke(linewidth=2.5, foreground="black")])


def _no_ticks(axes: Iterable[Axes]) -> None:
    for ax in axes:
        ax.set(xticks=[], yticks=[])


def conversations(talks: Sequence[tuple[Sequence[ArrayLike], str, str]]) -> Figure:
    """One row a conversation: its pictures in order, the question above, the answer below."""
    across = max(len(pictures) for pictures, _, _ in talks)
    size = (1.75 * across, 2.3 * len(talks))
    fig, axes = plt.subplots(len(talks), across, figsize=size, squeeze=False)
    fig.subplots_adjust(
        left=0.01, right=0.99, bottom=0.3 / size[1], top=1 - 0.3 / size[1], hspace=0.45, wspace=0.06
    )
    for row, (pictures, question, answer) in zip(axes, talks, strict=True):
        for ax, picture in zip(row, pictures, strict=False):
            ax.imshow(np.asarray(picture))
        row[0].set_title(question, x=0, ha="left", fontsize=11)
        row[0].set_xlabel(f"nano: {answer}", x=0, ha="left", fontsize=11, weight="bold")
        for ax in row[len(pictures) :]:
            ax.remove()
        _no_ticks(row)
    told = [
        f"{len(pictures)} pictures, {question} {answer}" for pictures, question, answer in talks
    ]
    return with_alt(
        fig,
        f"{len(talks)} rows of pictures, each with its question above and nano's answer below."
        f" {'; '.join(told)}.",
    )


def by_stage(changes: Mapping[str, Sequence[float]], stages: Sequence[str]) -> Figure:
    """A curve a mistake: how far each stage's output is from the right one, over its length."""
    fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for (name, values), marker in zip(changes.items(), "os^D", strict=False):
        ax.plot(range(len(stages)), values, marker=marker, ms=5, lw=1.5, label=name)
    ax.set_xticks(range(len(stages)), stages, rotation=45, ha="right")
    ax.set(ylabel="relative difference")
    fig.legend(loc="outside upper center", ncols=2, frameon=False)
    told = [
        f"{name} at {next((s for s, v in zip(stages, values, strict=True) if v > 0), 'no stage')}"
        for name, values in changes.items()
    ]
    return with_alt(
        fig,
        f"Relative difference by stage, a curve for each of {len(changes)} mistakes, first above 0:"
        f" {'; '.join(told)}.",
    )


def weight_and_work(parts: Mapping[str, Mapping[str, tuple[int, int]]]) -> Figure:
    """Two bars a size, cut by part: shares of its weights, and of its work on one prompt.

    `parts` gives by size and part the parameters and the operations.
    """
    fig, ax = plt.subplots(figsize=(7, 0.62 * 2 * len(parts) + 1.0), layout="constrained")
    names = [f"{size}, {what}" for size in parts for what in ("weights", "work")]
    left = np.zeros(len(names))
    looks = (("#0072B2", ""), ("#000000", ""), ("#009E73", "//"))
    for part, (colour, hatch) in zip(next(iter(parts.values())), looks, strict=True):
        shares = np.array(
            [
                100 * by_part[part][which] / sum(each[which] for each in by_part.values())
                for by_part in parts.values()
                for which in (0, 1)
            ]
        )
        ax.barh(names, shares, left=left, label=part, color=colour, hatch=hatch, edgecolor="white")
        for y, (start, share) in enumerate(zip(left, shares, strict=True)):
            if share >= 4:
                label = ax.text(
                    start + share / 2, y, f"{share:.0f} %", color="white", ha="center", va="center"
                )
                label.set_path_effects([withStroke(linewidth=5, foreground=colour)])
        left += shares
    ax.invert_yaxis()
    ax.set(xlabel="share, %", xlim=(0, 100))
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    told = []
    for size, by_part in parts.items():
        part, (weights, work) = next(iter(by_part.items()))
        whole = [sum(each[which] for each in by_part.values()) for which in (0, 1)]
        told.append(f"{part} of {size} {weights / whole[0]:.0%} and {work / whole[1]:.0%}")
    return with_alt(
        fig,
        f"Two bars for each of {len(parts)} sizes, cut by part: shares of the weights and of the"
        f" work on one prompt. {'; '.join(told)}.",
    )
