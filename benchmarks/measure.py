"""Running the rows: weights once a shape, contestants in turn, A B A B, one repetition at a time.

>>> from .rows import Row
>>> row = Row("decode", "270m", "float32", 128, steps=32)
>>> values(row, [{"seconds": 4.0, "ids": [7]}], "speed")  # 32 tokens in 4 s
[8.0]
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from . import memory
from .rows import CONTESTANTS, IN_FRESH_PROCESSES, Contestant, Row
from .shapes import check_room, config_of, save_random
from .worker import Worker, WorkerError

LEAST_ROUNDS = 3  # a row that takes longer than it may has so many all the same
MOST_ROUNDS = {"load": 5, "memory": 3, "long": 1}  # bytes hardly differ between processes
Replies = list[dict[str, Any]]
Say = Callable[[str], None]
OnShare = Callable[[float], None]


@dataclass(frozen=True)
class Settings:
    """How a run measures. A row stops after `seconds` once it has three rounds."""

    rounds: int = 7
    seconds: float = 600.0
    threads: int = 1
    scratch: Path | None = None


@dataclass
class Measured:
    """A row's replies by contestant, in the order of the rounds; who failed, and why."""

    row: Row
    replies: dict[str, Replies] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def measure(
    rows: Sequence[Row], settings: Settings, say: Say = lambda line: None
) -> list[Measured]:
    """Measure rows, those of one shape and dtype on the same weights.

    `say` gets a line about what goes on, often. Raises ValueError before anything is measured when
    a row cannot be.
    """
    if {row.kind for row in rows} & {"load", "memory", "long"}:
        memory.check()
    blocks = [list(group) for _, group in groupby(rows, key=lambda row: (row.size, row.dtype))]
    configs = [config_of(block[0].size, max(row.positions for row in block)) for block in blocks]
    scratch = Path(settings.scratch or tempfile.gettempdir())
    for block, config in zip(blocks, configs, strict=True):
        check_room(config, block[0].dtype, scratch)
    found: list[Measured] = []
    for block, config in zip(blocks, configs, strict=True):
        with tempfile.TemporaryDirectory(prefix="weights-", dir=scratch) as name:
            say(f"{block[0].size} {block[0].dtype}: drawing the weights")
            save_random(config, block[0].dtype, Path(name))
            with _Workers(Path(name), settings.threads) as workers:
                for row in block:
                    line = _Line(say, f"[{len(found) + 1}/{len(rows)}] {row.name}")
                    found.append(_measure_row(row, settings, workers, line))
    return found


def values(row: Row, replies: Replies, quantity: str) -> list[float]:
    """A quantity of each reply, in its unit."""
    tokens = row.steps or row.tokens
    take: dict[str, Callable[[dict[str, Any]], float]] = {
        "time": lambda reply: reply["seconds"],
        "time to first logits": lambda reply: reply["first"],
        "speed": lambda reply: tokens / reply["seconds"],
        "peak memory": lambda reply: reply["bytes"] / memory.MIB,
        "cache": lambda reply: reply["cache"] / memory.MIB,
        "formula": lambda reply: reply["formula"] / memory.MIB,
    }
    return [float(take[quantity](reply)) for reply in replies]


def same_ids(measured: Measured, own: str, other: str) -> tuple[int, int] | None:
    """How many of the ids, from the first, two contestants both chose, and of how many."""
    ours, theirs = (
        [reply["ids"] for reply in measured.replies.get(name, []) if "ids" in reply]
        for name in (own, other)
    )
    if not ours or not theirs:
        return None
    equal = [a == b for a, b in zip(ours[-1], theirs[-1], strict=True)]
    return (equal.index(False) if False in equal else len(equal)), len(equal)


class _Workers:
    """One process a library, started when first needed, or one for a single repetition."""

    def __init__(self, folder: Path, threads: int):
        self._folder, self._threads = folder, threads
        self._kept: dict[str, Worker] = {}

    def repeat(self, row: Row, contestant: Contestant, on_share: OnShare) -> dict[str, Any]:
        """One repetition; a process that fails in it is not used again."""
        library = contestant.library
        if row.kind in IN_FRESH_PROCESSES:
            self.end()  # so that they hold no memory meanwhile
        if library not in self._kept:
            self._kept[library] = Worker(library, self._folder, self._threads, on_share)
        try:
            return self._kept[library].repeat(row, contestant)
        except WorkerError:
            self._kept.pop(library).close()
            raise

    def forget(self) -> None:
        """Let go of the prompts of a row that is done."""
        for worker in self._kept.values():
            worker.forget()

    def end(self) -> None:
        """End all processes."""
        while self._kept:
            self._kept.popitem()[1].close()

    def __enter__(self) -> "_Workers":
        return self

    def __exit__(self, *error: object) -> None:
        self.end()


class _Line:
    """What is said of a row: who is at work in which round."""

    def __init__(self, say: Say, start: str):
        self._say, self._start, self._text = say, start, start

    def now(self, what: str) -> None:
        """Another repetition begins."""
        self._text = f"{self._start} {what}"
        self._say(self._text)

    def share(self, done: float) -> None:
        """So much of it is done."""
        self._say(f"{self._text}, {done:.0%}")


def _measure_row(row: Row, settings: Settings, workers: _Workers, line: _Line) -> Measured:
    measured, began = Measured(row), time.monotonic()
    racing = list(row.contestants)
    rounds = min(settings.rounds, MOST_ROUNDS.get(row.kind, settings.rounds))
    for number in range(1, rounds + 1):
        for name in list(racing):
            line.now(f"round {number}/{rounds}: {name}")
            try:
                reply = workers.repeat(row, CONTESTANTS[name], line.share)
            except WorkerError as error:
                measured.failed[name] = str(error).strip().splitlines()[-1]
                measured.replies.pop(name, None)
                racing.remove(name)
            else:
                measured.replies.setdefault(name, []).append(reply)
        if number >= LEAST_ROUNDS and time.monotonic() - began > settings.seconds:
            break
    workers.forget()
    return measured
