"""The figures of lesson 01 draw what they say."""

import matplotlib.pyplot as plt
import pytest

from gemma3_edu.hub.checkpoint import ASSETS
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.tokens import (
    KINDS,
    token_boxes,
    tokens_of,
)
from gemma3_edu.prompt.tokenizer import SOFT_TOKEN, Tokenizer
from tests.tokenizers import small_tokenizer


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def nano() -> Tokenizer:
    """The vocabulary that the lesson opens."""
    return Tokenizer(ASSETS / "nano-it" / "tokenizer.model")


def boxes(ax) -> list[tuple[str, str, float, float]]:
    """(text, kind, left edge, top) of each box, from what is drawn."""
    return [
        (text.get_text(), box.get_label(), round(box.get_x(), 2), round(box.get_y(), 2))
        for text, box in zip(ax.texts, ax.patches, strict=True)
    ]


def test_every_kind_of_token_is_told_apart():
    got = tokens_of("the q\n\t\t  <b>€ <image_soft_token>x", small_tokenizer())
    assert got == [
        ("the", "learned piece"),
        ("▁", "one character"),
        ("q", "one character"),
        ("↵", "found first"),
        ("⇥⇥", "found first"),
        ("▁▁", "found first"),
        ("<b>", "found first"),
        ("E2", "byte"),
        ("82", "byte"),
        ("AC", "byte"),
        ("▁", "one character"),
        (SOFT_TOKEN, "found first"),
        ("x", "one character"),
    ]
    assert {kind for _, kind in got} == set(KINDS)


def test_kinds_differ_in_fill_and_in_outline():
    fills, outlines = zip(*KINDS.values(), strict=True)
    assert len(set(fills)) == len(set(outlines)) == len(KINDS)


@pytest.mark.parametrize("text", ["", "The white cat", "naïve 日本 $5 $6", "  a\n\n b\t"])
def test_a_box_for_each_token_in_its_order(text: str, nano: Tokenizer):
    (ax,) = token_boxes({"your text": text}, nano).axes
    ids = nano.encode(text, add_bos=False)
    found = boxes(ax)
    assert [(shown, kind) for shown, kind, _, _ in found] == tokens_of(text, nano)
    assert ax.get_title().startswith(f"your text: {len(ids)} token")
    assert ax.get_title().endswith(f"{len(text)} characters")
    for box, (shown, kind, _, _) in zip(ax.patches, found, strict=True):
        fill, outline = KINDS[kind]
        assert plt.matplotlib.colors.to_hex(box.get_facecolor()) == fill
        assert box.get_linestyle() == outline
        assert box.get_width() > len(shown)
    lefts = [left for _, _, left, _ in found]
    assert lefts == sorted(set(lefts))  # one line, from left to right
    assert all(not text.get_parse_math() for text in ax.texts)


def test_one_is_not_many(nano: Tokenizer):
    (ax,) = token_boxes({"one": "a"}, nano).axes
    assert ax.get_title() == "one: 1 token, 1 character"


def test_long_texts_are_continued_below(nano: Tokenizer):
    (ax,) = token_boxes({"long": "whale " * 40}, nano).axes
    found = boxes(ax)
    rows = sorted({top for *_, top in found})
    assert len(rows) > 3
    for row in rows:
        lefts = [left for _, _, left, top in found if top == row]
        assert lefts[0] == 0
        assert lefts == sorted(set(lefts))
    right = max(box.get_x() + box.get_width() for box in ax.patches)
    low = max(box.get_y() + box.get_height() for box in ax.patches)
    assert right <= ax.get_xlim()[1]
    assert low <= max(ax.get_ylim())


ENGLISH = "The white cat sleeps behind the red door."  # where the lesson's box starts
KNOB = {
    "": "axes 0 'your text: 0 tokens, 0 characters'",
    ENGLISH: "  text The | ▁white | ▁cat | ▁sleep | s | ▁be | hind | ▁the | ▁red | ▁door | .",
    "日本 " * 20: "  rectangle 'byte' x: n=600 first=0 last=39.8 min=0 max=",
}


@pytest.mark.parametrize("text", KNOB, ids=["nothing", "English", "five lines of bytes"])
def test_the_knob(text: str, nano: Tokenizer):
    fig = token_boxes({"your text": text}, nano)
    fig.axes[0].plot([0], [0])  # a digest of nothing is refused
    assert KNOB[text] in describe(fig)


def test_small_multiples_are_the_same_pictures(nano: Tokenizer):
    texts = {"English": "the whale", "Japanese": "日本"}
    together = describe(token_boxes(texts, nano)).splitlines()
    alone = [describe(token_boxes({name: text}, nano)) for name, text in texts.items()]
    plain = [line.split(" ", 2)[-1] for line in together]
    assert plain == [line.split(" ", 2)[-1] for each in alone for line in each.splitlines()]
