"""The figures of the cache show what the cache does, at every setting of the knobs."""

from dataclasses import replace

import matplotlib.pyplot as plt
import pytest

from gemma3_edu import cost
from gemma3_edu.lessons.figures.cache import (
    CONTEXTS,
    Setting,
    bytes_against_context,
    bytes_of,
    measured,
    report_figures,
    slots_over_time,
    what_if,
    with_pattern,
)
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.model.cache import KVCache
from gemma3_edu.model.config import AttentionType
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.naive.cache import ring
from gemma3_edu.naive.cost import cache_bytes as count_bytes

SIZES = {name: PRESETS[name].text for name in ("270m", "1b", "4b", "12b", "27b")}
TOY = PRESETS["tiny-text"].text


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


def lines(ax) -> dict[str, list[float]]:
    return {line.get_label(): list(line.get_ydata()) for line in ax.lines}


@pytest.mark.parametrize(("local", "kinds"), [(0, "GGGGGGG"), (2, "LLGLLGL"), (11, "LLLLLLL")])
def test_patterns(local, kinds):
    other = with_pattern(TOY, local, window=9)
    assert "".join(kind.name[0] for kind in other.layer_types) == kinds
    assert other == replace(TOY, layer_types=other.layer_types, sliding_window=9)
    assert with_pattern(TOY, 5) == TOY


def test_bytes_by_formula_by_counting_and_by_laying_out():
    contexts = [1, 4, 5, 6, 40]
    assert bytes_of(TOY, contexts) == [count_bytes(TOY, n) for n in contexts]
    assert measured(TOY, contexts) == bytes_of(TOY, contexts)
    assert bytes_of(TOY, contexts, batch_size=3) == [3 * n for n in bytes_of(TOY, contexts)]


# The ring over time


def held(slots: int, steps: int) -> list[list[int]]:
    return [[-1 if c is None else c for c in ring(n, slots)] for n in range(1, steps + 1)]


def cells(ax) -> dict[tuple[int, int], str]:
    """What is written in a panel, by (slot, step)."""
    places = {(int(t.get_position()[1]), int(t.get_position()[0])): t for t in ax.texts}
    return {place: text.get_text() for place, text in places.items()}


def test_every_slot_shows_its_column_and_empty_ones_nothing():
    fig = slots_over_time({"ring": held(3, 8), "store": held(8, 8)}, window=3)
    for ax, slots in zip(fig.axes, (3, 8), strict=True):
        want = {
            (slot, step): str(column)
            for step, row in enumerate(held(slots, 8))
            for slot, column in enumerate(row)
            if column >= 0
        }
        assert cells(ax) == want
    assert [ax.get_title() for ax in fig.axes] == ["ring", "store"]
    assert "x ticks 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8" in describe(fig)


def test_shades_are_ages_and_bold_is_new():
    fig = slots_over_time({"chunks": [[0, 1, -1], [3, 1, 2], [6, 4, 5]]}, window=3)
    (ax,) = fig.axes
    ages = ax.collections[0].get_array()
    assert ages.filled(-1).tolist() == [[1, 0, 0], [0, 2, 2], [-1, 1, 1]]
    bold = {text.get_text() for text in ax.texts if text.get_weight() == "bold"}
    assert bold == {"0", "1", "2", "3", "4", "5", "6"}
    assert sum(text.get_weight() == "bold" for text in ax.texts) == 7


def test_a_ring_and_a_list_are_other_pictures():
    shifted = [sorted(row, key=lambda c: (c < 0, c)) for row in held(3, 8)]
    assert describe(slots_over_time({"a": shifted}, 3)) != describe(
        slots_over_time({"a": held(3, 8)}, 3)
    )


# Bytes against context


def test_the_curves_of_all_sizes_are_the_formula_and_the_circles_are_measured():
    fig = bytes_against_context(SIZES)
    for ax, (name, text) in zip(fig.axes, SIZES.items(), strict=False):
        plain = replace(text, layer_types=(AttentionType.GLOBAL,) * text.num_hidden_layers)
        curves = [list(line.get_ydata()) for line in ax.lines]
        assert ax.get_title() == name
        assert curves[0] == curves[2] == [cost.cache_bytes(plain, n) for n in CONTEXTS]
        assert curves[1] == curves[3] == [cost.cache_bytes(text, n) for n in CONTEXTS]
        past = [patch for patch in ax.patches if patch.get_width() > 0]
        assert len(past) == (text.max_position_embeddings < CONTEXTS[-1])
    savings = lines(fig.axes[5])
    assert {name: round(times[-1], 2) for name, times in savings.items()} == {
        "270m": 5.89,
        "1b": 6.36,
        "4b": 6.51,
        "12b": 5.77,
        "27b": 5.96,
    }
    assert fig.get_size_inches()[0] <= 7


def test_the_circles_come_from_the_cache_not_from_the_formula(monkeypatch):
    monkeypatch.setattr(KVCache, "nbytes", property(lambda cache: 12_345_678))
    circles = bytes_against_context(SIZES).axes[0].lines[2]
    assert set(circles.get_ydata()) == {12_345_678}


# The report's figures


def test_report_figures_draw_what_they_are_given():
    fig = report_figures({"a": 300, "b": 50}, 1_000, {"c": [10**6] * 8, "d": [10**7] * 8})
    text = describe(fig)
    assert "y ticks a | b" in text
    assert "text 30% | 5%" in text
    assert "bars 'weights': n=2 first=0.001" in text
    assert "bars 'cache': n=2 first=0.0003 last=5e-05" in text
    assert lines(fig.axes[1]) == {"c": [1.0] * 8, "d": [10.0] * 8}


# The knobs: both ends, and where they start


def test_the_setting_that_the_widget_starts_with():
    fig = what_if(Setting())
    (ax,) = fig.axes
    curves = lines(ax)
    assert curves["with windows"] == bytes_of(SIZES["27b"], CONTEXTS)
    assert curves["all global"] == bytes_of(with_pattern(SIZES["27b"], 0), CONTEXTS)
    assert curves["here"] == [3_120_562_176]
    assert curves["weights in bfloat16"][0] == 2 * cost.parameters(PRESETS["27b"])
    assert ax.texts[0].get_text() == "3.12 GB, 5.3 times smaller"
    assert ax.get_title() == "27B, 5:1, W = 1,024, batch 1, 2 bytes"


@pytest.mark.parametrize(
    ("setting", "here", "told"),
    [
        (Setting("270m", 0, 128, 1024, 1, 1), 9_437_184, "0.01 GB, 1.0 times smaller"),
        (
            Setting("27b", 11, 8192, 131_072, 64, 4),
            1_176_821_039_104,
            "1176.82 GB, 7.2 times smaller",
        ),
        (Setting("1b", 1, 512, 8192, 2, 2), 231_735_296, "0.23 GB, 1.9 times smaller"),
    ],
)
def test_the_knobs_at_their_ends(setting, here, told):
    text = with_pattern(SIZES[setting.size], setting.local, setting.window)
    by_counting = count_bytes(text, setting.context, setting.batch, setting.bytes_per_value)
    fig = what_if(setting)
    assert lines(fig.axes[0])["here"] == [by_counting] == [here]
    assert fig.axes[0].texts[0].get_text() == told
    low, high = fig.axes[0].get_ylim()
    drawn = [y for curve in lines(fig.axes[0]).values() for y in curve]
    assert low < min(drawn)
    assert max(drawn) < high


def test_small_multiples_are_the_widget_s_panels():
    settings = [Setting(), Setting(local=1), Setting(window=8192), Setting(batch=16)]
    panels = [lines(ax) for ax in what_if(*settings).axes]
    assert panels == [lines(what_if(setting).axes[0]) for setting in settings]
    assert len({str(panel) for panel in panels}) == 4
