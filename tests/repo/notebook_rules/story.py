"""Rules for a lesson told as one story: how it opens, its sizes, exercises not answered before."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from notebook_outputs import code_cells, tags

from .reading import is_final, markdown_cells, place, story_rule, tree, without_folds, words

MOST_WORDS_BEFORE_A_RUN, FIRST_RUN = 150, 3
MOST_WORDS, MOST_CODE_CELLS, MOST_LINES, MOST_LINES_THAT_DRAW = 2400, 25, 20, 5
FEWEST_PICTURES, MOST_VERDICTS = 5, 5
EXERCISES = range(3, 6)
VERDICT = re.compile(r"(?m)(?:\bequal|the same to \S+): True$")


@story_rule
def opens_with_a_run(nb: NotebookNode, path: Path) -> list[str]:
    """Something is seen to happen, by the third code cell, before there is much to read."""
    read, ran = 0, 0
    for cell in nb.cells[1:]:
        if cell.cell_type == "markdown":
            read += words(cell.source)
            continue
        ran += 1
        if cell.outputs and ran <= FIRST_RUN and read <= MOST_WORDS_BEFORE_A_RUN:
            return []
    return [
        f"nothing is shown in the first {FIRST_RUN} code cells with {MOST_WORDS_BEFORE_A_RUN} words"
        " of text before: open with a run that shows the problem"
    ]


@story_rule
def sizes_of_a_story(nb: NotebookNode, path: Path) -> list[str]:
    """Words before the practice, code cells and their lines, pictures, verdicts and exercises."""
    out = []
    text = "\n".join(cell.source for cell in markdown_cells(nb)[1:])
    reading, _, practice = text.partition("\n## Practice\n")
    prose = re.sub(r"(?m)^\|.*$", "", without_folds(reading))
    if (count := words(prose)) > MOST_WORDS:
        out.append(f"{count} words before the practice, allowed {MOST_WORDS}")
    cells = [cell for cell in code_cells(nb) if not _only_draws(cell)]
    if len(cells) > MOST_CODE_CELLS:
        out.append(f"{len(cells)} code cells that do not only draw, allowed {MOST_CODE_CELLS}")
    for cell in code_cells(nb):
        if not any(map(is_final, tags(cell))) and (count := _lines(cell)) > MOST_LINES:
            out.append(f"{place(nb, cell)}: {count} lines, allowed {MOST_LINES} in a story")
    outputs = [output for cell in code_cells(nb) for output in cell.outputs]
    pictures = sum("image/png" in output.get("data", {}) for output in outputs)
    pictures += sum(len(re.findall(r"!\[[^\]]*\]\(", c.source)) for c in markdown_cells(nb))
    if pictures < FEWEST_PICTURES:
        out.append(f"{pictures} pictures, fewest allowed {FEWEST_PICTURES}: draw the idea")
    said = "\n".join(output.get("text", "") for output in outputs)
    if (count := len(VERDICT.findall(said))) > MOST_VERDICTS:
        out.append(f"{count} verdicts, allowed {MOST_VERDICTS}: keep those that answer a question")
    if (count := len(re.findall(r"(?m)^\*\*Exercise \d", practice))) not in EXERCISES:
        out.append(f"{count} paragraphs begin with **Exercise N, allowed 3 to 5")
    return out


def _only_draws(cell: NotebookNode) -> bool:
    shows = re.search(r"(?m)^show\(", cell.source) and _lines(cell) <= MOST_LINES_THAT_DRAW
    return bool(shows) or "widget" in tags(cell)


def _lines(cell: NotebookNode) -> int:
    return sum(bool(line.strip()) for line in cell.source.splitlines())


@story_rule
def exercises_are_unanswered(nb: NotebookNode, path: Path) -> list[str]:
    """No function on the page passes the check of an exercise."""
    out = []
    names, shown = _definitions(nb)
    for cell in code_cells(nb):
        for check in _checks(cell):
            try:
                judge = eval(check, names)
            except NameError:
                out.append(f"{place(nb, cell)}: import {check} at the top of a cell")
                continue
            for name, function in shown.items():
                try:
                    judge(function)
                except Exception:
                    continue  # another function: it is no answer
                out.append(f"{place(nb, cell)}: {name}, shown on the page, answers this exercise")
    return out


def _checks(cell: NotebookNode) -> Iterator[str]:
    for node in ast.walk(tree(cell)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "attempt":
            yield ast.unparse(node.args[1])


def _definitions(nb: NotebookNode) -> tuple[dict[str, Any], dict[str, Any]]:
    """All names that a lesson imports and defines, and its own functions outside exercises."""
    names: dict[str, Any] = {}
    shown: dict[str, Any] = {}
    for cell in code_cells(nb):
        for node in tree(cell).body:
            quiet = isinstance(node, ast.Assign) and not any(
                isinstance(part, ast.Call) for part in ast.walk(node)
            )
            plain = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.decorator_list
            if not (quiet or plain or isinstance(node, ast.Import | ast.ImportFrom)):
                continue
            try:
                exec(compile(ast.Module([node], []), "<a lesson>", "exec"), names)
            except Exception:
                continue  # it needs what only a run makes
            if isinstance(node, ast.FunctionDef) and "exercise" not in tags(cell):
                shown[node.name] = names[node.name]
    return names, shown
