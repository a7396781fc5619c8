"""The drawings of lesson 11 hold what they say."""

import numpy as np
import pytest
import torch

from gemma3_edu.lessons.figures import vision_ideas as ideas
from gemma3_edu.lessons.figures.digest import describe


@pytest.fixture(autouse=True)
def close():
    yield
    ideas.plt.close("all")


def test_squares_are_read_as_words():
    numbers = torch.arange(16.0).unflatten(0, (4, 4)) / 8 - 1
    picture = numbers.repeat_interleave(6, 0).repeat_interleave(6, 1).expand(3, -1, -1)
    fig = ideas.patches_as_words(picture, 6, lines=2, words=["It", "was"])
    text, whole, read = fig.axes
    assert [word.get_text() for word in text.texts] == ["It", "was"]
    assert [len(lines.get_segments()) for lines in whole.collections] == [3, 3]
    page = read.images[0].get_array()[..., 0]
    starts = [(line * 10 + 2, at * 8) for line in range(2) for at in range(8)]
    found = [page[y : y + 6, x : x + 6] for y, x in starts]
    assert [set(square.ravel()) for square in found] == [{n / 16} for n in range(16)]
    assert "the same 16 squares" in fig.get_label()


def test_two_blocks_differ_where_the_lesson_says():
    fig = ideas.two_blocks()
    gemma, vision = fig.axes
    words = [[text.get_text() for text in ax.texts] for ax in fig.axes]
    assert words[0].count("RMSNorm") == 4
    assert words[1].count("LayerNorm") == 2
    seen = [[p.get_label() for p in ax.patches].count("sees") for ax in (gemma, vision)]
    assert seen == [36, 64]


def test_pairs_on_a_circle():
    before = torch.tensor([[[2.0, 0.0], [0.0, 3.0]], [[0.0, 1.0], [-1.0, 0.0]]])
    fig = ideas.pairs_on_a_circle(before, before[[0, 0]], ["before", "after"])
    left = fig.axes[0]
    pictures, captions = left.collections
    np.testing.assert_allclose(pictures.get_offsets(), [[1, 0], [0, 1]], atol=1e-6)
    np.testing.assert_allclose(captions.get_offsets(), [[0, 0.72], [-0.72, 0]], atol=1e-6)
    assert [number.get_text() for number in left.texts] == ["0", "1", "0", "1"]
    assert [line.get_label() for line in left.lines] == ["pair 0", "pair 1"]
    assert "before up to 90 degrees and after up to 0 degrees" in fig.get_label()
    assert describe(fig).count("points") == 8
