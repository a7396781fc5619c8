"""A learner's copy is filled, never overwritten, and can be had anew."""

from pathlib import Path

import pytest
from learner_copy import RECORD, copy_fresh, copy_new, main
from lessons import ROOT

NAME = "05_sliding_window_masks.ipynb"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "notebooks"
    (source / "solutions").mkdir(parents=True)
    (source / ".ipynb_checkpoints").mkdir()
    for name in (
        NAME,
        f"solutions/{NAME}",
        "photo.png",
        "conftest.py",
        ".ipynb_checkpoints/x.ipynb",
    ):
        (source / name).write_text(f"first {name}")
    return source


@pytest.fixture
def my(tmp_path: Path) -> Path:
    return tmp_path / "my"


def files(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != RECORD]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def test_lessons_solutions_and_their_files_are_copied(source: Path, my: Path):
    told = copy_new(source, my)
    assert sorted(files(my)) == [NAME, "photo.png", f"solutions/{NAME}"]
    assert told == [
        "3 files copied to my/; work there, it is yours",
        "a fresh copy of a lesson, yours put aside: make fresh NB=05",
    ]


def test_a_file_that_is_there_is_never_overwritten(source: Path, my: Path):
    my.mkdir()
    (my / NAME).write_text("mine, from before the first copy")
    copy_new(source, my)
    (my / "photo.png").write_text("my drawing")
    (source / "photo.png").write_text("second photo")
    (source / "06_new.ipynb").write_text("new")
    copy_new(source, my)
    assert files(my) == {
        NAME: "mine, from before the first copy",
        "photo.png": "my drawing",
        f"solutions/{NAME}": f"first solutions/{NAME}",
        "06_new.ipynb": "new",
    }


def test_a_newer_lesson_is_announced_and_left_alone(source: Path, my: Path):
    copy_new(source, my)
    (my / NAME).write_text("my answers")
    assert len(copy_new(source, my)) == 2  # the learner's own changes are no news
    (source / NAME).write_text("second edition")
    told = copy_new(source, my)
    assert told[1] == f"{NAME} has changed since you copied it; yours is untouched"
    assert (my / NAME).read_text() == "my answers"
    (my / NAME).write_text("second edition")
    assert len(copy_new(source, my)) == 2  # fetched by hand


def test_a_fresh_copy_puts_the_old_one_aside_under_a_new_name_each_time(source: Path, my: Path):
    copy_new(source, my)
    for answers in ("first answers", "second answers"):
        (my / NAME).write_text(answers)
        told = copy_fresh("05", source, my)
    aside = "05_sliding_window_masks.mine-{}.ipynb"
    assert files(my) == {
        NAME: f"first {NAME}",
        f"solutions/{NAME}": f"first solutions/{NAME}",
        aside.format(1): "first answers",
        aside.format(2): "second answers",
        "photo.png": "first photo.png",
    }
    assert told[0] == f"your {NAME} is now {aside.format(2)}"


def test_an_untouched_copy_leaves_nothing_aside(source: Path, my: Path):
    copy_new(source, my)
    copy_fresh("5", source, my)
    assert sorted(files(my)) == [NAME, "photo.png", f"solutions/{NAME}"]


def test_the_command_line(source: Path, my: Path, capsys):
    where = ["--source", str(source), "--target", str(my)]
    assert main(where) == 0
    assert main([*where, "--fresh", "05"]) == 0
    assert f"my/{NAME} is fresh" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main([*where, "--fresh", "31"])
    assert caught.value.code == 2
    assert "no notebook '31'" in capsys.readouterr().err


def test_git_ignores_the_copy():
    assert "/my/" in (ROOT / ".gitignore").read_text().splitlines()
