"""Rules about the file and its code cells."""

import ast
import io
import re
import tokenize
from pathlib import Path

import nbformat
from lessons import BUDGET, SET_UP
from nbformat import NotebookNode
from notebook_outputs import IGNORED, code_cells, tags

from .reading import is_final, lesson_rule, place, python, rule, tree

KNOWN_TAGS = {"exercise", "widget", IGNORED, "raises-exception"}


@rule
def ran_top_to_bottom(nb: NotebookNode, path: Path) -> list[str]:
    """Execution counts are 1, 2, ... n. A notebook without any would pass strict unchecked."""
    counts = [cell.execution_count for cell in code_cells(nb)]
    if counts == list(range(1, len(counts) + 1)):
        return []
    return [f"execution counts are {counts}; run `make nb NB={path.stem[:2]}` and commit the file"]


@rule
def clean_file(nb: NotebookNode, path: Path) -> list[str]:
    """A valid file under the size limit, without state that only one session understands."""
    out = []
    try:
        nbformat.validate(nb)
    except nbformat.ValidationError as error:
        out.append(f"not a valid notebook: {str(error).splitlines()[0]}")
    if "widgets" in nb.metadata:
        out.append("metadata.widgets is stored; code hosts refuse such files: run `make nb`")
    if any("execution" in cell.metadata for cell in nb.cells):
        out.append("cells store execution times: run `make nb`, which removes them")
    size = len(nbformat.writes(nb).encode()) / 1e6
    if size > (limit := BUDGET["megabytes on disk"]):
        out.append(f"{size:.2f} MB, allowed {limit:g}: make fewer or smaller figures")
    return out


@rule
def few_known_tags(nb: NotebookNode, path: Path) -> list[str]:
    """Tags steer the tests, so a misspelt one is an error; at most two cells go uncompared."""
    out = []
    for cell in nb.cells:
        for tag in sorted(tags(cell)):
            if tag not in KNOWN_TAGS and not is_final(tag):
                known = ", ".join([*sorted(KNOWN_TAGS), "final=module:Name"])
                out.append(f"{place(nb, cell)}: unknown tag {tag!r}; use one of {known}")
        if re.search(r"(?i)#\s*(NBVAL|PYTEST_VALIDATE)_", cell.source):
            out.append(f"{place(nb, cell)}: steers nbval by a comment; use a tag")
    ignored = [cell for cell in code_cells(nb) if IGNORED in tags(cell)]
    if len(ignored) > 2:
        out.append(f"{len(ignored)} cells with {IGNORED}, allowed 2: print a verdict instead")
    return out


@rule
def short_cells(nb: NotebookNode, path: Path) -> list[str]:
    """At most 30 lines (60 where a definition of the package stands, docstring apart), 100 wide."""
    out = []
    for cell in code_cells(nb):
        limit = 60 if any(map(is_final, tags(cell))) else 30
        lines = _lines(cell) if limit == 60 else cell.source.splitlines()
        count = sum(bool(line.strip()) for line in lines)
        if count > limit:
            out.append(f"{place(nb, cell)}: {count} lines, allowed {limit}; split where it turns")
        for line in cell.source.splitlines():
            if len(line) > 100:
                out.append(f"{place(nb, cell)}: a line of {len(line)} columns, allowed 100")
    return out


def _lines(cell: NotebookNode) -> list[str]:
    """The lines of a cell outside docstrings."""
    lines = cell.source.splitlines()
    for node in ast.walk(tree(cell)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            words = node.body[0]
            for number in range(words.lineno, (words.end_lineno or words.lineno) + 1):
                lines[number - 1] = ""
    return lines


@rule
def no_trailing_semicolon(nb: NotebookNode, path: Path) -> list[str]:
    """A last `;` silences a cell in JupyterLab but not in nbval."""
    out = []
    idle = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.DEDENT}
    for cell in code_cells(nb):
        try:
            tokens = list(tokenize.generate_tokens(io.StringIO(python(cell.source)).readline))
        except (tokenize.TokenError, SyntaxError):
            continue  # an expected syntax error: it has no quiet result to hide
        spoken = [token.string for token in tokens if token.type not in idle]
        if spoken and spoken[-1] == ";":
            out.append(f"{place(nb, cell)}: ends in ';'; write `_ = ...` to hide a result")
    return out


@rule
def same_set_up(nb: NotebookNode, path: Path) -> list[str]:
    """The first code cell is the same everywhere; further imports go into the next one."""
    cells = code_cells(nb)
    if cells and cells[0].source.strip() == SET_UP:
        return []
    return ["the first code cell is not the shared set-up cell; copy SET_UP from tools/lessons.py"]


@lesson_rule
def exercises_are_stubs(nb: NotebookNode, path: Path) -> list[str]:
    """A typed stub that raises our NotImplementedError, then `attempt` with it, in one cell."""
    out = []
    for cell in code_cells(nb):
        module, marked = tree(cell), "exercise" in tags(cell)
        calls = [n for n in ast.walk(module) if isinstance(n, ast.Call) and _is_attempt(n)]
        if not marked:
            out += [f"{place(nb, cell)}: calls attempt() without the tag exercise"] * bool(calls)
            continue
        stubs = [n for n in module.body if isinstance(n, ast.FunctionDef) and _is_stub(n)]
        if len(stubs) != 1:
            out.append(
                f"{place(nb, cell)}: tagged exercise, needs exactly one function with annotated"
                ' arguments and result whose body is `raise NotImplementedError("your turn")`'
            )
        elif [ast.unparse(call.args[-1]) for call in calls if call.args] != [stubs[0].name]:
            name = stubs[0].name
            out.append(f'{place(nb, cell)}: end it with attempt("Exercise N", check_..., {name})')
    return out


def _is_attempt(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "attempt"


def _is_stub(function: ast.FunctionDef) -> bool:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    typed = function.returns is not None and all(a.annotation is not None for a in every)
    yours = [ast.unparse(n) for n in body] == ["raise NotImplementedError('your turn')"]
    return typed and yours
