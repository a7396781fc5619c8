"""Grade a learner's file: each answer in a process of its own, with a limit of time and memory.

    python -m gemma3_edu grade my/05_sliding_window_masks.ipynb --lesson 05

So an endless loop, an exit, a crash or a changed setting costs one answer its verdict and no other
answer anything. It is no sandbox: the process has the rights of the one who starts it, and an
answer can reach the check that judges it. Where that matters, run this in a container.

>>> import json
>>> print(json.loads(as_json([Result(1, "my_f", "correct")], "a.py", "02"))["correct"])
1
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

TIME, MEMORY = "time", "memory"
LARGEST = 50_000_000  # bytes of a file


@dataclass(frozen=True)
class Result:
    """The verdict on one exercise.

    `verdict` is correct, wrong, not attempted, error, time or memory; `sentence` says what is
    wrong, and `case` for which arguments.
    """

    exercise: int
    function: str
    verdict: str
    sentence: str = ""
    case: str = ""


def grade(
    path: str | Path, lesson: str, *, seconds: float = 60, megabytes: int = 2000
) -> Iterator[Result]:
    """Judge the answers to a lesson in a notebook or Python file, one after the other.

    `seconds` is what an answer may take and `megabytes` what it may need, both beyond what torch
    and the checks take to be imported; memory is limited on Linux alone. Processes that an answer
    starts end with it, except on Windows. Raises ValueError for a lesson without exercises, for
    limits that are none, and for a file that is neither a notebook nor Python.
    """
    from .exercises import EXERCISES  # imports every check, which other commands do not need

    functions = EXERCISES.get(lesson)
    if functions is None:
        raise ValueError(f"lesson={lesson!r} has no exercises; choose from {', '.join(EXERCISES)}")
    if not 0 < seconds < float("inf"):
        raise ValueError(f"seconds={seconds} must be a number above 0")
    if not 0 < megabytes < 1 << 30:
        raise ValueError(f"megabytes={megabytes} must be above 0 and below {1 << 30}")
    cells_of(Path(path))
    return (
        Result(number, name, **_judged(Path(path), lesson, name, seconds, megabytes))
        for number, name in enumerate(functions, 1)
    )


def as_json(results: Sequence[Result], file: str, lesson: str) -> str:
    """The verdicts of one file, and how many are `correct`."""
    correct = sum(result.verdict == "correct" for result in results)
    rows = [asdict(result) for result in results]
    content = {"file": file, "lesson": lesson, "correct": correct, "exercises": rows}
    return json.dumps(content, indent=1)


def cells_of(path: Path) -> list[tuple[str, str]]:
    """The code of a notebook, cell by cell, or of a Python file, each with a name for messages."""
    if path.suffix not in (".ipynb", ".py"):
        raise ValueError(f"file={str(path)!r} must be a notebook (.ipynb) or Python (.py)")
    if not path.is_file():
        raise ValueError(f"file={str(path)!r} does not exist, or is no file")
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            return [(str(path), text)]
        codes = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        return [(f"<cell {n}>", "".join(cell["source"])) for n, cell in enumerate(codes, 1)]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"file={str(path)!r} cannot be read: {error}") from error


def _judged(path: Path, lesson: str, name: str, seconds: float, megabytes: int) -> dict[str, Any]:
    """Verdict, sentence and case of one answer, from a process that is gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        out = Path(folder) / "verdict.json"
        out.parent.joinpath("work").mkdir()
        # -P: a file called torch.py where it runs is not the one that is imported.
        command = [sys.executable, "-P", "-m", f"{__package__}.answer"]
        arguments = [str(path.resolve()), lesson, name, str(megabytes), str(out)]
        package = str(Path(__file__).parents[2])
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=out.parent / "work",
            env={**os.environ, "PYTHONPATH": _joined(package, os.environ.get("PYTHONPATH"))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            if process.stdout:
                with process.stdout as started:  # closed before the file's code runs
                    started.read()
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return {"verdict": TIME, "sentence": f"took more than {seconds:g} seconds"}
        finally:
            _end(process)
        try:
            return dict(json.loads(out.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return _without_verdict(status)


def _joined(first: str, rest: str | None) -> str:
    return os.pathsep.join([first, rest] if rest else [first])


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and, where the system has groups of them, all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _without_verdict(status: int) -> dict[str, Any]:
    if status == -getattr(signal, "SIGKILL", 9):
        return {
            "verdict": MEMORY,
            "sentence": "was ended by the system, for its memory most likely",
        }
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    sentence = f"the answer ended its process {how} before there was a verdict; return a value"
    return {"verdict": "error", "sentence": sentence}
