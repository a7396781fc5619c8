"""The rules that all checks share: what counts as the same, in place, exits, the case in words."""

from enum import Enum

import numpy as np
import pytest
import torch
from torch import nn

from gemma3_edu.lessons.checks import Check, CheckError
from gemma3_edu.lessons.checks.difference import Tolerance, difference
from gemma3_edu.lessons.checks.grading import ask, require_tensor, standard_torch

X = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
LONG = torch.arange(30.0).view(5, 6)
Kind = Enum("Kind", "LOCAL GLOBAL")


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (X + 9e-6, X),
        (X.clone().requires_grad_(), X),
        (X.t().contiguous().t(), X),
        (torch.tensor([-torch.inf]), torch.tensor([-torch.inf])),
        (torch.tensor([3], dtype=torch.int32), torch.tensor([3])),
        (X > 2, X > 2),
        (np.int64(3), 3),
        (np.True_, True),
        (2, 2.0),
        (2.0 + 9e-6, 2.0),
        (float("inf"), float("inf")),
        ((1, 2.0), [1, 2.0]),
        ({"a": [X]}, {"a": (X,)}),
        ({(1, "x")}, {(1, "x")}),
        (None, None),
        (Kind.LOCAL, Kind.LOCAL),
    ],
)
def test_as_good_as_what_is_right(got: object, want: object):
    assert difference(got, want) is None


@pytest.mark.parametrize(
    ("got", "want", "said"),
    [
        ([1.0], X, "expected a tensor, got list"),
        (None, X, "expected a tensor, got None"),
        (X[0], X, "got shape (2,), expected (2, 2)"),
        (X.double(), X, "got dtype float64, expected float32"),
        (X > 1, X.int(), "got dtype bool, expected int32"),
        (X.int(), X > 1, "got dtype int32, expected bool"),
        (X + 2, X, "got [[3, 4], [5, 6]], expected [[1, 2], [3, 4]]"),
        (X > 1, X > 3, "got [[False, True], [True, True]], expected [[False, False], "),
        (X.where(X < 4, torch.nan), X, "got [[1, 2], [3, nan]]"),
        (X * torch.nan, X * torch.nan, "got [[nan, nan], [nan, nan]], expected [[nan, nan]"),
        (LONG + LONG // 7, LONG, "at (1, 1): got 8, expected 7; 23 of 30 values differ"),
        (torch.tensor([9]), torch.tensor([8]), "got [9], expected [8]"),
        (2.5, 2, "expected an int, got float"),
        (2.0, 2, "expected an int, got float"),
        (True, 1, "expected an int, got bool"),
        (torch.tensor(2), 2, "expected an int, got a tensor of shape ()"),
        (10**400, 2, "expected 2"),
        (10**400, 2.0, "expected 2"),
        (float("nan"), 2.0, "got nan, expected 2"),
        (float("nan"), float("nan"), "got nan, expected nan"),
        (True, 1.0, "expected a number, got bool"),
        (1, True, "expected True or False, got int"),
        ("ab", "ac", "got 'ab', expected 'ac'"),
        ("a" * 50 + "b", "a" * 50 + "c", "at character 50: got 'b', expected 'c', after 'aaaaaa"),
        ([1, 2], [1, 2, 3], "got 2 entries, expected 3: got [1, 2], expected [1, 2, 3]"),
        ([1, 5], (1, 2), "got [1, 5], expected (1, 2)"),
        ([1, "x"], [1, 2], "at [1]: expected an int, got str"),
        (
            [X[0], X[1]],
            [X[0], X[0]],
            "got [tensor([1, 2]), tensor([3, 4])], expected [tensor([1, 2]), ",
        ),
        ([X, LONG], [X, LONG + 1], "at [1]: at (0, 0): got 0, expected 1; 30 of 30 values"),
        ({1, 2}, {2, 3}, "1 is too much and 3 is missing"),
        ([2], {2}, "expected a set, got list"),
        ({"a": 1}, {"b": 1}, "the keys: 'a' is too much and 'b' is missing"),
        ({"a": 1}, {"a": 2}, "at ['a']: got 1, expected 2"),
        (3, None, "got 3, expected None"),
        (Kind.LOCAL, Kind.GLOBAL, "got LOCAL, expected GLOBAL"),
    ],
)
def test_not_as_good(got: object, want: object, said: str):
    assert said in (difference(got, want) or "None: the same")


class Agreeable(torch.Tensor):
    """Every comparison and every sum of it is what its author would like."""

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), settings=None):
        return super().__torch_function__(torch.zeros_like, types, arguments[:1])

    shape = torch.Size([2, 2])

    def detach(self):
        return X


def test_a_tensor_of_another_class_is_judged_by_its_numbers():
    wrong = torch.zeros(2, 2).as_subclass(Agreeable)
    assert "got [[0, 0], [0, 0]], expected [[1, 2], [3, 4]]" in difference(wrong, X)
    assert "got shape (5,), expected (2, 2)" in difference(torch.ones(5).as_subclass(Agreeable), X)
    assert difference(X.clone().as_subclass(Agreeable), X) is None
    assert require_tensor(wrong, (2, 2), torch.float32).sum() == 0
    assert difference(nn.Parameter(X.clone()), X) is None


def test_tolerances_hold_for_floats_alone():
    assert difference(torch.tensor([9]), torch.tensor([8]), Tolerance(atol=2))
    assert difference(9.0, 8.0, Tolerance(atol=2)) is None
    assert difference(1001.0, 1000.0, Tolerance(atol=0, rtol=1e-2)) is None
    few = torch.arange(100.0).where(torch.arange(100) > 0, -1.0)
    assert difference(few, torch.arange(100.0), Tolerance(share=0.02)) is None
    few[5:8] = -1.0
    said = difference(few, torch.arange(100.0), Tolerance(share=0.02))
    assert said == "4% of the values differ; compute in float32, and cast last"


class Pair(nn.Linear):
    def __init__(self):
        super().__init__(2, 2)
        nn.init.ones_(self.weight)


check_add = Check(
    "`fn(a, b)` is the sum of two lists, number by number.",
    "a b",
    lambda a, b: [x + y for x, y in zip(a, b, strict=True)],
    lambda: [([1, 2], [3, 4]), ([0], [0]), ([5], [6])],
    {
        "took a alone": lambda a, b: a,
        "took b alone": lambda a, b: b,
        "subtracted b": lambda a, b: [x - y for x, y in zip(a, b, strict=True)],
    },
    explain=lambda got, want, a, b: "more than both" if got > [a[0] + b[0]] else None,
)


def told(check, answer) -> str:
    with pytest.raises(CheckError) as caught:
        check(answer)
    return str(caught.value)


def test_a_mistake_is_named_only_if_it_gives_the_same_in_every_case():
    assert told(check_add, lambda a, b: list(b)) == (
        "took b alone (a = [1, 2], b = [3, 4]: got [3, 4], expected [4, 6])"
    )
    twice = told(check_add, lambda a, b: b if len(b) > 1 else [0])
    assert twice == "got [3, 4], expected [4, 6] (a = [1, 2], b = [3, 4])"


def test_the_case_named_is_the_first_that_is_wrong():
    late = told(check_add, lambda a, b: [4, 6] if len(a) == 2 else [0])
    assert late == "got [0], expected [11] (a = [5], b = [6])"


def test_an_explanation_comes_after_the_mistakes():
    assert told(check_add, lambda a, b: [9, 9]).startswith("more than both (a = [1, 2]")


def test_long_arguments_are_told_by_their_shape():
    check = Check("about", "x y", lambda x, y: 1, lambda: [(X, X / 7)])
    assert told(check, lambda x, y: 2) == (
        "got 2, expected 1 (x = [[1, 2], [3, 4]], y = [[0.143, 0.286], [0.429, 0.571]])"
    )
    wide = [torch.arange(12.0) / 7, torch.arange(12.0) / 9, torch.arange(3)]
    check = Check("about", "x y z", lambda *_: 1, lambda: [tuple(wide)])
    assert told(check, lambda *_: 2) == (
        "got 2, expected 1 (x = float32 of shape (12,), y = float32 of shape (12,), z = [0, 1, 2])"
    )


def test_an_error_in_a_later_case_does_not_hide_an_earlier_answer_and_else_comes_through():
    def fails_late(a, b):
        return b if len(a) > 1 else b[7]

    assert told(check_add, fails_late).startswith("took b alone")
    with pytest.raises(ZeroDivisionError) as caught:
        check_add(lambda a, b: [4, 6] if len(a) > 1 else 1 // b[0] and [0])
    assert caught.value.__notes__ == ["a = [0], b = [0]"]


def test_changing_an_argument_in_place_is_refused_unless_allowed():
    check = Check(
        "about",
        "x table model store",
        lambda x, table, model, store: 1,
        lambda: [(X, {"k": [1]}, Pair(), torch.tensor([torch.nan]))],
        may_change="store",
    )

    def in_place(which):
        def answer(x, table, model, store):
            for name, change in {
                "x": lambda: x.add_(1),
                "table": lambda: table["k"].append(2),
                "model": lambda: model.weight.data.zero_(),
                "store": lambda: store.zero_(),
            }.items():
                if name == which:
                    change()
            return 1

        return answer

    check(in_place("store"))
    check(in_place("none"))
    for name in ("x", "table", "model"):
        words = told(check, in_place(name))
        assert words.startswith(
            f"changed {name} in place, as += does; leave it as it is and return a new one"
        )
    assert X.tolist() == [[1, 2], [3, 4]]


def test_a_later_round_judges_only_what_the_earlier_ones_pass():
    check = Check(
        "about",
        "x",
        lambda x: x,
        lambda: [(1.0,)],
        {
            "doubled": lambda x: 2 * x,
        },
    )
    check.then(
        lambda: {"for three": (3.0,)},
        {
            "one": lambda x: 1.0,
        },
        atol=0.5,
    )
    check(lambda x: x + 1e-6 if x == 1 else x + 0.4)
    assert told(check, lambda x: 2 * x) == "doubled (x = 1: got 2, expected 1)"
    assert told(check, lambda x: 1.0) == "one (for three: got 1, expected 3)"


def test_an_answer_can_neither_end_the_program_nor_change_torch():
    def leave():
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        raise SystemExit(0)

    with pytest.raises(CheckError, match="the answer ended the program"):
        ask(leave)
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


def test_a_learners_settings_do_not_reach_the_cases():
    check = Check("about", "x", lambda x: x + torch.ones(1), lambda: [(torch.rand(1),)])
    plain = standard_torch()(lambda fn: require_tensor(fn(), (1,), torch.float32))
    torch.set_default_dtype(torch.float64)
    try:
        check(lambda x: x + 1)
        plain(lambda: torch.ones(1))
        assert told(check, lambda x: x.double() + 1).startswith(
            "got dtype float64, expected float32"
        )
        assert torch.ones(1).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_tensor_is_required():
    assert require_tensor(X, (None, 2), torch.float32) is not None
    for got, words in [
        ([], "expected a tensor, got list"),
        (X, "got shape (2, 2), expected (any, 3)"),
        (torch.ones(1, 3).int(), "got dtype int32, expected float32"),
    ]:
        with pytest.raises(CheckError) as caught:
            require_tensor(got, (None, 3), torch.float32)
        assert str(caught.value) == words
