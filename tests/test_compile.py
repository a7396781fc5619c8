"""`torch.compile` takes a decode step as one graph, and the graph gives the same logits."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMPILER = os.environ.get("CXX", "g++" if os.name == "posix" else "cl")


def largest_difference(backend: str, tmp_path: Path) -> float:
    run = subprocess.run(
        [sys.executable, "-m", "tests.compiled_decode", backend],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return float(run.stdout)


def test_a_full_graph(tmp_path):
    """The same operations as without compilation, so the same bits."""
    assert largest_difference("eager", tmp_path) == 0


@pytest.mark.slow  # a minute or two of C++
@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"no C++ compiler ({COMPILER})")
def test_inductor(tmp_path):
    assert largest_difference("inductor", tmp_path) < 1e-5
