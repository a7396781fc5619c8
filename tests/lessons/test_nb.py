"""show, verdict and attempt keep their promises."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from beartype.roar import BeartypeCallHintParamViolation
from matplotlib.figure import Figure

from gemma3_edu.lessons import nb
from gemma3_edu.lessons.checks import Check, CheckError
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
    assert first == second == "fast, the same to 1e-05: True"


def test_a_verdict_of_whole_numbers_and_of_equal_infinities(capsys):
    verdict("bytes", 2**60, 2**60)
    verdict("scores", torch.tensor([float("-inf"), 1.0]), torch.tensor([float("-inf"), 1.0]))
    verdict("marks", [True, False], [True, False])
    verdict("holds", torch.tensor(True), True)
    verdict("loss", 0.69314718, 0.693147)
    verdict("rest", 3e-8, 0.0)
    assert capsys.readouterr().out.splitlines() == [
        "bytes: 1152921504606846976, equal: True",
        "scores, the same to 1e-05: True",
        "marks, all equal: True",
        "holds: True",
        "loss: 0.693, the same to 1e-05: True",
        "rest: 0, the same to 1e-05: True",
    ]
    with pytest.raises(CheckError, match="bytes: 1 of 1 differ"):
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
    with pytest.raises(CheckError) as caught:
        verdict("fast", got, want)
    assert message in str(caught.value)
    assert capsys.readouterr().out == ""


check_double = Check(
    "`fn(x)` is twice x.",
    "x",
    lambda x: 2 * x,
    lambda: [(3,), (4,)],
    {
        "squared; double it": lambda x: x**2,
    },
)


def stub(x):
    raise NotImplementedError("your turn")


def not_ours(x):
    raise NotImplementedError('"add" not implemented\nfor this dtype')


def adds_a_text(x):
    return x + "x"


def calls_a_library(x):
    return torch.ones(x) @ torch.ones(2)


def says_nothing(x):
    assert x == 0


def ends_it(x):
    raise SystemExit(0)


def leaves_float64(x):
    torch.set_default_dtype(torch.float64)
    return 2 * x


SQUARED = "squared; double it (x = 3: got 9, expected 6)"


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (stub, "not attempted yet"),
        (lambda x: x + x, "correct"),
        (leaves_float64, "correct"),
        (lambda x: x * x, SQUARED),
        (ends_it, "the answer ended the program (SystemExit); return a value (x = 3)"),
    ],
)
def test_attempt_prints_one_line(answer, line: str, capsys):
    attempt("Exercise 1", check_double, answer)
    assert capsys.readouterr().out == f"Exercise 1: {line}\n"
    assert torch.get_default_dtype() == torch.float32


def test_attempt_prints_what_a_check_shows_below_correct(capsys):
    attempt("Exercise 1", lambda answer: f"it gave {answer}", 6)
    assert capsys.readouterr().out == "Exercise 1: correct\nit gave 6\n"


@pytest.mark.parametrize(
    ("answer", "error", "line"),
    [
        (not_ours, 'NotImplementedError: "add" not implemented for this dtype', "raise NotImpl"),
        (adds_a_text, "TypeError: unsupported operand type(s)", 'return x + "x"'),
        (calls_a_library, "RuntimeError: ", "return torch.ones(x) @ torch.ones(2)"),
        (says_nothing, "AssertionError", "assert x == 0"),
    ],
)
def test_attempt_shows_an_error_with_the_learners_line(answer, error: str, line: str, capsys):
    attempt("Exercise 1", check_double, answer)
    printed = capsys.readouterr().out
    assert printed.startswith(f"Exercise 1: {error}")
    number = answer.__code__.co_firstlineno + 1
    assert f", in line {number} of test_nb.py: {line}" in printed
    assert printed.endswith(" (x = 3)\n")
    assert printed.count("\n") == 1


def test_a_cell_is_called_a_cell_and_a_long_message_is_cut(capsys):
    space: dict = {}
    source = "def answer(x):\n    raise ValueError('long ' * 99)"
    exec(compile(source, "/tmp/ipykernel_7/1.py", "exec"), space)
    attempt("Exercise 1", check_double, space["answer"])
    printed = capsys.readouterr().out
    assert ", in line 2 of the cell" in printed
    assert len(printed) < 400


def test_attempt_raises_when_asked_to(capsys):
    with pytest.raises(CheckError, match="squared; double it"):
        attempt("Exercise 1", check_double, lambda x: x * x, debug=True)
    with pytest.raises(TypeError):
        attempt("Exercise 1", check_double, adds_a_text, debug=True)
    assert capsys.readouterr().out == ""
    attempt("Exercise 1", check_double, stub, debug=True)
    assert capsys.readouterr().out == "Exercise 1: not attempted yet\n"


def test_a_learner_can_interrupt():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt("Exercise 1", check_double, interrupted)
