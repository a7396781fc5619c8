"""The benchmark harness, on tiny shapes: equal work, exact bytes, right sums. No times."""

import dataclasses
import json
import os
import time
from collections import namedtuple
from pathlib import Path

import pytest
import torch

import benchmarks.__main__ as terminal
from benchmarks import memory, ours, report, shapes
from benchmarks.measure import Settings, _Workers, measure
from benchmarks.rows import (
    COMPILED,
    CONTESTANTS,
    IN_SIXES,
    KEPT,
    LLAMA,
    OURS,
    QUANTIZED,
    VARIANTS,
    Contestant,
    Row,
    choose,
    every_row,
    quick,
)
from benchmarks.worker import WorkerError
from gemma3_edu import cost
from gemma3_edu.model.presets import PRESETS

from ..repo.package_rules import Module, docstrings, line_ceiling

FOLDER = Path(terminal.__file__).parent
SDPA, EAGER, CHUNKS, THEIRS_COMPILED = [
    name for name in CONTESTANTS if name.startswith("transformers")
]
ALL = (OURS, SDPA, EAGER, CHUNKS)
TINY = ("tiny-text", "float32")
TOKENS = 40  # eight windows
CHEAP = "tower-tiny-float32"  # to be measured where a mistake is not noticed
WORK = (("prefill", 0), ("decode", 4))
TOWERLESS = Row("tower", *TINY)  # no contestant can do it
ROWS = [
    Row("load", *TINY, contestants=(OURS, SDPA)),
    Row("decode", *TINY, TOKENS, 6, ALL),
    TOWERLESS,
    Row("first-token", *TINY, TOKENS, 6),
    Row("prefill", *TINY, TOKENS),
    Row("memory", *TINY, TOKENS, contestants=(OURS, SDPA)),
    Row("long", *TINY, 400, contestants=(OURS, CHUNKS)),  # past the preset's 256 positions
    Row("tower", "tiny", "float32"),
]


@pytest.fixture(scope="module")
def run():
    """Everything, once: what was found, row by row, and what was said meanwhile."""
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CONTESTANTS, CHUNKS, Contestant("transformers", "sdpa", chunk=16))
        found = measure(ROWS, Settings(rounds=2, threads=1), said.append)
    return {each.row: each for each in found}, said


def test_both_choose_the_same_tokens_however_they_are_asked(run):
    """Step by step and through `generate`, by each attention, after whole prompts and chunks."""
    found, _ = run
    decoded = found[ROWS[1]].replies
    assert list(decoded) == list(ALL)
    texts = [reply["ids"] for replies in decoded.values() for reply in replies]
    assert len(texts) == 8
    texts += [reply["ids"] for each in found[ROWS[3]].replies.values() for reply in each]
    assert len(set(texts[0])) >= 4  # no token for ever
    assert len(texts[0]) == 7
    assert all(text == texts[0] for text in texts)
    for row in (ROWS[4], ROWS[5]):
        assert {r["ids"][0] for each in found[row].replies.values() for r in each} == {texts[0][0]}
    soft = {tuple(r["shape"]) for each in found[ROWS[7]].replies.values() for r in each}
    assert soft == {(1, 9, 24)}


@pytest.mark.parametrize(
    ("name", "blocks"),
    [(OURS, []), (COMPILED, [1]), (IN_SIXES, [6]), (f"{OURS} int8 compiled", [1])],
)
def test_what_is_compiled(name, blocks, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(ours, "FastDecoder", lambda model, n: asked.append(n) or model)
    monkeypatch.setattr(ours, "quantize_weights", lambda model, bits: None)
    shapes.save_random(shapes.config_of("tiny-text"), "float32", tmp_path)
    ours.Ours(tmp_path, "float32", VARIANTS[name])
    assert asked == blocks


@pytest.mark.slow  # a minute of C++
def test_compiled_steps_choose_the_same_tokens():
    row = Row("decode", *TINY, TOKENS, 6, (OURS, SDPA, COMPILED, IN_SIXES, THEIRS_COMPILED))
    (found,) = measure([row], Settings(rounds=2, threads=1))
    assert not found.failed
    texts = [reply["ids"] for replies in found.replies.values() for reply in replies]
    assert len(texts) == 10
    assert all(text == texts[0] for text in texts)


def test_cache_bytes_are_the_formulas(run):
    """Ours is the formula; theirs keeps one key less on local layers."""
    found, _ = run
    text = PRESETS["tiny-text"].text
    shorter = dataclasses.replace(text, sliding_window=text.sliding_window - 1)
    want = {name: cost.cache_bytes(c, TOKENS, 1, 4) for name, c in ((OURS, text), (SDPA, shorter))}
    replies = found[ROWS[5]].replies
    assert {name: {r["cache"] for r in each} for name, each in replies.items()} == {
        name: {n} for name, n in want.items()
    }
    entry = report.document("x", [found[ROWS[5]]], {}, {})["measurements"][1]
    assert entry["formula"] * 2**20 == want[OURS] == entry["contestants"][OURS]["median"] * 2**20


def test_contestants_take_turns_one_repetition_at_a_time(run):
    _, said = run
    turns = [line.split("decode-tiny-text-float32-40 ")[1] for line in said if "] decode" in line]
    assert turns == [f"round {n}/2: {name}" for n in (1, 2) for name in ALL]
    assert said[0] == "tiny-text float32: drawing the weights"
    passes = [line.split(": ")[1] for line in said if "%" in line]  # of the long prompt
    ours = [f"{OURS}, 64%", f"{OURS}, 100%"]  # 256 columns of 400, and the rest
    assert passes == [*ours, *(f"{CHUNKS}, {4 * n}%" for n in range(1, 26))]


def test_who_fails_is_told_and_the_rows_after_are_measured(run):
    found, _ = run
    assert found[TOWERLESS].replies == {}
    assert set(found[TOWERLESS].failed) == {OURS, SDPA, EAGER}
    assert "the row's shape has a tower" in found[TOWERLESS].failed[OURS]
    assert all(not each.failed for row, each in found.items() if row is not TOWERLESS)


def test_the_terminal_writes_json_a_table_and_pictures(run, tmp_path, monkeypatch, capsys):
    found, _ = run
    monkeypatch.setattr(terminal, "every_row", lambda: ROWS)
    monkeypatch.setattr(terminal, "measure", lambda rows, *_: [found[row] for row in rows])
    command = ["*", "--rounds", "2", "--threads", "1", "--folder", str(tmp_path), "--name", "t"]
    assert terminal.main(command) == 1  # since a contestant failed
    assert "tower-tiny-text-float32, gemma3_edu: " in capsys.readouterr().err
    files = {"t.json", "t.md", "t-tiny.png", "t-tiny-text.png"}
    assert {path.name for path in tmp_path.iterdir()} == files
    results = json.loads((tmp_path / "t.json").read_text())
    assert results["machine"]["threads"] == 1
    assert results["machine"]["versions"]["torch"] == torch.__version__
    told = [(entry["row"], entry["quantity"]) for entry in results["measurements"]]
    assert told == [(row.name, quantity.name) for row in ROWS for quantity in row.quantities]
    assert {picture["file"] for picture in results["pictures"]} == files - {"t.json", "t.md"}
    assert all("comparisons with transformers" in p["alt"] for p in results["pictures"])
    assert (tmp_path / "t.md").read_text() == report.table(results)
    assert terminal.main([*command[1:], "prefill-*"]) == 0


def states(process):
    """Of all threads: S asleep, R at work."""
    threads = [task.read_text() for task in process.glob("task/*/stat")]
    return {stat.rsplit(")")[-1].split()[0] for stat in threads}


def test_a_worker_is_a_process_of_its_own_that_sleeps_while_it_waits(tmp_path):
    shapes.save_random(shapes.config_of("tiny-text"), "float32", tmp_path)
    with _Workers(tmp_path, 1) as workers:
        asked = ROWS[4], CONTESTANTS[OURS], print
        ids = workers.repeat(*asked)["ids"]
        process = workers._kept[OURS]._process
        proc = Path(f"/proc/{process.pid}")
        assert process.pid != os.getpid()
        assert os.getpgid(process.pid) == os.getpgrp()
        assert b"OMP_NUM_THREADS=1" in (proc / "environ").read_bytes().split(b"\0")
        for _ in range(500):  # it has answered and is on its way to sleep
            if states(proc) == {"S"}:
                break
            time.sleep(0.01)
        assert all(states(proc) == {"S"} for _ in range(50))
        process.kill()
        with pytest.raises(WorkerError, match="choose smaller rows"):
            workers.repeat(*asked)
        assert workers.repeat(*asked)["ids"] == ids  # by another
    assert workers._kept == {}


def test_peak_memory_counts_what_was_freed_and_forgets_earlier_peaks():
    with memory.growth() as grown:
        torch.ones(20_000_000)
    assert 79_000_000 < grown.bytes < 85_000_000  # pages that lay free before are used again
    with memory.growth() as grown:
        pass
    assert grown.bytes < 5_000_000


def test_the_same_weights_again_and_their_dtype():
    config = shapes.config_of("tiny")
    one, two = (shapes.random_model(config, torch.bfloat16).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert {tensor.dtype for tensor in one.values()} == {torch.bfloat16}
    norm = one["language_model.norm.weight"]
    assert (norm > -1).any()
    assert (norm < -1).any()


def test_every_row_fits_its_model_and_has_a_name_of_its_own():
    rows = every_row()
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.contestants[0] == OURS for row in rows)
    for row in rows:
        limit = shapes.config_of(row.size).text.max_position_embeddings
        assert row.positions <= limit or row.kind == "long"
    assert {row.size for row in quick(rows)} == {"nano", "270m"}
    assert "long" not in {row.kind for row in choose([], rows)}
    asked = {("decode", n) for n in (128, 2_048, 8_192, 32_000)} | {("prefill", 8_192)}
    assert asked <= {(row.kind, row.tokens) for row in rows if row.size == "270m"}


@pytest.mark.parametrize(
    ("arguments", "way_out"),
    [
        (["decode-2b-*"], "--list"),
        ([CHEAP, "--rounds", "0"], "at least 1"),
        ([CHEAP, "--threads", "0"], "the cores of this machine"),
        ([CHEAP, "--threads", "100000"], "the cores of this machine"),
        ([CHEAP, "--seconds", "0"], "above 0"),
        ([CHEAP, "--name", "../up"], "use letters"),
        (["--quick", "decode-1b-*"], "leave --quick out"),
        ([CHEAP, "--without", "transformers eagre"], "those that can be left out"),
        ([CHEAP, "--without", OURS], "those that can be left out"),
        ([CHEAP, "--folder", __file__], "--folder"),
        ([CHEAP, "--scratch", "/nowhere/at/all"], "name another"),
    ],
)
def test_mistakes_name_the_way_out(arguments, way_out, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(terminal, "every_row", lambda: [*every_row(), *ROWS])
    folder = [] if "--folder" in arguments else ["--folder", str(tmp_path)]
    assert terminal.main([*arguments, *folder]) == 2
    error = capsys.readouterr().err
    assert way_out in error.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_too_little_room_is_said_before_anything_is_measured(tmp_path, monkeypatch):
    config = shapes.config_of("270m")
    monkeypatch.setattr(memory, "available", lambda: 2e9)
    with pytest.raises(ValueError, match=r"memory: 2\.0 GB are free, and the weights need 2\.7"):
        shapes.check_room(config, "float32", tmp_path)
    shapes.check_room(config, "bfloat16", tmp_path)
    disk = namedtuple("disk", "free")(1e8)
    monkeypatch.setattr(shapes.shutil, "disk_usage", lambda folder: disk)
    with pytest.raises(ValueError, match="--scratch"):
        shapes.check_room(config, "bfloat16", tmp_path)


def test_modules_are_short_and_documented():
    for path in sorted(FOLDER.glob("*.py")):
        module = Module(path.stem, path.read_text(encoding="utf-8"))
        assert [*line_ceiling(module), *docstrings(module)] == []


@pytest.mark.parametrize("kind", QUANTIZED)
def test_llama_cpp_reads_the_same_file_and_does_the_same_work(kind):
    """As many tokens in a repetition, which the contestant asserts, and times for each of them."""
    pytest.importorskip("xllamacpp", reason="llama.cpp is not installed")
    rows = [Row(what, "nano", kind, 40, steps, (OURS, LLAMA)) for what, steps in WORK]
    for measured in measure(rows, Settings(rounds=2, threads=1)):
        assert not measured.failed
        assert {name: len(each) for name, each in measured.replies.items()} == {OURS: 2, LLAMA: 2}
        assert report.document("x", [measured], {}, {})["measurements"][0]["comparisons"]


def test_kept_bits_are_those_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(ours, "FastDecoder", lambda model, n: model)
    shapes.save_random(shapes.config_of("nano"), "Q4_0", tmp_path)
    model = ours.Ours(tmp_path, "Q4_0", VARIANTS[KEPT]).model
    assert type(model.language_model.embed_tokens).__name__ == "BlockwiseEmbedding"
    assert model.language_model.norm.weight.dtype is torch.bfloat16
