"""A learner's copy is filled, never overwritten, and can be had anew."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import learner_copy
import pytest
from learner_copy import RECORD, copy_fresh, copy_new, main
from lessons import LESSONS, NOTEBOOKS, ROOT

NAME = "05_sliding_window_masks.ipynb"


def notebook(words: str, executed: bool = True) -> str:
    """A notebook's file: its code is `words`, and so is what it printed when executed."""
    printed = {"output_type": "stream", "name": "stdout", "text": [f"{words}\n"]}
    code = {
        "cell_type": "code",
        "execution_count": 7 if executed else None,
        "metadata": {"tags": ["exercise"]},
        "outputs": [printed] if executed else [],
        "source": [f"print('{words}')"],
    }
    text = {"cell_type": "markdown", "metadata": {}, "source": [f"# {words} café"]}
    nb = {"cells": [text, code], "metadata": {"kernelspec": {}}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(nb, indent=1, ensure_ascii=False) + "\n"


FIRST, SOLUTION = notebook("first", executed=False), notebook("the solution")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "notebooks"
    for name, text in {
        NAME: notebook("first"),
        f"solutions/{NAME}": SOLUTION,
        "photo.png": "first photo",
        "conftest.py": "",
        ".ipynb_checkpoints/x.ipynb": notebook("old"),
    }.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    return source


@pytest.fixture
def my(tmp_path: Path) -> Path:
    return tmp_path / "my"


def files(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != RECORD]
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in paths}


def test_lessons_are_copied_without_outputs_and_all_else_as_it_is(source: Path, my: Path):
    told = copy_new(source, my)
    assert files(my) == {NAME: FIRST, f"solutions/{NAME}": SOLUTION, "photo.png": "first photo"}
    assert told == [
        "3 files copied to my/; work there, it is yours",
        "a fresh copy of a lesson, yours put aside: make fresh NB=05",
    ]


@pytest.mark.parametrize("stem", [s for s in LESSONS if (NOTEBOOKS / f"{s}.ipynb").exists()])
def test_a_lesson_of_this_repository_loses_its_outputs_and_nothing_else(stem: str):
    path = NOTEBOOKS / f"{stem}.ipynb"
    nb = json.loads(path.read_bytes())
    code = [cell for cell in nb["cells"] if cell["cell_type"] == "code"]
    assert any(cell["outputs"] for cell in code)
    for cell in code:
        cell.update(outputs=[], execution_count=None)
    assert json.loads(learner_copy.handed_out(path)) == nb


def test_a_file_that_is_there_is_never_overwritten(source: Path, my: Path):
    my.mkdir()
    (my / NAME).write_text("mine, from before the first copy")
    copy_new(source, my)
    (my / "photo.png").write_text("my drawing")
    (source / "photo.png").write_text("second photo")
    (source / "06_new.ipynb").write_text(notebook("new"))
    copy_new(source, my)
    assert files(my) == {
        NAME: "mine, from before the first copy",
        "photo.png": "my drawing",
        f"solutions/{NAME}": SOLUTION,
        "06_new.ipynb": notebook("new", executed=False),
    }


def test_a_newer_lesson_is_announced_and_left_alone(source: Path, my: Path):
    copy_new(source, my)
    (my / NAME).write_text("my answers")
    assert len(copy_new(source, my)) == 2  # the learner's own changes are no news
    (source / NAME).write_text(notebook("first").replace('"first\\n"', '"first, on a new machine"'))
    assert len(copy_new(source, my)) == 2  # nor are outputs, which the learner never got
    (source / NAME).write_text(notebook("second edition"))
    told = copy_new(source, my)
    assert told[1] == f"{NAME} has changed since you copied it; yours is untouched"
    assert (my / NAME).read_text() == "my answers"
    (my / NAME).write_text(notebook("second edition", executed=False))
    assert len(copy_new(source, my)) == 2  # fetched by hand


def test_a_fresh_copy_puts_the_old_one_aside_under_a_new_name_each_time(source: Path, my: Path):
    copy_new(source, my)
    for answers in ("first answers", "second answers"):
        (my / NAME).write_text(answers)
        told = copy_fresh("05", source, my)
    aside = "05_sliding_window_masks.mine-{}.ipynb"
    assert files(my) == {
        NAME: FIRST,
        f"solutions/{NAME}": SOLUTION,
        aside.format(1): "first answers",
        aside.format(2): "second answers",
        "photo.png": "first photo",
    }
    assert told[0] == f"your {NAME} is now {aside.format(2)}"


def test_an_untouched_copy_leaves_nothing_aside_and_an_executed_one_is_kept(source: Path, my: Path):
    copy_new(source, my)
    copy_fresh("5", source, my)
    assert sorted(files(my)) == [NAME, "photo.png", f"solutions/{NAME}"]
    (my / NAME).write_text(notebook("first"))
    copy_fresh("5", source, my)
    assert files(my)["05_sliding_window_masks.mine-1.ipynb"] == notebook("first")


# Interrupted and damaged


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files with one of these words in their names are written half, then the disk is full."""
    full: list[str] = []
    write = Path.write_bytes

    def half(path: Path, data: bytes) -> int:
        if any(word in path.name for word in full):
            write(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", half)
    return full


KILLED = """
import os, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from learner_copy import copy_new

write = Path.write_bytes
Path.write_bytes = lambda path, data: (write(path, data[: len(data) // 2]), os._exit(9))
copy_new(Path(sys.argv[2]), Path(sys.argv[3]))
"""


def test_a_killed_copy_leaves_no_half_a_notebook(source: Path, my: Path):
    arguments = [str(ROOT / "tools"), str(source), str(my)]
    assert subprocess.run([sys.executable, "-c", KILLED, *arguments]).returncode == 9
    assert not (my / NAME).exists()
    assert copy_new(source, my)[0].startswith("3 files copied")
    assert files(my) == {NAME: FIRST, f"solutions/{NAME}": SOLUTION, "photo.png": "first photo"}


def test_a_full_disk_leaves_no_half_a_notebook(source: Path, my: Path, full_disk: list[str]):
    full_disk.append(NAME)
    with pytest.raises(OSError, match="No space left"):
        copy_new(source, my)
    assert files(my) == {}
    full_disk.clear()
    assert copy_new(source, my)[0].startswith("3 files copied")
    assert files(my)[NAME] == FIRST


def test_a_full_disk_takes_nothing_from_the_learner(source: Path, my: Path, full_disk: list[str]):
    copy_new(source, my)
    (my / NAME).write_text("my answers")
    full_disk.append(NAME)
    with pytest.raises(OSError, match="No space left"):
        copy_fresh("05", source, my)
    assert files(my) == {
        NAME: "my answers",
        f"solutions/{NAME}": SOLUTION,
        "photo.png": "first photo",
    }


def test_an_interrupted_copy_remembers_what_it_had_copied(
    source: Path, my: Path, full_disk: list[str]
):
    full_disk.append("photo")
    with pytest.raises(OSError, match="No space left"):
        copy_new(source, my)
    full_disk.clear()
    (my / NAME).write_text("my answers")
    assert len(copy_new(source, my)) == 2  # not taken for an edition that came with the repository


@pytest.mark.parametrize("damage", ["", '{"05_sli', "[]", "\x00\x00", "null"])
def test_a_damaged_list_of_copies_is_made_anew(source: Path, my: Path, damage: str):
    copy_new(source, my)
    (my / NAME).write_text("my answers")
    (my / RECORD).write_text(damage)
    told = copy_new(source, my)
    assert told[0] == f"my/{RECORD} was damaged and is made anew: changes of lessons count from now"
    assert len(told) == 3  # no false news
    assert (my / NAME).read_text() == "my answers"
    (source / NAME).write_text(notebook("second edition"))
    assert copy_new(source, my)[1].startswith(f"{NAME} has changed")
    (my / RECORD).write_text(damage)
    assert "was damaged" in copy_fresh("05", source, my)[0]


def test_the_command_line(source: Path, my: Path, full_disk: list[str], capsys):
    where = ["--source", str(source), "--target", str(my)]
    assert main(where) == 0
    assert main([*where, "--fresh", "05"]) == 0
    assert f"my/{NAME} is fresh" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main([*where, "--fresh", "31"])
    assert caught.value.code == 2
    assert "no notebook '31'" in capsys.readouterr().err
    full_disk.append(NAME)
    with pytest.raises(SystemExit):
        main([*where, "--fresh", "05"])
    assert "No space left on device" in capsys.readouterr().err
    (source / NAME).write_text("<<<<<<< a merge left open")
    with pytest.raises(SystemExit):
        main(where)
    assert f"{NAME} is not a notebook" in capsys.readouterr().err


def test_git_ignores_the_copy():
    assert "/my/" in (ROOT / ".gitignore").read_text().splitlines()
