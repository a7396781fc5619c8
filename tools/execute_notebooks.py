"""Run notebooks and write their outputs: the only way outputs are written here.

Each notebook runs in a fresh kernel, in its own folder. Outputs whose text is unchanged stay as
they were saved, so a second run leaves the file byte for byte as it was. An error leaves the file
untouched. Seconds, peak memory and bytes go to build/notebooks.json.

    python tools/execute_notebooks.py 05              the lesson and its solution
    python tools/execute_notebooks.py --changed       those edited since they were executed
    python tools/execute_notebooks.py --check 05      write nothing, print what would change

Exit status: 0, or 1 if a notebook fails, exceeds a budget, or (with --check) would change; 2 if the
command line makes no sense.
"""

import argparse
import json
import math
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from kernel_run import Measured, run
from lessons import BUDGET, ROOT, find
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from notebook_outputs import code_cells, differences, keep_saved, normalise, sources

REPORT = ROOT / "build" / "notebooks.json"


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", help="paths or numbers such as 05; none: all")
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    parser.add_argument("--redraw", action="store_true", help="take new pictures and measurements")
    parser.add_argument("--changed", action="store_true", help="only those edited since their run")
    parser.add_argument("--report", type=Path, default=REPORT, help="where the measurements go")
    options = parser.parse_args(arguments)
    try:
        todo = [(path, read(path)) for path in find(options.notebooks)]
    except ValueError as error:
        parser.error(str(error))
    if options.changed:
        todo = [(path, nb) for path, nb in todo if is_changed(nb)]
    if not todo:
        print("nothing to execute")
        return 0
    bad = [path for path, nb in todo if not execute(path, nb, options)]
    print(f"{len(todo) - len(bad)} of {len(todo)} notebooks are well")
    return 1 if bad else 0


def read(path: Path) -> NotebookNode:
    """The notebook at `path`; ValueError naming the file if it is none (a merge left open, say)."""
    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise ValueError(f"{path} is not a notebook: {str(error)[:200]}") from error


def is_changed(nb: NotebookNode) -> bool:
    """Whether the code differs from what was executed, or some of it never was."""
    unrun = any(cell.execution_count is None for cell in code_cells(nb))
    return unrun or nb.metadata.get("measured", {}).get("sources") != sources(nb)


def execute(path: Path, old: NotebookNode, options: argparse.Namespace) -> bool:
    """Run one notebook, write or compare it, print a line about it; True if all is well."""
    live = sys.stderr.isatty()

    def progress(index: int) -> None:
        if live:
            print(f"\r{path.name}: cell {index + 1} of {len(old.cells)} ", end="", file=sys.stderr)

    print(f"{path.name}: {len(old.cells)} cells", flush=True)
    try:
        new, measured = run(old, path.parent, progress)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        print(f"{path.name}: FAILED, file untouched\n{_plain(str(error))}")
        return False
    finally:
        if live:
            print("\r" + " " * 79, end="\r", file=sys.stderr)
    changed = differences(old, new)
    if changed:
        print(changed)
    if not options.check:
        save(path, old, new, measured, options)
    over = over_budget(measured, path.stat().st_size)
    _note(options.report, path, measured, over)
    print(
        f"{path.name}: {measured.seconds:.1f} s, slowest cell"
        f" {max(measured.cell_seconds, default=0.0):.1f} s, peak"
        f" {measured.peak_bytes / 1e9:.2f} GB, {path.stat().st_size / 1e3:.0f} kB"
        f"{', outputs differ' if changed else ''}{''.join(f', OVER BUDGET: {o}' for o in over)}"
    )
    return not over and not (options.check and changed)


def save(
    path: Path,
    old: NotebookNode,
    new: NotebookNode,
    measured: Measured,
    options: argparse.Namespace,
) -> None:
    """Write the executed notebook in the committed form, all or nothing, if a byte differs.

    The measurement in the file is renewed only when something else in it changes as well, or with
    --redraw: seconds differ on every run, and the file should not.
    """
    keep_saved(old, new, redraw=options.redraw)
    normalise(new)
    before = path.read_text(encoding="utf-8")
    same = "measured" in new.metadata and _serialised(new) == before and not is_changed(new)
    if same and not options.redraw:
        return
    new.metadata["measured"] = {
        "gigabytes": math.ceil(measured.peak_bytes / 1e8) / 10,
        "seconds": math.ceil(measured.seconds),
        "sources": sources(new),
    }
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.stem}-", delete=False, encoding="utf-8"
    ) as draft:
        draft.write(_serialised(new))
    os.chmod(draft.name, path.stat().st_mode)
    os.replace(draft.name, path)


def over_budget(measured: Measured, size: int) -> list[str]:
    """The limits a run exceeds, each with what was measured."""
    found = {
        "seconds": measured.seconds,
        "seconds a cell": max(measured.cell_seconds, default=0.0),
        "gigabytes": measured.peak_bytes / 1e9,
        "megabytes on disk": size / 1e6,
    }
    return [f"{found[k]:.2f} {k}, allowed {BUDGET[k]:g}" for k in BUDGET if found[k] > BUDGET[k]]


def _serialised(nb: NotebookNode) -> str:
    nbformat.validate(nb)
    return nbformat.writes(nb) + "\n"


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).strip()


def _note(report: Path, path: Path, measured: Measured, over: list[str]) -> None:
    """Put this notebook's numbers into the report, beside those of earlier runs."""
    known = json.loads(report.read_text()) if report.exists() else {}
    known[f"{path.parent.name}/{path.name}"] = {
        "bytes": path.stat().st_size,
        "over_budget": over,
        "peak_gigabytes": round(measured.peak_bytes / 1e9, 3),
        "seconds": round(measured.seconds, 2),
        "slowest_cell_seconds": round(max(measured.cell_seconds, default=0.0), 2),
    }
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
