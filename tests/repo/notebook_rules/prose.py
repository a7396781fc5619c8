"""Rules about the text: headings, mathematics that renders everywhere, plain words."""

import re
from pathlib import Path

from nbformat import NotebookNode

from .reading import headings, links, markdown_cells, place, rule, without_code

# What KaTeX and MathJax share and lessons need; \lt stands for the refused <.
MACROS = set(
    re.findall(
        r"\w+",
        "frac sqrt sum prod exp log max min sin cos cdot times top odot le ge lt gt ne in to infty"
        " approx quad ldots text mathrm mathbf mathbb left right lfloor rfloor lceil rceil hat bar"
        " begin end alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa"
        " lambda mu nu xi pi rho sigma tau upsilon phi varphi chi psi omega"
        " Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega",
    )
)
ENVIRONMENTS = {"bmatrix", "cases"}
WORDS = {
    r"\b(?:just|simply|obviously|of course|easy|easily)\b": "it tells a reader who struggles that"
    " they should not; leave it out",
    r"\b(?:currently|nowadays|state[ -]of[ -]the[ -]art)\b": "give a version or a date",
    r"!(?!\[)": "no exclamation marks",
    "[\U0001f300-\U0001faff\u2600-\u27bf]": "no emoji",
}


@rule
def one_title(nb: NotebookNode, path: Path) -> list[str]:
    """One `#` heading, at the very top, and no skipped levels below it."""
    out, level = [], 0
    first = nb.cells[0].source if nb.cells and nb.cells[0].cell_type == "markdown" else ""
    if not first.startswith("# "):
        out.append("the notebook does not begin with a `# NN Name` heading")
    titles = 0
    for cell in markdown_cells(nb):
        for deeper, words in headings(cell.source):
            titles += deeper == 1
            if deeper > level + 1:
                out.append(f"{place(nb, cell)}: {words!r} skips a heading level")
            level = deeper
    if titles > 1:
        out.append(f"{titles} headings with one #, allowed 1: use ## for sections")
    return out


@rule
def plain_maths(nb: NotebookNode, path: Path) -> list[str]:
    """Only what KaTeX and MathJax share, and only where both find it."""
    out = []
    for cell in markdown_cells(nb):
        text = without_code(cell.source)
        where = place(nb, cell)
        for formula in _formulas(text):
            for macro in re.findall(r"\\([A-Za-z]+|.)", formula):
                if macro not in MACROS and macro != "\\":
                    out.append(f"{where}: \\{macro} is not in section 7's list; rewrite it")
            for name in set(re.findall(r"\\begin\{(\w+\*?)\}", formula)) - ENVIRONMENTS:
                out.append(f"{where}: environment {name}; use bmatrix or cases")
            if "<" in formula:
                out.append(f"{where}: a bare < in maths may be read as HTML; write \\lt")
        out += [f"{where}: {why}" for why in _misplaced(text)]
    return out


def _formulas(text: str) -> list[str]:
    display = re.findall(r"(?s)\$\$(.*?)\$\$", text)
    rest = re.sub(r"(?s)\$\$.*?\$\$", "", text)
    return display + re.findall(r"(?<!\\)\$([^$\n]+)\$", rest)


def _misplaced(text: str) -> list[str]:
    out = []
    lines = ["", *text.splitlines(), ""]
    inside = False
    for number, line in enumerate(lines):
        if "$$" in line:
            neighbour = lines[number + 1] if inside else lines[number - 1]
            inside = not inside
            if line.strip() != "$$" or neighbour.strip():
                out.append("$$ stands alone on its line, with a blank line outside the formula")
        elif "$" in line.replace(r"\$", "") and line.startswith("#"):
            out.append("maths in a heading; use words")
        elif "$" in line.replace(r"\$", "") and line.lstrip().startswith("|"):
            out.append("maths in a table; repeat the symbol as plain text")
    if any("$" in words for _, words, _ in links(text)):
        out.append("maths in a link or an alternative text; use words")
    return out


@rule
def little_html(nb: NotebookNode, path: Path) -> list[str]:
    """Raw HTML is `<details>` and `<summary>`; all else looks different in each viewer."""
    out = []
    for cell in markdown_cells(nb):
        text = re.sub(r"(?s)\$\$.*?\$\$|\$[^$\n]+\$", "", without_code(cell.source))
        for tag in re.findall(r"</?([A-Za-z][\w-]*)\b(?!:)[^<>\n]*>|<(!--)", text):
            name = (tag[0] or tag[1]).lower()
            if name not in {"details", "summary"}:
                out.append(f"{place(nb, cell)}: <{name}>: write Markdown")
    return out


@rule
def plain_words(nb: NotebookNode, path: Path) -> list[str]:
    """No words that belittle a difficulty or go out of date."""
    out = []
    for cell in markdown_cells(nb):
        text = re.sub(r"\]\([^)]*\)", "]", without_code(cell.source))
        text = re.sub(r"(?s)\$\$.*?\$\$|\$[^$\n]+\$", "", text)
        for pattern, why in WORDS.items():
            for found in re.findall(f"(?i){pattern}", text):
                out.append(f"{place(nb, cell)}: {found!r}: {why}")
    return out
