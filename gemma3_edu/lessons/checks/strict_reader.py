"""Checks on reading a file strictly: a fault that a careless check lets pass, and all faults.

>>> check_problems(lambda wanted, found, rename: set())
Traceback (most recent call last):
gemma3_edu.lessons.checks.grading.CheckError: ('doubled', 'layers.0.o.weight') is missing \
(a file with five problems)
"""

from collections.abc import Callable, Mapping
from typing import Any

from .difference import show
from .grading import Case, Check, ask, require, standard_torch

Shapes = Mapping[str, Any]
Rename = Callable[[str], str | None]
Problems = set[tuple[str, str]]


# A file that a careless check lets pass


def _place_of(name: str) -> str | None:
    """Our name by the three beginnings of the lesson."""
    for start in ("language_model.model.", "model.language_model.", "model."):
        if name.startswith(start):
            return name.removeprefix(start)
    return None


@standard_torch()
def check_unseen(fn: Callable[[], Any]) -> None:
    """`fn()` gives a file with a fault that the colleague of the lesson does not see.

    A file is a dict of shapes by name, for a model that wants norm.weight (6,) and
    layers.0.mlp.up_proj.weight (8, 6).

    >>> check_unseen(lambda: {"model.norm.weight": (6,)})
    """
    wanted = {"norm.weight": (6,), "layers.0.mlp.up_proj.weight": (8, 6)}
    found = ask(fn)
    named = isinstance(found, dict) and all(isinstance(name, str) for name in found)
    require(named, f"expected a dict of shapes by name, got {show(found) or type(found).__name__}")
    require(found, "a file without tensors; change one thing and leave the others")
    ours = {_place_of(name): (name, shape) for name, shape in found.items()}  # one a place
    for place, (name, shape) in ours.items():
        want = wanted.get(place or "", shape)
        seen = f"the colleague sees it: {name} is {show(shape)}, and {show(want)} is wanted"
        require(shape == want, seen)
    faults = _problems(wanted, found, _place_of)
    require(faults, "nothing is wrong with this file; change one thing")


# All that is wrong with a file


def _file_cases() -> dict[str, Case]:
    wanted = {
        "embed.weight": (11, 6),
        "layers.0.q.weight": (8, 6),
        "layers.0.o.weight": (6, 8),
        "layers.0.norm.weight": (6,),
        "norm.weight": (6,),
    }
    broken = {
        "model.embed.weight": (11, 6),
        "model.layers.0.q.weight": (6, 8),
        "old.layers.0.o.weight": (6, 8),
        "model.layers.0.o.weight": (6, 8),
        "model.layers.0.k.weight": (4, 6),
        "model.norm.weight": (7,),
        "optimizer.step": (1,),
    }
    right = {f"model.{name}": shape for name, shape in wanted.items()}
    twice = {"old.norm.weight": (7,), "model.norm.weight": (8,)}
    strangers = {"old.norm.weight": (7,), "optimizer.step": (1,), "optimizer.rate": (1,)}
    few = {"norm.weight": (6,)}
    return {
        "a file in which all is right": (wanted, right, _rename),
        "a file with five problems": (wanted, broken, _rename),
        "two tensors for norm.weight, both of another shape": (few, twice, _rename),
        "a second tensor of another shape, and two strangers": (
            few,
            {"model.norm.weight": (6,), **strangers},
            _rename,
        ),
    }


def _rename(name: str) -> str | None:
    prefix, _, rest = name.partition(".")
    return rest if prefix in ("model", "old") else None


def _problems(wanted: Shapes, found: Shapes, rename: Rename) -> Problems:
    out: Problems = set()
    known: set[str] = set()
    for theirs, shape in found.items():
        ours = rename(theirs)
        if ours is None or ours not in wanted:
            out.add(("unknown", theirs))
        elif ours in known:
            out.add(("doubled", ours))
        else:
            known.add(ours)
            if shape != wanted[ours]:
                out.add(("shape", ours))
    return out | {("missing", name) for name in wanted if name not in known}


def _unnoticed(kind: str) -> Callable[[Shapes, Shapes, Rename], Problems]:
    return lambda *case: {problem for problem in _problems(*case) if problem[0] != kind}


def _known_name(wanted: Shapes, found: Shapes, rename: Rename) -> Problems:
    problems = _problems(wanted, found, rename)
    return {p for p in problems if p[0] != "unknown" or rename(p[1]) is None}


def _in_any_order(wanted: Shapes, found: Shapes, rename: Rename) -> Problems:
    ours, theirs = ({k: sorted(shape) for k, shape in x.items()} for x in (wanted, found))
    return _problems(ours, theirs, rename)


def _shape_first(wanted: Shapes, found: Shapes, rename: Rename) -> Problems:
    """A tensor of another shape is not looked at again."""
    out, known = _problems(wanted, {}, rename), set[str]()
    for theirs, shape in found.items():
        ours = rename(theirs)
        if ours is None or ours not in wanted:
            out.add(("unknown", theirs))
            continue
        out.discard(("missing", ours))
        if shape != wanted[ours]:
            out.add(("shape", ours))
        elif ours in known:
            out.add(("doubled", ours))
        known.add(ours)
    return out


def _met_first(wanted: Shapes, found: Shapes, rename: Rename) -> set[Any]:
    """Whatever has a name that was met before is doubled, None too."""
    met, out = [rename(theirs) for theirs in found], set()
    for n, (theirs, shape) in enumerate(found.items()):
        if met[n] in met[:n]:
            out.add(("doubled", met[n]))
        else:
            out |= _problems(wanted, {theirs: shape}, rename)
    return {p for p in out if p[0] != "missing" or p[1] not in met}


def _with_none_doubled(wanted: Shapes, found: Shapes, rename: Rename) -> set[Any]:
    return _problems(wanted, found, rename) | _met_first(wanted, found, rename)


def _both_judged(wanted: Shapes, found: Shapes, rename: Rename) -> Problems:
    each = [_problems(wanted, {theirs: shape}, rename) for theirs, shape in found.items()]
    shapes = {problem for problems in each for problem in problems if problem[0] == "shape"}
    return _problems(wanted, found, rename) | shapes


def _only_one(got: Any, want: Problems, *case: object) -> str | None:
    alone = isinstance(got, set) and len(got) == 1 < len(want) and got <= want
    return "stopped at one problem; report all at once" if alone else None


check_problems = Check(
    """`fn(wanted, found, rename)` is the set of all that is wrong with a file, as (kind, name).

    `wanted` and `found` give each tensor's shape, by our name and by the file's; `rename` turns
    the second into the first, or None. "unknown" goes with the file's name, all else with ours.
    """,
    "wanted found rename",
    _problems,
    _file_cases,
    {
        "names were compared without `rename`": lambda wanted, found, rename: _problems(
            wanted, found, lambda name: name
        ),
        "names were changed by `place_of`; call the `rename` that is given": (
            lambda wanted, found, rename: _problems(wanted, found, _place_of)
        ),
        "a transposed matrix was accepted; compare shapes in order": _in_any_order,
        "a tensor that nothing asks for went unnoticed": _unnoticed("unknown"),
        "a tensor went unnoticed whose name `rename` knows, and which is no parameter": _known_name,
        "a parameter without a tensor went unnoticed": _unnoticed("missing"),
        "a tensor of another shape went unnoticed": _unnoticed("shape"),
        "two tensors for one parameter went unnoticed": _unnoticed("doubled"),
        "a second tensor of another shape was not told as doubled": _shape_first,
        "the shape of a second tensor was told too; it is doubled and no more": _both_judged,
        "two unknown tensors were told as doubled; `rename` gives None for both": [
            _met_first,
            _with_none_doubled,
        ],
    },
    explain=_only_one,
)
