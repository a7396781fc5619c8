"""The figures of masks show what the masks are, at every setting of the slider."""

import matplotlib.pyplot as plt
import pytest
import torch

from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.masks import (
    ascii_masks,
    both_masks,
    heard,
    masks_and_reach,
    reach_by_depth,
    who_hears_whom,
    who_notices,
)
from gemma3_edu.model.config import AttentionType, layer_pattern
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


@pytest.mark.parametrize(("window", "length"), [(1, 3), (5, 16), (20, 20)])
def test_both_masks(window, length):
    got = panels(both_masks(window, length))
    assert got == {
        "global layer": drawn(length, None),
        f"local layer, W = {window}": drawn(length, window),
    }


# The widget's three settings: both ends of the slider, and where it starts.


def test_who_hears_whom_with_a_window_of_1_is_nobody_but_oneself():
    got = panels(who_hears_whom(1))
    assert list(got) == ["W = 1, 1 layer", "W = 1, 5 layers", "W = 1, 6 layers"]
    oneself = ["." * i + "#" + "." * (17 - i) for i in range(18)]
    assert got["W = 1, 1 layer"] == got["W = 1, 5 layers"] == oneself
    assert got["W = 1, 6 layers"] == drawn(18, None)


@pytest.mark.parametrize(("window", "after_five"), [(2, 6), (3, 11), (4, 16), (6, 26)])
def test_who_hears_whom(window, after_five):
    """Five local layers see as far as one whose window is 5 (W - 1) + 1."""
    got = panels(who_hears_whom(window))
    assert got == {
        f"W = {window}, 1 layer": drawn(18, window),
        f"W = {window}, 5 layers": drawn(18, after_five),
        f"W = {window}, 6 layers": drawn(18, None),
    }


def test_small_multiples_are_the_rows_of_the_widget():
    rows = {title: mask for w in (2, 3, 4) for title, mask in panels(who_hears_whom(w)).items()}
    assert panels(who_hears_whom(2, 3, 4)) == rows
    assert len(rows) == 9


@pytest.mark.parametrize("window", [1, 2, 5])
@pytest.mark.parametrize("layers", [layer_pattern(8), layer_pattern(7, 3), [LOCAL] * 4, [GLOBAL]])
def test_reach_counts_what_is_heard(window, layers):
    """One more than the reach of every token, the last one included, lies in its row."""
    for depth, back in enumerate(reach(layers, window, 17), start=1):
        found = heard(layers[:depth], window, 17)
        assert found.sum(1).tolist() == [min(i, back) + 1 for i in range(17)]
        assert found.tril().equal(found)
        assert reach(layers, window, 1)[depth - 1] == 0


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


def test_the_static_figure_holds_both_masks_and_the_reach():
    fig = masks_and_reach(ONE_B.layer_types, 512, 32_768)
    got = panels(fig)
    assert got["global layer"] == drawn(12, None)
    assert got["local, W = 4"] == drawn(12, 4)
    assert "line 'local layers only' over 1..26: n=26 first=511 last=13286" in describe(fig)
    assert fig.get_size_inches()[0] <= 7
