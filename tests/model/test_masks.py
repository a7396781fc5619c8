"""Masks: equal to a rule in words for every pair, and to pictures drawn by hand."""

import random

import pytest
import torch
from torch import Tensor

from gemma3_edu import naive
from gemma3_edu.model.layout import TokenLayout
from gemma3_edu.model.masks import (
    attention_mask,
    causal,
    not_padding,
    same_image,
    within_window,
)


def layout(*rows: str) -> TokenLayout:
    """Rows drawn as text: "." padding, "t" text, a digit the image a soft token belongs to."""
    real = torch.tensor([[mark != "." for mark in row] for row in rows])
    image_id = torch.tensor([[int(mark) if mark.isdigit() else 0 for mark in row] for row in rows])
    return TokenLayout.of(real, image_id)


def random_layout(rng: random.Random, length: int) -> TokenLayout:
    """One to three rows of text and images, padded on the left by as much as they lack."""
    rows = []
    for _ in range(rng.randint(1, 3)):
        row, images = "", 0
        while len(row) < rng.randint(1, length):
            row += "t" * rng.randint(0, 5)
            if rng.random() < 0.5:
                images += 1
                row += str(images) * rng.randint(1, 6)
        rows.append(row[:length].rjust(length, "."))
    return layout(*rows)


def picked(whole: TokenLayout, columns: list[int]) -> TokenLayout:
    return TokenLayout(whole.position[:, columns], whole.image_id[:, columns])


def picture(mask: Tensor) -> list[str]:
    return ["".join(".#"[seen] for seen in row) for row in mask.tolist()]


@pytest.mark.parametrize("seed", range(80))
def test_every_pair_by_the_rule_in_words(seed):
    """Any queries, any keys in any order (as a ring has them), any window."""
    rng = random.Random(seed)
    length = rng.randint(1, 24)
    whole = random_layout(rng, length)
    q = picked(whole, sorted(rng.sample(range(length), rng.randint(1, length))))
    k = picked(whole, rng.sample(range(length), rng.randint(1, length)))
    for window in (None, rng.randint(1, 8), length):
        got = attention_mask(q, k, window)
        assert got.shape == (q.batch_size, q.length, k.length)
        assert got.equal(naive.masks.attention_mask(q, k, window))


GLOBAL_TEXT = ["#....", "##...", "###..", "####.", "#####"]
LOCAL_TEXT = ["#....", "##...", "###..", ".###.", "..###"]
# Two columns of padding, a text token, an image of four, text, an image of two, text.
MIXED = "..t1111t22t"
GLOBAL_MIXED = [
    "...........",
    "...........",
    "..#........",
    "..#####....",
    "..#####....",
    "..#####....",
    "..#####....",
    "..######...",
    "..########.",
    "..########.",
    "..#########",
]
LOCAL_MIXED = [
    "...........",
    "...........",
    "..#........",
    "..#####....",  # the image's first token sees its whole image: no window looks ahead
    "..#####....",
    "...####....",
    "....###....",  # its last one sees only two back, even in its own image
    ".....###...",
    "......####.",
    ".......###.",
    "........###",
]


@pytest.mark.parametrize(
    ("row", "window", "want"),
    [
        ("ttttt", None, GLOBAL_TEXT),
        ("ttttt", 3, LOCAL_TEXT),
        (MIXED, None, GLOBAL_MIXED),
        (MIXED, 3, LOCAL_MIXED),
        ("111", 1, ["###", ".##", "..#"]),
        ("1122", None, ["##..", "##..", "####", "####"]),  # side by side, two images stay two
    ],
)
@pytest.mark.parametrize("rule", [attention_mask, naive.masks.attention_mask])
def test_pictures(rule, row, window, want):
    one = layout(row)
    assert picture(rule(one, one, window)[0]) == want


def test_each_predicate_has_its_own_picture():
    one = layout(".t11t")
    position = one.position[0].tolist()
    assert position == [-1, 0, 1, 2, 3]
    assert picture(causal(one, one)[0]) == ["#....", "##...", "###..", "####.", "#####"]
    assert picture(within_window(one, one, 2)[0]) == ["#####", "#####", ".####", "..###", "...##"]
    assert picture(same_image(one, one)[0]) == [".....", ".....", "..##.", "..##.", "....."]
    assert picture(not_padding(one, one)[0]) == [".....", ".####", ".####", ".####", ".####"]


@pytest.mark.parametrize("window", range(1, 12))
def test_a_window_holds_w_keys_the_querys_own_included(window):
    text = layout("t" * 9)
    seen = attention_mask(text, text, window)[0]
    assert seen.sum(1).tolist() == [min(i + 1, window) for i in range(9)]
    assert seen.diagonal().all()


def test_padding_sees_nothing_and_is_seen_by_nothing():
    batch = layout("....t", "t11tt", "...11")
    padding = batch.position < 0
    for window in (None, 1, 4):
        mask = attention_mask(batch, batch, window)
        assert not mask[padding].any()
        assert not mask.transpose(1, 2)[padding].any()
        assert mask.diagonal(dim1=1, dim2=2).equal(~padding)  # and a real query sees itself


def test_rows_are_told_apart():
    """A row is masked by its own padding and images, whatever the others hold."""
    rows = ("..t1tt", "tt222t", ".11t22")
    together = attention_mask(layout(*rows), layout(*rows), 3)
    for mask, row in zip(together, rows, strict=True):
        assert mask.equal(attention_mask(layout(row), layout(row), 3)[0])


def test_slots_of_a_ring_carry_their_positions():
    """Twelve columns in a ring of five: slot = column mod 5, so column 11 lies in slot 1."""
    whole = layout("t" * 12)
    ring = naive.cache.ring(12, 5)
    assert ring == [10, 11, 7, 8, 9]
    mask = attention_mask(picked(whole, [11]), picked(whole, ring), 3)
    assert picture(mask[0]) == ["##..#"]  # columns 10, 11 and 9
