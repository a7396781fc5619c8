"""Recorded results: the same on every machine where they agree, and noticed where they do not."""

import json

import pytest
import torch

from gemma3_edu.lessons.recorded import RENEW, TOLERANCE, Recorded, agree

CURVE = {"right": [3.25, 4.0, float("nan")], "words": ["a", 7]}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "recorded.json"
    path.write_text(json.dumps({"curve": CURVE}), encoding="utf-8")
    return path


def must_not_run():
    raise AssertionError("nothing is measured without the means")


def test_without_the_means_the_record_is_shown(file, capsys):
    assert agree(Recorded(file, measure=False)("curve", must_not_run), CURVE)
    assert capsys.readouterr().out == ""


def test_a_result_that_was_never_recorded_is_named(file):
    with pytest.raises(ValueError, match=r"'other' is not recorded in recorded.json.*\['curve'\]"):
        Recorded(file, measure=False)("other", must_not_run)


def test_a_notebook_without_its_record_is_told_so(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.json is not beside this notebook: copy it"):
        Recorded(tmp_path / "gone.json", measure=False)("curve", must_not_run)


def test_a_new_result_that_agrees_gives_way(file, capsys):
    new = {"right": torch.tensor([3.2501, 4.0001, torch.nan]), "words": ("a", 7)}
    assert Recorded(file, measure=True)("curve", lambda: new)["right"][:2] == [3.25, 4.0]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "new",
    [
        {**CURVE, "right": [3.25, 4.0 + 2 * 4 * TOLERANCE, float("nan")]},
        {**CURVE, "right": [3.25, float("nan"), float("nan")]},
        {**CURVE, "right": [3.25, 4.0]},
        {**CURVE, "words": ["a", 8]},
        {**CURVE, "words": ["b", 7]},
        {"right": CURVE["right"]},
        None,
    ],
)
def test_a_new_result_that_differs_is_shown_and_said(file, capsys, new):
    assert Recorded(file, measure=True)("curve", lambda: new) is not None or new is None
    assert capsys.readouterr().out == "curve: differs from what is recorded\n"
    assert "right" in json.loads(file.read_text(encoding="utf-8"))["curve"]


def test_the_record_is_written_only_when_asked(file, monkeypatch):
    monkeypatch.setenv(RENEW, "1")
    assert Recorded(file, measure=True)("sizes", lambda: [1234.56, 0.5]) == [1235.0, 0.0]
    monkeypatch.delenv(RENEW)
    assert Recorded(file, measure=False)("sizes", must_not_run) == [1235.0, 0.0]
