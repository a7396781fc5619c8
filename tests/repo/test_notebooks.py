"""The notebooks of this repository keep the rules, teach each definition once, and are answered."""

from pathlib import Path

import nbformat
import pytest
from lessons import NOTEBOOKS, TITLES, find, is_solution
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from .clean_notebook import STUB, clean, folder_for_lessons, printed
from .notebook_rules import complaints
from .notebook_rules.final import definition, shipped_source
from .notebook_rules.solutions import exercises, solution_complaints
from .notebook_rules.taught import TAUGHT, taught_complaints

PATHS = find([])
PAIRS = [path for path in PATHS if not is_solution(path)]


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def test_there_are_notebooks_to_judge():
    if not PATHS:
        pytest.skip("notebooks/ holds none yet: the rules are proved on a made notebook alone")
    strays = [path.name for path in PATHS if path.stem not in TITLES]
    assert not strays, f"not in TITLES of tools/lessons.py: {strays}"


@pytest.mark.parametrize("path", PATHS, ids=[f"{p.parent.name}/{p.stem}" for p in PATHS])
def test_a_notebook_keeps_every_rule(path: Path):
    if told := complaints(read(path), path):
        pytest.fail(f"{path.name}:\n" + "\n".join(told), pytrace=False)  # all of them, in full


@pytest.mark.parametrize("path", PAIRS, ids=[path.stem for path in PAIRS])
def test_a_lesson_with_exercises_has_their_solutions(path: Path):
    solution, lesson = NOTEBOOKS / "solutions" / path.name, read(path)
    if exercises(lesson) or solution.exists():
        assert solution.exists(), f"write notebooks/solutions/{path.name}"
        if told := solution_complaints(lesson, read(solution)):
            pytest.fail(f"{path.name}:\n" + "\n".join(told), pytrace=False)


def test_each_taught_definition_is_final_in_its_home_and_nowhere_else():
    lessons: dict[str, list[NotebookNode]] = {}
    for path in PATHS:
        lessons.setdefault(path.name[:2], []).append(read(path))
    assert taught_complaints(lessons, TAUGHT) == []


@pytest.mark.parametrize("what", TAUGHT)
def test_what_is_taught_exists_in_the_package(what: str):
    module, _, name = what.partition(":")
    assert definition(shipped_source(module), name)


# The two judgements that look at more than one notebook, each seen to fail.

HOME = {"gemma3_edu.model.layers:RMSNorm": "02"}


@pytest.fixture
def lesson(tmp_path: Path) -> NotebookNode:
    return clean(folder_for_lessons(tmp_path))


def test_taught_definitions_wait_until_their_lesson_exists(lesson: NotebookNode):
    assert taught_complaints({}, HOME) == []
    assert taught_complaints({"02": [lesson]}, HOME) == []
    assert taught_complaints({"02": [new_notebook(), lesson]}, HOME) == []


def test_a_definition_without_its_cell_or_with_two_is_reported(lesson: NotebookNode):
    empty = new_notebook()
    (complaint,) = taught_complaints({"02": [empty]}, HOME)
    assert "has final= cells in [], should have one in each of ['02']" in complaint
    (complaint,) = taught_complaints({"02": [lesson], "03": [lesson]}, HOME)
    assert "['02', '03']" in complaint
    (complaint,) = taught_complaints({"02": [lesson, lesson]}, HOME)
    assert "['02', '02']" in complaint
    (complaint,) = taught_complaints({"03": [lesson]}, HOME)
    assert "['03'], should have one in each of []" in complaint
    (complaint,) = taught_complaints({"02": [empty], "03": [lesson]}, HOME)
    assert "['03'], should have one in each of ['02']" in complaint
    (complaint,) = taught_complaints({"02": [lesson]}, {})
    assert "add it to TAUGHT" in complaint


def answered(source: str, said: str) -> NotebookNode:
    return new_notebook(cells=[new_code_cell(source, outputs=[printed(said)])])


def test_a_solution_with_the_stubs_signature_and_a_correct_answer_passes(lesson: NotebookNode):
    solution = answered(STUB.replace('raise NotImplementedError("your turn")', "return x"), CORRECT)
    assert solution_complaints(lesson, solution) == []


CORRECT = "Exercise 1: correct\n"


@pytest.mark.parametrize(
    ("source", "said", "complaint"),
    [
        ("def other(x): return x", CORRECT, "the solution defines no my_norm"),
        (STUB.replace("weight:", "gain:"), CORRECT, "gain: torch.Tensor"),
        (STUB.replace(") -> torch.Tensor", ")"), CORRECT, "-> nothing stated in the solution"),
        (STUB, "Exercise 1: not attempted yet\n", "does not print 'Exercise 1: correct'"),
    ],
)
def test_a_solution_to_another_exercise_is_reported(
    lesson: NotebookNode, source: str, said: str, complaint: str
):
    (told,) = solution_complaints(lesson, answered(source, said))
    assert complaint in told
