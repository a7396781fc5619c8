"""The execute tool: what it writes, what it keeps, what it refuses."""

import json
from pathlib import Path

import execute_notebooks
import nbformat
import notebook_outputs
import pytest
from lessons import BUDGET, find, navigation
from nbformat import NotebookNode
from nbformat.v4 import new_output
from notebook_outputs import IGNORED, as_text, code_cells, normalise

from .clean_notebook import clean, folder_for_lessons, picture
from .notebook_runs import read, write

# A different picture on every run, under the same words; a clock; a result.
PICTURE = """\
import base64, os
from IPython.display import display
noise = base64.b64encode(os.urandom(30)).decode()
display({"image/png": noise, "text/plain": "[figure] noise"}, raw=True)"""
CLOCK = "import time\nprint('[timing]', time.perf_counter())"
VOLATILE = "time.perf_counter()"


def run(path: Path, *options: str) -> int:
    report = str(path.parent / "report.json")
    return execute_notebooks.main([str(path), "--report", report, *options])


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("run") / "trial.ipynb"
    write(path, PICTURE, CLOCK, VOLATILE, "6 * 7", tags={2: [IGNORED]})
    assert run(path) == 0
    return path, path.read_bytes()


@pytest.fixture
def trial(executed: tuple[Path, bytes]) -> Path:
    """An executed notebook, as it was whatever the test before did to it."""
    executed[0].write_bytes(executed[1])
    return executed[0]


def edit(path: Path, cell: int, source: str) -> None:
    nb = read(path)
    code_cells(nb)[cell].source = source
    nbformat.write(nb, path)


def test_outputs_and_counts_are_written(trial: Path):
    cells = code_cells(read(trial))
    assert [cell.execution_count for cell in cells] == [1, 2, 3, 4]
    assert cells[3].outputs[0].data["text/plain"] == "42"
    report = json.loads((trial.parent / "report.json").read_text())
    (entry,) = report.values()
    assert entry["bytes"] == trial.stat().st_size
    assert 0.03 < entry["peak_gigabytes"] < 1
    assert entry["over_budget"] == []
    assert read(trial).metadata.measured.seconds >= entry["seconds"]


def test_a_second_run_leaves_the_file_byte_for_byte(trial: Path):
    nb = read(trial)
    nb.metadata.measured.seconds = 55  # of a slower machine
    nbformat.write(nb, trial)
    before = trial.read_bytes()
    assert run(trial) == 0
    assert trial.read_bytes() == before
    assert run(trial, "--check") == 0


def test_redraw_takes_the_new_picture_and_measures_again(trial: Path):
    nb = read(trial)
    nb.metadata.measured.seconds = 55
    nbformat.write(nb, trial)
    before = code_cells(nb)
    assert run(trial, "--redraw") == 0
    after = code_cells(read(trial))
    assert read(trial).metadata.measured.seconds < 55
    same = [old.outputs == new.outputs for old, new in zip(before, after, strict=True)]
    assert same == [False, True, True, True]


def test_an_edit_is_noticed_checked_and_executed(trial: Path, capsys):
    assert execute_notebooks.main([str(trial), "--changed"]) == 0
    assert capsys.readouterr().out == "nothing to execute\n"
    edit(trial, 3, "6 * 9")
    before, kept = trial.read_bytes(), [cell.outputs for cell in code_cells(read(trial))]
    assert run(trial, "--check") == 1
    assert trial.read_bytes() == before
    told = capsys.readouterr().out
    assert "In [4] (nbval: Cell 3)" in told
    assert "    -42\n    +54\n" in told
    assert run(trial, "--changed") == 0
    after = [cell.outputs for cell in code_cells(read(trial))]
    # The ignored cell is not compared, so after an edit its outputs are taken anew.
    assert [old == new for old, new in zip(kept, after, strict=True)] == [True, True, False, False]
    assert execute_notebooks.main([str(trial), "--changed"]) == 0
    assert "nothing to execute" in capsys.readouterr().out


def test_with_other_weights_of_nano_outputs_are_out_of_date(trial: Path, monkeypatch):
    kept = [cell.outputs for cell in code_cells(read(trial))]
    monkeypatch.setattr(notebook_outputs, "_weights", lambda: ["of another nano"])
    assert run(trial, "--changed") == 0
    after = [cell.outputs for cell in code_cells(read(trial))]
    assert [old == new for old, new in zip(kept, after, strict=True)] == [True, True, False, True]


def test_an_error_leaves_the_file_untouched(trial: Path, capsys):
    edit(trial, 3, "6 / 0")
    before = trial.read_bytes()
    assert run(trial) == 1
    assert trial.read_bytes() == before
    assert sorted(p.name for p in trial.parent.iterdir()) == ["report.json", "trial.ipynb"]
    told = capsys.readouterr().out
    assert "FAILED, file untouched" in told
    assert "ZeroDivisionError" in told
    assert "\x1b" not in told


def test_exceeding_a_budget_fails_though_the_outputs_are_written(tmp_path: Path, capsys):
    child = "import time; x = b'1' * 300_000_000; time.sleep(0.3)"
    call = f'_ = subprocess.run([sys.executable, "-c", {child!r}])'
    path = write(tmp_path / "big.ipynb", "import subprocess, sys", call)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BUDGET, "gigabytes", 0.3)
        patch.setitem(BUDGET, "seconds a cell", 0.2)
        patch.setitem(BUDGET, "seconds", 0.2)
        patch.setitem(BUDGET, "megabytes on disk", 0.0001)
        assert run(path) == 1
    assert code_cells(read(path))[1].execution_count == 2
    (entry,) = json.loads((tmp_path / "report.json").read_text()).values()
    assert entry["peak_gigabytes"] > 0.3  # the kernel's child held it, not the kernel
    assert [told.split(",")[0].split(" ", 1)[1] for told in entry["over_budget"]] == list(BUDGET)
    assert capsys.readouterr().out.count("OVER BUDGET") == 4


@pytest.mark.parametrize("words", [["99"], ["no_such.ipynb"], ["--chek"]])
def test_a_command_that_makes_no_sense_exits_with_two(words: list[str], capsys):
    with pytest.raises(SystemExit) as caught:
        execute_notebooks.main(words)
    assert caught.value.code == 2


def test_a_merge_left_open_is_named(tmp_path: Path, capsys):
    path = tmp_path / "05_merge.ipynb"
    path.write_text("<<<<<<< HEAD\n{}")
    with pytest.raises(SystemExit):
        execute_notebooks.main([str(path)])
    assert "05_merge.ipynb is not a notebook" in capsys.readouterr().err


def test_numbers_find_the_lesson_and_its_solution(tmp_path: Path):
    lesson = folder_for_lessons(tmp_path)
    solution = lesson.parent / "solutions" / lesson.name
    for path in (lesson, solution):
        write(path, "1")
    assert find([], lesson.parent) == find(["02"], lesson.parent) == find(["2"], lesson.parent)
    assert find(["2", str(lesson)], lesson.parent) == [lesson, solution]
    with pytest.raises(ValueError, match="no notebook '05': give a path, or a number out of 02"):
        find(["05"], lesson.parent)
    appendix = lesson.parent / "appendix" / "A3_real_gemma.ipynb"
    appendix.parent.mkdir()
    write(appendix, "1")
    assert find(["A3"], lesson.parent) == find(["a3"], lesson.parent) == [appendix]
    assert find([], lesson.parent) == [lesson, appendix, solution]


def test_navigation_links_what_is_there(tmp_path: Path):
    lesson = folder_for_lessons(tmp_path)
    write(lesson, "1")
    assert navigation("03_qk_norm", lesson.parent) == (
        "previous: [02 RMSNorm](02_rmsnorm.ipynb) · [contents](../README.md)"
        " · next: 04 RoPE (not written yet)"
    )


def test_the_committed_form_holds_nothing_of_one_session(tmp_path: Path):
    nb: NotebookNode = clean(folder_for_lessons(tmp_path))
    nb.metadata.update(widgets={}, vscode={}, language_info={"version": "3.11.7"})
    cell = code_cells(nb)[2]
    cell.metadata.update(tags=["widget", "exercise", "widget"], execution={"t": "1"}, editable=True)
    trace = ["\x1b[31mFile /home/ada/x.py"]
    cell.outputs = [new_output("error", ename="ValueError", evalue="no", traceback=trace)]
    normalise(nb)
    assert set(nb.metadata) == {"kernelspec", "language_info", "measured"}
    assert "version" not in nb.metadata.language_info
    assert cell.metadata == {"tags": ["exercise", "widget"]}
    assert cell.outputs[0].traceback == ["ValueError: no"]


def test_the_text_of_a_cell_sees_words_but_no_pixels(tmp_path: Path):
    cell = code_cells(clean(folder_for_lessons(tmp_path)))[3]
    before = as_text(cell)
    cell.outputs[0].data["image/png"] = "AAAA"
    assert as_text(cell) == before
    cell.outputs = [picture("Another alternative text.")]
    assert as_text(cell) != before
