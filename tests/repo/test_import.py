"""Import and `load` are quick, and bring nothing that only notebooks or tests need."""

import subprocess
import sys
from pathlib import Path

from gemma3_edu import PRESETS, Gemma3
from gemma3_edu.hub.checkpoint import save

SECONDS = 0.3
SCRIPT = """
import sys, time
import torch
start = time.perf_counter()
import gemma3_edu
print(time.perf_counter() - start)
print(*sys.modules)
"""


def imported() -> tuple[float, set[str]]:
    """Seconds beyond `import torch`, and the modules there are then."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, modules = run.stdout.splitlines()
    return float(seconds), set(modules.split())


def test_it_costs_little_beyond_torch():
    """The best of several: other work on the machine only ever adds."""
    measured = []
    while len(measured) < 6 and min(measured, default=1.0) > SECONDS:
        measured.append(imported()[0])
    assert min(measured) <= SECONDS, measured


def test_it_brings_neither_plots_nor_oracles():
    _, modules = imported()
    assert "gemma3_edu.model" in modules
    for unwanted in ("matplotlib", "IPython", "ipywidgets", "transformers", "jinja2", "pytest"):
        assert unwanted not in modules
    for by_name in ("fast", "verify", "naive", "train", "lessons"):
        assert f"gemma3_edu.{by_name}" not in modules


LOAD = """
import sys
from gemma3_edu import load
load(sys.argv[1])
print("sympy" in sys.modules)
"""


def test_loading_imports_no_computer_algebra(tmp_path):
    """PyTorch would, at the first random number on the meta device: a second a process."""
    save(Gemma3(PRESETS["tiny"]), None, tmp_path)
    command = [sys.executable, "-c", LOAD, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
