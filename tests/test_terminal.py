"""The terminal: a mistake is a message and a status, never a traceback."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gemma3_edu.__main__ as terminal
from gemma3_edu.lessons.grade import Result

ROOT = Path(__file__).parents[1]
ASK = ["chat", "--max-new-tokens", "2", "Which colour?"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chat", "--device", "xyz", "x"], "device='xyz' is none of PyTorch's"),
        (["chat", "--device", "meta", "x"], "device='meta' holds no numbers"),
        (["chat", "--seed", str(10**30), "x"], "must be a number of 64 bits"),
        (["chat", "--temperature", "1e-45", "x"], "temperature=1e-45 must be 0 (greedy)"),
        (["chat", "--temperature", "inf", "x"], "temperature=inf must be 0 (greedy)"),
        (["chat", "--top-p", "1e-300", "x"], "top_p=1e-300 must be from 1e-6"),
        (["chat", "--model", "/nowhere", "x"], "source='/nowhere' is neither a folder"),
        (["chat", "--tokenizer", "/tmp", "x"], "tokenizer: /tmp is not a file"),
        (["chat", "--image", "/tmp", "x"], "image /tmp: cannot be read"),
        (["verify", "--json", "/nowhere/x", "/tmp"], "json='/nowhere/x' is no file in a folder"),
        (["verify", "--json", "/tmp", "/tmp"], "json='/tmp' is no file in a folder"),
        (["grade", "/nowhere.py", "--lesson", "05"], "file='/nowhere.py' does not exist"),
        (["grade", "README.md", "--lesson", "05"], "must be a notebook (.ipynb) or Python"),
        (["grade", "x.py", "--lesson", "99"], "lesson='99' has no exercises; choose from 00, 01"),
        (["grade", "x.py", "--lesson", "05", "--seconds", "nan"], "seconds=nan must be a number"),
        (["grade", "x.py", "--lesson", "05", "--megabytes", "0"], "megabytes=0 must be above 0"),
    ],
)
def test_a_mistake_is_a_message_and_status_2(arguments, words, capsys):
    assert terminal.main(arguments) == 2
    out, err = capsys.readouterr()
    assert err.startswith("python -m gemma3_edu: ")
    assert words in err
    assert err.count("\n") == 1
    assert out == ""


def test_escapes_in_a_foreign_name_are_shown_and_not_sent(capsys):
    assert terminal.main(["chat", "--model", "a\x1b[2J\x9b\u202eb", "x"]) == 2
    assert r"'a\x1b[2J\x9b\u202eb'" in capsys.readouterr().err


def test_a_message_of_several_lines_keeps_them(capsys):
    assert terminal._failed("weights:\n\tlayer\x1b]0;x\x07.weight", 2) == 2
    assert capsys.readouterr().err.endswith("weights:\n\tlayer\\x1b]0;x\\x07.weight\n")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stdout", "printed"), [(Screen(), r"a\x1b[2J"), (io.StringIO(), "a\x1b[2J")]
)
def test_a_reply_steers_no_terminal_and_reaches_a_file_as_it_is(stdout, printed, monkeypatch):
    monkeypatch.setattr(sys, "stdout", stdout)
    terminal._say("a\x1b[2J")
    assert stdout.getvalue() == printed


def replies(*_: object, on_text, **__: object) -> None:
    for piece in ["Red"] * 5:
        on_text(piece)


@pytest.fixture
def quick(monkeypatch):
    """`chat` without a model."""
    monkeypatch.setattr(terminal, "load", lambda *_, **__: (None, None))
    monkeypatch.setattr(terminal, "chat", replies)


@pytest.mark.usefixtures("quick")
def test_a_closed_pipe_ends_it_without_a_word(monkeypatch, capfd):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert terminal.main(ASK) == 141
        stdout.flush()  # as Python does at its end: it goes nowhere now
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("quick")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_device_is_named(monkeypatch, capsys):
    with open("/dev/full", "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert terminal.main(ASK) == 2
        stdout.flush()
    assert capsys.readouterr().err == "python -m gemma3_edu: [Errno 28] No space left on device\n"


def test_ctrl_c_is_one_word_and_status_130(monkeypatch, capsys):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(terminal, "load", interrupted)
    assert terminal.main(ASK) == 130
    assert capsys.readouterr().err == "python -m gemma3_edu: stopped\n"


def test_standard_input_that_is_no_text_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "load", lambda *_, **__: (None, None))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8"))
    assert terminal.main(["chat", "-"]) == 2
    assert "standard input is not text in utf-8" in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
def test_what_a_terminal_cannot_spell_is_spelled_out(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    monkeypatch.setattr(terminal, "chat", lambda *_, on_text, **__: on_text("né"))
    assert terminal.main(ASK) == 0
    assert raw.getvalue() == b"n\\xe9\n"


@pytest.mark.parametrize(("verdict", "status"), [("correct", 0), ("time", 1)])
def test_grades_are_json_and_the_status(verdict, status, monkeypatch, capsys):
    results = [Result(1, "my_f", "correct"), Result(2, "my_g", verdict, "too long")]
    monkeypatch.setattr(terminal, "grade", lambda *_, **__: iter(results))
    assert terminal.main(["grade", "a.py", "--lesson", "05"]) == status
    graded = json.loads(capsys.readouterr().out)
    assert graded["correct"] == 1 + (status == 0)
    assert graded["exercises"][1] == {
        "exercise": 2,
        "function": "my_g",
        "verdict": verdict,
        "sentence": "too long",
        "case": "",
    }


@pytest.mark.slow
def test_the_real_thing_into_head_leaves_no_traceback():
    """What Python itself says at its end included."""
    command = f"{sys.executable} -m gemma3_edu chat --temperature 0 Hello | head -c 1"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert len(done.stdout) == 1
    assert done.stderr == ""
