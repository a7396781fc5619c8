"""The table that grades names what the notebooks ask for, and its grader reads the notebooks."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from lessons import NOTEBOOKS, find, is_solution
from notebook_outputs import code_cells

from gemma3_edu.lessons.answer import verdict
from gemma3_edu.lessons.exercises import EXERCISES

from .notebook_rules.reading import tree
from .notebook_rules.solutions import exercises

LESSONS = {path.name[:2]: path for path in find([]) if not is_solution(path)}
SHORT = ("02", "05")  # the others take a minute together


def asked(path: Path) -> list[tuple[str, str]]:
    """Function and check of each exercise cell."""
    cells = exercises(nbformat.read(path, as_version=4))
    found = [re.search(r'attempt\("Exercise \d", (\w+), (\w+)\)', cell.source) for cell in cells]
    return [(call[2], call[1]) for call in found if call]


def test_every_lesson_with_exercises_is_in_the_table():
    assert set(EXERCISES) == {number for number, path in LESSONS.items() if asked(path)}


@pytest.mark.parametrize("number", EXERCISES)
def test_the_table_has_the_lessons_exercises_in_order(number):
    path, imported = LESSONS[number], {}
    for cell in code_cells(nbformat.read(path, as_version=4)):
        for node in tree(cell).body:
            if isinstance(node, ast.ImportFrom) and "lessons.checks" in str(node.module):
                exec(ast.unparse(node), imported)
    wanted = [(name, id(imported[check])) for name, check in asked(path)]
    assert [(name, id(check)) for name, check in EXERCISES[number].items()] == wanted


@pytest.mark.parametrize(
    ("number", "name"),
    [
        pytest.param(number, name, marks=[] if number in SHORT else pytest.mark.slow)
        for number, functions in EXERCISES.items()
        for name in functions
    ],
)
def test_stubs_are_not_attempted_and_solutions_correct(number, name):
    path = LESSONS[number]
    assert verdict(path, number, name).word == "not attempted"
    solved = verdict(NOTEBOOKS / "solutions" / path.name, number, name)
    assert solved.word == "correct", solved.sentence
