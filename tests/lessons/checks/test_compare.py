"""compare lets right answers pass and gives wrong ones the sentence that names their cause."""

import re

import pytest
import torch
from torch import Tensor

from gemma3_edu.lessons.checks import compare

X = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
SLIPS = [
    ("doubled; the factor is 1 + w", 2 * X),
    ("shifted by one", X + 1),
    ("coincides with the right answer", X),
]


@pytest.mark.parametrize(
    "got",
    [X, X + 9e-6, X.clone().requires_grad_(), X.t().contiguous().t()],
    ids=["equal", "rounded", "with a gradient", "not contiguous"],
)
def test_right_answers_pass(got: Tensor):
    compare(got, X, SLIPS)


def test_equal_infinities_booleans_and_low_precision_pass():
    compare(torch.tensor([-torch.inf]), torch.tensor([-torch.inf]))
    compare(X > 2, X > 2)
    compare(X.bfloat16(), X.bfloat16())


@pytest.mark.parametrize(
    ("got", "sentence"),
    [
        ([1.0], "expected a tensor, got list"),
        (None, "expected a tensor, got NoneType"),
        (X[0], "shape (2,), expected (2, 2)"),
        (X.double(), "dtype torch.float64, expected torch.float32"),
        (2 * X, "doubled; the factor is 1 + w"),
        (2 * X + 1e-6, "doubled; the factor is 1 + w"),
        (X + 1, "shifted by one"),
        (X * 3, "4 of 4 values differ by more than 1e-05, first at (0, 0): got 3, expected 1"),
        (X.where(X < 4, torch.nan), "1 of 4 values differ by more than 1e-05, first at (1, 1)"),
        (X.where(X < 4, torch.inf), "got inf, expected 4"),
        (X + 2e-5, "4 of 4 values differ by more than 1e-05"),
    ],
)
def test_wrong_answers_get_their_sentence(got: object, sentence: str):
    with pytest.raises(AssertionError, match=re.escape(sentence)):
        compare(got, X, SLIPS)


def test_whole_numbers_and_booleans_are_compared_exactly():
    with pytest.raises(AssertionError, match=r"2 of 4 values differ, first at \(0, 1\): got 1"):
        compare(X > 1, X > 3)
    with pytest.raises(AssertionError, match="got 9, expected 8"):
        compare(torch.tensor([9]), torch.tensor([8]), atol=2)


def test_a_nan_in_the_right_answer_is_not_excused():
    nan = torch.tensor([torch.nan])
    with pytest.raises(AssertionError, match="got nan, expected nan"):
        compare(nan, nan)
