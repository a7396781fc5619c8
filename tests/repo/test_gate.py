"""The gate itself: the sanitizer is narrow, and strict fails when an output is no longer true."""

from collections.abc import Callable

import nbformat
import pytest
from lessons import SET_UP
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbval.plugin import get_sanitize_patterns
from notebook_outputs import SANITIZER, code_cells, sanitize

from .notebook_runs import execute, read, strict, write

Change = Callable[[NotebookNode], None]

CANARIES = [
    "fast equals slow, the same to 1e-05: True",
    "torch.Size([2, 5, 6])",
    "tensor([0.125, 0.250, 0.375])",
    "<Figure size 400x300 with 1 Axes>",
    "  line 'full' over 0..9: n=10 first=0 last=81 min=0 max=81 mean=28.5",
    "Exercise 3: correct",
    "UserWarning: nan",
    "timing 3",
    "window 512: 0x200 keys at the most",
]
MASKED = {
    "<matplotlib.lines.Line2D at 0x7f3a5c0d1e50>": "<matplotlib.lines.Line2D at ADDRESS>",
    "<torch.Generator object at 0x7f3a5c0d1e50>": "<torch.Generator object at ADDRESS>",
    "/tmp/ipykernel_81/1234.py:7: UserWarning: nan": "CELL: UserWarning: nan",
    "[timing] 12.3 s": "[timing]",
    "[version] torch 2.13.0": "[version] torch",
}


def test_every_pair_in_the_sanitizer_is_read():
    text = SANITIZER.read_text()
    pairs = get_sanitize_patterns(text)
    assert len(pairs) == text.count("regex") == text.count("replace") == text.count("\n[") + 1
    assert len({pattern for pattern, _ in pairs}) == len(pairs)


@pytest.mark.parametrize("line", CANARIES)
def test_results_pass_the_sanitizer_unchanged(line: str):
    assert sanitize(line) == line


@pytest.mark.parametrize("line", MASKED)
def test_the_sanitizer_masks_what_it_is_for(line: str):
    assert sanitize(f"{line}\n{CANARIES[0]}") == f"{MASKED[line]}\n{CANARIES[0]}"


CELL = """\
from gemma3_edu.lessons.figures.alt import with_alt

x = torch.arange(4.0)
fig, ax = plt.subplots()
_ = ax.plot(x, x**2, label="square")
show(with_alt(fig, "The square grows from zero to nine over four points."))
print("last", int(x[-1]))
x / 8"""


def code(old: str, new: str) -> Change:
    """Change the source behind saved outputs."""

    def change(cell: NotebookNode) -> None:
        assert old in cell.source
        cell.source = cell.source.replace(old, new)

    return change


def number(cell: NotebookNode) -> None:
    (told,) = [o for o in cell.outputs if o.output_type == "stream" and "last 3" in o.text]
    told.text = told.text.replace("last 3", "last 4")


def without_figure(cell: NotebookNode) -> None:
    cell.outputs = [output for output in cell.outputs if output.output_type != "display_data"]


def without_outputs(cell: NotebookNode) -> None:
    cell.outputs = []


def with_warning(cell: NotebookNode) -> None:
    cell.outputs.append(new_output("stream", name="stderr", text="UserWarning: nan\n"))


UNTRUE: dict[str, Change] = {
    "changed number": number,
    "changed code": code("x / 8", "x / 4"),
    "changed curve": code("x**2", "x**3"),
    "new error": code("x / 8", "y / 8"),
    "removed figure": without_figure,
    "removed outputs": without_outputs,
    "added warning": with_warning,
}


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], bool]:
    """An executed notebook of equal cells, and its copy where each is untrue in its own way."""
    folder = tmp_path_factory.mktemp("gate")
    path = write(folder / "true.ipynb", SET_UP, CELL, *[CELL] * len(UNTRUE))
    done = execute(folder, str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    nb = read(path)
    code("x**2, label", "x**2, alpha=0.5, label")(code_cells(nb)[1])
    for cell, change in zip(code_cells(nb)[2:], UNTRUE.values(), strict=True):
        change(cell)
    nbformat.write(nb, folder / "untrue.ipynb")
    return strict(folder)


@pytest.mark.slow
def test_an_executed_notebook_passes_strict(passed: dict[tuple[str, int], bool]):
    told = [passed["true.ipynb", cell] for cell in range(2 + len(UNTRUE))]
    assert told == [True] * (2 + len(UNTRUE))
    assert passed["untrue.ipynb", 1]  # nbval compares no pixels: hence the digest


@pytest.mark.slow
@pytest.mark.parametrize("name", UNTRUE)
def test_the_gate_closes(passed: dict[tuple[str, int], bool], name: str):
    assert not passed["untrue.ipynb", 2 + list(UNTRUE).index(name)]
