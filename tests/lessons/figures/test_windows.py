"""The drawings of lesson 05 follow the rule of the mask, at every setting of the sliders."""

import matplotlib.pyplot as plt
import pytest
import torch

from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.windows import (
    WORDS,
    looking_back,
    on_a_card,
    slots_in_turn,
    ways_back,
    what_is_kept,
    where_it_looks,
)
from gemma3_edu.model.config import AttentionType
from gemma3_edu.naive.masks import reach


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


@pytest.mark.parametrize("window", [1, 3, 10])
def test_arrows_lead_to_what_a_query_sees(window):
    (ax,) = looking_back(window).axes
    arrows = [line for line in ax.lines if "to " in str(line.get_label())]
    local = {int(str(a.get_label()).split()[-1]) for a in arrows if "local" in str(a.get_label())}
    assert local == set(range(10 - window, 9))  # its own key needs no arrow
    assert len(arrows) == 9 + window - 1
    brackets = [line for line in ax.lines if line.get_label() == "out of sight"]
    assert [line.get_xdata()[-1] for line in brackets] == [9.44 - window] * (window < 10)
    boxes = [patch.get_label() for patch in ax.patches]
    assert boxes.count("out of sight") == 10 - window


@pytest.mark.parametrize("window", range(1, 6))
@pytest.mark.parametrize("kinds", ["L", "LLL", "LLLLLL", "LLG", "GLL"])
def test_ways_lead_as_far_back_as_the_layers_reach(kinds, window):
    layers = [AttentionType.GLOBAL if kind == "G" else AttentionType.LOCAL for kind in kinds]
    back = reach(layers, window, len(WORDS))[-1]
    fig = ways_back((kinds, window))
    found = "“42” is reached" if back >= 7 else "“42” is not reached"
    assert fig.axes[0].get_title() == f"W = {window}: {back} tokens back,\n{found}"
    assert f"with W = {window} reach {back} tokens back" in alt_of(fig)
    way = [line for line in fig.axes[0].lines if line.get_label() == "thick"]
    assert len(way) == len(kinds)
    assert way[-1].get_xdata()[1] == max(2, 9 - back)  # "42" is at 2
    lowest = fig.axes[0].lines[-1]  # the tokens that can be seen in the row of the words
    assert lowest.get_xdata().tolist() == list(range(9 - back, 10))


def test_a_panel_for_each_stack():
    fig = ways_back(("LLL", 2), ("LLG", 3))
    titles = [ax.get_title() for ax in fig.axes]
    assert titles == [
        "W = 2: 3 tokens back,\n“42” is not reached",
        "W = 3: 9 tokens back,\n“42” is reached",
    ]
    assert "line 'layer 3, global'" in describe(fig)


def test_kept_boxes_are_those_of_the_window():
    (ax,) = what_is_kept("LLLLLG", 3).axes
    labels = [patch.get_label() for patch in ax.patches]
    assert labels.count("kept") == 5 * 3 + 10
    assert labels.count("thrown away") == 5 * 7


def test_bars_add_the_cache_to_the_model():
    fig = on_a_card(50.0, {"all global": 60.0, "five to one": 10.5}, card=80)
    bars = [patch.get_bbox() for patch in fig.axes[0].patches]
    assert [box.x1 for box in bars] == [50, 50, 110, 60.5]
    words = [text.get_text() for text in fig.axes[0].texts]
    assert words[1:3] + words[4:6] == ["notes:\n60.0", "= 110", "notes:\n10.5", "= 60"]
    assert "80 GB: all global 110 GB and five to one 60 GB" in alt_of(fig)


def test_weights_stand_over_their_distance():
    local, wide = torch.zeros(9), torch.zeros(9)
    local[1], wide[6] = 1.0, 0.5
    fig = where_it_looks({"layer 5, local": local, "layer 6, global": wide}, 3, 6, "the number")
    assert "grey and the number 6 tokens back" in alt_of(fig)
    assert "layer 5, local: the largest is 1.00, 1 tokens back" in alt_of(fig)
    assert "layer 6, global: the largest is 0.50, 6 tokens back" in alt_of(fig)
    for ax, back in zip(fig.axes, (1, 6), strict=True):
        tops = {path.vertices[1, 0]: path.vertices[1, 1] for path in ax.collections[0].get_paths()}
        assert [place for place, height in tops.items() if height] == [back]


def test_slots_hold_the_newest_key_of_their_turn():
    fig = slots_in_turn(slots=3, lengths=(2, 3, 5))
    words = [text.get_text() for text in fig.axes[0].texts]
    keys = [word for word in words if word.startswith("key") or not word]
    assert keys == ["key 0", "key 1", "", "key 0", "key 1", "key 2", "key 3", "key 4", "key 2"]
    bold = [text.get_text() for text in fig.axes[0].texts if text.get_weight() == "bold"]
    assert bold == ["key 1", "key 2", "key 4"]
    assert "after 2 keys they hold 0, 1 and none; after 3" in alt_of(fig)
