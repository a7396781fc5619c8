"""The figure of the embedding draws the nearest rows where they are."""

import matplotlib.pyplot as plt
import pytest
import torch

from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.embeddings import (
    drawn_cosines,
    mean_cosine,
    nearest,
    neighbourhoods,
)


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


ANGLES = torch.tensor([0.0, 0.1, 0.3, 0.6, 1.0, 1.5, 2.1, 2.8])
UNIT = torch.stack([ANGLES.cos(), ANGLES.sin()], dim=1)
PIECES = list("abcdefgh")


def test_nearest_rows_are_those_of_the_highest_cosine():
    found = nearest(UNIT, 2, how_many=3)
    assert [i for i, _ in found] == [1, 0, 3]
    want = torch.tensor([0.2, 0.3, 0.3]).cos().tolist()
    assert [like for _, like in found] == pytest.approx(want, abs=1e-6)


def test_cosine_of_a_group():
    like = UNIT @ UNIT.T
    want = (like[0, 1] + like[0, 2] + like[1, 2]) / 3
    assert mean_cosine(UNIT[:3]) == pytest.approx(want.item(), abs=1e-6)


def test_rows_are_drawn_among_those_of_like_length():
    lengths = torch.tensor([1.0, 9.0, 1.1, 9.1, 1.2, 9.2, 5.0, 5.0])
    drawn = drawn_cosines(UNIT, lengths, [0, 1], [0, 2, 3, 4, 5], draws=50, nearest=2)
    like = UNIT @ UNIT.T
    pairs = [like[i, j].item() for i in (2, 4) for j in (3, 5)]  # one short row and one long
    assert {round(value, 4) for value in drawn} == {round(value, 4) for value in pairs}


def test_no_row_is_drawn_twice():
    lengths = torch.ones(8)
    drawn = drawn_cosines(UNIT, lengths, [0, 1], [2, 3], draws=20, nearest=2)
    assert drawn == pytest.approx([(UNIT[2] @ UNIT[3]).item()] * 20, abs=1e-6)


MIDDLES = {"a": "C0", "d": "C1", "h": "C2", "e": "C3"}


def test_names_and_bars_are_where_the_cosines_are():
    fig = neighbourhoods(UNIT, PIECES, MIDDLES, how_many=2)
    like = UNIT @ UNIT.T
    for ax, middle, near in zip(fig.axes, (0, 3, 7, 4), ("bc", "ce", "gf", "df"), strict=True):
        ends = {line.get_label(): line.get_xydata()[-1] for line in ax.lines}
        assert [name for name, _ in sorted(ends.items(), key=lambda end: -end[1][1])] == list(near)
        for name, (x, _) in ends.items():
            assert x == pytest.approx(like[middle, PIECES.index(name)].item(), abs=1e-3)
        bars = [bar for bar in ax.patches if bar.get_height()]
        others = [like[middle, i].item() for i in range(len(PIECES)) if i != middle]
        held = [bar.get_x() <= x < bar.get_x() + bar.get_width() for bar in bars for x in others]
        assert sum(held) == len([x for x in others if x >= -0.85])


def test_the_words_name_the_neighbours():
    fig = neighbourhoods(UNIT, PIECES, MIDDLES, how_many=2)
    assert "next to a are b and c, with cosines from 1.00 to 0.96; next to d are" in alt_of(fig)
    assert "text c | b" in describe(fig)
