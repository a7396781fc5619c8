"""Figures of lesson 01: texts cut into their tokens, and what the layers leave of an embedding.

A token is a box, in the colour and the outline of its kind. A space is drawn as the vocabulary
writes it, "▁", a newline as "↵", a tab as "⇥", and a byte as its two hexadecimal digits.

>>> tokenizer = Tokenizer("tests/data/tokenizer.model")
>>> [(token.shown, token.kind) for token in tokens_of("a whale\\n€", tokenizer)][:4]
[('a', 'one character'), ('▁whale', 'learned piece'), ('↵', 'found first'), ('E2', 'byte')]
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torch import Tensor

from ...hub.tokenizer_json import NORMAL, USER_DEFINED, read_pieces
from ...prompt.tokenizer import Tokenizer
from .alt import listed, with_alt

# Fill and outline of each kind: two channels, so that a kind is told apart by either.
KINDS = {
    "learned piece": ("#bfe0f5", "-"),
    "one character": ("#ffffff", ":"),
    "byte": ("#f5cf8a", "--"),
    "found first": ("#a8dcc8", "-."),
}
_BYTE = 6  # SentencePiece's number for it
_COLUMNS = 70  # characters across a figure
_GAP = 0.7  # of a character, left and right of a token's text


class Token(NamedTuple):
    """One token as it is drawn."""

    shown: str
    kind: str


def tokens_of(text: str, tokenizer: Tokenizer) -> list[Token]:
    """The tokens of a text, without `<bos>`, as they are drawn."""
    pieces = read_pieces(tokenizer.model)
    found = []
    for index in tokenizer.encode(text, add_bos=False):
        if index == tokenizer.soft_id or pieces[index].kind == USER_DEFINED:
            kind = "found first"
        elif pieces[index].kind == _BYTE:
            kind = "byte"
        else:
            single = pieces[index].kind == NORMAL and len(pieces[index].text) == 1
            kind = "one character" if single else "learned piece"
        piece = tokenizer.piece(index)
        shown = piece[3:5] if kind == "byte" else piece.replace("\n", "↵").replace("\t", "⇥")
        found.append(Token(shown, kind))
    return found


def token_boxes(texts: Mapping[str, str], tokenizer: Tokenizer) -> Figure:
    """Each text under its name, with the number of its tokens and characters, one box a token."""
    rows = {name: _lines(tokens_of(text, tokenizer)) for name, text in texts.items()}
    heights = [len(lines) + 0.75 for lines in rows.values()]
    fig, axes = plt.subplots(
        len(rows),
        1,
        squeeze=False,
        figsize=(7, 0.31 * sum(heights) + 0.35),
        height_ratios=heights,
    )
    # By hand: the automatic layout draws everything twice, too slow while someone types.
    fig.subplots_adjust(left=0.01, right=0.99, top=1, bottom=0.35 / fig.get_figheight(), hspace=0)
    for ax, (name, lines), height in zip(axes[:, 0], rows.items(), heights, strict=True):
        _draw(ax, lines, height)
        count = sum(map(len, lines))
        heading = f"{name}: {_many(count, 'token')}, {_many(len(texts[name]), 'character')}"
        ax.set_title(heading, x=0, y=1 - 0.5 / height, pad=0, ha="left", va="center", fontsize=10)
    handles = [
        Patch(facecolor=fill, edgecolor="black", ls=line, label=kind)
        for kind, (fill, line) in KINDS.items()
    ]
    fig.legend(handles=handles, loc="lower center", ncols=4, frameon=False, handlelength=1.6)
    counts = {name: sum(map(len, lines)) for name, lines in rows.items()}
    told = [f"{name} {_many(count, 'token')}" for name, count in counts.items()]
    return with_alt(fig, f"Text cut into boxes, one for each token: {listed(told)}.")


def _lines(tokens: Sequence[Token]) -> list[list[Token]]:
    """Tokens in lines that fit the width; a line has one token at least."""
    lines: list[list[Token]] = [[]]
    used = 0.0
    for token in tokens:
        width = len(token.shown) + 2 * _GAP
        if lines[-1] and used + width > _COLUMNS:
            lines.append([])
            used = 0.0
        lines[-1].append(token)
        used += width
    return lines


def _draw(ax: Axes, lines: Sequence[Sequence[Token]], height: float) -> None:
    for row, line in enumerate(lines):
        left = 0.0
        for shown, kind in line:
            fill, outline = KINDS[kind]
            width = len(shown) + 2 * _GAP
            bottom = row + 0.85
            box = Rectangle((left, bottom), width - 0.25, 0.75, label=kind)
            box.set(facecolor=fill, edgecolor="black", linestyle=outline, linewidth=0.9)
            ax.add_patch(box)
            ax.text(
                left + (width - 0.25) / 2,
                bottom + 0.4,
                shown,
                family="monospace",
                fontsize=10,
                ha="center",
                va="center",
                parse_math=False,  # a dollar is a dollar
            )
            left += width
    ax.set(xlim=(-0.3, _COLUMNS + 0.3), ylim=(height, 0))
    ax.axis("off")


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}" + "s" * (count != 1)


def likeness_to_the_first(streams: Sequence[Float[Tensor, "T D"]]) -> list[float]:
    """The cosine of each stream with the first, averaged over the tokens.

    >>> first, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    >>> likeness_to_the_first([first, first + other])
    [1.0, 0.707]
    """
    first = streams[0].double()
    cosines = [torch.cosine_similarity(each.double(), first, dim=-1) for each in streams]
    return [round(float(cosine.mean()), 3) for cosine in cosines]


def stream_curves(streams: Mapping[str, Sequence[Float[Tensor, "T D"]]]) -> Figure:
    """For each name, the stream after 0, 1, ... layers: its rms, and its cosine with the first."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
    for number, (name, each) in enumerate(streams.items()):
        look = {"color": f"C{number}", "linestyle": ["-", "--"][number], "marker": "os"[number]}
        layers = range(len(each))
        rms = [round(float(x.double().square().mean().sqrt()), 3) for x in each]
        left.plot(layers, rms, markersize=4, label=name, **look)
        right.plot(layers, likeness_to_the_first(each), markersize=4, label=name, **look)
    left.set(xlabel="layers passed", ylabel="rms of the stream", ylim=(0, None))
    right.set(xlabel="layers passed", ylabel="cosine with the embedding", ylim=(-0.05, 1.05))
    right.legend()
    after_one = [f"{likeness_to_the_first(each)[1]:.2f} {name}" for name, each in streams.items()]
    return with_alt(
        fig,
        f"The stream through {len(each) - 1} layers, two curves in each panel: left its rms, right"
        f" its cosine with the embedding, which after one layer is {listed(after_one)}.",
    )
