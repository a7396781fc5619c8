"""Every check of every exercise: its mistakes, its right function, and answers that are no answer.

What is particular to an exercise, right answers written in other ways above all, stands in the
files beside this one.
"""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
import torch

from gemma3_edu.lessons import checks, nb
from gemma3_edu.lessons.checks import Check, CheckError

MODULES = [
    importlib.import_module(f"{checks.__name__}.{module.name}")
    for module in pkgutil.iter_modules(checks.__path__)
]
ALL: dict[str, Callable[[Any], object]] = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if name.startswith("check_")
}
TABLES = {name: check for name, check in ALL.items() if isinstance(check, Check)}
ROUNDS = [
    pytest.param(check, part, id=f"{name}-{n}")
    for name, check in TABLES.items()
    for n, part in enumerate(check.rounds)
]
MISTAKES = [
    pytest.param(check, sentence, mistake, id=f"{name}-{n}.{k}")
    for name, check in TABLES.items()
    for n, part in enumerate(check.rounds)
    for k, (sentence, mistake) in enumerate(part.mistakes)
]


@pytest.mark.parametrize(("check", "sentence", "mistake"), MISTAKES)
def test_a_mistake_gets_its_own_sentence_and_the_case(check: Check, sentence: str, mistake):
    with pytest.raises(CheckError) as caught:
        check(mistake)
    assert caught.value.sentence == sentence
    assert caught.value.case


@pytest.mark.parametrize(("check", "part"), ROUNDS)
def test_mistakes_differ_from_each_other_and_from_what_is_right(check: Check, part):
    def answers(fn) -> list:
        given = []
        for _, case in part.cases():
            try:
                given.append(part.answer(fn, case))
            except Exception as error:  # a mistake may fail in a later case
                given.append(error)
        return given

    named = [("what is right", answers(check.right))]
    named += [(sentence, answers(mistake)) for sentence, mistake in part.mistakes]
    for (one, a), (other, b) in combinations(named, 2):
        differ = any(part.differ(x, y) for x, y in zip(a, b, strict=True))
        assert differ, f"no case tells {one!r} and {other!r} apart"


@pytest.mark.parametrize("check", TABLES.values(), ids=TABLES)
def test_the_right_function_passes(check: Check):
    check(check.right)


def stub(*arguments: object) -> Any:
    raise NotImplementedError("your turn")


NO_ANSWERS = [None, [], (), "x", True, 3, 10**400, torch.nan, [1, "x"], {}, object(), torch.ones(0)]
NO_ANSWERS += [torch.ones(2, 3), torch.tensor(True), [None] * 5, lambda: None, (1, 2, 3)]


@pytest.mark.parametrize("check", ALL.values(), ids=ALL)
def test_no_check_breaks_on_an_answer_of_another_kind(check):
    for answer in NO_ANSWERS:
        with pytest.raises(CheckError) as caught:
            check(lambda *arguments, answer=answer: answer)
        assert str(caught.value).isprintable()  # one line
        assert len(str(caught.value)) < 700


@pytest.mark.parametrize("check", ALL.values(), ids=ALL)
def test_a_stub_comes_through_and_an_exit_does_not(check):
    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
    with pytest.raises(CheckError, match="ended the program"):
        check(lambda *arguments: exit(0))


@pytest.mark.parametrize("check", ALL.values(), ids=ALL)
def test_an_answer_leaves_torch_as_it_was(check):
    def spoil(*arguments: object) -> None:
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.manual_seed(1)
        raise RuntimeError("spoiled")

    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="spoiled"):
        check(spoil)
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert torch.get_rng_state().equal(before)


@pytest.mark.parametrize("module", [*MODULES, nb], ids=lambda module: module.__name__)
def test_no_check_rests_on_an_assert_statement(module):
    """Under `python -O` there are none."""
    tree = ast.parse(inspect.getsource(module))
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)] == []
