"""One answer of a learner's file, judged in a process that is there for nothing else.

`grade` starts it. Of the file only that is run which the answer needs: the statements that bind the
names in it, and the names in those. Neither long cells nor broken ones elsewhere matter then.

>>> cells = [("<cell 1>", "import math\\nx = print('no')\\ndef half(x): return x / 2")]
>>> cells += [("<cell 2>", "def my_root(x): return math.sqrt(half(4 * x))")]
>>> run(statements(cells), "my_root")(8)
4.0
"""

import ast
import json
import linecache
import os
import re
import symtable
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from .checks.judging import ERROR, NOT_ATTEMPTED, Verdict, judge, verdict_of
from .exercises import EXERCISES
from .grade import MEMORY, cells_of

Cell = tuple[str, str]  # what a message calls it, and its source


class Statement(NamedTuple):
    """A statement of a file: the names that it binds, and those of the file that it uses."""

    file: str
    node: ast.stmt
    binds: set[str]
    uses: set[str]
    later: bool  # it uses them when it is called, as functions and classes do


def statements(cells: Sequence[Cell]) -> list[Statement]:
    """All of a file in order; a cell that Python cannot read is left out, as in a notebook."""
    found = []
    for name, source in cells:
        # Lines for the notebook alone, `%matplotlib inline` say, are no Python.
        text = re.sub(r"(?m)^(\s*)[%!?].*$", r"\1pass", source)
        try:
            tree = ast.parse(text, name)
        except SyntaxError:
            continue
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        found += [_statement(name, node) for node in tree.body]
    return found


def _statement(file: str, node: ast.stmt) -> Statement:
    table = symtable.symtable(ast.unparse(node), file, "exec")
    here = table.get_symbols()
    binds = {s.get_name() for s in here if s.is_assigned() or s.is_imported()}
    uses = {s.get_name() for s in here if s.is_referenced()}
    inner = list(table.get_children())
    while inner:
        scope = inner.pop()
        uses |= {s.get_name() for s in scope.get_symbols() if s.is_global()}
        inner += scope.get_children()
    uses |= binds if isinstance(node, ast.AugAssign) else set()
    later = isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
    return Statement(file, node, binds, uses, later)


def needed(file: Sequence[Statement], name: str) -> list[Statement]:
    """What has to run for `name` to work, in order; nothing if the file does not bind it.

    A name means its last binding before it is used; inside a function also the last before `name`.
    """

    def last(name: str, before: int) -> int | None:
        return next((i for i in reversed(range(before)) if name in file[i].binds), None)

    target = last(name, len(file))
    if target is None:
        return []
    star = [n for n, s in enumerate(file[:target]) if _is_star(s.node)]
    chosen, queue = set(), [target, *star]
    while queue:
        number = queue.pop()
        if number in chosen:
            continue
        chosen.add(number)
        for used in file[number].uses:
            found = {last(used, number)} | ({last(used, target)} if file[number].later else set())
            if found == {None}:
                found = {next((i for i, s in enumerate(file) if used in s.binds), None)}
            queue += [place for place in found if place is not None]
    return [file[number] for number in sorted(chosen)]


def _is_star(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.names[0].name == "*"


def run(file: Sequence[Statement], name: str) -> Any:
    """The value of `name`, after the statements that it needs."""
    module = ModuleType("answers")
    sys.modules[module.__name__] = module  # where dataclasses look for the names in a class
    for statement in needed(file, name):
        tree = ast.Module([statement.node], [])
        exec(compile(tree, statement.file, "exec"), module.__dict__)
    return getattr(module, name)


def verdict(path: Path, lesson: str, name: str) -> Verdict:
    """Judge one answer of a file."""
    try:
        cells = cells_of(path)
        file = statements(cells)
        if not needed(file, name):
            for place, source in cells:
                if re.search(rf"\b{name}\b", source):
                    compile(source, place, "exec")  # raises what is wrong with it
            return Verdict(NOT_ATTEMPTED, f"the file defines no {name}")
        return judge(EXERCISES[lesson][name], run(file, name))
    except SystemExit:
        return Verdict(ERROR, "the file ended the program (SystemExit); return a value")
    except BaseException as error:
        return verdict_of(error)


def _limit(megabytes: int) -> None:
    """Allow so much memory beyond what the process has now, where the system can do that."""
    try:
        import resource

        used = Path("/proc/self/status").read_text().split("VmData:")[1].split()[0]
        most = (int(used) << 10) + (megabytes << 20)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    except (ImportError, OSError):
        pass


def main() -> None:
    """Judge and write the verdict; the process ends here, whatever threads an answer left."""
    path, lesson, name, megabytes, out = sys.argv[1:]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # from here on the time counts: `grade` waits until these are closed
        os.dup2(nowhere, stream)
    _limit(int(megabytes))
    said = verdict(Path(path), lesson, name)
    word, sentence = said.word, said.sentence
    if isinstance(said.error, MemoryError) or "can't allocate memory" in sentence:
        word, sentence = MEMORY, f"needs more than {megabytes} MB"
    case, said = said.case, Verdict(word)  # lets go of what the error's frames hold
    draft = Path(f"{out}.draft")
    draft.write_text(json.dumps({"verdict": word, "sentence": sentence, "case": case}))
    os.replace(draft, out)
    os._exit(0)


if __name__ == "__main__":
    main()
