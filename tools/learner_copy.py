"""A learner's own copy of the lessons, in my/, which git ignores.

    python tools/learner_copy.py              copy what is not there yet; touch nothing that is
    python tools/learner_copy.py --fresh 05   put your 05 aside under another name, copy it anew

Lessons are copied without their outputs, which would answer what they ask; solutions keep theirs.
my/ lies beside notebooks/, so the links to figures, README and solutions work from both.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

from lessons import NOTEBOOKS, ROOT, find, is_solution

MY = ROOT / "my"
RECORD = ".copied.json"  # what each file was when it was copied, to notice newer lessons
LEFT_OUT = {".py", ".pyc"}


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fresh", metavar="NB", help="number of a lesson to copy anew")
    parser.add_argument("--source", type=Path, default=NOTEBOOKS, help="where the lessons lie")
    parser.add_argument("--target", type=Path, default=MY, help="where your copies lie")
    options = parser.parse_args(arguments)
    try:
        if options.fresh is None:
            lines = copy_new(options.source, options.target)
        else:
            lines = copy_fresh(options.fresh, options.source, options.target)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print("\n".join(lines))
    return 0


def copy_new(source: Path, target: Path) -> list[str]:
    """Copy every file of the lessons that `target` lacks; returns what to tell the learner."""
    record, told = _record(source, target)
    copied, newer = 0, []
    for name in _names(source):
        mine, fresh = target / name, handed_out(source / name)
        if not mine.exists():
            _put(mine, fresh)
            record[name] = _content(fresh)
            _put(target / RECORD, _listed(record))  # at once: the next copy may be interrupted
            copied += 1
        elif record.get(name) != _content(fresh) != _content(mine.read_bytes()):
            newer.append(name)
    told.append(f"{copied} files copied to {target.name}/; work there, it is yours")
    told += [f"{name} has changed since you copied it; yours is untouched" for name in newer]
    return [*told, "a fresh copy of a lesson, yours put aside: make fresh NB=05"]


def copy_fresh(number: str, source: Path, target: Path) -> list[str]:
    """Copy a lesson and its solution anew; what stood there keeps a numbered name beside it.

    ValueError if there is no such lesson.
    """
    paths = find([number], source)
    record, told = _record(source, target)
    for path in paths:
        name = path.relative_to(source).as_posix()
        mine, fresh, aside = target / name, handed_out(path), None
        if mine.exists() and mine.read_bytes() != fresh:
            aside = _unused(mine)
            told.append(f"your {name} is now {aside.relative_to(target).as_posix()}")
        _put(mine, fresh, aside)
        record[name] = _content(fresh)
        _put(target / RECORD, _listed(record))
        told.append(f"{target.name}/{name} is fresh")
    return told


def handed_out(path: Path) -> bytes:
    """What a learner gets of a file: of a lesson no outputs, of all else every byte.

    ValueError if a lesson is not a notebook (a merge left open, say).
    """
    data = path.read_bytes()
    if path.suffix != ".ipynb" or is_solution(path):
        return data
    try:
        nb = json.loads(data)
        for cell in nb["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{path} is not a notebook: {error}") from error
    return (json.dumps(nb, indent=1, ensure_ascii=False) + "\n").encode()


def _names(source: Path) -> list[str]:
    files = [path for path in sorted(source.rglob("*")) if path.is_file()]
    names = [path.relative_to(source) for path in files if path.suffix not in LEFT_OUT]
    return [n.as_posix() for n in names if not any(part.startswith(".") for part in n.parts)]


def _unused(path: Path) -> Path:
    """The first free name of the form 05_masks.mine-1.ipynb."""
    number = 1
    while (aside := path.with_suffix(f".mine-{number}{path.suffix}")).exists():
        number += 1
    return aside


def _content(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _record(source: Path, target: Path) -> tuple[dict[str, str], list[str]]:
    """What each file was when it was copied, and what to tell the learner about this list.

    If it cannot be read, all that lies in `target` counts as copied today.
    """
    path = target / RECORD
    if not path.exists():
        return {}, []
    try:
        record = json.loads(path.read_bytes())
        if isinstance(record, dict):
            return record, []
    except ValueError:
        pass
    there = [name for name in _names(source) if (target / name).exists()]
    record = {name: _content(handed_out(source / name)) for name in there}
    _put(path, _listed(record))
    told = f"{target.name}/{RECORD} was damaged and is made anew: changes of lessons count from now"
    return record, [told]


def _listed(record: dict[str, str]) -> bytes:
    return (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()


def _put(path: Path, data: bytes, aside: Path | None = None) -> None:
    """Write a file whole or not at all; what stands at its place goes to `aside` first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")  # a killed copy's is written over by the next
    try:
        draft.write_bytes(data)
        if aside is not None:
            path.rename(aside)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
