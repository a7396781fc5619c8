"""Outputs as text: what counts as the same, what is kept, and how a difference is printed.

The sanitizer pairs come from the file that strict nbval reads, through nbval's own reader, so both
always mean the same thing by "unchanged".
"""

import copy
import difflib
import hashlib
import re
from functools import cache

from lessons import ROOT
from nbformat import NotebookNode
from nbval.plugin import get_sanitize_patterns

SANITIZER = ROOT / "tests" / "nbval_sanitize.cfg"
IGNORED = "nbval-ignore-output"

_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}


@cache
def _pairs() -> list[tuple[str, str]]:
    return get_sanitize_patterns(SANITIZER.read_text())


def sanitize(text: str) -> str:
    """Text as strict compares it.

    >>> sanitize("[timing] 12 ms")
    '[timing]'
    """
    for pattern, replacement in _pairs():
        text = re.sub(pattern, replacement, text)
    return text


def code_cells(nb: NotebookNode) -> list[NotebookNode]:
    """The cells that run, in order."""
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> set[str]:
    """A cell's tags; most cells have none."""
    return set(cell.metadata.get("tags", []))


def as_text(cell: NotebookNode) -> list[str]:
    """A cell's outputs as sanitized lines; of a picture its kind and its alternative text."""
    lines: list[str] = []
    for output in cell.outputs:
        if output.output_type == "stream":
            lines += [f"[{output.name}]", *sanitize(output.text).splitlines()]
        elif output.output_type == "error":
            lines += [f"[error] {output.ename}", *sanitize(output.evalue).splitlines()]
        else:
            for kind, content in sorted(output.data.items()):
                lines.append(f"[{kind}] {output.metadata.get(kind, {}).get('alt', '')}".rstrip())
                if kind.startswith("text/"):
                    lines += sanitize(content).splitlines()
    return lines


@cache
def _weights() -> list[str]:
    found = sorted((ROOT / "gemma3_edu" / "assets").glob("*/model.safetensors"))
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in found]


def sources(nb: NotebookNode) -> str:
    """A short fingerprint of the code, its tags and nano's weights: do the outputs belong to it?"""
    told = [(cell.source, sorted(tags(cell))) for cell in code_cells(nb)]
    return hashlib.sha256(repr((told, _weights())).encode()).hexdigest()[:16]


def keep_saved(old: NotebookNode, new: NotebookNode, *, redraw: bool) -> None:
    """Put the saved outputs back into `new` wherever their text is unchanged.

    Pictures, timings and widget ids then stay as they are, and a second run changes no byte. An
    ignored cell keeps its outputs while neither the notebook's code nor nano has changed. With
    `redraw`, a cell with a picture takes the new one even if its digest is the same.
    """
    edited = old.metadata.get("measured", {}).get("sources") != sources(new)
    for before, after in zip(code_cells(old), code_cells(new), strict=True):
        pictured = any("image/png" in output.get("data", {}) for output in after.outputs)
        same = as_text(before) == as_text(after)
        if IGNORED in tags(after):
            same = not edited and bool(before.outputs) == bool(after.outputs)
        if same and not (redraw and pictured):
            after.outputs = copy.deepcopy(before.outputs)
            for output in after.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = after.execution_count


def differences(old: NotebookNode, new: NotebookNode) -> str:
    """A text diff of all outputs that strict compares; empty if there is none."""
    lines: list[str] = []
    for number, (before, after) in enumerate(zip(code_cells(old), code_cells(new), strict=True)):
        if IGNORED in tags(after):
            continue
        saved, now = as_text(before), as_text(after)
        diff = list(difflib.unified_diff(saved, now, lineterm="", n=1))[2:]
        if diff:
            lines += [f"  In [{number + 1}] (nbval: Cell {number})", *(f"    {s}" for s in diff)]
    return "\n".join(lines)


def normalise(nb: NotebookNode) -> None:
    """Bring a notebook into the one form that is committed, in place.

    Goes: widget state, execution times, the interpreter's version, tracebacks of expected errors
    (they hold paths of this machine) and cell metadata other than sorted tags.
    """
    measured = nb.metadata.get("measured")
    nb.metadata = NotebookNode(kernelspec=_KERNEL, language_info=_LANGUAGE)
    if measured:
        nb.metadata["measured"] = measured
    for cell in nb.cells:
        cell.metadata = NotebookNode({"tags": sorted(tags(cell))} if tags(cell) else {})
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                output.traceback = [f"{output.ename}: {output.evalue}"]
