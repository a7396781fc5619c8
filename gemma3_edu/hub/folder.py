"""The files of a folder replaced together: a reader finds all old ones or all new ones.

A file system moves one file at a time, so a program that is killed between two moves would leave a
mixture. Therefore the new files are written in a folder of their own inside, `.gemma3_edu.draft`,
which then becomes `.gemma3_edu.saved`: one move, from which on the new files are the ones that
count, and `current` reads them there. Then each is linked to its usual place, and the folder
inside goes. Programs that do not know it find no `config.json` in the meantime: it is removed
first and comes back last.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     for number in ("1", "2"):
...         with replacing(folder, lambda name: False) as draft:
...             _ = (draft / KEY).write_text(number)
...     (current(folder) / KEY).read_text(), os.listdir(folder)
('2', ['config.json'])
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias, TypeVar

from filelock import FileLock, Timeout

T = TypeVar("T")
Naming: TypeAlias = Callable[[str], object]
"""Whether a file of this name is one that we write, and may therefore remove."""
KEY = "config.json"
"""The file without which no program takes a folder for a checkpoint."""
TRIES = 100
DRAFT, SAVED, LOCK = ".gemma3_edu.draft", ".gemma3_edu.saved", ".gemma3_edu.lock"


def current(folder: str | Path) -> Path:
    """Where the files of a folder are: in it, but for a save that is between its two ends."""
    saved = Path(folder) / SAVED
    return saved if _is_whole(saved) else Path(folder)


def steadily(folder: str | Path, is_ours: Naming, read: Callable[[Path], T]) -> T:
    """What `read` makes of the folder that `current` names, with all files of one state.

    It is read again if one of our files has changed meanwhile, whatever came of it.
    """
    for _ in range(TRIES):
        before = _state(folder, is_ours)
        try:
            result = read(current(folder))
        except (ValueError, OSError):
            if _state(folder, is_ours) == before:
                raise
            continue
        if _state(folder, is_ours) == before:
            return result
    raise ValueError(f"folder: {folder} changes all the time; wait until nothing is saved there")


def _state(folder: str | Path, is_ours: Naming) -> object:
    where = current(folder)
    with suppress(OSError):
        files = [file for file in where.iterdir() if is_ours(file.name)]
        facts = [(file.name, file.stat()) for file in sorted(files)]
        return where, [(name, f.st_ino, f.st_mtime_ns, f.st_size) for name, f in facts]
    return where  # a file or the folder has just gone, or is not ours to read


@contextmanager
def replacing(folder: str | Path, is_ours: Naming) -> Iterator[Path]:
    """Within the context, write new files to the folder that it yields; they replace old ones.

    Old files of our own names go if there is no new one of that name; all others stay. What a
    killed program left is finished or cleared away first. One program at a time: another one waits.
    An error within the context, or a full disk, leaves the old files; an error later (a file that
    another program keeps open, say) leaves the new ones in `.gemma3_edu.saved`, from where
    `current` reads them until the next save has put them in place.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / DRAFT
    with locked(folder, wait=True):
        _finish(folder, is_ours)
        _clear(draft)
        draft.mkdir()
        try:
            yield draft
            for file in [*draft.iterdir(), draft]:
                _to_disk(file)
            draft.rename(folder / SAVED)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        try:
            _finish(folder, is_ours)
        except OSError as error:
            error.add_note(
                f"All new files are in {folder / SAVED}, and load reads them there; other programs "
                "find no checkpoint until the next save has put the files in place."
            )
            raise


def keep(file: Path, folder: Path) -> None:
    """Give a folder a file that is there already, as a link where the file system has links."""
    try:
        os.link(file.resolve(), folder / file.name)
    except OSError:
        shutil.copy2(file, folder / file.name)


@contextmanager
def locked(folder: Path, *, wait: bool) -> Iterator[None]:
    """Within the context, no other program has this lock; that of a killed program is free.

    Without `wait`, a lock that is held is a ValueError.
    """
    lock = FileLock(folder / LOCK, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"folder: another process is at work in {folder}; wait until it ends, or name another"
        ) from None
    try:
        yield
    finally:
        with suppress(OSError):  # whoever waits for it sees that it is gone, and makes a new one
            (folder / LOCK).unlink()
        lock.release()


def _finish(folder: Path, is_ours: Naming) -> None:
    """Link the files of a whole save to their places; any number of tries ends the same."""
    saved = folder / SAVED
    if not _is_whole(saved):
        _clear(saved)
        return
    _to_disk(folder)  # that they are the ones that count, before an old one goes
    (folder / KEY).unlink(missing_ok=True)
    names = sorted(os.listdir(saved), key=lambda name: (name == KEY, name))
    for old in folder.iterdir():
        if is_ours(old.name) and old.name not in names:
            old.unlink()
    for name in names:
        place = folder / name
        if not (place.exists() and place.samefile(saved / name)):
            place.unlink(missing_ok=True)
            keep(saved / name, folder)
    _to_disk(folder)
    with suppress(OSError):  # both are the new files; the next save clears one away
        saved.rename(folder / DRAFT)
        _clear(folder / DRAFT)


def _is_whole(saved: Path) -> bool:
    return not saved.is_symlink() and (saved / KEY).is_file()


def _clear(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _to_disk(path: Path) -> None:
    """Wait until the disk has it, so that a power cut never keeps a later step alone."""
    if os.name == "nt":
        return  # Windows does that for files that it may write, and for no folders
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
