"""A new lesson starts with what all lessons share, and overwrites nothing."""

from pathlib import Path

import nbformat
import pytest
from lessons import SET_UP
from new_notebook import create, main, refresh_navigation
from notebook_outputs import code_cells

from .clean_notebook import clean, folder_for_lessons
from .notebook_rules import RULES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_for_lessons(tmp_path).parent


@pytest.mark.parametrize("number", ["02", "5", "00", "29", "A3"])
def test_a_skeleton_breaks_only_the_rules_that_need_a_run_and_content(folder: Path, number: str):
    path = create(number, folder)
    nb = nbformat.read(path, as_version=4)
    assert code_cells(nb)[0].source == SET_UP
    broken = {name for name, check in RULES.items() if check(nb, path)}
    assert broken == {
        "ran_top_to_bottom",
        "header_is_true",  # not executed, so not measured
        "opens_with_a_run",
        "sizes_of_a_story",
    }
    assert RULES["sizes_of_a_story"](nb, path) == [
        "0 pictures, fewest allowed 5: draw the idea",
    ]
    assert RULES["header_is_true"](nb, path) == [
        f"nothing was measured; run `make nb NB={path.stem[:2]}`"
    ]


def test_nothing_is_overwritten(folder: Path, capsys):
    path = create("02", folder)
    path.write_text("mine")
    with pytest.raises(ValueError, match=r"02_rmsnorm.ipynb exists"):
        create("02", folder)
    with pytest.raises(SystemExit) as caught:
        main(["30", "--folder", str(folder)])
    assert caught.value.code == 2
    assert "'30' is no lesson" in capsys.readouterr().err
    assert path.read_text() == "mine"


def test_neighbours_get_their_link(folder: Path, capsys):
    assert main(["04", "--folder", str(folder)]) == 0
    before = nbformat.read(folder / "04_rope.ipynb", as_version=4)
    assert "previous: 03 QK-norm (not written yet)" in before.cells[0].source
    assert main(["03", "--folder", str(folder)]) == 0
    assert "new navigation line in" in capsys.readouterr().out
    after = nbformat.read(folder / "04_rope.ipynb", as_version=4)
    assert "previous: [03 QK-norm](03_qk_norm.ipynb)" in after.cells[0].source
    assert before.cells[1:] == after.cells[1:]
    assert refresh_navigation(folder) == []


def test_a_solution_starts_from_the_lessons_stubs(folder: Path):
    with pytest.raises(ValueError, match="write the lesson and its stubs first"):
        create("02", folder, solution=True)
    lesson = folder / "02_rmsnorm.ipynb"
    nbformat.write(clean(lesson), lesson)
    path = create("02", folder, solution=True)
    assert path == folder / "solutions" / "02_rmsnorm.ipynb"
    nb = nbformat.read(path, as_version=4)
    assert [cell.source.split("(")[0] for cell in code_cells(nb)[1:]] == ["def my_norm"]
    assert {name for name, check in RULES.items() if check(nb, path)} == {"ran_top_to_bottom"}
