"""The checks judge the same under `python -O`, which removes assert statements."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_no_wrong_answer_passes_under_o():
    """None but that of the check that is planted, which rests on an assert statement."""
    command = [sys.executable, "-O", "-m", "tests.lessons.without_asserts"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["planted"]
