"""Each answer has a process of its own: nothing that one does reaches the next, or the grader."""

import json

import pytest

from gemma3_edu.lessons.grade import as_json, cells_of, grade

from .test_answer import MASK, RIGHT

TYPES = "def my_layer_types(num_layers, period):\n"
RING = "def my_ring_mask(length, slots, window):\n"


def verdicts(path, source: str, **limits) -> list[tuple[str, str]]:
    path.write_text(source)
    return [(each.verdict, each.sentence) for each in grade(path, "05", **limits)]


def test_a_loop_an_exit_and_a_glutton_cost_their_own_verdict_alone(tmp_path):
    source = (
        f"{MASK}    while True: pass\n"
        f"{TYPES}    import os; os._exit(0)\n"
        f"{RING}    import torch; return torch.ones(1 << 28)\n"
    )
    assert verdicts(tmp_path / "a.py", source, seconds=4, megabytes=200) == [
        (
            "error",
            "the answer ended its process with status 0 before there was a verdict; return a value",
        ),
        ("time", "took more than 4 seconds"),
        ("memory", "needs more than 200 MB"),
    ]


@pytest.mark.slow
def test_what_one_answer_leaves_behind_does_not_reach_the_next(tmp_path):
    """The first cheats, which a check beside it cannot stop; the others are judged as ever."""
    spoil = (
        "    import torch\n"
        "    from gemma3_edu.lessons.checks import difference, grading\n"
        "    torch.set_default_dtype(torch.float64)\n"
        "    grading.difference = lambda *_: None\n"
    )
    source = f"{TYPES}{spoil}    return 0\n{RIGHT}{RING}    return 0\n"
    assert [word for word, _ in verdicts(tmp_path / "a.py", source)] == [
        "correct",
        "correct",
        "wrong",
    ]


@pytest.mark.slow
def test_a_crash_and_processes_that_are_left_behind(tmp_path):
    left = tmp_path / "left"
    child = f"import time; time.sleep(3); open({str(left)!r}, 'w')"
    source = (
        f"{MASK}    import ctypes; ctypes.string_at(0)\n"
        f"{TYPES}    import subprocess, sys\n"
        f"    subprocess.Popen([sys.executable, '-c', {child!r}]); print('x' * 10**6)\n"
        f"{RING}    import threading, time\n"
        "    threading.Thread(target=time.sleep, args=(60,)).start()\n"
    )
    said = verdicts(tmp_path / "a.py", source, seconds=20)
    assert [word for word, _ in said] == ["wrong", "error", "wrong"]
    assert "by signal 11" in said[1][1]
    assert not left.exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", "", "must be a notebook (.ipynb) or Python (.py)"),
        ("a.ipynb", "{", "cannot be read"),
        ("a.ipynb", "[]", "cannot be read"),
        ("a.ipynb", '{"cells": 3}', "cannot be read"),
        ("a.ipynb", '{"cells": [{"cell_type": "code"}]}', "cannot be read"),
        ("a.ipynb", '{"cells": [{"cell_type": "code", "source": 3}]}', "cannot be read"),
        ("a.ipynb", "[" * 100_000, "cannot be read"),
        ("a.py", b"\xff", "cannot be read"),
    ],
)
def test_a_file_that_is_none(name, content, words, tmp_path):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError) as caught:
        grade(path, "05")
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_too_large_and_a_folder(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("x = 1")
    monkeypatch.setattr("gemma3_edu.lessons.grade.LARGEST", 3)
    with pytest.raises(ValueError, match="more than 3 bytes"):
        cells_of(tmp_path / "a.py")
    (tmp_path / "b.py").mkdir()
    with pytest.raises(ValueError, match="is no file"):
        cells_of(tmp_path / "b.py")


def test_the_json_holds_no_escape_of_a_strangers_name():
    assert json.loads(as_json([], "a\x1b[2J.py", "05"))["file"] == "a\x1b[2J.py"
    assert "\x1b" not in as_json([], "a\x1b[2J.py", "05")
