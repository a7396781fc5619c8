"""A folder that is saved to holds the old checkpoint or the new one, and a user's files."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from gemma3_edu import Gemma3, Processor, load, save
from gemma3_edu.hub.checkpoint import is_ours
from gemma3_edu.hub.folder import current, locked
from gemma3_edu.hub.processor_files import PROCESSOR_FILES, processor_to_files
from tests.hub.killed_saves import SHARDS, USERS, Watch, facts, found, known, made, old_folder
from tests.tokenizers import small_config, small_tokenizer


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints") / "old"
    old_folder(folder)
    return folder


@pytest.fixture
def folder(old, tmp_path):
    return shutil.copytree(old, tmp_path / "checkpoint")


@pytest.fixture(scope="module")
def watch():
    return Watch()


def names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) - USERS


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_save_that_is_killed_at_any_file_operation_leaves_the_old_or_the_new(tmp_path):
    """By SIGKILL at each operation, and at random moments of one save after another.

    Other programs find one of the two as well, or no checkpoint; and the next save clears up.
    """
    command = [sys.executable, "-m", "tests.hub.killed_saves", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(run.stdout)
    assert told["killed"] == sorted(told["killed"], key=["old", "new"].index)  # and nothing else
    assert Counter(told["killed"]).keys() == {"old", "new"}
    assert len(told["killed"]) > 40
    assert told["left"] == []
    assert set(told["often"]) <= {"old", "new"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES], ids=["full disk", "busy file"])
def test_an_operation_that_fails_leaves_the_old_or_the_new(number, folder, watch):
    """Every fifth of them; what is not in its place then is put there by the next save."""

    def fail() -> None:
        watch.off()
        raise OSError(number, os.strerror(number))

    outcomes, at = [], 0
    while True:
        watch.arm(at, fail)
        try:
            save(*made(1), folder, **SHARDS)
            failed, notes = False, ""
        except OSError as error:
            failed, notes = True, str(getattr(error, "__notes__", ""))
        if watch.off() <= at:  # it is longer than the save
            break
        outcomes.append(found(folder))
        unfinished = failed and current(folder) != folder
        assert unfinished == ("other programs find no checkpoint" in notes), notes
        assert outcomes[-1] == ("new" if unfinished or not failed else "old")
        save(*made(0), folder, **SHARDS)
        assert found(folder) == "old"
        assert all(is_ours(name) for name in names(folder))
        at += 5
    assert Counter(outcomes).keys() == {"old", "new"}


def test_only_files_of_our_own_names_are_removed(folder):
    keep = ["model_before.safetensors", "models.safetensors", "model-1-of-2.safetensors", "a.bin"]
    for name in keep:
        (folder / name).write_text("mine")
    (folder / "adapters").mkdir()
    shards = [name for name in names(folder) if name.startswith("model-0")]
    assert len(shards) > 2
    save(*made(1), folder)
    assert found(folder) == "new"
    assert {*keep, "adapters"} <= names(folder)
    assert not names(folder) & {*shards, "model.safetensors.index.json"}


def test_without_a_processor_the_tokenizer_stays(folder):
    """As the same file; the other way round nothing of an earlier processor stays."""
    before = {name: (folder / name).stat().st_ino for name in PROCESSOR_FILES}
    save(made(1)[0], None, folder)
    assert {name: (folder / name).stat().st_ino for name in PROCESSOR_FILES} == before
    assert load(folder)[1].stop_tokens == made(0)[1].stop_tokens
    config = small_config("tiny-text")
    processor = Processor(small_tokenizer(), config)
    save(Gemma3(config), processor, folder)
    assert names(folder) == {"config.json", "model.safetensors", *processor_to_files(processor)}


def test_the_list_of_processor_files_is_what_is_written():
    assert set(processor_to_files(made(0)[1])) == set(PROCESSOR_FILES)


def test_a_reader_never_sees_a_mixture(folder):
    """While another process saves one checkpoint after the other."""
    work = (
        "import sys; from tests.hub.killed_saves import *\n"
        "while True:\n    [save(*made(n), sys.argv[1], **SHARDS) for n in (1, 0)]"
    )
    writer = subprocess.Popen([sys.executable, "-c", work, str(folder)])
    seen: Counter[str] = Counter()
    try:
        while min(seen["old"], seen["new"]) < 10:
            assert writer.poll() is None
            seen[found(folder)] += 1
            assert set(seen) <= {"old", "new"}
    finally:
        writer.kill()
        writer.wait()


def test_two_saves_of_one_folder_take_turns(tmp_path):
    folder = tmp_path / "both"
    threads = [
        threading.Thread(target=save, args=(*made(seed), folder), kwargs=SHARDS)
        for seed in (0, 1, 0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert facts(*load(folder)) in known().values()
    assert all(is_ours(name) for name in os.listdir(folder))


def test_nothing_is_written_outside_the_folder(tmp_path, monkeypatch):
    """So a folder can be a mounted disk, and the one above it need not be ours to write to."""
    folder, seen = tmp_path / "inside", []
    monkeypatch.setattr(
        "gemma3_edu.hub.checkpoint._write_weights", lambda *a: seen.append(os.listdir(tmp_path))
    )
    save(*made(0), folder)
    assert seen == [["inside"]]


def test_a_link_that_lies_where_the_draft_goes_is_not_followed(folder, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "config.json").write_text("{}")
    for name in (".gemma3_edu.draft", ".gemma3_edu.saved"):
        (folder / name).symlink_to(precious)
    assert found(folder) == "old"
    save(*made(1), folder, **SHARDS)
    assert found(folder) == "new"
    assert os.listdir(precious) == ["config.json"]


def test_a_lock_is_held_by_one(tmp_path):
    def enter() -> None:
        with locked(tmp_path, wait=False):
            pass

    with locked(tmp_path, wait=False), pytest.raises(ValueError, match="another process is at"):
        enter()
    enter()
    assert os.listdir(tmp_path) == []
