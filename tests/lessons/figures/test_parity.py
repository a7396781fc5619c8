"""The figures of parity show where and when two models part, and how far apart they are."""

import json

import matplotlib.pyplot as plt
import pytest
import torch
from lessons import ROOT

from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.parity import (
    FLOOR,
    added_loss,
    error_per_stage,
    side_by_side,
    where_and_when,
    which_grid,
    wrong_cells,
)

STAGES = ["embeddings", *(f"block {n}" for n in range(12)), "final norm", "logits"]


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


def test_the_idea_has_a_sign_a_stage_and_a_sign_a_token():
    texts = [text.get_text() for ax in side_by_side(8, 2, 3).axes for text in ax.texts]
    assert texts.count("=") == 2 + 3
    assert texts.count("\N{NOT EQUAL TO}") == 4 + 5
    assert "inside the stage block 1" in texts
    assert alt_of(side_by_side(when=1)).endswith("equal at position 0, different from 1.")


def test_a_mistake_reaches_what_is_above_and_to_the_right():
    cells = wrong_cells(STAGES, 9, "block 5", 4)
    assert cells.sum() == (15 - 6) * 5
    assert not cells[:6].any()
    assert not cells[:, :4].any()
    assert wrong_cells(STAGES, 3, "logits", 0).nonzero().tolist() == [[14, 0], [14, 1], [14, 2]]


def test_grids_are_drawn_as_masks():
    text = describe(which_grid({"A": ("block 1", 2), "B": ("logits", 0)}, tokens=3, blocks=2))
    assert "axes 0 'A'" in text
    assert "mask\n    ...\n    ...\n    ..#\n    ..#\n    ..#" in text
    assert "mask\n    ...\n    ...\n    ...\n    ...\n    ###" in text


def errors(where: int, when: int, size: float) -> dict[str, torch.Tensor]:
    cells = wrong_cells(STAGES, 70, STAGES[where], when)
    return {stage: size * row.float() for stage, row in zip(STAGES, cells, strict=True)}


def test_measured_grids_say_where_and_when():
    found = {"window": errors(1, 64, 0.5), "head": errors(14, 0, 1.0), "none": errors(0, 0, 1e-7)}
    fig = where_and_when(found, [0, 1, 63, 64, 69])
    assert len(fig.axes) == 3
    assert alt_of(fig).endswith(
        "window from block 0 and position 64; head from logits and position 0; none nowhere."
    )
    assert "mask\n    .....\n    ...##" in describe(fig)


def test_a_column_that_is_no_number_is_wrong():
    found = errors(0, 0, 0.0)
    found["block 3"][5] = torch.nan
    assert "from block 3 and position 5" in alt_of(where_and_when({"NaN": found}, [0, 5]))


def test_rounding_looks_the_same_everywhere():
    def drawn(noise: float) -> str:
        return describe(error_per_stage({"beside": dict.fromkeys(STAGES, noise)}))

    assert drawn(0.0) == drawn(3e-7) == drawn(0.9 * FLOOR)
    assert drawn(0.0) != drawn(2 * FLOOR)
    assert f"min={FLOOR:.0e} max={FLOOR:.0e}" in drawn(0.0)


def test_errors_begin_where_the_mistake_is():
    curve = {name: 0.0 if k < 6 else 0.123456 * k for k, name in enumerate(STAGES)}
    fig = error_per_stage({"angles": curve, "beside": dict.fromkeys(STAGES, 0.0)})
    line = fig.axes[0].lines[0]
    values = list(line.get_ydata())
    assert values[:6] == [FLOOR] * 6
    assert values[6] == 0.74  # two digits
    assert "x ticks embeddings | 0 | 1 |" in describe(fig)
    assert "| 11 | final norm | logits" in describe(fig)


def test_infinite_errors_are_drawn():
    curve = dict.fromkeys(STAGES, float("inf"))
    assert "max=1e+03" in describe(error_per_stage({"NaN": curve}))


def test_five_curves_have_five_looks():
    fig = error_per_stage({f"curve {n}": dict.fromkeys(STAGES, 10.0**-n) for n in range(5)})
    looks = {(line.get_color(), line.get_linestyle()) for line in fig.axes[0].lines}
    assert len({line.get_marker() for line in fig.axes[0].lines}) == 5
    assert len({colour for colour, _ in looks}) == 5


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


def test_the_loudest_mistake_comes_first_and_no_loss_is_a_dot_at_zero():
    rows = {"fine": [4.0, 3.0], "quiet": [4.0, 3.25], "bad": [9.0, 8.0]}
    (ax,) = added_loss(rows, healthy="fine", window=512).axes
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["bad", "quiet"]
    assert [text.get_text() for text in ax.texts] == ["5.00", "0.00", "5.00", "0.25"]
    before, after = (dots.get_offsets().tolist() for dots in ax.collections)
    assert before == [[5.0, -0.2], [0.0, 0.8]]
    assert after == [[5.0, 0.2], [0.25, 1.2]]
    assert ax.get_xlim()[0] < 0
    told = alt_of(ax.figure)
    assert "2 mistakes add before and after the window, to 4.00 and 3.00 with fine" in told
    assert told.endswith("bad 5.00 and 5.00; quiet 0.00 and 0.25.")
