"""Of a learner's file runs what an answer needs, and every way to fail has its verdict."""

import json
from pathlib import Path

import pytest

from gemma3_edu.lessons.answer import needed, run, statements, verdict

MASK = "def my_mask(q, k, window):\n"
RIGHT = MASK + (
    "    back = q[:, None] - k\n"
    "    near = back >= 0 if window is None else (back >= 0) & (back < window)\n"
    "    return near & (q >= 0)[:, None] & (k >= 0)\n"
)


def notebook(path: Path, *cells: str) -> Path:
    code = [{"cell_type": "code", "source": cell, "metadata": {}} for cell in cells]
    words = [{"cell_type": "markdown", "source": ["def my_mask"], "metadata": {}}]
    path.write_text(json.dumps({"cells": [*words, *code], "nbformat": 4, "metadata": {}}))
    return path


def chosen(source: str, name: str) -> list[int]:
    """The lines of the statements that `name` needs."""
    return [each.node.lineno for each in needed(statements([("<cell 1>", source)]), name)]


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("f = 1", [1]),
        ("a = 1\nb = a\nf = b", [1, 2, 3]),
        ("f = 1\nf = 2", [2]),
        ("x = 1\ny = 2\ndef f(x): return x", [3]),
        ("x = 1\ndef f(y=x): return y", [1, 2]),
        ("import a.b, c\ndef f(): return a.b", [1, 2]),
        ("from a import *\nf = 1", [1, 2]),
        ("def f(): return g()\ndef g(): return 1", [1, 2]),
        ("x = 1\ndef g(): return x\ny = g()\nx = 2\ndef f(): return y", [1, 2, 3, 4, 5]),
        ("def f(n): return f(n - 1)", [1]),
        ("x = 1\nx += 1\nf = x", [1, 2, 3]),
        ("for i in range(3):\n    t = i\ndef f(): return [t for i in t]", [1, 3]),
        ("class A: pass\nclass B(A): pass\ndef f(x: B): return 1", [1, 2, 3]),
        (
            "try:\n    import a\nexcept ImportError:\n    a = None\ndef f(): return lambda: a",
            [1, 5],
        ),
        ("f.x = 1\nprint(f)", []),
    ],
)
def test_an_answer_needs_what_binds_its_names(source, lines):
    assert chosen(source, "f") == lines


def test_what_it_does_not_need_does_not_run():
    cells = [("<cell 1>", "%matplotlib inline\nraise SystemExit"), ("<cell 2>", "1 +")]
    assert run(statements([*cells, ("<cell 3>", "def f(): return 4")]), "f")() == 4


def test_a_dataclass_works():
    source = "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 3\nf = A"
    assert run(statements([("<cell 1>", source)]), "f")().x == 3


@pytest.mark.parametrize(
    ("cells", "word", "sentence"),
    [
        ([RIGHT], "correct", ""),
        (["%%time\n!ls", "W = 1", RIGHT], "correct", ""),
        ([RIGHT.replace("back < window", "back <= window")], "wrong", "W + 1"),
        ([MASK + "    raise NotImplementedError('your turn')"], "not attempted", ""),
        (
            [MASK + "    raise NotImplementedError('else')"],
            "error",
            "NotImplementedError: else, in",
        ),
        (["x = 1"], "not attempted", "the file defines no my_mask"),
        ([MASK + "    return (q"], "error", "SyntaxError: '(' was never closed (<cell 1>, line 2)"),
        (
            [MASK + "    return q / zero"],
            "error",
            "NameError: name 'zero' is not defined, in line 2",
        ),
        (
            ["zero = 1 / 0", MASK + "    return zero"],
            "error",
            "ZeroDivisionError: division by zero",
        ),
        (["exit()", RIGHT], "correct", ""),
        (["zero = exit()", MASK + "    return zero"], "error", "the file ended the program"),
        ([MASK + "    exit()"], "wrong", "the answer ended the program (SystemExit)"),
        ([MASK + "    return my_mask(q, k, window)"], "error", "RecursionError: maximum"),
        (["my_mask = 3"], "error", ""),
        (["def check_mask(fn): pass", MASK + "    return q"], "wrong", "got shape"),
    ],
)
def test_verdicts(cells, word, sentence, tmp_path):
    said = verdict(notebook(tmp_path / "a.ipynb", *cells), "05", "my_mask")
    assert (said.word, sentence in said.sentence) == (word, True), said.sentence


def test_a_python_file_is_read_as_one(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("import torch\n" + RIGHT)
    assert verdict(path, "05", "my_mask").word == "correct"
    path.write_text("import torch\n" + MASK + "    return torch.zero\n")
    said = verdict(path, "05", "my_mask").sentence
    assert "in line 3 of a.py: return torch.zero" in said
