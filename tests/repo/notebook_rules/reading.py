"""How the rules read a notebook: cells, tags, prose without code, text that strict compares."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from lessons import HEADER_PATTERN, is_solution
from nbformat import NotebookNode
from notebook_outputs import IGNORED, code_cells, tags

Rule = Callable[[NotebookNode, Path], list[str]]
RULES: dict[str, Rule] = {}


def rule(check: Rule) -> Rule:
    """Register a rule for lessons and solutions."""
    RULES[check.__name__] = check
    return check


def lesson_rule(check: Rule) -> Rule:
    """Register a rule that solutions need not keep."""

    def unless_solution(nb: NotebookNode, path: Path) -> list[str]:
        return [] if is_solution(path) else check(nb, path)

    RULES[check.__name__] = unless_solution
    return check


def story_rule(check: Rule) -> Rule:
    """Register a rule for lessons that are told as one story."""

    def if_story(nb: NotebookNode, path: Path) -> list[str]:
        return check(nb, path) if is_story(nb) else []

    RULES[check.__name__] = if_story
    return check


def is_story(nb: NotebookNode) -> bool:
    """Whether the header of a lesson states its practice apart, as in the form without sections."""
    header = HEADER_PATTERN.search(nb.cells[0].source) if nb.cells else None
    return header is not None and header["practice"] is not None


def complaints(nb: NotebookNode, path: Path) -> list[str]:
    """All complaints of all rules, each starting with its rule's name."""
    return [f"{name}: {text}" for name, check in RULES.items() for text in check(nb, path)]


def place(nb: NotebookNode, cell: NotebookNode) -> str:
    """Where a cell is, as a person would look for it."""
    number = nb.cells.index(cell) + 1
    if cell.cell_type != "code":
        return f"cell {number} of {len(nb.cells)} (text)"
    return f"cell {number} of {len(nb.cells)}, code In [{code_cells(nb).index(cell) + 1}]"


def markdown_cells(nb: NotebookNode) -> list[NotebookNode]:
    """The cells of prose."""
    return [cell for cell in nb.cells if cell.cell_type == "markdown"]


def without_code(text: str) -> str:
    """Markdown with fenced and inline code emptied; the lines stay where they are.

    >>> without_code("see `x < 3` here")
    'see `` here'
    """
    text = re.sub(r"(?ms)^(```|~~~).*?^\1[^\n]*$", lambda m: "\n" * m.group().count("\n"), text)
    return re.sub(r"`[^`\n]+`", "``", text)


def words(text: str) -> int:
    """How many words a reader reads: no code, no formulas, no targets of links, no table rules."""
    text = re.sub(r"(?s)\$\$.*?\$\$", "", without_code(text))
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return sum(bool(re.search(r"\w", word)) for word in text.split())


def without_folds(text: str) -> str:
    """Markdown without what a reader opens only when they want to."""
    return re.sub(r"(?s)<details>.*?</details>", "", text)


def headings(text: str) -> list[tuple[int, str]]:
    """(level, words) of the headings in a Markdown text."""
    found = re.findall(r"(?m)^(#{1,6}) +(.+?)\s*$", without_code(text))
    return [(len(marks), words) for marks, words in found]


def links(text: str) -> list[tuple[bool, str, str]]:
    """(is it a picture, its words, its target) of the links in a Markdown text."""
    found = re.findall(r"(!?)\[([^\]]*)\]\(([^)\s]*)[^)]*\)", without_code(text))
    return [(mark == "!", words, target) for mark, words, target in found]


def python(source: str) -> str:
    """A cell's source with magic and shell lines replaced, so that Python can parse it."""
    return re.sub(r"(?m)^(\s*)(?:%%?[A-Za-z]|!).*$", r"\1pass", source)


def tree(cell: NotebookNode) -> ast.Module:
    """A cell's syntax tree; an empty one where the cell is a syntax error (which cannot run)."""
    try:
        return ast.parse(python(cell.source))
    except SyntaxError:
        return ast.Module([], [])


def compared_lines(nb: NotebookNode) -> Iterator[tuple[NotebookNode, str]]:
    """(cell, line) of the output text that strict compares and no marker exempts."""
    for cell in code_cells(nb):
        if IGNORED in tags(cell):
            continue
        for output in cell.outputs:
            if output.output_type == "stream":
                text = output.text
            elif output.output_type == "error":
                text = output.evalue
            else:
                text = "\n".join(v for k, v in output.data.items() if k.startswith("text/"))
            for line in text.splitlines():
                if not line.startswith(("[timing]", "[version]")):
                    yield cell, line


def final_tags(cell: NotebookNode) -> list[tuple[str, str]]:
    """(module, name) of a cell's `final=module:Name` tags; the name is empty if malformed."""
    told = [tag.removeprefix("final=").partition(":") for tag in tags(cell) if is_final(tag)]
    return sorted((module, name) for module, _, name in told)


def is_final(tag: str) -> bool:
    """Whether a tag says that its cell is the text of something in the package."""
    return tag.startswith("final=")


def is_naive(module: str) -> bool:
    """Whether a module holds oracles, which are kept by a tag but are not what ships."""
    return module.startswith("gemma3_edu.naive")
