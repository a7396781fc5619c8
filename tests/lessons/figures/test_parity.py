"""The figures of parity show errors by stage and costs by position, at every choice of the knob."""

import json

import matplotlib.pyplot as plt
import pytest
import torch
from lessons import ROOT

from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.parity import (
    FLOOR,
    cost_by_position,
    error_per_stage,
    in_stretches,
    loss_by_position,
    one_mistake,
)

STAGES = ["embeddings", *(f"block {n}" for n in range(12)), "final norm", "logits"]
RIGHT = 5 + torch.arange(3 * 40).view(3, 40).sin()


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


def test_stretches_are_means_over_texts_and_positions():
    places, means = in_stretches(torch.arange(20.0).view(2, 10), 4)
    assert places.tolist() == [1.5, 5.5, 8.5]
    assert means.tolist() == [6.5, 10.5, 13.5]


def test_what_is_rounding_is_drawn_at_the_floor_and_looks_the_same_everywhere():
    def drawn(noise: float) -> str:
        return describe(error_per_stage({"beside": dict.fromkeys(STAGES, noise)}))

    assert drawn(0.0) == drawn(3e-7) == drawn(0.9 * FLOOR)
    assert drawn(0.0) != drawn(2 * FLOOR)
    assert f"min={FLOOR:.0e} max={FLOOR:.0e}" in drawn(0.0)


def test_errors_begin_where_the_mistake_is():
    errors = {name: 0.0 if k < 6 else 0.123456 * k for k, name in enumerate(STAGES)}
    fig = error_per_stage({"angles": errors, "beside": dict.fromkeys(STAGES, 0.0)})
    line = fig.axes[0].lines[0]
    values = list(line.get_ydata())
    assert values[:6] == [FLOOR] * 6
    assert values[6] == 0.74  # two digits
    assert "x ticks embeddings | 0 | 1 |" in describe(fig)
    assert "| 11 | final norm | logits" in describe(fig)


def test_infinite_errors_are_drawn():
    errors = dict.fromkeys(STAGES, float("inf"))
    assert "max=1e+03" in describe(error_per_stage({"NaN": errors}))


def test_five_curves_have_five_looks():
    fig = error_per_stage({f"curve {n}": dict.fromkeys(STAGES, 10.0**-n) for n in range(5)})
    looks = {(line.get_color(), line.get_linestyle()) for line in fig.axes[0].lines}
    assert len({line.get_marker() for line in fig.axes[0].lines}) == 5
    assert len({colour for colour, _ in looks}) == 5


def test_cost_has_a_row_a_mistake_and_a_column_a_stretch():
    later = torch.zeros(3, 40)
    later[:, 32:] = 2.0
    text = describe(cost_by_position({"window": later, "none": 0 * later}, 16))
    assert "y ticks window | none" in text
    assert "image shape=(2, 3) n=6 first=0 last=0 min=0 max=2" in text
    assert "line 'window' over 16..16" in text
    assert "colour bar 'cost, nats a token' -10..10" in text


@pytest.mark.parametrize(("count", "panels"), [(1, 1), (2, 2), (3, 3), (4, 4)])
def test_loss_has_a_panel_a_mistake(count, panels):
    wrong = {f"mistake {n}": RIGHT + n for n in range(count)}
    fig = loss_by_position(RIGHT, wrong, 16)
    assert len(fig.axes) == panels
    assert [ax.get_title() for ax in fig.axes] == list(wrong)
    assert describe(fig).count("line 'with the mistake'") == count
    assert fig.get_size_inches()[0] <= 7


@pytest.mark.parametrize("shift", [0.0, 0.5, 30.0])
def test_the_knob_shows_both_sides_of_a_mistake(shift):
    errors = dict.fromkeys(STAGES, 1e-09 if shift == 0 else 0.25)
    text = describe(one_mistake("a mistake", RIGHT, RIGHT + shift, errors, 16))
    assert text.startswith("title 'a mistake'")
    assert f"line 'error' over 0..14: n=15 first={FLOOR if shift == 0 else 0.25:.3g}" in text
    mean = float(RIGHT.mean(0).split(16)[0].mean())
    assert f"line 'correct' over 7.5..35.5: n=3 first={mean:.3g}" in text
    assert f"line 'with the mistake' over 7.5..35.5: n=3 first={mean + shift:.3g}" in text


def test_the_stored_errors_of_the_figure_say_what_its_words_say():
    """figures/src/error_per_stage.json: measured once; the words must hold for what it holds."""
    stored = json.loads((ROOT / "figures" / "src" / "error_per_stage.json").read_text())
    begins = {
        name: next((stage for stage, error in errors.items() if error > FLOOR), None)
        for name, errors in stored.items()
    }
    assert begins == {
        "beside transformers": None,
        "SiLU for GELU": "block 0",
        "local angles on global layers": "block 5",
        "final norm missing": "final norm",
        "soft cap on the logits": "logits",
    }
    assert all(list(errors) == STAGES for errors in stored.values())
