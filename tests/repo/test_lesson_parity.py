"""Lesson 15 ends cleanly where transformers, which it compares with, is not installed."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from lessons import NOTEBOOKS
from notebook_outputs import code_cells

from .notebook_runs import environment

LESSON = NOTEBOOKS / "15_parity.ipynb"
HIDDEN = "import sys\nsys.modules['transformers'] = None\n"  # as if there were none


def script(path: Path, cells: list[str]) -> Path:
    """The cells as one script that finds no transformers."""
    sources = [source.replace("%matplotlib inline\n", "") for source in cells]
    path.write_text(HIDDEN + "\n".join(sources), encoding="utf-8")
    return path


def run(path: Path) -> subprocess.CompletedProcess[str]:
    """A process of its own, from the folder of notebooks."""
    command = [sys.executable, "-W", "error::RuntimeWarning", str(path)]
    quiet = {**environment(), "MPLBACKEND": "Agg"}
    return subprocess.run(
        command, capture_output=True, text=True, env=quiet, cwd=NOTEBOOKS, check=False
    )


@pytest.mark.slow
@pytest.mark.skipif(not LESSON.exists(), reason="the lesson is not written yet")
def test_without_transformers(tmp_path):
    cells = [cell.source for cell in code_cells(nbformat.read(LESSON, as_version=4))]
    done = run(script(tmp_path / "lesson.py", cells))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "pip install transformers" in done.stdout
    assert "they part at:" not in done.stdout  # nothing was compared
    assert "block 5, 1" in done.stdout  # the mistakes need no reference
    assert "Exercise 2: not attempted yet" in done.stdout


def test_what_is_hidden_is_missing(tmp_path):
    found = run(script(tmp_path / "hidden.py", ["import transformers"]))
    assert found.returncode == 1
    assert "ModuleNotFoundError: import of transformers halted" in found.stderr
