"""The figures of the cache show what the cache does, at every setting of the knobs."""

from dataclasses import replace

import matplotlib.pyplot as plt
import pytest

from gemma3_edu import cost
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.cache import (
    CONTEXTS,
    bytes_against_context,
    bytes_of,
    measured,
    saved_by_windows,
    size_table,
    slots_by_token,
    slots_over_time,
    slots_while_reading,
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


# Ages of many slots, and what windows save


def test_a_slot_has_the_colour_of_its_token_on_one_scale_for_all_caches():
    steps = [[0], [0, 1], [0, 1, 2], [3, 1, 2]]
    fig = slots_by_token({"ring": steps, "list": [list(range(n + 1)) for n in range(4)]})
    ring_ax, list_ax = fig.axes[:2]
    (image,) = ring_ax.images
    assert image.get_array().filled(-1).tolist() == [[0, 0, 0, 3], [-1, 1, 1, 1], [-1, -1, 2, 2]]
    assert image.get_clim() == list_ax.images[0].get_clim() == (0, 3)
    assert ring_ax.get_ylim() == list_ax.get_ylim() == (3.5, -0.5)
    assert "ring in the end holds tokens 1 to 3; list in the end holds tokens 0 to 3" in alt_of(fig)


def test_slots_are_those_of_the_cache():
    found = slots_while_reading(TOY, 13)
    assert list(found) == ["a local layer", "a global layer"]
    for slots, steps in zip((5, 13), found.values(), strict=True):
        want = [[c for c in ring(n, slots) if c is not None] for n in range(1, 14)]
        assert steps == want


def test_one_size_with_windows_and_without():
    fig = saved_by_windows("27B", SIZES["27b"], 10**9)
    ax, right = fig.axes
    curves, gb = lines(ax), 1e9
    contexts, plain = ax.lines[0].get_xdata().tolist(), with_pattern(SIZES["27b"], 0)
    assert (contexts[0], contexts[-1]) == (CONTEXTS[0], CONTEXTS[-1])
    assert curves["all layers global"] == [n / gb for n in bytes_of(plain, contexts)]
    assert curves["with windows"] == [n / gb for n in bytes_of(SIZES["27b"], contexts)]
    assert curves["measured"] == curves["with windows"]
    assert set(curves["weights of the model"]) == {1.0}
    assert [f"{times:.1f}" for times in lines(right)["saved"][-3:]] == ["5.3", "5.7", "6.0"]
    assert max(lines(right)["saved"]) < set(lines(right)["limit"]).pop() == 6.2
    assert "0.52 GB and 66.57 GB if all layers are global, 0.52 GB and 11.17 GB" in alt_of(fig)


def test_circles_of_one_size_are_measured(monkeypatch):
    monkeypatch.setattr(KVCache, "nbytes", property(lambda cache: 12_000_000_000))
    ax, _ = saved_by_windows("27B", SIZES["27b"], 10**9).axes
    assert set(lines(ax)["measured"]) == {12.0}


def test_a_line_for_each_size_by_the_formula_given():
    table = size_table(SIZES, lambda text, context: context * text.num_hidden_layers, 2_000_000)
    lines = table.splitlines()
    assert len(lines) == 6
    assert lines[-1].split() == "27b 52 10 1,024 16 128 0.12 GB 0.12 GB".split()
