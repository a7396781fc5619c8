"""Each rule is seen to fail, on a notebook that breaks it and no other rule."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lessons import SET_UP
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from notebook_outputs import IGNORED, code_cells

from .clean_notebook import (
    ALT,
    clean,
    clean_story,
    count,
    folder_for_lessons,
    picture,
    printed,
    result,
    widget,
)
from .notebook_rules import RULES
from .notebook_rules.final import bare, definition

Change = Callable[[NotebookNode], None]
SETUP, IMPORTS, BY_HAND, FIGURE, FINAL, VERDICT, EXERCISE = range(7)  # the code cells of clean()


def edit(index: int, old: str, new: str) -> Change:
    """Replace text in a code cell that has it."""

    def change(nb: NotebookNode) -> None:
        cell = code_cells(nb)[index]
        assert old in cell.source
        cell.source = cell.source.replace(old, new)

    return change


def prose(old: str, new: str) -> Change:
    """Replace text in the one Markdown cell that has it."""

    def change(nb: NotebookNode) -> None:
        (cell,) = [c for c in nb.cells if c.cell_type == "markdown" and old in c.source]
        cell.source = cell.source.replace(old, new)

    return change


def saw(*outputs: NotebookNode) -> Change:
    """Give the by-hand cell other outputs."""
    return lambda nb: code_cells(nb)[BY_HAND].update(outputs=list(outputs))


def tag(index: int, *tags: str) -> Change:
    """Give a code cell these tags."""
    return lambda nb: code_cells(nb)[index].metadata.update(tags=list(tags))


def runs(source: str, *tags: str, outputs: tuple[NotebookNode, ...] = ()) -> Change:
    """Add a code cell after the by-hand one."""

    def change(nb: NotebookNode) -> None:
        cell = new_code_cell(source, metadata={"tags": list(tags)}, outputs=list(outputs))
        nb.cells.insert(nb.cells.index(code_cells(nb)[BY_HAND]) + 1, cell)
        count(nb)

    return change


def says(text: str) -> Change:
    """Add a Markdown cell at the end."""
    return lambda nb: nb.cells.append(new_markdown_cell(text))


def both(*changes: Change) -> Change:
    """One change after the other."""

    def change(nb: NotebookNode) -> None:
        for each in changes:
            each(nb)

    return change


ERROR = new_output("error", ename="ValueError", evalue="window", traceback=["ValueError: window"])
DIGITS = new_output("error", ename="ValueError", evalue="0.07715", traceback=[])
PNG = new_output("display_data", data={"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"})
STORED = {"execution": {"iopub.status.busy": "2020"}}

VIOLATIONS: list[tuple[str, Change]] = [
    ("ran_top_to_bottom", lambda nb: code_cells(nb)[EXERCISE].update(execution_count=None)),
    ("ran_top_to_bottom", lambda nb: code_cells(nb)[SETUP].update(execution_count=7)),
    ("clean_file", lambda nb: nb.metadata.update(widgets={})),
    ("clean_file", lambda nb: nb.cells[0].metadata.update(STORED)),
    ("clean_file", lambda nb: nb.update(nbformat_minor=4)),
    ("clean_file", saw(printed("x" * 1_100_000))),
    ("few_known_tags", tag(BY_HAND, "nbval-skip")),
    ("few_known_tags", tag(BY_HAND, "exercize")),
    ("few_known_tags", runs("# NBVAL_IGNORE_OUTPUT\nx = 1")),
    ("few_known_tags", both(*[runs(f"x = {k}", IGNORED) for k in range(3)])),
    ("quiet_outputs", saw(printed("UserWarning: nan", name="stderr"))),
    ("quiet_outputs", saw(ERROR)),
    ("quiet_outputs", tag(BY_HAND, "raises-exception")),
    ("short_cells", runs("\n".join(f"x = {k}" for k in range(31)))),
    ("short_cells", runs(f"x = {'1' * 97}")),
    (
        "short_cells",
        edit(FINAL, "    def forward", "    #\n" * 60 + "    def forward"),
    ),
    ("no_trailing_semicolon", runs("x = 1\nx;  # quiet")),
    ("no_trailing_semicolon", runs("torch.ones(2);")),
    ("pictures_have_words", prose("## 7. Fast", "## 7. Fast\n\n![](../README.md)")),
    ("pictures_have_words", prose("## 7. Fast", "## 7. Fast\n\n![The block](../README.md)")),
    ("pictures_have_words", says("![A block with four norms and two sums](https://x.org/b.svg)")),
    ("pictures_have_words", saw(PNG)),
    ("pictures_have_words", saw(picture(words="Another text than that of the picture."))),
    ("pictures_have_words", saw(picture("A curve of squares"))),
    ("cells_keep_the_words_back", edit(FIGURE, "(4)", "(4), alt='Nine at the end of the curve.'")),
    ("cells_keep_the_words_back", edit(FIGURE, "squares(4)", f"with_alt(squares(4), {ALT!r})")),
    ("cells_keep_the_words_back", runs(f"words = {ALT[:40]!r}")),
    ("cells_keep_the_words_back", runs(f"words = f'{ALT[:40]} {{3}}'")),
    ("widgets_are_tagged", saw(widget())),
    ("widgets_are_tagged", both(saw(widget()), tag(BY_HAND, "widget"))),
    ("widgets_are_tagged", tag(BY_HAND, "widget")),
    ("nothing_forbidden", runs("import sys\n\nsys.path.insert(0, '..')")),
    ("nothing_forbidden", runs("open('/data/x.txt')")),
    ("nothing_forbidden", runs("!pip install torch")),
    ("nothing_forbidden", runs("%timeit x = 1")),
    ("nothing_forbidden", runs("from warnings import filterwarnings")),
    ("nothing_forbidden", runs("import urllib.request")),
    ("nothing_forbidden", runs("page = 'https://example.org'")),
    ("nothing_forbidden", runs("x = torch.ones(2, device='cuda:0')")),
    ("nothing_forbidden", runs("ready = torch.cuda.is_available()")),
    ("nothing_forbidden", runs("name = input('your name')")),
    ("nothing_forbidden", runs("handle = display(1, display_id=True)")),
    ("few_digits", saw(result("0.07715"))),
    ("few_digits", saw(printed("mean 3.5355\n"))),
    ("few_digits", saw(printed("1.2345e-05\n"))),
    ("few_digits", saw(printed("tensor([-0., 1.])\n"))),
    ("few_digits", both(tag(BY_HAND, "raises-exception"), saw(DIGITS))),
    ("nothing_of_this_machine", saw(printed("took 12.1 ms\n"))),
    ("nothing_of_this_machine", saw(result("<object object at 0x7f3a5c0d1e50>"))),
    ("nothing_of_this_machine", saw(printed("/home/ada/gemma/config.py\n"))),
    ("nothing_of_this_machine", saw(printed("tensor on cuda:0\n"))),
    ("same_set_up", edit(SETUP, "import torch\n", "import math\nimport torch\n")),
    ("one_title", prose("## 7. Fast", "## 7. Fast\n\n# Another")),
    ("one_title", prose("### One step", "#### One step")),
    ("plain_maths", prose("\\frac{x}{2}", "\\operatorname{rms}(x)")),
    ("plain_maths", prose("\\frac{x}{2}", "\\begin{align}x\\end{align}")),
    ("plain_maths", prose("$1 + w$", "$i < w$")),
    ("plain_maths", prose("$$\ny = \\frac{x}{2}\n$$", "$$y = x$$")),
    ("plain_maths", prose("5. By hand\n\n$$", "5. By hand\n$$")),
    ("plain_maths", prose("## 7. Fast", "## 7. Fast $O(T)$")),
    ("plain_maths", says("| symbol | name |\n|---|---|\n| $W$ | window |")),
    ("plain_maths", says("[the width $D$](../README.md)")),
    ("little_html", says('<img src="../README.md">')),
    ("little_html", says("<br>")),
    ("plain_words", says("It is simply a mean.")),
    ("plain_words", says("Well done!")),
    ("header_is_true", prose("runs in 9 s", "runs in 8 s")),
    ("header_is_true", prose("0.8 GB", "0.7 GB")),
    ("header_is_true", prose("first: 01", "first: 03")),
    ("header_is_true", prose("40 minutes to read", "quick")),
    ("header_is_true", prose("# 02 RMSNorm", "# 03 RMSNorm")),
    ("header_is_true", prose("**Claim.** The", "The")),
    ("header_is_true", prose("next: 03", "next: 04")),
    ("header_is_true", lambda nb: nb.metadata.pop("measured")),
    ("sections_in_order", prose("## 6. Slow and obvious", "## 8. Slow and obvious")),
    ("sections_in_order", prose("## 7. Fast", "### Fast")),
    ("sections_in_order", prose("## 7. Fast", "## 7. Fast\n\n## Some more")),
    ("links_lead_somewhere", says("[the next lesson](99_none.ipynb)")),
    ("links_lead_somewhere", says("[the next section](#nowhere)")),
    ("links_lead_somewhere", says("It is [here](../README.md).")),
    ("within_budgets", both(*[runs(f"x = {k}") for k in range(39)])),
    ("within_budgets", says("word " * 181)),
    ("within_budgets", prose("runs in 9 s", "runs in 61 s")),
    ("within_budgets", prose("0.8 GB", "1.6 GB")),
    ("exercises_are_stubs", edit(EXERCISE, '"your turn"', '"to do"')),
    ("exercises_are_stubs", edit(EXERCISE, ") -> torch.Tensor", ")")),
    ("exercises_are_stubs", edit(EXERCISE, "check_rmsnorm, my_norm)", "check_rmsnorm, norm)")),
    ("exercises_are_stubs", tag(EXERCISE)),
    ("final_cells_equal_package", edit(FINAL, "1.0 +", "2.0 +")),
    ("final_cells_equal_package", edit(FINAL, "eps: float = 1e-6", "eps: float = 1e-5")),
    ("final_cells_equal_package", tag(FINAL, "final=gemma3_edu.model.layers:RMSNrom")),
    ("final_cells_equal_package", tag(FINAL, "final=gemma3_edu.model.layers")),
    ("final_cells_use_known_names", edit(IMPORTS, "import Tensor, nn", "import Tensor")),
    (
        "final_cells_use_known_names",
        edit(IMPORTS, "torch import T", "mine import T"),
    ),
    ("final_cells_use_known_names", runs("Float = float")),
    ("final_cells_have_a_verdict", edit(VERDICT, "verdict(", "print(")),
    ("final_cells_have_a_verdict", edit(VERDICT, "RMSNorm as Shipped", "GatedMLP as Shipped")),
    ("final_cells_have_a_verdict", lambda nb: code_cells(nb)[VERDICT].update(outputs=[])),
]


LONG = [new_markdown_cell("word " * 170) for _ in range(15)]
STORY: list[tuple[str, Change]] = [  # of clean_story()
    ("header_is_true", prose("**Claim.** The", "**Claim.** " + "The very " * 12)),
    ("header_is_true", prose("20 to practise", "21 to practise")),
    ("sections_in_order", prose("## Why it is allowed", "## 5. Why it is allowed")),
    ("sections_in_order", prose("## What to remember", "## Summary")),
    ("sections_in_order", says("## One more thing")),
    ("sections_in_order", prose("## Why it is allowed", "## Again\n\n" * 12 + "## Why")),
    ("opens_with_a_run", lambda nb: [code_cells(nb)[n].update(outputs=[]) for n in (1, 2)]),
    ("opens_with_a_run", prose("## A problem", "## A problem\n\n" + "word " * 150)),
    ("sizes_of_a_story", lambda nb: nb.cells.__setitem__(slice(6, 6), LONG)),
    ("sizes_of_a_story", both(*[runs(f"x = {k}") for k in range(25)])),
    ("sizes_of_a_story", runs("\n".join(f"x = {k}" for k in range(21)))),
    ("sizes_of_a_story", lambda nb: code_cells(nb)[3].outputs.pop()),
    ("sizes_of_a_story", saw(printed("a, all equal: True\nb, the same to 0.1: True\n" * 3))),
    ("sizes_of_a_story", prose("**Exercise 3", "**Exercise")),
    ("exercises_are_unanswered", edit(1, "False", "max(0, n - s) <= max(0, n - back - w + 1)")),
    ("exercises_are_unanswered", edit(8, "check_can_rewind, my", "check_it, my")),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return folder_for_lessons(tmp_path)


@pytest.mark.parametrize(("name", "violate"), VIOLATIONS)
def test_a_violation_is_caught_by_its_rule_alone(name: str, violate: Change, path: Path):
    nb = clean(path)
    violate(nb)
    told = {rule: check(nb, path) for rule, check in RULES.items()}
    assert {rule: said for rule, said in told.items() if said}.keys() == {name}, told


@pytest.mark.parametrize(("name", "violate"), STORY)
def test_a_story_is_judged_by_its_own_rules(name: str, violate: Change, path: Path):
    nb = clean_story(path)
    violate(nb)
    told = {rule: check(nb, path) for rule, check in RULES.items()}
    assert {rule: said for rule, said in told.items() if said}.keys() == {name}, told


@pytest.mark.parametrize("make", [clean, clean_story])
def test_a_clean_notebook_breaks_no_rule(make: Callable[[Path], NotebookNode], path: Path):
    nb = make(path)
    assert {name: said for name, check in RULES.items() if (said := check(nb, path))} == {}


def test_every_rule_has_been_seen_to_fail():
    assert {name for name, _ in VIOLATIONS + STORY} == set(RULES)


def test_definitions_are_classes_functions_and_constants_compared_by_what_they_do():
    source = "%time x\nA = 1\nB: int = 2\ndef f():\n    'Words.'\n    return A  # why\n"
    assert [type(definition(source, name)).__name__ for name in "ABf"] == [
        "Assign",
        "AnnAssign",
        "FunctionDef",
    ]
    with pytest.raises(KeyError):
        definition(source, "C")
    assert bare(definition(source, "f")) == bare(definition("def f(): return A", "f"))
    assert bare(definition(source, "f")) != bare(definition("def f(): return B", "f"))
    assert bare(definition(source, "A")) != bare(definition("A = 2", "A"))


def test_a_solution_needs_no_header_and_no_sections(path: Path):
    nb = clean(path)
    nb.cells = [new_markdown_cell("# 02 RMSNorm: solutions"), new_code_cell(SET_UP)]
    count(nb)
    solution = path.parent / "solutions" / path.name
    assert [name for name, check in RULES.items() if check(nb, solution)] == []
    assert [name for name, check in RULES.items() if check(nb, path)] != []
