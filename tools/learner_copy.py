"""A learner's own copy of the lessons, in my/, which git ignores.

    python tools/learner_copy.py              copy what is not there yet; touch nothing that is
    python tools/learner_copy.py --fresh 05   put your 05 aside under another name, copy it anew

my/ lies beside notebooks/, so the links to figures, README and solutions work from both.
"""

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

from lessons import NOTEBOOKS, ROOT, find

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
    except ValueError as error:
        parser.error(str(error))
    print("\n".join(lines))
    return 0


def copy_new(source: Path, target: Path) -> list[str]:
    """Copy every file of the lessons that `target` lacks; returns what to tell the learner."""
    record, copied, newer = _read(target), 0, []
    for name in _names(source):
        mine = target / name
        if not mine.exists():
            mine.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, mine)
            record[name] = _content(source / name)
            copied += 1
        elif record.get(name) != _content(source / name) != _content(mine):
            newer.append(name)
    _write(target, record)
    told = [f"{copied} files copied to {target.name}/; work there, it is yours"]
    told += [f"{name} has changed since you copied it; yours is untouched" for name in newer]
    return [*told, "a fresh copy of a lesson, yours put aside: make fresh NB=05"]


def copy_fresh(number: str, source: Path, target: Path) -> list[str]:
    """Copy a lesson and its solution anew; what stood there keeps a numbered name beside it.

    ValueError if there is no such lesson.
    """
    record, told = _read(target), []
    for path in find([number], source):
        name = path.relative_to(source).as_posix()
        mine = target / name
        if mine.exists() and _content(mine) != _content(path):
            aside = _unused(mine)
            mine.rename(aside)
            told.append(f"your {name} is now {aside.relative_to(target).as_posix()}")
        mine.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, mine)
        record[name] = _content(path)
        told.append(f"{target.name}/{name} is fresh")
    _write(target, record)
    return told


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


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(target: Path) -> dict[str, str]:
    record = target / RECORD
    return json.loads(record.read_text()) if record.exists() else {}


def _write(target: Path, record: dict[str, str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    (target / RECORD).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
