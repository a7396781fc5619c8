"""Rules about saved outputs: nothing that another machine would print differently."""

import ast
import re
from pathlib import Path

from nbformat import NotebookNode
from notebook_outputs import IGNORED, code_cells, tags

from gemma3_edu.lessons.figures.alt import FEWEST_WORDS

from .reading import compared_lines, links, markdown_cells, place, rule, tree

WIDGET = "application/vnd.jupyter.widget-view+json"

# A number with a point, unless it is part of a name or of a version such as 3.11.2.
NUMBER = re.compile(r"(?<![\w.])(\d+)\.(\d*)([eE][-+]?\d+)?(?!\.?\d)")
MACHINE = {
    "an address": r"\b0x[0-9a-fA-F]{4,}",
    "a duration": r"(?<![\w.])\d+(?:\.\d+)?\s?(?:ns|[µu]s|ms|s|sec|secs|seconds|minutes)\b",
    "a folder of this machine": r"/(?:home|Users|root|tmp|var/folders)/|\b[A-Z]:\\|ipykernel_\d",
    "a device": r"\b(?:cuda|mps):\d",
}


@rule
def quiet_outputs(nb: NotebookNode, path: Path) -> list[str]:
    """No standard error, and no error that is not announced by its tag."""
    out = []
    for cell in code_cells(nb):
        failed = any(output.output_type == "error" for output in cell.outputs)
        for output in cell.outputs:
            if output.get("name") == "stderr":
                said = output.text.strip().splitlines()[-1][:80]
                out.append(f"{place(nb, cell)}: stderr says {said!r}; remove the cause")
        if failed and "raises-exception" not in tags(cell):
            out.append(f"{place(nb, cell)}: fails; repair it, or tag it raises-exception")
        if "raises-exception" in tags(cell) and not failed:
            out.append(f"{place(nb, cell)}: tagged raises-exception, and nothing is raised")
    return out


@rule
def pictures_have_words(nb: NotebookNode, path: Path) -> list[str]:
    """Alternative text on every picture; pictures from code only through `show`."""
    out = []
    for cell in markdown_cells(nb):
        if cell.get("attachments"):
            out.append(f"{place(nb, cell)}: holds a pasted picture; draw it, or link an SVG")
        for pictured, words, target in links(cell.source):
            if pictured and len(words.split()) < 6:
                out.append(f"{place(nb, cell)}: {target}: say in six words what there is to see")
            if pictured and "://" in target:
                out.append(f"{place(nb, cell)}: {target}: keep the picture in figures/")
    for cell in code_cells(nb):
        for output in cell.outputs:
            kinds = [kind for kind in output.get("data", {}) if kind.startswith("image/")]
            if not kinds:
                continue
            alt = alt_of(output)
            digest = output.data.get("text/plain", "")
            if kinds != ["image/png"] or not digest.startswith(f"[figure] {alt}\n"):
                out.append(f"{place(nb, cell)}: a picture without words; use show(fig)")
            elif len(alt.split()) < FEWEST_WORDS:
                out.append(f"{place(nb, cell)}: {alt!r}: say in six words what there is to see")
    return out


@rule
def cells_keep_the_words_back(nb: NotebookNode, path: Path) -> list[str]:
    """No alternative text in code: it would answer what the reader is asked about the picture."""
    out = []
    every = " ".join(alt_of(output) for cell in code_cells(nb) for output in cell.outputs)
    for cell in code_cells(nb):
        for node in ast.walk(tree(cell)):
            given = isinstance(node, ast.keyword) and node.arg == "alt"
            text = node.value if isinstance(node, ast.Constant) else None
            told = isinstance(text, str) and len(text.split()) >= FEWEST_WORDS
            if given or (told and " ".join(text.split()) in every):
                out.append(
                    f"{place(nb, cell)}: an alternative text in the code; put it into the figure's"
                    " function in gemma3_edu/lessons/figures, by with_alt"
                )
    return out


def alt_of(output: NotebookNode) -> str:
    """The alternative text of a saved output, or nothing."""
    return str(output.get("metadata", {}).get("image/png", {}).get("alt", ""))


@rule
def widgets_are_tagged(nb: NotebookNode, path: Path) -> list[str]:
    """A widget, in a cell tagged `widget` and `nbval-ignore-output`."""
    out = []
    for cell in code_cells(nb):
        seen = any(WIDGET in output.get("data", {}) for output in cell.outputs)
        if seen and not {"widget", IGNORED} <= tags(cell):
            out.append(f"{place(nb, cell)}: shows a widget; tag it widget and {IGNORED}")
        if "widget" in tags(cell) and not seen:
            out.append(f"{place(nb, cell)}: tagged widget, and shows none")
    return out


@rule
def few_digits(nb: NotebookNode, path: Path) -> list[str]:
    """Three decimals, or three significant digits below 1, unless the value is exact in binary."""
    out = []
    for cell, line in compared_lines(nb):
        for found in NUMBER.finditer(line):
            if _too_many(found):
                out.append(f"{place(nb, cell)}: {found.group()}: print three digits, or a verdict")
        if re.search(r"(?<![\w.])-0\.0*(?![\d])", line):
            out.append(f"{place(nb, cell)}: -0: its sign moves between machines; round first")
    return out


def _too_many(found: re.Match[str]) -> bool:
    whole, decimals, exponent = found.groups()
    value = float(found.group())
    if not exponent and (value * 1024).is_integer():
        return False  # 0.0625 is the same everywhere
    if abs(value) < 1:
        return len((whole + decimals).lstrip("0")) > 3
    return len(decimals) > 3


@rule
def nothing_of_this_machine(nb: NotebookNode, path: Path) -> list[str]:
    """No addresses, durations, folders or devices in output that is compared."""
    out = []
    for cell, line in compared_lines(nb):
        for what, pattern in MACHINE.items():
            if found := re.search(pattern, line):
                remedy = (
                    "start the line with [timing] if it was measured, and name the unit before"
                    " the number if it was computed (`milliseconds: 12`)"
                )
                remedy = remedy if what == "a duration" else "print a name or a shape instead"
                out.append(f"{place(nb, cell)}: {what}, {found.group()!r}: {remedy}")
    return out
