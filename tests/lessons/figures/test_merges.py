"""The drawings of byte-pair encoding show what a tokenizer does."""

import matplotlib.pyplot as plt
import pytest

from gemma3_edu.hub.checkpoint import ASSETS
from gemma3_edu.hub.tokenizer_json import read_pieces
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.merges import joined, learning_curves, merge_trees, three_ways
from gemma3_edu.prompt.tokenizer import Tokenizer


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def nano() -> Tokenizer:
    """The vocabulary that the lesson opens."""
    return Tokenizer(ASSETS / "nano-it" / "tokenizer.model")


@pytest.fixture(scope="module")
def vocabulary(nano: Tokenizer) -> list[str]:
    return [piece.text for piece in read_pieces(nano.model)]


def drawn(ax) -> list[tuple[str, str, float]]:
    """(text, kind, outline's width) of each box, from left to right."""
    boxes = sorted(ax.patches, key=lambda box: (box.get_x(), box.get_y()))
    found = []
    for box in boxes:
        middle = box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2
        (word,) = [text.get_text() for text in ax.texts if text.get_position() == middle]
        found.append((word, box.get_label(), box.get_linewidth()))
    return found


def test_trees_know_their_parts_and_the_order_of_their_joins():
    the, rest = joined("them", ["he", "em", "the"])
    assert (the.piece, the.left, the.right, the.height, the.step) == ("the", 0, 2, 2, 2)
    assert [part.piece for part in the.parts] == ["t", "he"]
    assert [part.step for part in the.parts] == [0, 1]
    assert (rest.piece, rest.left, rest.parts) == ("m", 3, ())


@pytest.mark.parametrize("text", [" the naïve whale", "not there", " ü日 whaling"])
def test_the_bold_boxes_are_the_tokens(text: str, nano: Tokenizer, vocabulary: list[str]):
    (ax,) = merge_trees(text, vocabulary[494:2932], vocabulary).axes
    bold = [(word, kind) for word, kind, width in drawn(ax) if width > 1]
    want = []
    for index in nano.encode(text, add_bos=False):
        piece = nano.piece(index)
        byte = len(piece) == 6 and piece.startswith("<0x")
        kind = "byte" if byte else "learned piece" if len(piece) > 1 else "one character"
        want.append((piece[3:5] if byte else piece, kind))
    assert sorted(bold) == sorted(want)


def test_a_tree_has_a_box_for_each_join_and_character(vocabulary: list[str]):
    fig = merge_trees(" the ï", vocabulary[494:2932], vocabulary)
    boxes = [word for word, _, _ in drawn(fig.axes[0])]
    assert sorted(boxes) == sorted(["▁", "t", "h", "e", "▁t", "he", "▁the", "▁", "ï", "C3", "AF"])
    numbers = [text.get_text() for text in fig.axes[0].texts if text.get_text().isdigit()]
    assert sorted(numbers) == ["1", "2", "3"]
    assert "in their order, ▁t, he and ▁the. ï falls to 2 bytes." in alt_of(fig)


def test_three_ways_to_cut_one_text(nano: Tokenizer):
    fig = three_ways("The whale dived.", nano, letters=78, words=8893)
    assert "16 letters from a list of 78 characters; 5 pieces from a list of 3,072" in alt_of(fig)
    (ax,) = fig.axes
    kinds = [box.get_label() for box in ax.patches]
    assert [kinds.count(kind) for kind in ("one character", "learned piece", "word")] == [16, 5, 3]
    for row, (parts, count) in enumerate([("The▁whale", 16), ("▁whale▁dived", 5), ("whale", 3)]):
        inside = [text for text in ax.texts if text.get_position()[1] == row + 0.5]
        words = "".join(text.get_text() for text in inside)
        assert parts in words
        assert str(count) in [text.get_text() for text in inside]
    assert "8,893 words" in describe(fig)


def test_learning_curves_draw_their_numbers():
    costs = {
        "A": {"A": {0: 90, 50: 40}, "B": {0: 90, 50: 80}},
        "both": {"A": {0: 90, 50: 60, 100: 30}},
    }
    fig = learning_curves(costs)
    for ax, (name, curves) in zip(fig.axes, costs.items(), strict=True):
        assert ax.get_title() == f"learned from {name}"
        got = {line.get_label(): dict(zip(*line.get_data(), strict=True)) for line in ax.lines}
        assert got == curves
        told = sorted(text.get_text() for text in ax.texts)
        assert told == sorted(
            str(curve[size]) for curve in curves.values() for size in {50, max(curve)}
        )
    left = fig.axes[0].lines
    assert len({line.get_linestyle() for line in left}) == len({line.get_color() for line in left})
    assert "both, A costs with 0 pieces 90, 50 pieces 60 and 100 pieces 30." in alt_of(fig)
