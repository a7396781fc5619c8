"""Pictures with questions and answers: each answer stands under its own picture."""

import numpy as np
import pytest

from gemma3_edu.lessons.figures import pictures
from gemma3_edu.lessons.figures.pictures import COLUMNS, asked

RED, BLUE = np.zeros((4, 6, 3)), np.zeros((4, 6, 3))
RED[..., 0] = BLUE[..., 2] = 1.0


@pytest.fixture(autouse=True)
def close():
    yield
    pictures.plt.close("all")


def test_question_picture_and_answer_share_a_column():
    fig = asked([RED, BLUE], ["Which colour?", "And this?"], ["red", "blue"])
    found = [(ax.get_title(), ax.get_xlabel(), ax.images[0].get_array()) for ax in fig.axes]
    assert [(question, answer) for question, answer, _ in found] == [
        ("Which colour?", "red"),
        ("And this?", "blue"),
    ]
    for (_, _, shown), given in zip(found, [RED, BLUE], strict=True):
        np.testing.assert_array_equal(shown, given)


def test_long_lines_are_broken_between_words():
    (ax,) = asked([RED], ["a question of words " * 5], ["an answer of words " * 5]).axes
    for text in (ax.get_title(), ax.get_xlabel()):
        lines = text.split("\n")
        assert len(lines) > 2
        assert max(map(len, lines)) <= COLUMNS
        assert all(
            word in {"a", "an", "question", "answer", "of", "words"} for word in text.split()
        )


@pytest.mark.parametrize("counts", [(1, 1, 2), (1, 2, 1), (2, 1, 1), (0, 0, 0)])
def test_as_many_of_all_three(counts):
    many = [[RED] * counts[0], ["what?"] * counts[1], ["that"] * counts[2]]
    with pytest.raises(ValueError, match=f"{counts[0]}, {counts[1]} and {counts[2]}"):
        asked(*many)
