"""`make real` asks for the terms before it touches anything, and stops at the first failure."""

import re

import pytest
import real
from lessons import ROOT


@pytest.fixture
def steps(monkeypatch):
    """What would have been run, in order; nothing is."""
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(real, "_python", lambda *words, **_: ran.append(words) or 0)
    monkeypatch.setattr(real, "put_together", lambda: 0)
    return ran


@pytest.mark.parametrize("word", [None, "", "yes"])
def test_without_the_terms_nothing_happens(monkeypatch, capsys, steps, word):
    monkeypatch.delenv("GEMMA_TERMS", raising=False)
    if word is not None:
        monkeypatch.setenv("GEMMA_TERMS", word)
    assert real.main([]) == real.main(["--terms"]) == 2
    assert "https://ai.google.dev/gemma/terms" in capsys.readouterr().err
    assert steps == []


def test_the_steps_with_the_terms(monkeypatch, capsys, steps):
    monkeypatch.setenv("GEMMA_TERMS", "accepted")
    assert real.main(["--terms"]) == 0
    assert steps == []
    assert real.main(["--get"]) == 0
    assert [words[-1] for words in steps] == ["tools/real.txt"]
    steps.clear()
    capsys.readouterr()
    assert real.main(["--record"]) == 0
    install, tests, record, outputs, appendix = (" ".join(words) for words in steps)
    assert install.endswith("--no-deps --only-binary :all: --require-hashes -r tools/real.txt")
    assert tests.endswith("tests/parity/test_real.py")
    assert "nbconvert --execute" in record
    assert outputs == "tools/execute_notebooks.py A3 15"
    assert appendix.endswith(str(real.APPENDIX))
    assert all((ROOT / words.split()[-1]).exists() for words in (install, tests, appendix))
    lines = capsys.readouterr().out.splitlines()
    assert sum(bool(re.match(r"\[\d/5\] done, \d+ s", line)) for line in lines) == 5


def test_a_step_that_fails_is_the_last(monkeypatch, steps):
    monkeypatch.setenv("GEMMA_TERMS", "accepted")
    monkeypatch.setattr(real, "install", lambda: 3)
    assert real.main([]) == 3
    assert steps == []


def test_every_package_is_pinned_to_a_sum():
    entries = re.findall(
        r"(?m)^(\S+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}$",
        (ROOT / "tools/real.txt").read_text("utf-8"),
    )
    assert len(entries) == 5
