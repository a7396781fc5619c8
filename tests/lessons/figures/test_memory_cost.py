"""The figures of cost show what the formulas say, at every setting of the knobs."""

import matplotlib.pyplot as plt
import pytest

from gemma3_edu import cost
from gemma3_edu.lessons.figures.cache import CONTEXTS
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.memory_cost import (
    CARDS,
    ROWS,
    Plan,
    compare_plans,
    many_rows,
    smallest_card,
    what_fits,
)
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.naive import cost as naive


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


def lines(ax) -> dict[str, list[float]]:
    return {line.get_label(): list(line.get_ydata()) for line in ax.lines}


def bars(ax) -> list[float]:
    """The end of the stack of each row."""
    widths = [container.datavalues for container in ax.containers]
    return [sum(part) for part in zip(*widths, strict=True)]


# A plan


def test_the_bytes_of_a_plan():
    plan = Plan("4b", "int4-32", 700, "T4", batch=3)
    config = PRESETS["4b"]
    parts = cost.parameters_by_part(config)
    assert plan.vision_bytes == 2 * (parts["vision"] + parts["projector"])
    assert plan.cache_bytes == naive.cache_bytes(config.text, 700, 3)
    assert plan.total == cost.weight_bytes(config, "int4-32") + plan.cache_bytes
    assert plan.text_bytes + plan.vision_bytes == cost.weight_bytes(config, "int4-32")
    assert Plan("1b").vision_bytes == 0


def test_the_times_of_a_plan():
    plan = Plan("1b", "bf16", 40, "RTX 4060", batch=3)
    assert plan.reading == pytest.approx((plan.text_bytes + plan.cache_bytes) / 272e9)
    assert plan.computing == pytest.approx(3 * naive.flops(PRESETS["1b"].text, 1, 39) / 30e12)
    assert plan.seconds == plan.reading > plan.computing
    crowd = Plan("1b", "bf16", 40, "RTX 4060", batch=512)
    assert crowd.seconds == crowd.computing > crowd.reading


def test_a_card_that_is_full_to_the_byte_still_holds_it():
    assert [smallest_card(card.memory * 10**9) for card in CARDS.values()] == [0, 1, 2, 3, 4]
    assert [smallest_card(card.memory * 10**9 + 1) for card in CARDS.values()] == [1, 2, 3, 4, 5]
    memories = [card.memory for card in CARDS.values()]
    assert memories == sorted(memories)


def test_fits_and_known():
    assert Plan("12b", "int4-32", 65_536, "T4").fits
    assert not Plan("12b", "int4-32", 131_072, "T4").fits
    assert Plan("1b", context=32_768).known
    assert not Plan("1b", context=32_769).known


def test_fits_to_the_byte(monkeypatch):
    monkeypatch.setattr(Plan, "total", property(lambda plan: plan.context * 10**9))
    assert Plan(context=16, card="T4").fits
    assert not Plan(context=17, card="T4").fits


# What fits where


def test_every_cell_of_the_grid():
    (ax,) = what_fits().axes
    (mesh,) = ax.collections
    cards = mesh.get_array().filled(-1)
    told = iter(text.get_text() for text in ax.texts)
    for y, (size, weights) in enumerate(ROWS):
        for x, context in enumerate(CONTEXTS):
            plan, words = Plan(size, weights, context), next(told)
            if context > PRESETS[size].text.max_position_embeddings:
                assert (words, cards[y, x]) == ("-", -1)
                continue
            assert words == f"{plan.total / 1e9:.1f}"
            holds = [card for card in CARDS if Plan(size, weights, context, card).fits]
            assert list(CARDS)[int(cards[y, x])] == holds[0]
    assert next(told, None) is None


def test_a_model_that_no_card_holds_is_named(monkeypatch):
    keys = [text.get_text() for text in what_fits().legends[0].get_texts()]
    assert "none of them" not in keys
    monkeypatch.delitem(CARDS, "H100")
    monkeypatch.setitem(CARDS, "small", CARDS["L40S"])
    keys = [text.get_text() for text in what_fits().legends[0].get_texts()]
    assert "none of them" in keys


# Many rows


def test_many_rows_stop_where_the_card_is_full():
    (ax,) = many_rows("4b", "bf16", "H100", [256, 32_768]).axes
    curves = lines(ax)
    assert len(curves["256 tokens a row"]) == 11
    last = len(curves["32,768 tokens a row"]) - 1
    assert Plan("4b", "bf16", 32_768, "H100", 2**last).fits
    assert not Plan("4b", "bf16", 32_768, "H100", 2 ** (last + 1)).fits
    full = Plan("4b", "bf16", 32_768, "H100", 2**last)
    assert curves["32,768 tokens a row"][-1] == full.batch / full.seconds
    assert max(curves["256 tokens a row"]) < curves["arithmetic alone"][0]


# The knobs: both ends, and where they start


@pytest.mark.parametrize(
    ("plan", "memory", "told"),
    [
        (Plan(), "19.2 of 24", "55 a second"),
        (Plan("270m", "bf16", 1024, "RTX 4060"), "0.5 of 8", "497 a second"),
        (Plan("27b", "int4-row", 131_072, "H100"), "25.5 of 80", "136 a second"),
        (Plan("27b", "bf16", 131_072, "RTX 4060"), "66.0 of 8", "does not fit"),
        (Plan("1b", "int8", 65_536, "T4"), "1.3 of 16", "past its limit"),
    ],
)
def test_the_knobs(plan, memory, told):
    left, right = compare_plans(plan).axes
    assert [text.get_text() for text in left.texts] == [memory]
    assert [text.get_text() for text in right.texts] == [told]
    assert bars(left) == [pytest.approx(plan.total / 1e9)]
    assert bars(right) == [pytest.approx(1000 * plan.reading)]
    assert lines(right)["arithmetic"] == [0]  # the row; its place along x is the time
    assert right.lines[0].get_xdata()[0] == pytest.approx(1000 * plan.computing)
    for ax in (left, right):
        assert ax.get_xlim()[1] > 1.2 * bars(ax)[0]


def test_small_multiples_are_the_widget_s_rows():
    plans = [Plan(), Plan("12b", "int4-32", 131_072, "T4"), Plan("4b", card="RTX 4060")]
    many = compare_plans(*plans)
    for place, plan in enumerate(plans):
        one = compare_plans(plan)
        for both, alone in zip(many.axes, one.axes, strict=True):
            assert bars(both)[place] == pytest.approx(bars(alone)[0])
            assert both.texts[place].get_text() == alone.texts[0].get_text()
    assert "19.2 of 24 | 16.4 of 16 | 3.8 of 8" in describe(many)
