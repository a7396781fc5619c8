"""Where two answers differ, in words: tensors, numbers, texts, lists, sets and dicts of them.

>>> difference([3, 5], [3, 4])
'got [3, 5], expected [3, 4]'
>>> difference(torch.arange(99) // 98, torch.zeros(99, dtype=torch.long))
'at (98,): got 1, expected 0; 1 of 99 values differs'
>>> difference(2.0, 2)
'expected an int, got float'
"""

import math
import numbers
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import torch
from torch import Tensor

FEW = 12  # a tensor of so many numbers is spelled out in a message


@dataclass(frozen=True)
class Tolerance:
    """How closely floats must agree: |got - want| <= atol + rtol |want|.

    At most the share `share` of a tensor's values may be off by more, for answers in bfloat16.
    """

    atol: float = 1e-5
    rtol: float = 0.0
    share: float = 0.0


CLOSE = Tolerance()


def difference(got: Any, want: Any, tolerance: Tolerance = CLOSE) -> str | None:
    """None if `got` is as good as `want`, else where and how it differs.

    The kind must agree: a tensor, with the shape and the dtype of `want`, a text, a list or tuple.
    Any integer dtype is as good as another, and so are integers of Python and of NumPy; a bool is
    no number. Whole numbers and booleans must be equal; equal infinities agree; NaN agrees with
    nothing.
    """
    if isinstance(want, Tensor):
        return _tensors(got, want, tolerance)
    for kind, welcome, words in _KINDS:
        if isinstance(want, kind):
            if not isinstance(got, welcome) or (kind is not bool and isinstance(got, bool)):
                return f"expected {words}, got {_kind_of(got)}"
            break
    else:
        return None if type(got) is type(want) and got == want else _both(got, want)
    if isinstance(want, list | tuple):
        return _lists(got, want, tolerance)
    if isinstance(want, Mapping):
        if got.keys() != want.keys():
            return f"the keys: {difference(set(got), set(want))}"
        return _first_of({f"[{show(key)}]": (got[key], want[key]) for key in want}, tolerance)
    if isinstance(want, Set):
        return None if got == want else _sets(got, want)
    if isinstance(want, float):
        return None if _close(got, want, tolerance) else _both(got, want)
    if isinstance(want, str) and got != want and min(len(got), len(want)) > 40:
        return _texts(got, want)
    return None if got == want else _both(got, want)


# What is expected, what is welcome for it, and how a message calls it.
_KINDS: list[tuple[Any, Any, str]] = [
    (bool, bool | np.bool_, "True or False"),
    (int, numbers.Integral, "an int"),
    (float, numbers.Real, "a number"),
    (str, str, "a str"),
    ((list, tuple), (list, tuple), "a list or tuple"),
    (Set, Set, "a set"),
    (Mapping, Mapping, "a dict"),
]


def _kind_of(got: Any) -> str:
    if got is None:
        return "None"
    if isinstance(got, Tensor):
        return f"a tensor of shape {tuple(got.shape)}"
    return type(got).__name__


def _tensors(got: Any, want: Tensor, tolerance: Tolerance) -> str | None:
    if not isinstance(got, Tensor):
        return f"expected a tensor, got {_kind_of(got)}"
    got, want = plain(got), want.detach()
    if got.shape != want.shape:
        return f"got shape {tuple(got.shape)}, expected {tuple(want.shape)}"
    if got.dtype != want.dtype and not (_whole(got) and _whole(want)):
        return f"got dtype {show_dtype(got)}, expected {show_dtype(want)}"
    off = got != want
    if want.is_floating_point():
        # float64, so that the subtraction of two low-precision values is not rounded itself
        a, b = got.double(), want.double()
        off = ~torch.isclose(a, b, rtol=tolerance.rtol, atol=tolerance.atol)
    count, total = int(off.sum()), off.numel()
    if count <= tolerance.share * total:
        return None
    if tolerance.share:
        return f"{count / total:.0%} of the values differ; compute in float32, and cast last"
    if total <= FEW:
        return _both(got, want)
    place = tuple(off.nonzero()[0].tolist())
    differ = f"{count} of {total} values {'differs' if count == 1 else 'differ'}"
    return f"at {place}: {_both(got[place].item(), want[place].item())}; {differ}"


def plain(x: Tensor) -> Tensor:
    """The numbers of a tensor without the methods of its class, which may say what they like."""
    with torch._C.DisableTorchFunctionSubclass():
        return Tensor.as_subclass(Tensor.detach(x), Tensor)


def _whole(x: Tensor) -> bool:
    return not (x.is_floating_point() or x.is_complex() or x.dtype == torch.bool)


def show_dtype(x: Tensor) -> str:
    """The dtype of a tensor without the `torch.`"""
    return str(x.dtype).removeprefix("torch.")


def _close(got: Any, want: float, tolerance: Tolerance) -> bool:
    try:
        got = float(got)
    except OverflowError:
        return False
    bound = tolerance.atol + tolerance.rtol * abs(want)
    return got == want or (math.isfinite(got) and abs(got - want) <= bound)


def _lists(got: Sequence[Any], want: Sequence[Any], tolerance: Tolerance) -> str | None:
    if len(got) != len(want):
        short = max(len(str(got)), len(str(want))) <= 60
        lengths = f"got {len(got)} entries, expected {len(want)}"
        return f"{lengths}: {_both(got, want)}" if short else lengths
    pairs = {f"[{i}]": pair for i, pair in enumerate(zip(got, want, strict=True))}
    said = _first_of(pairs, tolerance)
    if said and said.split(": ")[-1].startswith("got ") and len(show(got)) + len(show(want)) <= 80:
        return _both(got, want)
    return said


def _first_of(pairs: Mapping[str, tuple[Any, Any]], tolerance: Tolerance) -> str | None:
    for place, (got, want) in pairs.items():
        said = difference(got, want, tolerance)
        if said:
            return f"at {place}: {said}"
    return None


def _sets(got: Set[Any], want: Set[Any]) -> str:
    extra, missing = sorted(map(show, got - want)), sorted(map(show, want - got))
    parts = [f"{one} is too much" for one in extra[:1]] + [
        f"{one} is missing" for one in missing[:1]
    ]
    return " and ".join(parts)


def _texts(got: str, want: str) -> str:
    same = [a == b for a, b in zip(got, want, strict=False)]
    at = same.index(False) if False in same else min(len(got), len(want))
    after = f", after {want[max(0, at - 12) : at]!r}" if at else ""
    return f"at character {at}: got {got[at : at + 12]!r}, expected {want[at : at + 12]!r}{after}"


def _both(got: Any, want: Any) -> str:
    """Both in three digits, which are the same on every machine, or in six if three are alike."""
    for digits in (3, 6):
        a, b = (show(each, digits) or repr(each) for each in (got, want))
        if a != b:
            break
    return f"got {a}, expected {b}"


def show(value: Any, digits: int = 3, spelled: bool = True) -> str:
    """A value in a few words, nothing for what no few words can show.

    Of a tensor of floats the shape alone, if it is long or not to be `spelled` out.

    >>> show(torch.ones(2)), show(torch.zeros(9, 9)), show(0.1 + 0.2), show(torch.relu)
    ('[1, 1]', 'float32 of shape (9, 9)', '0.3', '')
    """
    if isinstance(value, Tensor):
        if value.numel() > FEW or (value.is_floating_point() and not spelled):
            return f"{show_dtype(value)} of shape {tuple(value.shape)}"
        return _spelled(value.tolist(), digits)
    if isinstance(value, list | tuple) and len(value) > 60:
        return f"a {type(value).__name__} of {len(value)}"
    plain = (str, numbers.Number, np.generic, list, tuple, Set, dict, Enum, type(None))
    return _spelled(value, digits) if isinstance(value, plain) else ""


def _spelled(value: Any, digits: int) -> str:
    if isinstance(value, list | tuple):
        inside = ", ".join(_spelled(each, digits) for each in value)
        words = f"[{inside}]" if isinstance(value, list) else f"({inside})"
    elif isinstance(value, dict):
        pairs = [f"{key!r}: {_spelled(each, digits)}" for key, each in value.items()]
        words = f"{{{', '.join(pairs)}}}"
    elif isinstance(value, Tensor):
        words = f"tensor({show(value, digits)})"
    elif isinstance(value, Enum):
        words = value.name
    elif isinstance(value, float | np.floating):
        whole = len(f"{abs(value):.0f}") if math.isfinite(value) else 0
        words = f"{value:.{max(digits, whole + 2) if whole < 8 else digits}g}"  # 250.25 pixels
    else:
        words = str(value) if isinstance(value, np.generic) else repr(value)
    return words if len(words) <= 160 else f"{words[:156]} ..."
