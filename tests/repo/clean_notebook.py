"""The smallest notebook that breaks no rule, and ways to change it."""

import ast
from pathlib import Path

from lessons import SET_UP, navigation
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_outputs import code_cells

from .notebook_rules.final import definition, shipped_source

MODULE, NAME = "gemma3_edu.model.layers", "RMSNorm"
ALT = "The square grows from zero to nine over four points."
DIGEST = """axes 0 '' x='' linear y='' linear
  line 'square' over 0..3: n=4 first=0 last=9 min=0 max=9 mean=3.5"""
STUB = """\
def my_norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    raise NotImplementedError("your turn")
attempt("Exercise 1", check_rmsnorm, my_norm)"""


def folder_for_lessons(root: Path) -> Path:
    """An empty notebooks folder whose header links exist; returns where a lesson 02 would lie."""
    (root / "notebooks" / "solutions").mkdir(parents=True)
    (root / "README.md").touch()
    return root / "notebooks" / "02_rmsnorm.ipynb"


def clean(path: Path) -> NotebookNode:
    """A lesson to lie at `path`, as if just executed."""
    source = shipped_source(MODULE)
    final = ast.get_source_segment(source, definition(source, NAME)) or ""
    nb = new_notebook(
        cells=[
            new_markdown_cell(
                "# 02 RMSNorm\n\n**Claim.** The gain is 1 + w.\n\n"
                f"{navigation(path.stem, path.parent)}\n\n"
                "40 minutes to read · runs in 9 s · 0.8 GB · read first: 01"
            ),
            new_markdown_cell("## 3. Set-up"),
            new_code_cell(SET_UP),
            new_code_cell(
                "from jaxtyping import Float\nfrom torch import Tensor, nn\n\n"
                "from gemma3_edu.lessons.checks import check_rmsnorm"
            ),
            new_markdown_cell("## 4. Predict\n\nIs it $1 + w$, or $w$?"),
            new_markdown_cell("## 5. By hand\n\n$$\ny = \\frac{x}{2}\n$$"),
            new_code_cell("torch.tensor([0.5]) / 2", outputs=[result("tensor([0.250])")]),
            new_markdown_cell("## 6. Slow and obvious\n\n### One step"),
            new_markdown_cell("## 7. Fast"),
            new_markdown_cell("## 9. Break it\n\nSee `x < 3` and [the title](#3.-Set-up)."),
            new_markdown_cell("## 10. See it"),
            new_code_cell("show(squares(4))", outputs=[picture()]),
            new_markdown_cell("## 13. The version we keep"),
            new_code_cell(final, metadata={"tags": [f"final={MODULE}:{NAME}"]}),
            new_code_cell(
                f"from {MODULE} import {NAME} as Shipped\n\nx = torch.arange(6.0).sin()\n"
                f'verdict("here as shipped", {NAME}(6)(x), Shipped(6)(x))',
                outputs=[printed("here as shipped, the same to 1e-05: True\n")],
            ),
            new_markdown_cell("## 14. Exercises"),
            new_code_cell(STUB, metadata={"tags": ["exercise"]}),
            new_markdown_cell("## 16. Summary and limits"),
        ],
        metadata={"measured": {"seconds": 9, "gigabytes": 0.8, "sources": ""}},
    )
    count(nb)
    return nb


STORY_STUB = """\
from gemma3_edu.lessons.checks.cache import check_can_rewind


def my_rewind(n: int, s: int, w: int, back: int) -> bool:
    raise NotImplementedError("your turn")


attempt("Exercise 1", check_can_rewind, my_rewind)"""


def clean_story(path: Path) -> NotebookNode:
    """A lesson told as one story, to lie at `path`, as if just executed."""
    shown = [new_code_cell("show(squares(4))", outputs=[picture()]) for _ in range(5)]
    nb = new_notebook(
        cells=[
            new_markdown_cell(
                "# 02 RMSNorm\n\n**Claim.** The gain is 1 + w.\n\n"
                f"{navigation(path.stem, path.parent)}\n\n"
                "40 minutes to read, 20 to practise · runs in 9 s · 0.8 GB · read first: 01"
            ),
            new_markdown_cell("## A problem"),
            new_code_cell(SET_UP),
            new_code_cell(
                "def never(n, s, w, back):\n    return False\n\n\nprint(never(1, 2, 3, 4))",
                outputs=[printed("False\n")],
            ),
            new_code_cell("torch.tensor([0.5]) / 2", outputs=[result("tensor([0.250])")]),
            new_markdown_cell("## Why it is allowed"),
            *shown,
            new_markdown_cell("## Practice\n\n**Exercise 1 (5 minutes).** Write it."),
            new_code_cell(STORY_STUB, metadata={"tags": ["exercise"]}),
            new_markdown_cell(
                "**Exercise 2 (explain).** Say why.\n\n**Exercise 3 (a bug).** Find it.\n\n"
                "## What to remember\n\nThe gain is 1 + w."
            ),
        ],
        metadata={"measured": {"seconds": 9, "gigabytes": 0.8, "sources": ""}},
    )
    count(nb)
    return nb


def count(nb: NotebookNode) -> None:
    """Number the code cells as a run from the top does."""
    for number, cell in enumerate(code_cells(nb), start=1):
        cell.execution_count = number
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = number


def result(text: str) -> NotebookNode:
    """What the last expression of a cell shows."""
    return new_output("execute_result", data={"text/plain": text}, execution_count=1)


def printed(text: str, name: str = "stdout") -> NotebookNode:
    """What a cell prints."""
    return new_output("stream", name=name, text=text)


def picture(alt: str = ALT, words: str | None = None) -> NotebookNode:
    """What `show` displays; `words` puts others into the text form than into the metadata."""
    text = f"[figure] {alt if words is None else words}\n{DIGEST}"
    data = {"image/png": "iVBORw0KGgo=", "text/plain": text}
    return new_output("display_data", data=data, metadata={"image/png": {"alt": alt}})


def widget() -> NotebookNode:
    """What a slider leaves behind."""
    kind = "application/vnd.jupyter.widget-view+json"
    return new_output("display_data", data={kind: {"model_id": "1"}, "text/plain": "IntSlider()"})
