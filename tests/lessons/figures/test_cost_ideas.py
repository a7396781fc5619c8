"""The drawings of what a call costs show what the formulas say."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb

from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.cost_ideas import (
    DONE,
    SENT,
    bytes_of_a_row,
    one_reading,
    roofline,
)
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.memory_cost import CARDS, Card
from gemma3_edu.study.cost import FORMATS


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


def filled(ax, colour: str) -> int:
    return sum(patch.get_facecolor()[:3] == to_rgb(colour) for patch in ax.patches)


@pytest.mark.parametrize(("rows", "columns"), [(3, 4), (2, 5)])
def test_a_weight_leaves_memory_once_and_every_token_uses_it(rows, columns):
    for ax, tokens in zip(one_reading((1, 3, 4), rows, columns).axes, (1, 3, 4), strict=True):
        assert filled(ax, SENT) == rows * columns
        assert filled(ax, DONE) == tokens * rows * columns
        said = [text.get_text() for text in ax.texts]
        assert f"{2 * rows * columns} bytes" in said
        assert f"{2 * rows * columns * tokens} operations" in said
        assert said.count("token 1") == 1
        assert f"token {tokens}" in said


def test_a_row_is_as_wide_as_its_bytes():
    names = {name: name for name in FORMATS}
    (ax,) = bytes_of_a_row(128, names).axes
    for place, name in enumerate(FORMATS):
        boxes = [box for box in ax.patches if place < box.get_y() < place + 1]
        assert sum(box.get_width() for box in boxes) == FORMATS[name].matrix_bytes(1, 128)
        assert max(box.get_x() + box.get_width() for box in boxes) == sum(
            box.get_width() for box in boxes
        )
        scales = [box for box in boxes if box.get_label() == "scale"]
        assert len(scales) == {"int4-32": 4, "int4-row": 1, "int8": 1}.get(name, 0)
    assert alt_of(bytes_of_a_row(64, {"four bits": "int4-32"})).endswith("four bits 36.")


def test_the_roof_turns_where_reading_and_arithmetic_take_equally_long():
    card = Card(1, bandwidth=2e12, operations=32e12)
    (ax,) = roofline("a card", card, {"few": 4, "many": 64}).axes
    roof, corner, few, many = ax.lines
    assert [*roof.get_xdata()][1:2] == [*corner.get_xdata()][:1] == [16]
    assert list(roof.get_ydata())[1:] == [32, 32]
    assert list(few.get_ydata()) == [8]  # four operations for each of 2 TB
    assert list(many.get_ydata()) == [32]


def test_the_words_and_the_digest_name_every_call():
    fig = roofline("27B", CARDS["H100"], {"write": 1, "read": 1024})
    assert "up to 295 operations for each byte" in alt_of(fig)
    assert "write at 1, 3.35 TFLOP/s; read at 1024, 989 TFLOP/s" in alt_of(fig)
    assert "line 'write' over 1..1" in describe(fig)
