"""Figures carry words for what there is to see, and the words follow the numbers drawn."""

import re
from collections.abc import Callable

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure

from gemma3_edu.lessons.figures.alt import alt_of, with_alt
from gemma3_edu.lessons.figures.cache import slots_over_time
from gemma3_edu.lessons.figures.image_tokens import mixed_masks
from gemma3_edu.lessons.figures.masks import reach_by_depth, who_notices
from gemma3_edu.lessons.figures.pan_and_scan import what_if
from gemma3_edu.lessons.figures.parity import error_per_stage, error_ruler
from gemma3_edu.lessons.figures.pictures import asked
from gemma3_edu.lessons.figures.sampling import kept_tokens
from gemma3_edu.lessons.figures.vision import known_by_step
from gemma3_edu.lessons.figures.windows import looking_back, ways_back, what_is_kept
from gemma3_edu.model.config import layer_pattern

ALT = "The square of three is nine, the cube twenty-seven."


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_a_figure_carries_its_words_on_one_line():
    fig = Figure()
    assert with_alt(fig, ALT.replace(", ", ",\n")) is fig
    assert alt_of(fig) == ALT


def test_few_words_and_none_are_refused():
    with pytest.raises(ValueError, match="alt='A curve of squares only' is too short"):
        with_alt(Figure(), "A curve of squares only")
    with pytest.raises(ValueError, match="carries no alternative text"):
        alt_of(Figure())
    assert alt_of(with_alt(Figure(), "A curve of squares and cubes")) != ""


HALF = torch.tensor([0.5, 0.25, 0.125, 0.125])


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (
            lambda: asked([torch.zeros(2, 2, 3)], ["What?"], ["no\nsquare"]),
            r"below: What\? no square\.",
        ),
        (lambda: looking_back(3), "sees positions 7, 8 and 9 only, and 7 tokens are out of sight"),
        (lambda: ways_back(("LLG", 2)), "local, local and global with W = 2 reach 9 tokens back"),
        (lambda: what_is_kept("LG", 4), r"from below: 4 and 10 of 10; in all 14 of 20\."),
        (lambda: reach_by_depth(layer_pattern(7), 5, 99), "climb 4 a layer to 28 at layer 7"),
        (lambda: reach_by_depth(layer_pattern(7), 5, 99), "the curve reaches 98 at layer 6"),
        (lambda: who_notices({"a": [False, True], "b": [False] * 2}), "a first at 1, b nowhere"),
        (lambda: slots_over_time({"ring": [[0, -1], [0, 1], [2, 1]]}, 2), "ring holds 2 and 1"),
        (lambda: mixed_masks("tItI", window=3), "Masks of 14 tokens with 2 images of 4: .* W = 3"),
        (lambda: what_if((500, 2000)), "500 x 2000: 5 squares, .* 4.00 times .* 1.00 times in its"),
        (lambda: kept_tokens({"even": HALF}, [0.5, 0.9]), "p = 0.9 takes 4 for even."),
        (lambda: known_by_step(["in"], {"row": {"x": [9]}}, {"row": 1}), "row: x 9"),
        (
            lambda: error_per_stage({"a": {"in": 1e-6, "out": 2e-5}, "b": {"in": 0.0, "out": 0.0}}),
            "a from out on; b nowhere",
        ),
        (
            lambda: error_ruler({"a": 0.5, "b": 0.002}, {"float32": 2e-6, "bfloat16": 0.02}),
            "float32, up to 1e-05, hides none; .* bfloat16, up to 0.1, hides b",
        ),
    ],
)
def test_the_words_follow_the_numbers(draw: Callable[[], Figure], said: str):
    alt = alt_of(draw())
    assert re.search(said, alt), alt
