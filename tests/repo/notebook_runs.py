"""Notebooks in a temporary folder, run by the execute tool and by strict nbval, as users do."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from kernel_run import ENVIRONMENT
from lessons import ROOT
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

TOOL = ROOT / "tools" / "execute_notebooks.py"


def write(path: Path, *sources: str, tags: dict[int, list[str]] | None = None) -> Path:
    """A notebook of these code cells, never run."""
    cells = [new_code_cell(source) for source in sources]
    for index, names in (tags or {}).items():
        cells[index].metadata["tags"] = names
    nbformat.write(new_notebook(cells=[new_markdown_cell("# 99 Trial"), *cells]), path)
    return path


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def environment() -> dict[str, str]:
    """As in section 4.1 of the authors' guide; kernels import the package from this tree."""
    return {**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT)}


def execute(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call the execute tool on `folder`, with its report beside the notebooks."""
    command = [sys.executable, str(TOOL), "--report", str(folder / "report.json"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)


def strict(folder: Path) -> dict[tuple[str, int], bool]:
    """Run strict nbval over a folder; for (notebook, code cell from 0), whether the cell passed."""
    (folder / "conftest.py").write_text((ROOT / "notebooks" / "conftest.py").read_text())
    (folder / "pytest.ini").write_text("[pytest]\n")
    report = folder / "nbval.xml"
    options = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=120"]
    options += ["--nbval-sanitize-with", str(ROOT / "tests" / "nbval_sanitize.cfg")]
    options += ["-p", "no:cacheprovider", "--color=no", f"--junitxml={report}"]
    command = [sys.executable, "-m", "pytest", ".", *options]
    subprocess.run(command, cwd=folder, capture_output=True, env=environment(), check=False)
    cases = ElementTree.parse(report).iter("testcase")
    told = [(case.attrib["classname"], case.attrib["name"], not len(case)) for case in cases]
    return {(file, int(name.removeprefix("Cell "))): passed for file, name, passed in told}
