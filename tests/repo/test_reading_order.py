"""The order to read the code in: one list in `gemma3_edu`, one table in the README, true counts."""

import ast
import re

import pytest

from .package_rules import INSIDE, PACKAGE, ROOT

README = (ROOT / "README.md").read_text("utf-8")
MAP = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))) or ""
PATH = ("model", "prompt", "generation")
MAX_LINES = 2200


def lines_of(path: str) -> int:
    return len((PACKAGE / path).read_text("utf-8").splitlines())


def listed(text: str) -> dict[str, list[tuple[str, str]]]:
    """The folders of the map, in order: each with its modules and what the map says of them."""
    found: dict[str, list[tuple[str, str]]] = {}
    for indent, name, words in re.findall(r"^(    )?(\w+) {2,}(\S.*)$", text, re.MULTILINE):
        if not indent and name in PATH:
            found[name] = []
        elif indent and found and name in INSIDE[list(found)[-1]]:
            found[list(found)[-1]].append((name, words))
    return found


def table() -> str:
    """The README's table, made from the map and the files."""
    rows, total = ["| file | lines | what it is |", "|---|--:|---|"], 0
    for folder, entries in listed(MAP).items():
        for name, words in entries:
            file = f"{folder}/{name}.py"
            total += lines_of(file)
            rows.append(f"| [`{file}`](gemma3_edu/{file}) | {lines_of(file)} | {words} |")
    return "\n".join([*rows, f"| together | {total:,} | |\n"])


def test_the_map_lists_every_file_in_the_order_of_imports():
    names = {folder: [name for name, _ in entries] for folder, entries in listed(MAP).items()}
    assert list(names) == list(PATH)
    assert names == {folder: INSIDE[folder] for folder in PATH}


def test_the_readme_shows_the_same_order_and_true_line_counts():
    assert "## Read the code in an evening\n" in README
    assert table() in README, f"put this table into the README:\n{table()}"


def test_an_evening_is_enough():
    files = [path for folder in PATH for path in (PACKAGE / folder).glob("*.py")]
    assert sum(lines_of(str(path.relative_to(PACKAGE))) for path in files) <= MAX_LINES
    assert lines_of("__init__.py") <= 100


@pytest.mark.parametrize("changed", [r"\| \d+ \|", r"\[`model/rope.py`\]", r"the whole model \|"])
def test_a_table_that_differs_would_be_noticed(changed):
    assert re.search(changed, table())
    assert table() not in re.sub(changed, "", README)
