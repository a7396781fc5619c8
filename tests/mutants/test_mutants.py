"""Every known mistake, planted on its own, makes some test fail.

A test that cannot fail proves nothing, so this is the test of the tests. `make mutants` runs it;
two at a time with `-n 2`.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants import MUTANTS

ROOT = Path(__file__).parents[2]
each_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=[m.name for m in MUTANTS])


def copied(folder: Path) -> Path:
    """The package and its tests without their compiled files, which a same-second edit fools."""
    skipped = shutil.ignore_patterns("__pycache__", "nano-*")
    for name in ("gemma3_edu", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=skipped)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def run_pytest(folder: Path, tests: str) -> subprocess.CompletedProcess:
    """pytest in that folder, which comes before all other places to import from."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=line", "-m", "not slow"]
    for unneeded in ("cacheprovider", "nbval", "xdist"):  # a third of a short run's time
        command += ["-p", f"no:{unneeded}"]
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [*command, *(f"tests/{test}" for test in tests.split())],
        cwd=folder,
        env={**quiet, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


@each_mutant
def test_mutants_are_up_to_date(mutant):
    """Quick, so that a change of the package that passes a mutant by is seen at once."""
    source = (ROOT / "gemma3_edu" / mutant.file).read_text(encoding="utf-8")
    compile(mutant.applied(source), mutant.file, "exec")
    for test in mutant.tests.split():
        assert (ROOT / "tests" / test.split("::")[0]).is_file()


def test_names_are_unique():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.slow
def test_without_a_mistake_the_copy_passes(tmp_path):
    everything = " ".join(sorted({test for mutant in MUTANTS for test in mutant.tests.split()}))
    run = run_pytest(copied(tmp_path), everything)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
@each_mutant
def test_a_test_fails(mutant, tmp_path):
    file = copied(tmp_path) / "gemma3_edu" / mutant.file
    file.write_text(mutant.applied(file.read_text(encoding="utf-8")), encoding="utf-8")
    run = run_pytest(tmp_path, mutant.tests)
    assert run.returncode == 1, run.stdout + run.stderr
    summary = run.stdout.splitlines()[-1]
    # A failed test, not an error in importing or collecting.
    assert re.search(r"\b1 failed\b", summary), run.stdout
    assert "error" not in summary, run.stdout
