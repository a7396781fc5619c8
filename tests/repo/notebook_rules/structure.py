"""Rules about the lesson as a whole: header, headings, links, budgets."""

import re
from pathlib import Path

from lessons import (
    BUDGET,
    ENDS_WITH,
    HEADER_PATTERN,
    NEEDED,
    NEEDED_AT_HOME,
    SECTIONS,
    TITLES,
    is_solution,
    navigation,
)
from nbformat import NotebookNode
from notebook_outputs import code_cells

from .reading import (
    headings,
    is_story,
    lesson_rule,
    links,
    markdown_cells,
    place,
    rule,
    without_folds,
    words,
)
from .taught import HOMES

MOST_CODE_CELLS, MOST_WORDS = 45, 180
MOST_WORDS_IN_A_CLAIM, MOST_MINUTES, MOST_HEADINGS = 25, 60, 14
VAGUE = {"here", "this", "link", "this link", "click here", "read more", "more"}


@lesson_rule
def header_is_true(nb: NotebookNode, path: Path) -> list[str]:
    """Title, claim, navigation, and a line of costs that is not below what was measured."""
    if path.stem not in TITLES:
        return [f"{path.name} is not in TITLES of tools/lessons.py; add it or rename the file"]
    out, header = [], nb.cells[0].source if nb.cells else ""
    wanted = [f"# {path.stem[:2]} {TITLES[path.stem]}", navigation(path.stem, path.parent)]
    out += [f"the first cell lacks the line {line!r}" for line in wanted if line not in header]
    if not re.search(r"(?m)^\*\*Claim\.\*\* \S", header):
        out.append("the first cell lacks a line `**Claim.** ...`, one sentence that could be false")
    costs = HEADER_PATTERN.search(header)
    if costs is None:
        example = "45 minutes to read · runs in 15 s · 0.8 GB · read first: 02, 04"
        return [*out, f"the first cell lacks a line like {example!r} (or: read first: nothing)"]
    claim = re.search(r"(?m)^\*\*Claim\.\*\* (.+)$", header)
    if is_story(nb):
        if claim and len(claim[1].split()) > MOST_WORDS_IN_A_CLAIM:
            out.append(f"the claim has more than {MOST_WORDS_IN_A_CLAIM} words")
        if (total := int(costs["minutes"]) + int(costs["practice"])) > MOST_MINUTES:
            out.append(f"{total} minutes in all, allowed {MOST_MINUTES}: cut, or split the lesson")
    if any(number >= path.stem[:2] for number in re.findall(r"\d\d", costs["first"])):
        out.append(f"read first: {costs['first']}: a lesson may need earlier lessons only")
    measured = nb.metadata.get("measured")
    if measured is None:
        return [*out, f"nothing was measured; run `make nb NB={path.stem[:2]}`"]
    for name, unit in [("seconds", "s"), ("gigabytes", "GB")]:
        if float(costs[name]) < measured[name]:
            out.append(
                f"the header says {costs[name]} {unit}, measured {measured[name]} {unit}; raise it,"
                " or measure on a quiet machine: tools/execute_notebooks.py --redraw"
            )
    return out


@lesson_rule
def sections_in_order(nb: NotebookNode, path: Path) -> list[str]:
    """`##` headings carry the numbers of the shared plan, ascending, with the needed ones there.

    Those of a story say in their own words what happens, and end with practice and summary.
    """
    if is_story(nb):
        return _headings_of_a_story(nb)
    out, seen = [], [0]
    for cell in markdown_cells(nb):
        for level, title in headings(cell.source):
            if level != 2:
                continue
            found = re.match(r"(\d+)\. \S", title)
            if found is None or int(found[1]) not in SECTIONS:
                out.append(f"{place(nb, cell)}: '## {title}': number it, as in '## 5. By hand'")
                continue
            if int(found[1]) <= seen[-1]:
                out.append(f"{place(nb, cell)}: section {found[1]} comes after {seen[-1]}")
            seen.append(int(found[1]))
    needed = NEEDED_AT_HOME if path.stem[:2] in HOMES else NEEDED
    for number in sorted(needed - set(seen)):
        out.append(f"section {number} ({SECTIONS[number]}) is missing")
    return out


def _headings_of_a_story(nb: NotebookNode) -> list[str]:
    found = [title for c in markdown_cells(nb) for level, title in headings(c.source) if level == 2]
    out = [f"'## {w}': say what happens there, without a number" for w in found if w[0].isdigit()]
    if found[-len(ENDS_WITH) :] != ENDS_WITH:
        out.append("the last two headings are not '## Practice' and '## What to remember'")
    if len(found) > MOST_HEADINGS:
        out.append(f"{len(found)} headings, allowed {MOST_HEADINGS}: let one thought run on")
    return out


@rule
def links_lead_somewhere(nb: NotebookNode, path: Path) -> list[str]:
    """Relative links exist, from the notebook's own folder, and their words say where they lead."""
    out = []
    anchors = {w.replace(" ", "-") for c in markdown_cells(nb) for _, w in headings(c.source)}
    for cell in markdown_cells(nb):
        for pictured, said, target in links(cell.source):
            where = f"{place(nb, cell)}: [{said}]({target})"
            if not pictured and (said.strip(" .").lower() in VAGUE or not said.strip()):
                out.append(f"{where}: let the words say where it leads")
            if re.match(r"[a-z]+:", target):
                continue  # the web: a weekly job follows those
            file, _, anchor = target.partition("#")
            if not file and anchor not in anchors:
                out.append(f"{where}: no such heading; spaces become '-'")
            if file and (file.startswith("/") or not (path.parent / file).exists()):
                out.append(f"{where}: no such file, seen from the notebook's folder")
    return out


@rule
def within_budgets(nb: NotebookNode, path: Path) -> list[str]:
    """Code cells, words in a cell of text, and the seconds and gigabytes the header states."""
    out = []
    if (count := len(code_cells(nb))) > MOST_CODE_CELLS:
        out.append(f"{count} code cells, allowed {MOST_CODE_CELLS}: split the lesson or cut")
    for cell in markdown_cells(nb):
        if (count := words(without_folds(cell.source))) > MOST_WORDS:
            out.append(f"{place(nb, cell)}: {count} words, allowed {MOST_WORDS}: show something")
    costs = None if is_solution(path) or not nb.cells else HEADER_PATTERN.search(nb.cells[0].source)
    for name in ("seconds", "gigabytes"):
        if costs and float(costs[name]) > BUDGET[name]:
            out.append(f"the header says {costs[name]} {name}, allowed {BUDGET[name]:g}")
    return out
