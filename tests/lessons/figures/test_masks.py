"""The figures of masks show what the masks are, and where a wrong one is noticed."""

import matplotlib.pyplot as plt
import pytest
import torch

from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.masks import (
    ascii_masks,
    masks_and_reach,
    reach_by_depth,
    who_notices,
)
from gemma3_edu.model.config import AttentionType
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.naive.masks import may_see, reach
from tests.lessons.figures.drawn_masks import panels

LOCAL, GLOBAL = AttentionType.LOCAL, AttentionType.GLOBAL
ONE_B = PRESETS["1b"].text


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


def drawn(length: int, window: int | None) -> list[str]:
    """The picture of a mask, asked pair by pair."""
    places = range(length)
    return ["".join(".#"[may_see(i, j, window=window)] for j in places) for i in places]


def test_masks_in_text_stand_side_by_side():
    tall = torch.tensor([[True, False], [False, True], [True, True]])
    assert ascii_masks({"a": tall, "wide name": tall[:1], "c": ~tall[:, :1]}) == (
        "a   wide name  c\n#.  #.         .\n.#             #\n##             ."
    )


def test_reach_of_1b_by_depth():
    text = describe(reach_by_depth(ONE_B.layer_types, 512, 32_768))
    assert "x='layers passed' linear y='tokens back' linear" in text
    assert "line '5 local : 1 global' over 1..26: n=26 first=511 last=32767" in text
    assert "line 'local layers only' over 1..26: n=26 first=511 last=13286" in text
    assert reach(ONE_B.layer_types, 512, 32_768)[:6] == [511, 1022, 1533, 2044, 2555, 32_767]


def test_a_pattern_that_starts_globally_is_another_curve():
    shifted = [GLOBAL, *ONE_B.layer_types[:-1]]
    before = describe(reach_by_depth(ONE_B.layer_types, 512, 32_768))
    assert describe(reach_by_depth(shifted, 512, 32_768)) != before
    assert reach(shifted, 512, 32_768)[0] == 32_767


def test_who_notices():
    fig = who_notices({"W + 1": [False, False, True], "W - 1": [False, True, True]})
    text = describe(fig)
    assert "y ticks W + 1 | W - 1" in text
    assert panels(fig)[""] == ["..#", ".##"]


def test_who_notices_counts_from_the_first_position_drawn():
    fig = who_notices({"late": [False, False, True, True, True]}, first=6)
    assert "late first at 8." in alt_of(fig)
    assert "x ticks 8" in describe(fig)


def test_the_static_figure_holds_both_masks_and_the_reach():
    fig = masks_and_reach(ONE_B.layer_types, 512, 32_768)
    got = panels(fig)
    assert got["global layer"] == drawn(12, None)
    assert got["local, W = 4"] == drawn(12, 4)
    assert "line 'local layers only' over 1..26: n=26 first=511 last=13286" in describe(fig)
    assert fig.get_size_inches()[0] <= 7
