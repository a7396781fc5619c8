"""Drawings of byte-pair encoding: three ways to cut a text, joins as trees, what was learned.

A piece, a character and a byte have the fills and outlines of `tokens.KINDS`.

>>> [tree.piece for tree in joined("the hen", ["he", "the"])]
['the', '▁', 'he', 'n']
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...prompt.tokenizer import SPACE, Tokenizer
from .alt import listed, with_alt
from .tokens import KINDS

GREY, EDGE, FALL = "#6F6F6F", "#3F5B73", "#B35C00"


@dataclass
class Tree:
    """A piece, the two it was joined from (none for a character), and the number of its join."""

    piece: str
    left: int
    right: int
    height: int = 0
    step: int = 0
    parts: tuple["Tree", ...] = ()


def joined(text: str, learned: Sequence[str]) -> list[Tree]:
    """The trees over a text if each learned piece, in its turn, joins what spells it."""
    trees = [Tree(letter, i, i) for i, letter in enumerate(text.replace(" ", SPACE))]
    step = 0
    for piece in learned:
        after: list[Tree] = []
        for tree in trees:
            if after and after[-1].piece + tree.piece == piece:
                before, step = after.pop(), step + 1
                height = 1 + max(before.height, tree.height)
                tree = Tree(piece, before.left, tree.right, height, step, (before, tree))
            after.append(tree)
        trees = after
    return trees


def merge_trees(text: str, learned: Sequence[str], alphabet: Collection[str]) -> Figure:
    """Each token of a text as the tree of its joins; what `alphabet` lacks falls to its bytes."""
    trees = joined(text, learned)
    top = max(tree.height for tree in trees)
    fig, ax = plt.subplots(figsize=(8, 0.72 * top + 2.3), layout="constrained")
    ax.plot([-0.8, len(text) - 0.2], [-0.85, -0.85], color=FALL, ls="--", lw=1.3, label="the net")
    ax.text(-0.8, -0.98, "below the characters: bytes", color=FALL, va="top", fontsize=9)
    fallen, tokens = [], 0
    for tree in trees:
        if not tree.parts and tree.piece not in alphabet:
            fallen.append(tree.piece)
            tokens += len(tree.piece.encode())
            _fall(ax, tree)
        else:
            tokens += 1
            _draw(ax, tree, token=True)
    ax.set(xlim=(-1, len(text)), ylim=(-2.1, top + 0.55))
    ax.axis("off")
    told = [f"{t.piece} of {t.right - t.left + 1} characters" for t in trees if t.parts]
    steps = sorted(_joins(trees), key=lambda tree: tree.step)
    return with_alt(
        fig,
        f"{len(text)} characters become {tokens} tokens, among them {listed(told)}. The joins make,"
        " in their order,"
        f" {listed(tree.piece for tree in steps)}."
        + "".join(f" {piece} falls to {len(piece.encode())} bytes." for piece in fallen),
    )


def _joins(trees: Sequence[Tree]) -> list[Tree]:
    found = [tree for tree in trees if tree.parts]
    return found + [below for tree in found for below in _joins(tree.parts)]


def _draw(ax: Axes, tree: Tree, token: bool) -> float:
    """Draw a tree, and say where its middle is."""
    if tree.parts:
        places = [_draw(ax, part, token=False) for part in tree.parts]
        middle = sum(places) / 2
        for place, part in zip(places, tree.parts, strict=True):
            ends = [part.height + 0.3, tree.height - 0.3]
            ax.plot([place, middle], ends, color=EDGE, ls="-", lw=1.3, label="join")
    else:
        middle = tree.left
    kind = "learned piece" if tree.parts else "one character"
    _box(ax, middle, tree.height, tree.piece, kind, bold=token)
    if tree.step:
        aside = 0.16 * len(tree.piece) + 0.3
        ax.text(middle + aside, tree.height + 0.24, str(tree.step), color=GREY, fontsize=8)
    return middle


def _fall(ax: Axes, tree: Tree) -> None:
    _box(ax, tree.left, 0, tree.piece, "one character", bold=False)
    data = tree.piece.encode()
    for number, byte in enumerate(data):
        place = tree.left + 1.0 * (number - (len(data) - 1) / 2)
        ax.plot([tree.left, place], [-0.3, -1.2], color=FALL, ls="--", lw=1.3, label="fall")
        _box(ax, place, -1.5, f"{byte:02X}", "byte", bold=True)


def _box(ax: Axes, middle: float, height: float, word: str, kind: str, bold: bool) -> None:
    fill, outline = KINDS[kind]
    width = 0.28 * len(word) + 0.3
    box = Rectangle((middle - width / 2, height - 0.3), width, 0.6, label=kind)
    box.set(facecolor=fill, edgecolor="black", linestyle=outline, linewidth=1.8 if bold else 0.8)
    box.set_zorder(3)
    ax.add_patch(box)
    weight = "bold" if bold else "normal"
    text = ax.text(middle, height, word, family="monospace", fontsize=10, weight=weight)
    text.set(ha="center", va="center", zorder=4)


def three_ways(text: str, tokenizer: Tokenizer, letters: int, words: int) -> Figure:
    """One text as letters, pieces and words, and how long the list is that each way needs.

    `letters` and `words` are how many different ones were found in some text.
    """
    pieces = [tokenizer.piece(index) for index in tokenizer.encode(text, add_bos=False)]
    cuts = {
        "letters": (list(text.replace(" ", SPACE)), "one character", f"{letters} characters"),
        "pieces": (pieces, "learned piece", f"{tokenizer.vocab_size:,} pieces"),
        "words": (text.split(), "word", f"{words:,} words"),
    }
    fig, ax = plt.subplots(figsize=(8, 2.5), layout="constrained")
    ax.text(5.7, -0.25, "the tokens that the model reads", ha="center", color=GREY, fontsize=9)
    ax.text(13.6, -0.25, "the list to know", ha="center", color=GREY, fontsize=9)
    for row, (name, (parts, kind, size)) in enumerate(cuts.items()):
        fill, outline = KINDS.get(kind, ("#E3E3E3", "-"))
        left = 0.0
        ax.text(-0.25, row + 0.5, name, ha="right", va="center", weight="bold")
        for part in parts:
            width = 0.54 * len(part)
            box = Rectangle((left, row + 0.18), width, 0.64, label=kind)
            box.set(facecolor=fill, edgecolor="black", linestyle=outline, linewidth=0.9)
            ax.add_patch(box)
            middle = left + width / 2
            ax.text(middle, row + 0.5, part, family="monospace", ha="center", va="center")
            left += width + 0.06
        ax.text(11.75, row + 0.5, str(len(parts)), ha="center", va="center", weight="bold")
        ax.text(13.6, row + 0.5, size, ha="center", va="center", fontsize=9)
    ax.set(xlim=(-1.7, 15), ylim=(3.0, -0.45))
    ax.axis("off")
    said = [f"{len(parts)} {name} from a list of {size}" for name, (parts, _, size) in cuts.items()]
    return with_alt(fig, f"{text!r} cut in three ways: {'; '.join(said)}.")


def learning_curves(panels: Mapping[str, Mapping[str, Mapping[int, int]]]) -> Figure:
    """A panel for each text that was learned from, in it a curve for each language.

    A curve gives the tokens of a text for each number of pieces that were learned. Its value is
    written at its end and where the shortest curve ends.
    """
    fig, axes = plt.subplots(
        1, len(panels), figsize=(8, 3.1), layout="constrained", sharex=True, sharey=True
    )
    said, common = [], min(max(curve) for curves in panels.values() for curve in curves.values())
    for ax, (learned, curves) in zip(axes, panels.items(), strict=True):
        for number, (language, points) in enumerate(curves.items()):
            look = {"color": f"C{number}", "ls": ["-", "--"][number], "marker": "os"[number]}
            ax.plot(list(points), list(points.values()), label=language, markersize=4, **look)
            told = [f"{min(points)} pieces {points[min(points)]:,}"]
            for size in sorted({common, max(points)}):
                value = points[size]
                above = value == max(curve[size] for curve in curves.values())
                text = ax.text(size, value + (110 if above else -110), f"{value:,}", ha="center")
                text.set(va="bottom" if above else "top", color=f"C{number}", weight="bold")
                told.append(f"{size} pieces {value:,}")
            said.append(f"learned from {learned}, {language} costs with {listed(told)}")
        ax.set(title=f"learned from {learned}", xlabel="pieces learned", ylim=(0, None))
    longest = max(max(curve) for curves in panels.values() for curve in curves.values())
    axes[0].set_xlim(-0.05 * longest, 1.15 * longest)  # the last numbers stay inside the frame
    axes[0].set_ylabel("tokens of the same passage")
    axes[0].legend(loc="lower left", frameon=False)
    return with_alt(fig, f"Tokens of a passage while pieces are learned: {'; '.join(said)}.")
