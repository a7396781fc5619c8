"""Start a lesson: the shared header, set-up cell and sections, ready to be filled.

    python tools/new_notebook.py 05              notebooks/05_sliding_window_masks.ipynb
    python tools/new_notebook.py 05 --solution   its solution, with the lesson's stubs to answer
    python tools/new_notebook.py                 no new file; bring all navigation lines up to date

No existing file is overwritten. The neighbours' navigation lines get their link to the new lesson.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat
from lessons import LESSONS, NOTEBOOKS, SECTIONS, SET_UP, navigation
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebook_outputs import normalise, tags

# What belongs under each heading; the author replaces these sentences.
PURPOSE = {
    1: "Three to five verbs, and the block diagram from figures/ with this part marked.",
    2: "This component's settings in the five sizes, printed from the presets.",
    3: "The cell below is the same in every lesson.",
    4: "A question with three answers, before any code; a later output settles it.",
    5: "Two to six numbers exact in binary, one position in prose, the formula, the symbol table.",
    6: "Loops named as in the formula, equal to the numbers above.",
    7: "One operation a line, a shape comment on each; a verdict against section 6.",
    8: "One verdict against a torch builtin.",
    9: "Two to four named mistakes, one at a time, and where each first differs.",
    10: "A question, `show` with a figure of lessons/figures, two sentences on what to see.",
    11: "At most one widget, with static small multiples above it.",
    12: "Parameters, operations, cache bytes: by formula and counted on the meta device.",
    13: "One cell tagged `final=module:Name`; the next one gives the verdict against the package.",
    14: "Two or three coded exercises and one to explain; hints and the solution's link follow.",
    15: "Two to four real bugs with repository and issue number.",
    16: "Five lines; what was simplified or left out.",
    17: "Section, table or equation numbers.",
}
LINE = re.compile(r"^(?:previous: |\[contents\]\().*$", re.MULTILINE)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("number", nargs="?", help="of the lesson, such as 05")
    parser.add_argument("--solution", action="store_true", help="make its solution instead")
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS, help="where the lessons lie")
    options = parser.parse_args(arguments)
    try:
        if options.number is not None:
            print(f"made {create(options.number, options.folder, options.solution)}")
        for path in refresh_navigation(options.folder):
            print(f"new navigation line in {path}")
    except ValueError as error:
        parser.error(str(error))
    return 0


def create(number: str, folder: Path, solution: bool = False) -> Path:
    """Write the skeleton and return its path; ValueError if it exists or the number is unknown."""
    stems = [stem for stem in LESSONS if stem.startswith(f"{number.zfill(2)}_")]
    if not stems:
        raise ValueError(
            f"number={number!r} is no lesson; LESSONS in tools/lessons.py has 00 to 29"
        )
    stem = stems[0]
    path = (folder / "solutions" if solution else folder) / f"{stem}.ipynb"
    if path.exists():
        raise ValueError(f"{path} exists; move it away first if you mean to start again")
    nb = _solution(folder / f"{stem}.ipynb") if solution else _lesson(stem, folder)
    normalise(nb)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, path)
    return path


def _lesson(stem: str, folder: Path) -> NotebookNode:
    header = (
        f"# {stem[:2]} {LESSONS[stem]}\n\n"
        "**Claim.** One sentence that could be false.\n\n"
        f"{navigation(stem, folder)}\n\n"
        "45 minutes to read · runs in 15 s · 0.8 GB · read first: nothing"
    )
    cells = [new_markdown_cell(header)]
    for section, name in SECTIONS.items():
        cells.append(new_markdown_cell(f"## {section}. {name}\n\n{PURPOSE[section]}"))
        if name == "Set-up":
            cells.append(new_code_cell(SET_UP))
    return new_notebook(cells=cells)


def _solution(lesson: Path) -> NotebookNode:
    """The stubs of a lesson, to be answered under the same names and signatures."""
    if not lesson.exists():
        raise ValueError(f"{lesson} does not exist; write the lesson and its stubs first")
    stem = lesson.stem
    title = f"# {stem[:2]} {LESSONS[stem]}: solutions\n\n[Back to the lesson](../{lesson.name})"
    cells = [new_markdown_cell(title), new_code_cell(SET_UP)]
    for cell in nbformat.read(lesson, as_version=4).cells:
        if "exercise" in tags(cell):
            cells.append(new_code_cell(cell.source))
    return new_notebook(cells=cells)


def refresh_navigation(folder: Path) -> list[Path]:
    """Rewrite the navigation lines that are out of date; returns the files that changed."""
    changed = []
    for path in sorted(folder.glob("*.ipynb")):
        if path.stem not in LESSONS:
            continue
        nb = nbformat.read(path, as_version=4)
        line = navigation(path.stem, folder)
        new = LINE.sub(lambda _, line=line: line, nb.cells[0].source, count=1)
        if new != nb.cells[0].source:
            nb.cells[0].source = new
            nbformat.write(nb, path)
            changed.append(path)
    return changed


if __name__ == "__main__":
    sys.exit(main())
