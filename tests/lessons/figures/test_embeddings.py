"""The figure of the embedding draws the nearest rows where they are."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.embeddings import nearest, neighbourhoods


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


def test_the_further_from_the_middle_the_smaller_the_cosine():
    fig = neighbourhoods(UNIT, PIECES, {"a": "C0", "d": "C1", "h": "C2", "e": "C3"}, how_many=2)
    like = UNIT @ UNIT.T
    for ax, middle, near in zip(fig.axes, (0, 3, 7, 4), ("bc", "ce", "gf", "df"), strict=True):
        rays = {line.get_label(): line.get_xydata()[-1] for line in ax.lines}
        rays.pop("ring")
        assert "".join(rays) == near
        for name, end in rays.items():
            want = 1 - like[middle, PIECES.index(name)].item()
            assert np.hypot(*end) == pytest.approx(want, abs=2e-3)
        (cloud,) = ax.collections
        far = np.hypot(*np.asarray(cloud.get_offsets()).T)
        others = [i for i, piece in enumerate(PIECES) if piece not in near and i != middle]
        want = sorted(1 - like[middle, i].item() for i in others)
        assert far.tolist() == pytest.approx(want, abs=2e-3)


def test_the_words_name_the_neighbours():
    fig = neighbourhoods(UNIT, PIECES, {"a": "C0", "d": "C1", "h": "C2", "e": "C3"}, how_many=2)
    assert "around a are b and c, with cosines from 1.00 to 0.96; around d are" in alt_of(fig)
    assert "text 0.5 | cosine 0 | b | c | a" in describe(fig)
