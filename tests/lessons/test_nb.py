"""show, verdict and attempt keep their promises."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from beartype.roar import BeartypeCallHintParamViolation
from matplotlib.figure import Figure

from gemma3_edu.lessons import nb
from gemma3_edu.lessons.figures.alt import with_alt
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.nb import attempt, show, verdict

ALT = "The square of three is nine, and no other point is higher."


def curve(values: list[float]) -> Figure:
    fig = Figure()
    fig.subplots().plot(range(len(values)), values, label="square")
    return fig


# show


@pytest.fixture
def displayed(monkeypatch) -> list:
    calls: list = []
    monkeypatch.setattr(nb, "display", lambda *a, **k: calls.append((a, k)))
    return calls


def test_show_displays_one_bundle_of_picture_words_and_digest(displayed, capsys):
    fig = with_alt(curve([0, 1, 4, 9]), ALT)
    assert show(fig) is None
    ((bundle,), options) = displayed[0]
    assert len(displayed) == 1
    assert bundle.keys() == {"image/png", "text/plain"}
    assert bundle["text/plain"] == f"[figure] {ALT}\n{describe(fig)}"
    assert options == {"raw": True, "metadata": {"image/png": {"alt": ALT}}}
    assert capsys.readouterr().out == f"Figure: {ALT}\n"


def test_show_closes_the_figure(displayed):
    fig, ax = plt.subplots()
    ax.plot([1, 2])
    assert plt.fignum_exists(fig.number)
    show(with_alt(fig, ALT))
    assert not plt.fignum_exists(fig.number)


def test_show_refuses_a_figure_without_alternative_text(displayed):
    with pytest.raises(ValueError, match="carries no alternative text: give it one by with_alt"):
        show(curve([0, 1]))
    assert displayed == []


def test_show_refuses_a_figure_without_digest(displayed):
    empty, contour, solid = Figure(), Figure(), Figure()
    empty.subplots()
    contour.subplots().contour(np.arange(9.0).reshape(3, 3))
    solid.add_subplot(projection="3d").plot([0, 1], [0, 1], [0, 1])
    for fig, told in [(empty, "is empty"), (contour, "QuadContourSet"), (solid, "three-dim")]:
        with pytest.raises(ValueError, match=told):
            show(with_alt(fig, ALT))
    with pytest.raises((TypeError, BeartypeCallHintParamViolation)):
        show(curve([0, 1]).axes[0])
    assert displayed == []


# verdict and attempt


def test_a_verdict_is_the_same_line_for_all_small_differences(capsys):
    want = torch.tensor([1.0, 2.0])
    verdict("fast", want + 2e-7, want)
    verdict("fast", want - 1e-6, want)
    first, second = capsys.readouterr().out.splitlines()
    assert first == second == "fast: shape (2,), largest difference at most 1e-05: True"


def test_a_verdict_of_whole_numbers_and_of_equal_infinities(capsys):
    verdict("bytes", 2**60, 2**60)
    verdict("scores", torch.tensor([float("-inf"), 1.0]), torch.tensor([float("-inf"), 1.0]))
    assert "bytes: shape (), all equal: True" in capsys.readouterr().out
    with pytest.raises(AssertionError, match="bytes: 1 of 1 differ"):
        verdict("bytes", 2**60, 2**60 + 1)  # float64 could not tell these apart


NAN = torch.tensor([float("nan")])


@pytest.mark.parametrize(
    ("got", "want", "message"),
    [
        (torch.ones(2), torch.ones(2) * 1.1, "fast: largest difference 1.0e-01, allowed 1e-05"),
        (torch.ones(2), torch.ones(1), "fast: shape (2,), expected (1,)"),
        (NAN, NAN, "fast: largest difference nan"),
        (torch.cat([NAN, torch.ones(1)]), torch.ones(2), "fast: largest difference nan"),
        (torch.tensor([float("inf")]), torch.tensor([float("-inf")]), "largest difference inf"),
        (torch.ones(0), torch.ones(0), "fast: nothing to compare"),
        (torch.ones(2) > 0, torch.ones(2) > 1, "fast: 2 of 2 differ"),
    ],
)
def test_a_verdict_refuses(got, want, message: str, capsys):
    with pytest.raises(AssertionError) as caught:
        verdict("fast", got, want)
    assert message in str(caught.value)
    assert capsys.readouterr().out == ""


def check_double(function):
    assert function(3) == 6, "twice three is six"


def stub(x):
    raise NotImplementedError("your turn")


def not_ours(x):
    raise NotImplementedError('"add" not implemented for this dtype')


def test_attempt_says_which_of_three_it_is(capsys):
    attempt("Exercise 1", check_double, stub)
    attempt("Exercise 1", check_double, lambda x: x + x)
    assert capsys.readouterr().out == "Exercise 1: not attempted yet\nExercise 1: correct\n"
    with pytest.raises(AssertionError, match="twice three is six"):
        attempt("Exercise 1", check_double, lambda x: x)
    with pytest.raises(NotImplementedError, match="for this dtype"):
        attempt("Exercise 1", check_double, not_ours)
    assert capsys.readouterr().out == ""
