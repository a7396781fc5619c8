"""Start a lesson: the shared header, set-up cell and arc, ready to be filled.

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
from lessons import NOTEBOOKS, SET_UP, TITLES, find, home, is_solution, navigation
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebook_outputs import normalise, tags

# The arc of a lesson. The author replaces headings and sentences, all but the last two headings.
ARC = {
    "What hurts": "What is too slow, too big, broken or surprising. The cells below show it.",
    "The idea": "Three sentences and a drawing: why it works, and what is given up for it.",
    "By hand": "From a few numbers to the function that ships, one small step a cell.",
    "In the model": "The part goes in, the problem is run again, and it is gone.",
    "When it goes wrong": "One mistake that teaches the idea.",
    "In Gemma 3": "The sizes, the cost, and where report, code and other models differ.",
    "Practice": "**Exercise 1 (warm-up, 3 minutes).** A warm-up.\n\n"
    "**Exercise 2 (write it, 10 minutes).** Write the part.\n\n"
    "**Exercise 3 (explain it to a friend, 3 minutes).** The answer is in a fold.",
    "What to remember": "Three to five sentences, what was left out, where next.",
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
    stems = [stem for stem in TITLES if stem.startswith(f"{number.upper().zfill(2)}_")]
    if not stems:
        raise ValueError(
            f"number={number!r} is no lesson; TITLES in tools/lessons.py has 00 to 29 and A1 to A3"
        )
    stem = stems[0]
    lesson = home(stem, folder) / f"{stem}.ipynb"
    path = folder / "solutions" / lesson.name if solution else lesson
    if path.exists():
        raise ValueError(f"{path} exists; move it away first if you mean to start again")
    nb = _solution(lesson) if solution else _lesson(stem, lesson.parent)
    normalise(nb)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, path)
    return path


def _lesson(stem: str, folder: Path) -> NotebookNode:
    header = (
        f"# {stem[:2]} {TITLES[stem]}\n\n"
        "**Claim.** One sentence that could be false.\n\n"
        f"{navigation(stem, folder)}\n\n"
        "40 minutes to read, 20 to practise · runs in 15 s · 0.8 GB · read first: nothing"
    )
    cells = [new_markdown_cell(header)]
    for number, (title, purpose) in enumerate(ARC.items()):
        cells.append(new_markdown_cell(f"## {title}\n\n{purpose}"))
        if not number:
            cells.append(new_code_cell(SET_UP))
    return new_notebook(cells=cells)


def _solution(lesson: Path) -> NotebookNode:
    """The stubs of a lesson, to be answered under the same names and signatures."""
    if not lesson.exists():
        raise ValueError(f"{lesson} does not exist; write the lesson and its stubs first")
    stem = lesson.stem
    back = (Path("..") / home(stem, Path()) / lesson.name).as_posix()
    title = f"# {stem[:2]} {TITLES[stem]}: solutions\n\n[Back to the lesson]({back})"
    cells = [new_markdown_cell(title), new_code_cell(SET_UP)]
    for cell in nbformat.read(lesson, as_version=4).cells:
        if "exercise" in tags(cell):
            cells.append(new_code_cell(cell.source))
    return new_notebook(cells=cells)


def refresh_navigation(folder: Path) -> list[Path]:
    """Rewrite the navigation lines that are out of date; returns the files that changed."""
    changed = []
    for path in find([], folder):
        if path.stem not in TITLES or is_solution(path):
            continue
        nb = nbformat.read(path, as_version=4)
        line = navigation(path.stem, path.parent)
        new = LINE.sub(lambda _, line=line: line, nb.cells[0].source, count=1)
        if new != nb.cells[0].source:
            nb.cells[0].source = new
            nbformat.write(nb, path)
            changed.append(path)
    return changed


if __name__ == "__main__":
    sys.exit(main())
