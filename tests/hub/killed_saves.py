"""Saves that are killed at every file operation: `python -m tests.hub.killed_saves FOLDER`.

A script, not a test: every save runs in a process of its own, forked from this one, so that a real
SIGKILL ends it. It prints for every point what `load` finds afterwards: "old", "new" or what else.
"""

import dataclasses
import functools
import itertools
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gemma3_edu import Gemma3, Processor, load, save
from gemma3_edu.hub import checkpoint
from gemma3_edu.hub.checkpoint import is_ours
from gemma3_edu.hub.folder import current
from gemma3_edu.hub.weights import CheckpointFiles, export_weights
from gemma3_edu.prompt.images import ImageSettings
from tests.tokenizers import small_config, small_tokenizer

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.chmod", "open"}
SHARDS = {"shard_bytes": 40_000}
USERS = {"notes.txt", "model-backup.safetensors", "model.safetensors.index.json.bak"}


class Watch:
    """Calls `stop` before the file operation number `at`; there is one for the whole process."""

    def __init__(self) -> None:
        self.at, self.seen, self.stop = -1, 0, lambda: None
        sys.addaudithook(self._hook)
        normal, files = checkpoint.save_file, functools.cache(checkpoint.processor_to_files)

        def save_file(tensors: Any, path: Path, metadata: Any) -> None:
            sys.audit("os.chmod", path)  # its own writing is in Rust, which tells no hook
            normal(tensors, path, metadata)

        checkpoint.save_file = save_file
        checkpoint.processor_to_files = lambda processor: dict(files(processor))  # not again

    def arm(self, at: int, stop: Callable[[], None]) -> None:
        """Stop before operation `at`, counted from now."""
        self.at, self.seen, self.stop = at, 0, stop

    def off(self) -> int:
        """No more stops; how many operations there were."""
        self.at = -1
        return self.seen

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if self.at < 0 or event not in CHANGES:
            return
        if event == "open" and ".gemma3_edu" not in str(args[0]):
            return
        self.seen += 1
        if self.seen > self.at:
            self.stop()


@functools.cache
def made(seed: int) -> tuple[Gemma3, Processor]:
    """Two checkpoints that differ in every file but the tokenizer's: 0 is the old, 1 the new."""
    config = small_config()
    layers = config.text.layer_types[: 3 - seed]
    text = dataclasses.replace(config.text, layer_types=layers, rms_norm_eps=1e-6 * (1 + seed))
    assert config.vision is not None
    vision = dataclasses.replace(config.vision, num_hidden_layers=1)
    config = dataclasses.replace(config, text=text, vision=vision)
    torch.manual_seed(seed)
    settings = ImageSettings(max_crops=3 + seed)
    return Gemma3(config), Processor(small_tokenizer(), config, settings, (1, 106 + seed))


def facts(model: Gemma3, processor: Processor | None) -> tuple[Any, ...]:
    """All that a checkpoint says, in a form that can be compared."""
    weights = {name: p.double().sum().item() for name, p in model.named_parameters()}
    if processor is None:
        return weights, model.config
    return weights, model.config, processor.image_settings, processor.stop_tokens


@functools.cache
def known() -> dict[str, Any]:
    """What the two checkpoints say."""
    return {"old": facts(*made(0)), "new": facts(*made(1))}


def old_folder(folder: Path) -> None:
    """A folder with the old checkpoint and files of a user."""
    save(*made(0), folder, **SHARDS)
    for name in USERS:
        (folder / name).write_text("mine")


def found(folder: Path) -> str:
    """Which checkpoint `load` finds; and whether all files of the user are there."""
    if any((folder / name).read_text() != "mine" for name in USERS):
        return "a user's file is gone"
    try:
        loaded = facts(*load(folder))
    except ValueError as error:
        return str(error)
    return next((name for name, each in known().items() if each == loaded), "mixed")


def in_a_process(work: Callable[[], None]) -> int:
    """The signal that ended it; 0 if it came to its end."""
    if (child := os.fork()) == 0:
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def outside(folder: Path) -> bool:
    """Whether other programs find there no checkpoint, or the files of one."""
    if not (folder / "config.json").exists() or current(folder) == folder:
        return True
    plain = shutil.copytree(folder, folder.with_name("plain"))
    for inside in plain.glob(".gemma3_edu*"):
        shutil.rmtree(inside) if inside.is_dir() else inside.unlink()
    try:
        return found(plain) in ("old", "new")
    finally:
        shutil.rmtree(plain)


def main(home: Path) -> dict[str, Any]:
    """Kill at every operation, and then at random moments of one save after another."""
    torch.set_num_threads(1)
    watch, results, left = Watch(), [], set()
    old_folder(home / "old")
    for number in itertools.count():
        folder = shutil.copytree(home / "old", home / "killed")

        def kill_at(number: int = number, folder: Path = folder) -> None:
            watch.arm(number, lambda: os.kill(os.getpid(), signal.SIGKILL))
            save(*made(1), folder, **SHARDS)

        ended = in_a_process(kill_at)
        results.append(found(folder) if outside(folder) else "mixed for other programs")
        save(made(1)[0], None, folder)
        if CheckpointFiles(folder).keys() != export_weights(made(1)[0]).keys():
            results.append("a save after it fails")
        left |= {name for name in os.listdir(folder) if not is_ours(name)} - USERS
        shutil.rmtree(folder)
        if not ended:
            break
    folder = home / "often"
    began = time.monotonic()
    old_folder(folder)
    seconds = time.monotonic() - began

    def save_for_ever() -> None:
        for number in itertools.count():
            save(*made(number % 2), folder, **(SHARDS if number % 3 else {}))

    often = []
    for number in range(20):
        if (child := os.fork()) == 0:
            save_for_ever()
        time.sleep(seconds * number / 8)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        often.append(found(folder))
    return {"killed": results, "left": sorted(left), "often": often}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
