"""Whatever comes in: a ValueError with our own message, or what an oracle says.

Never another exception, never more than ten seconds of computing, never a file changed. A failure
names the seed: `failure("config", 17, folder)` makes that case again.
"""

import hashlib
import json
import linecache
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType

import pytest
from PIL import Image

import gemma3_edu
from gemma3_edu.hub import config_json, processor_files, weights
from gemma3_edu.model.cache import KVCache
from gemma3_edu.prompt import images

from . import targets
from .targets import TARGETS

SECONDS = 10.0
QUICK, THOROUGH = 19, 250  # cases of each of the eight targets
PACKAGE = str(Path(gemma3_edu.__file__).parent)


class TooLongError(BaseException):
    """Not an Exception, so that nothing but the test catches it."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """TooLongError after so many seconds of computing, or six times as many of waiting."""

    def end(signum: int, frame: FrameType | None) -> None:
        raise TooLongError

    clocks = {signal.SIGPROF: signal.ITIMER_PROF, signal.SIGALRM: signal.ITIMER_REAL}
    before = {sign: signal.signal(sign, end) for sign in clocks}
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 6 * seconds)
    try:
        yield
    finally:
        for sign, clock in clocks.items():
            signal.setitimer(clock, 0)
            signal.signal(sign, before[sign])


def our_own(error: ValueError) -> bool:
    """Whether a raise statement of the package made it, and not what the package calls."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(frame.filename, frame.lineno or 0).strip()
    return frame.filename.startswith(PACKAGE) and line.startswith("raise ") and bool(str(error))


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def failure(target: str, seed: int, folder: Path, seconds: float = SECONDS) -> str | None:
    """What is wrong with a case, or None."""
    folder.mkdir(parents=True, exist_ok=True)
    case = TARGETS[target](Random(f"{target} {seed}"), folder)
    before = contents(folder)
    try:
        with within(seconds):
            said = case.judge(case.call())
    except TooLongError:
        said = f"took more than {seconds} seconds"
    except ValueError as error:
        said = None if our_own(error) else f"a ValueError of others: {error}"
    except SystemExit as stop:
        said = None if stop.code == 2 else f"exit with {stop.code}"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    if contents(folder) != before:
        said = "a file changed"
    return f"{target} {seed}: {' '.join(said.split())[:200]}" if said else None


def failures(target: str, seeds: range, folder: Path, seconds: float = SECONDS) -> list[str]:
    found = [failure(target, seed, folder / str(seed), seconds) for seed in seeds]
    return [said for said in found if said]


@pytest.mark.parametrize("target", TARGETS)
def test_some_cases(target, tmp_path):
    assert failures(target, range(QUICK), tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_many_cases(target, tmp_path):
    assert failures(target, range(QUICK, QUICK + THOROUGH), tmp_path) == []


def endless(*_: object, **__: object) -> None:
    while True:
        pass


def touches(folder: Path) -> tuple[int, ...]:
    (folder / "seen.txt").write_text("here")
    return (1, 106)


def believing(index: Path) -> list[Path]:
    return [
        index.parent / name for name in set(json.loads(index.read_text())["weight_map"].values())
    ]


def as_pillow_does(source: Path | bytes) -> Image.Image:
    return images._to_rgb(images._open(source))


# Target, what is replaced, and what takes its place.
PLANTED = {
    "an error of Pillow's comes through": ("picture", (targets, "load_image"), as_pillow_does),
    "the cache takes any column": ("history", (KVCache, "_check"), lambda *_: None),
    "reading writes": ("settings", (processor_files, "_stop_tokens"), touches),
    "an endless loop": ("config", (config_json, "_refuse"), endless),
    "an index is believed": ("index", (weights, "_indexed_files"), believing),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug, tmp_path, monkeypatch):
    """One that the target does not show without it."""
    target, place, mistake = PLANTED[bug]
    clean = [seed for seed in range(12) if not failure(target, seed, tmp_path / f"clean-{seed}")]
    monkeypatch.setattr(*place, mistake)
    for seed in clean:
        if failure(target, seed, tmp_path / f"planted-{seed}", seconds=1.0):
            return
    pytest.fail(f"{len(clean)} cases of {target} did not show it")
