"""Checks of the exercises on parity: where two models part, and what is wrong.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 1", check_first_divergence, lambda ours, theirs, limit: ("logits", 0))
Exercise 1: got 'logits, position 0', expected 'none' (both are equal but for rounding)
"""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...model import Attention, Block, GatedMLP, Gemma3, TokenEmbedding
from ...model.config import RopeConfig
from ...verify.verify import first_divergence
from ..mistakes import Plant, in_each, setting
from .difference import show
from .grading import Case, Check, CheckError, ask, require, standard_torch

Stages = Mapping[str, Tensor]
Found = tuple[str, int] | None
Search = Callable[[Stages, Stages, float], Found]
Wrong = Callable[[Tensor, Tensor, float], Tensor]


def _said(got: Any) -> str:
    return show(got) or type(got).__name__


# The first divergence


def _stages() -> dict[str, Case]:
    """Streams grow from a length of about 1/8 to about 400."""
    g = torch.Generator().manual_seed(15)
    names = ["embeddings", *(f"block {n}" for n in range(11)), "final norm", "logits"]
    theirs = {
        name: torch.randn(2, 7, 17 if name == "logits" else 5, generator=g) * 2.0 ** (k - 4)
        for k, name in enumerate(names)
    }

    def off(limit: float = 1e-5, **places: float) -> Case:
        """Columns, named stage__row__position, are longer by a factor in ours."""
        ours = {name: x * (1 + 2e-7) for name, x in theirs.items()}
        for place, factor in places.items():
            stage, row, position = place.split("__")
            ours[stage.replace("_", " ")][int(row), int(position)] *= 1 + factor
        return ours, theirs, limit

    def last(more: float) -> Case:
        """One column, of length 2, whose last element is near zero in theirs."""
        column = torch.tensor([1.0, 1, 1, 1, 1e-9])
        two = [{name: x.clone() for name, x in theirs.items()} for _ in range(2)]
        for copies, change in zip(two, (more, 0.0), strict=True):
            copies["block 2"][0, 3] = column + change * (column < 0.5)
        return two[0], two[1], 1e-5

    return {
        "both are equal but for rounding": off(),
        "a short column of the embeddings differs": off(embeddings__0__3=2e-5),
        "block 2 differs first": off(block_2__0__4=1e-3, block_10__0__4=1e-2),
        "the logits differ most": off(block_9__0__4=1e-4, logits__0__5=0.5),
        "row 1 differs earlier": off(block_3__0__5=1e-3, block_3__1__4=1e-3),
        "a later column differs more": off(block_1__1__2=1e-4, block_1__1__6=0.5),
        "only the logits differ": off(logits__1__0=1e-4),
        "a column is NaN": off(block_4__0__2=torch.nan, block_5__0__1=torch.nan),
        "a column differs by 1e-8, in an element near zero": last(2e-8),
        "a column differs by 7.5e-6, in one element": last(1.5e-5),
        "a column differs by 1.5e-5, in one element": last(3e-5),
        "a column differs by half of theirs, limit 0.4": off(0.4, block_2__1__3=0.5),
        "a column differs by 0.3 of theirs, limit 0.4": off(0.4, block_2__0__1=-0.3),
    }


def _in_words(fn: Search, ours: Stages, theirs: Stages, limit: float) -> str:
    found = ask(fn, ours, theirs, limit)
    if found is None:
        return "none"
    parts = found if isinstance(found, tuple) else (found,)
    if not (len(parts) == 2 and isinstance(parts[0], str) and isinstance(parts[1], Integral)):
        kinds = ", ".join(type(part).__name__ for part in parts[:3])
        raise CheckError(f"got {kinds}, expected (stage, position), a str and an int, or None")
    return f"{parts[0]}, position {parts[1]}"


def _ratio(ours: Tensor, theirs: Tensor) -> Tensor:
    return (ours - theirs).norm(dim=-1) / theirs.norm(dim=-1)  # B T


def _wrong(ours: Tensor, theirs: Tensor, limit: float) -> Tensor:
    return ~(_ratio(ours, theirs) <= limit)


def _first(ours: Stages, theirs: Stages, limit: float, wrong: Wrong = _wrong) -> Found:
    for name in ours:
        found = wrong(ours[name], theirs[name], limit)
        if found.any():
            return name, int(found.any(0).int().argmax())
    return None


def _where(error: Callable[[Tensor, Tensor], Tensor]) -> Search:
    """A search that measures another error than `_ratio`."""

    def wrong(ours: Tensor, theirs: Tensor, limit: float) -> Tensor:
        return ~(error(ours, theirs) <= limit).expand(ours.shape[:2])

    return partial(_first, wrong=wrong)


def _at(position: Callable[[Tensor], Tensor]) -> Search:
    """The right stage, and a position that is made of its errors, B T."""

    def search(ours: Stages, theirs: Stages, limit: float) -> Found:
        found = _first(ours, theirs, limit)
        if found is None:
            return None
        errors = _ratio(ours[found[0]], theirs[found[0]]).nan_to_num(nan=torch.inf)
        return found[0], int(position(errors.where(errors > limit, 0.0)))

    return search


def _elementwise(ours: Tensor, theirs: Tensor) -> Tensor:
    return ((ours - theirs) / theirs).abs().amax(-1)


def _largest(ours: Tensor, theirs: Tensor) -> Tensor:
    return (ours - theirs).abs().amax(-1) / theirs.abs().amax(-1)


def _earliest(ours: Stages, theirs: Stages, limit: float) -> Found:
    wrong = {name: _wrong(ours[name], theirs[name], limit).any(0) for name in ours}
    places = [(int(far.int().argmax()), name) for name, far in wrong.items() if far.any()]
    if not places:
        return None
    position, name = min(places, key=lambda place: place[0])
    return name, position


def _mixed(ours: Stages, theirs: Stages, limit: float) -> Found:
    first, early = _first(ours, theirs, limit), _earliest(ours, theirs, limit)
    return first and early and (first[0], early[1])


def _worst_stage(ours: Stages, theirs: Stages, limit: float) -> Found:
    ratios = {name: _ratio(ours[name], theirs[name]).nan_to_num(nan=torch.inf) for name in ours}
    name = max(ratios, key=lambda name: float(ratios[name].max()))
    return _first({name: ours[name]}, theirs, limit)


def _last_stage(ours: Stages, theirs: Stages, limit: float) -> Found:
    return _first({name: ours[name] for name in reversed(list(ours))}, theirs, limit)


check_first_divergence = Check(
    """`fn(ours, theirs, limit)` is (stage, position) of the first divergence, or None.

    Both map stages, in the order of the model, to Float[B T D]. A column is wrong where the length
    of the difference is more than `limit` times the length of theirs, or no number at all. The
    first stage with a wrong column counts, and in it the first position, in whichever row.
    """,
    "ours theirs limit",
    first_divergence,
    _stages,
    {
        "NaN went unnoticed: it is not greater than any limit; ask what is not at most the limit": (
            partial(_first, wrong=lambda ours, theirs, limit: _ratio(ours, theirs) > limit)
        ),
        "stages in the order of the alphabet, in which block 10 stands before block 2; keep the"
        " order in which they come": lambda ours, theirs, limit: _first(
            {name: ours[name] for name in sorted(ours)}, theirs, limit
        ),
        "the last stage, not the first: go through them in their order": _last_stage,
        "the worst stage, not the first: an error grows on its way": _worst_stage,
        "compared the plain difference with the limit: divide by the length of theirs, since"
        " streams are short in the beginning and long at the end": _where(
            lambda ours, theirs: (ours - theirs).norm(dim=-1)
        ),
        "divided by the length of ours: the reference is the measure, so divide by theirs": _where(
            lambda ours, theirs: _ratio(theirs, ours)
        ),
        "averaged over the columns: a single wrong one drowns; take the worst": _where(
            lambda ours, theirs: _ratio(ours, theirs).mean()
        ),
        "divided element by element: one near zero may differ by much of itself, and be rounding;"
        " divide the length of a column's difference by the length of theirs": _where(_elementwise),
        "took the largest element of a column: its error is a length by a length, `norm(dim=-1)`": (
            _where(_largest)
        ),
        "averaged over the rows: a row that is right hides half of an error; ask for any row": (
            _where(lambda ours, theirs: _ratio(ours, theirs).mean(0))
        ),
        "the earliest position of all stages: find the first stage, then the position in it": [
            _earliest,
            _mixed,
        ],
        "divided by the length of the whole stage: compare each column with its own length": _where(
            lambda ours, theirs: (ours - theirs).norm(dim=-1) / theirs.norm()
        ),
        "compared with 1e-5 in every call: `limit` may be another one": (
            lambda ours, theirs, limit: _first(ours, theirs, 1e-5)
        ),
        "counted through both rows: a position is counted within its row": _at(
            lambda errors: (errors.flatten() > 0).int().argmax()
        ),
        "the worst position, not the first": _at(lambda errors: errors.amax(0).argmax()),
        "looked at row 0 only, or took the first row with a difference": _at(
            lambda errors: (errors[int((errors[0] == 0).all())] > 0).int().argmax()
        ),
    },
    call=_in_words,
)


# Programs with a mistake


def a_port(model: Gemma3) -> Gemma3:
    """A copy of a model with one mistake, which lesson 15 finds."""
    # One base of RoPE for all layers.
    return _planted(model, setting(rope_local=RopeConfig(model.config.text.rope_global.theta)))


def _planted(model: Gemma3, plant: Plant) -> Gemma3:
    wrong = copy.deepcopy(model)
    plant(wrong)
    return wrong


def _bare(attention: Any) -> None:
    attention.q_norm = attention.k_norm = nn.Identity()


def _with_silu(mlp: Any) -> None:
    mlp.forward = lambda x: mlp.down_proj(F.silu(mlp.gate_proj(x)) * mlp.up_proj(x))


def _rounded_scale(table: Any) -> None:
    root = table.weight.shape[-1] ** 0.5
    rounded = float(torch.tensor(root).bfloat16()) / root
    table.register_forward_hook(lambda table, given, out: out * rounded)


def _soft_cap(table: Any) -> None:
    straight = table.logits
    table.logits = lambda x: 30 * torch.tanh(straight(x) / 30)


def eight_wrong_copies(model: Gemma3) -> dict[str, Gemma3]:
    """Copies of a model by the name of their one mistake, which is in a setting or in a module."""
    text = model.config.text
    base = RopeConfig(text.rope_global.theta)
    plants = {
        "no QK-norm": in_each(Attention, _bare),
        "one base": setting(rope_local=base),
        "factor 8 missing": setting(rope_global=base),
        "window ignored": setting(sliding_window=text.max_position_embeddings),
        "window W + 1": setting(sliding_window=text.sliding_window + 1),
        "SiLU for GELU": in_each(GatedMLP, _with_silu),
        "rounded scale": in_each(TokenEmbedding, _rounded_scale),
        "soft cap": in_each(TokenEmbedding, _soft_cap),
    }
    return {name: _planted(model, plant) for name, plant in plants.items()}


PATIENT_BLOCK = 8


def patient(model: Gemma3) -> Gemma3:
    """A copy of nano with one mistake, for texts read without a cache; the lesson asks which."""
    sick = copy.deepcopy(model)
    block = sick.language_model.layers[PATIENT_BLOCK]
    window = sick.config.text.sliding_window

    def wider(block: Block, given: tuple[Any, ...]) -> tuple[Any, ...]:
        x, mask, *rest = given
        edge = torch.ones(mask.shape[1:], dtype=torch.bool).tril(-window).triu(-window)
        return x, mask | edge, *rest

    block.register_forward_pre_hook(wider)
    return sick


_MISTAKES = {
    "window ignored": "an ignored window begins at the same position, but then query 100 would see"
    " 101 keys; count the keys of its weights",
    "window W + 1": "",
    "window W - 1": "W - 1 would show one position earlier: the query that has W keys would miss"
    " one",
    "SiLU for GELU": "SiLU would show at position 0 already",
    "query scale missing": "a missing query scale would show at position 1 already",
    "one base": "a wrong base would show at position 1 already",
}


@standard_torch()
def check_finding(fn: Callable[[], Any], window: int = 64) -> None:
    """`fn()` is (stage, position, mistake): where the patient parts from its model, and why.

    The window's two mistakes may also be called "W + 1" and "W - 1".

    >>> from gemma3_edu.lessons.nb import attempt
    >>> attempt("Exercise 2", check_finding, lambda: ("logits", 0, "a guess"))
    Exercise 2: stage 'logits': it differs, but only since an earlier one does; find the first
    """
    finding = ask(fn)
    triple = isinstance(finding, tuple) and len(finding) == 3
    require(triple, f"expected a tuple (stage, position, mistake), got {_said(finding)}")
    stage, position, mistake = finding
    stages = ["embeddings", *(f"block {n}" for n in range(12)), "final norm", "logits"]
    require(
        isinstance(stage, str) and stage in stages,
        f"stage {_said(stage)}: expected one of {', '.join(stages)}",
    )
    right = stages.index(f"block {PATIENT_BLOCK}")
    require(stages.index(stage) >= right, f"stage {stage!r}: both models agree there")
    require(
        stages.index(stage) <= right,
        f"stage {stage!r}: it differs, but only since an earlier one does; find the first",
    )
    require(isinstance(position, Integral), f"position {_said(position)}: expected an int")
    require(
        position != window - 1,
        f"position {position}: both agree there; a text as long as the window is not enough",
    )
    require(
        position == window, f"position {position}: not the first that differs in stage {stage!r}"
    )
    named = mistake if isinstance(mistake, str) else ""
    named = f"window {named}" if named in ("W + 1", "W - 1") else named
    require(
        named in _MISTAKES,
        f"mistake {_said(mistake)}: expected one of {', '.join(_MISTAKES)}",
    )
    require(named == "window W + 1", _MISTAKES[named])
