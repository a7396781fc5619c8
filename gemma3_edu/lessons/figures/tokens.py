"""Texts cut into their tokens, for lesson 01.

A token is a box, in the colour and the outline of its kind. A space is drawn as the vocabulary
writes it, "▁", a newline as "↵", a tab as "⇥", and a byte as its two hexadecimal digits.

>>> tokenizer = Tokenizer("tests/data/tokenizer.model")
>>> [(token.shown, token.kind) for token in tokens_of("a whale\\n€", tokenizer)][:4]
[('a', 'one character'), ('▁whale', 'learned piece'), ('↵', 'found first'), ('E2', 'byte')]
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

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
    kinds = {token.kind for lines in rows.values() for line in lines for token in line}
    handles = [
        Patch(facecolor=fill, edgecolor="black", ls=line, label=kind)
        for kind, (fill, line) in KINDS.items()
        if kind in kinds
    ]
    fig.legend(
        handles=handles, loc="lower center", ncols=len(KINDS), frameon=False, handlelength=1.6
    )
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
