"""The comparison under every check: the right answer, and the wrong ones worth naming.

>>> slips = [("the window is one short", torch.tensor([0.0, 1.0]))]
>>> compare(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 1.0]), slips)
>>> compare(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0]), slips)
Traceback (most recent call last):
AssertionError: the window is one short
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def compare(
    got: Any, want: Tensor, slips: Sequence[tuple[str, Tensor]] = (), *, atol: float = 1e-5
) -> None:
    """Return if `got` is `want` to within `atol`; else AssertionError with the likeliest cause.

    `slips` are (sentence, tensor) pairs: what a named mistake would have given on this input. The
    first that equals `got` gives its sentence; without one, the message says how many values are
    off and where the first is. A slip is looked at only when the answer is wrong, so one that
    happens to coincide with the right answer accuses nobody. Booleans and whole numbers must be
    equal; equal infinities agree; NaN agrees with nothing.
    """
    assert isinstance(got, Tensor), f"expected a tensor, got {type(got).__name__}"
    assert got.shape == want.shape, f"shape {tuple(got.shape)}, expected {tuple(want.shape)}"
    assert got.dtype == want.dtype, f"dtype {got.dtype}, expected {want.dtype}"
    off = _differs(got, want, atol)
    if not off.any():
        return
    for sentence, wrong in slips:
        assert _differs(got, wrong, atol).any(), sentence
    place = tuple(off.nonzero()[0].tolist())
    by = f" by more than {atol:g}" if want.is_floating_point() else ""
    raise AssertionError(
        f"{int(off.sum())} of {off.numel()} values differ{by}, first at {place}:"
        f" got {got[place].item():.6g}, expected {want[place].item():.6g}"
    )


def _differs(got: Tensor, want: Tensor, atol: float) -> Tensor:
    if not want.is_floating_point():
        return got != want
    # float64, so that the subtraction of two low-precision values is not rounded itself
    return ~torch.isclose(got.detach().double(), want.detach().double(), rtol=0, atol=atol)
