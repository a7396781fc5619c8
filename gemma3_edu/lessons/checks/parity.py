"""Check of an exercise on parity: the first stage and position at which two models part.

>>> def last(ours, theirs, limit):
...     return max((name, 0) for name in ours)
>>> check_first_divergence(last)
Traceback (most recent call last):
AssertionError: found ('logits', 0) where both are equal but for rounding; expected None
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Stages = Mapping[str, Tensor]
Found = tuple[str, int] | None


def check_first_divergence(fn: Callable[[Stages, Stages, float], Any]) -> None:
    """`fn(ours, theirs, limit)` is (stage, position) of the first divergence, or None.

    Both map stages, in the order of the model, to Float[B T D]. A column is wrong where the length
    of the difference is more than `limit` times the length of theirs, or no number at all. The
    first stage with a wrong column counts, and in it the first position, in whichever row.
    """
    cases = _cases()
    answers = [fn(ours, theirs, 1e-5) for _, ours, theirs in cases]
    wants = [_first(ours, theirs, 1e-5) for _, ours, theirs in cases]
    for answer in answers:
        assert answer is None or (
            isinstance(answer, tuple)
            and len(answer) == 2
            and isinstance(answer[0], str)
            and isinstance(answer[1], int)
        ), f"expected (stage, position), a str and an int, or None; got {answer!r}"
    if answers == wants:
        return
    for sentence, slip in _SLIPS:
        assert answers != [slip(ours, theirs, 1e-5) for _, ours, theirs in cases], sentence
    for (name, _, _), answer, want in zip(cases, answers, wants, strict=True):
        assert answer == want, f"found {answer} where {name}; expected {want}"


def _ratio(ours: Tensor, theirs: Tensor) -> Tensor:
    return (ours - theirs).norm(dim=-1) / theirs.norm(dim=-1)  # B T


def _wrong(ours: Tensor, theirs: Tensor, limit: float) -> Tensor:
    return ~(_ratio(ours, theirs) <= limit)


Wrong = Callable[[Tensor, Tensor, float], Tensor]


def _first(ours: Stages, theirs: Stages, limit: float, wrong: Wrong = _wrong) -> Found:
    for name in ours:
        found = wrong(ours[name], theirs[name], limit)
        if found.any():
            return name, int(found.any(0).int().argmax())
    return None


def _cases() -> list[tuple[str, Stages, Stages]]:
    """(what is the matter, ours, theirs): streams grow from a length of about 1/8 to about 400."""
    g = torch.Generator().manual_seed(15)
    names = ["embeddings", *(f"block {n}" for n in range(11)), "final norm", "logits"]
    theirs = {
        name: torch.randn(2, 7, 17 if name == "logits" else 5, generator=g) * 2.0 ** (k - 4)
        for k, name in enumerate(names)
    }

    def off(**places: float) -> Stages:
        """A copy in which columns, named stage__row__position, are longer by a factor."""
        ours = {name: x * (1 + 2e-7) for name, x in theirs.items()}
        for place, factor in places.items():
            stage, row, position = place.split("__")
            ours[stage.replace("_", " ")][int(row), int(position)] *= 1 + factor
        return ours

    lost = off(block_4__0__2=float("nan"), block_5__0__1=float("nan"))
    return [
        ("both are equal but for rounding", off(), theirs),
        ("a short column of the embeddings differs", off(embeddings__0__3=2e-5), theirs),
        ("block 2 differs first", off(block_2__0__4=1e-3, block_10__0__4=1e-2), theirs),
        ("the logits differ most", off(block_9__0__4=1e-4, logits__0__5=0.5), theirs),
        ("row 1 differs earlier", off(block_3__0__5=1e-3, block_3__1__4=1e-3), theirs),
        ("a later column differs more", off(block_1__1__2=1e-4, block_1__1__6=0.5), theirs),
        ("only the logits differ", off(logits__1__0=1e-4), theirs),
        ("a column is NaN", lost, theirs),
    ]


def _sorted(ours: Stages, theirs: Stages, limit: float) -> Found:
    return _first({name: ours[name] for name in sorted(ours)}, theirs, limit)


def _worst(ours: Stages, theirs: Stages, limit: float) -> Found:
    ratios = {name: _ratio(ours[name], theirs[name]).nan_to_num(nan=torch.inf) for name in ours}
    name = max(ratios, key=lambda name: float(ratios[name].max()))
    return _first({name: ours[name]}, theirs, limit)


def _by_column(change: Callable[[Tensor], Tensor]) -> Callable[[Stages, Stages, float], Found]:
    """The right stage, and a position that `change` makes of its errors, B T."""

    def slip(ours: Stages, theirs: Stages, limit: float) -> Found:
        found = _first(ours, theirs, limit)
        if found is None:
            return None
        errors = _ratio(ours[found[0]], theirs[found[0]]).nan_to_num(nan=torch.inf)
        return found[0], int(change(errors.where(errors > limit, 0.0)))

    return slip


def _with(wrong: Wrong) -> Callable[[Stages, Stages, float], Found]:
    return lambda ours, theirs, limit: _first(ours, theirs, limit, wrong)


def _mean(x: Tensor) -> Tensor:
    return x.mean((0, 1), keepdim=True)[..., 0]


_SLIPS: list[tuple[str, Callable[[Stages, Stages, float], Found]]] = [
    (
        "NaN went unnoticed: it is not greater than any limit; ask what is not at most the limit",
        _with(lambda ours, theirs, limit: _ratio(ours, theirs) > limit),
    ),
    (
        "stages in the order of the alphabet, in which block 10 stands before block 2; keep the"
        " order in which they come",
        _sorted,
    ),
    ("the worst stage, not the first: an error grows on its way", _worst),
    (
        "compared the plain difference with the limit: divide by the length of theirs, since"
        " streams are short in the beginning and long at the end",
        _with(lambda ours, theirs, limit: ~((ours - theirs).norm(dim=-1) <= limit)),
    ),
    (
        "averaged over the columns: a single wrong one drowns; take the worst",
        _with(
            lambda ours, theirs, limit: (
                ~(_mean(_ratio(ours, theirs)[..., None]) <= limit).expand(ours.shape[:2])
            )
        ),
    ),
    (
        "divided by the length of the whole stage: take each column beside its own length",
        _with(lambda ours, theirs, limit: ~((ours - theirs).norm(dim=-1) / theirs.norm() <= limit)),
    ),
    (
        "counted through both rows: a position is counted within its row",
        _by_column(lambda errors: (errors.flatten() > 0).int().argmax()),
    ),
    ("the worst position, not the first", _by_column(lambda errors: errors.amax(0).argmax())),
    (
        "looked at row 0 only, or took the first row with a difference",
        _by_column(lambda errors: (errors[int((errors[0] == 0).all())] > 0).int().argmax()),
    ),
]
