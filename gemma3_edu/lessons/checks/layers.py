"""Checks of the exercises on layers: RMSNorm, its gain moved elsewhere, a hidden bug; the MLP.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 1", check_fold, lambda matrix, w: matrix * w)
Exercise 1: scaled by w; the gain is 1 + w (matrix = [[1, 2], [3, 4]], w = [1, -0.5]:
    got [[1, -1], [3, -2]], expected [[2, 1], [6, 2]])
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...naive.layers import gated_mlp, rms_norm
from .grading import Case, Check, ask, require, require_tensor, standard_torch

# RMSNorm


def _norm_cases() -> list[Case]:
    g, cases = torch.Generator().manual_seed(3), []
    # Square first: there a mean that has lost its axis meets the wrong numbers without an error.
    for shape in [(4, 4), (2, 3), (2, 5, 6), (3, 7), (9, 4)]:
        x = 0.1 * torch.randn(shape, generator=g) + 0.05  # small, off centre: eps, mean both matter
        x = x.T if shape == (9, 4) else x  # not contiguous
        cases.append((x, torch.randn(x.shape[-1], generator=g), 1e-2))  # w not zero: the 1 matters
    return cases


def _narrow_cases() -> list[Case]:
    g = torch.Generator().manual_seed(4)
    x = torch.randn(30, 41, generator=g).bfloat16().T
    return [(x, torch.randn(30, generator=g).bfloat16(), 1e-2)]


def _sixteen_bit_cases() -> list[Case]:
    g = torch.Generator().manual_seed(6)
    x = 300 + torch.randn(20, 41, generator=g)  # whose squares are past the end of float16
    return [*_narrow_cases(), (x.half(), torch.randn(41, generator=g).half(), 1e-2)]


def _mixed_cases() -> list[Case]:
    g = torch.Generator().manual_seed(7)
    x, w = torch.randn(40, 31, generator=g), torch.randn(31, generator=g)
    return [(x.bfloat16(), w, 1e-2), (x, w.bfloat16(), 1e-2)]


def _mean_square(x: Tensor) -> Tensor:
    return x.float().square().mean(-1, keepdim=True)


def _mean_size(x: Tensor) -> Tensor:
    return x.float().abs().mean(-1, keepdim=True)


def _scaled(x: Tensor, factor: Tensor, gain: Tensor) -> Tensor:
    return (x.float() * factor * gain.float()).to(x.dtype)


def _normed(x: Tensor, eps: float) -> Tensor:
    return x.float() * (_mean_square(x) + eps).rsqrt()


def _mean_rsqrt(x: Tensor, axis: int, eps: float) -> Tensor:
    return (x.square().mean(axis, keepdim=True) + eps).rsqrt()


def _over_all_tokens(x: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean() + eps)


def _centred(x: Tensor, w: Tensor, eps: float) -> Tensor:
    return F.layer_norm(x.float(), w.shape, 1 + w.float(), eps=eps).to(x.dtype)


_EARLY = (
    "16 bits: rounded before multiplying by the gain, as Llama does; multiply in float32 and cast"
    " last"
)
_THROUGHOUT = "16 bits: computed in the dtype of x throughout; convert x and w to float32 first"

# In bfloat16 no tolerance tells a late cast from an early one, and right answers may differ in a
# value here and there, where float32 itself rounds. So the share of differing values is judged:
# under 1 % is right, and an early cast changes about 30 %.
check_rmsnorm = (
    Check(
        "`fn(x, w, eps)` is Gemma's RMSNorm over the last axis of `x`, of any shape and dtype.",
        "x w eps",
        rms_norm,
        _norm_cases,
        {
            "scaled by w; Gemma scales by 1 + w": lambda x, w, eps: _scaled(
                x, (_mean_square(x) + eps).rsqrt(), w
            ),
            "left out the gain; multiply by 1 + w": lambda x, w, eps: _normed(x, eps).to(x.dtype),
            "added eps after the root; add it to the mean square": lambda x, w, eps: _scaled(
                x, 1 / (_mean_square(x).sqrt() + eps), 1 + w
            ),
            "left out eps, or fixed it; add the argument to the mean square": [
                lambda x, w, eps: _scaled(x, _mean_square(x).rsqrt(), 1 + w),
                lambda x, w, eps: _scaled(x, (_mean_square(x) + 1e-6).rsqrt(), 1 + w),
                lambda x, w, eps: _scaled(x, (_mean_square(x) + 1e-5).rsqrt(), 1 + w),
            ],
            "used the mean of the absolute values; use the root of the mean square": [
                lambda x, w, eps: _scaled(x, 1 / (_mean_size(x) + eps), 1 + w),
                lambda x, w, eps: _scaled(x, 1 / _mean_size(x), 1 + w),
            ],
            "used the sum of squares; use the mean": lambda x, w, eps: _scaled(
                x, (x.shape[-1] * _mean_square(x) + eps).rsqrt(), 1 + w
            ),
            "divided by the mean square; take its root first": lambda x, w, eps: _scaled(
                x, 1 / (_mean_square(x) + eps), 1 + w
            ),
            "x was float32 and was rounded to 16 bits; compute in float32, whatever comes in": [
                lambda x, w, eps: _normed(x.bfloat16(), eps) * (1 + w),
                lambda x, w, eps: _normed(x.half(), eps) * (1 + w),
            ],
            "subtracted the mean first, as LayerNorm does; RMSNorm leaves it in": _centred,
            "averaged over all tokens together; each token has a mean of its own, over the last"
            " axis": lambda x, w, eps: _over_all_tokens(x, eps) * (1 + w),
            "averaged over the tokens; use the last axis": [
                lambda x, w, eps: _scaled(x, _mean_rsqrt(x, -2, eps), 1 + w),
                lambda x, w, eps: _scaled(x, _mean_rsqrt(x, 1, eps), 1 + w),
                lambda x, w, eps: _scaled(x, _mean_rsqrt(x, 0, eps), 1 + w),
            ],
            "the mean has lost its axis, and meets the wrong tokens; keep it with keepdim=True": (
                lambda x, w, eps: _scaled(x, (x.square().mean(-1) + eps).rsqrt(), 1 + w)
            ),
            "used the variance, which leaves out the mean; use the mean of the squares": [
                lambda x, w, eps: _scaled(x, (x.var(-1, keepdim=True) + eps).rsqrt(), 1 + w),
                lambda x, w, eps: _scaled(
                    x, (x.var(-1, correction=0, keepdim=True) + eps).rsqrt(), 1 + w
                ),
            ],
        },
    )
    .then(_narrow_cases, atol=0.25)  # that it is a norm at all
    .then(
        _sixteen_bit_cases,
        {
            _EARLY: [
                lambda x, w, eps: _normed(x, eps).to(x.dtype) * (1 + w),
                lambda x, w, eps: (_normed(x, eps).to(x.dtype) * (1 + w.float())).to(x.dtype),
            ],
            "16 bits: 1 + w was rounded; convert w to float32 before adding 1": lambda x, w, eps: (
                _normed(x, eps) * (1 + w).float()
            ).to(x.dtype),
            "16 bits: squared x before converting it, which rounds the squares, and in float16 300"
            " squared is past the end; convert x first": lambda x, w, eps: _scaled(
                x, (x.pow(2).float().mean(-1, keepdim=True) + eps).rsqrt(), 1 + w.float()
            ),
            "16 bits: rounded the factor, 1 / rms; keep it in float32": lambda x, w, eps: _scaled(
                x, (_mean_square(x) + eps).rsqrt().to(x.dtype), 1 + w.float()
            ),
            "16 bits: rounded the mean square; keep it in float32": [
                lambda x, w, eps: _scaled(
                    x, (_mean_square(x).to(x.dtype).float() + eps).rsqrt(), 1 + w.float()
                ),
                lambda x, w, eps: _scaled(
                    x, (_mean_square(x).to(x.dtype) + eps).float().rsqrt(), 1 + w.float()
                ),
            ],
            _THROUGHOUT: [
                lambda x, w, eps: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * (1 + w),
                lambda x, w, eps: x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * (1 + w),
            ],
        },
        atol=0.0,
        share=0.01,
    )
    .then(
        _mixed_cases,
        {
            "the result has the dtype of w; cast it to that of x": lambda x, w, eps: (
                _normed(x, eps) * (1 + w.float())
            ).to(w.dtype),
        },
        atol=0.05,  # only the dtype is new here
    )
)


# The gain, folded into the matrix that follows


def _fold_cases() -> list[Case]:
    g = torch.Generator().manual_seed(5)
    cases: list[Case] = [(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1.0, -0.5]))]
    for rows, columns in [(3, 5), (4, 4), (7, 2)]:
        matrix = torch.randn(columns, rows, generator=g).T  # not contiguous
        cases.append((matrix, torch.randn(columns, generator=g)))
    return cases


def _divided(matrix: Tensor, w: Tensor) -> Tensor:
    return matrix / (1 + w)


def _by_rows(matrix: Tensor, w: Tensor) -> Tensor:
    return (1 + w)[:, None] * matrix  # fails unless the matrix is square, as a learner's does


check_fold = Check(
    "`fn(matrix, w)` gives the matrix to which a norm's gain, 1 + w, has been moved.",
    "matrix w",
    lambda matrix, w: matrix * (1 + w),
    _fold_cases,
    {
        "scaled by w; the gain is 1 + w": lambda matrix, w: matrix * w,
        "scaled by 1 - w; the gain is 1 + w": lambda matrix, w: matrix * (1 - w),
        "left the matrix as it is; the norm's gain is gone now": lambda matrix, w: matrix,
        "divided by the gain; the matrix has to do what the gain did, so multiply": _divided,
        "scaled the rows, which are outputs; entry d of the input meets column d": _by_rows,
        "multiplied by the gain twice; once is what the norm did": lambda matrix, w: (
            matrix * (1 + w) ** 2
        ),
        "added the gain; multiply by it": lambda matrix, w: matrix + (1 + w),
        "added w; multiply by 1 + w": lambda matrix, w: matrix + w,
        "turned the matrix around; give it back as (outputs, inputs)": lambda matrix, w: (
            (matrix * (1 + w)).T
        ),
        "turned the matrix around and then scaled it; leave it as it is": lambda matrix, w: (
            matrix.T * (1 + w)
        ),
    },
)


# A hidden bug


@standard_torch()
def check_unmasking(fn: Callable[[], Any]) -> None:
    """`fn()` gives two tokens whose first comes out at most half its size from a norm with a bug.

    The bug: one mean square over all tokens together. With one token it does not show, nor with
    tokens of equal size. Shape (1, 2, 5).

    >>> check_unmasking(lambda: torch.stack([torch.ones(5), 10 * torch.ones(5)])[None])
    """
    x = require_tensor(ask(fn), (1, 2, 5), torch.float32)
    right = rms_norm(x, torch.zeros(5))[0, 0].norm()
    wrong = _over_all_tokens(x, 1e-6)[0, 0].norm()
    require(right != 0, "the first token is zero, and any norm leaves it zero; give it a size")
    times = float(right / wrong)
    require(math.isfinite(times), "x holds, or leads to, inf or nan")
    require(
        abs(times - 1) > 1e-3,
        "the suspect gets this right: both tokens have about the same rms, or are so small that"
        " only eps counts; let their sizes differ",
    )
    sizes = " and ".join(f"{size:.3g}" for size in x[0].square().mean(-1).sqrt().tolist())
    require(
        times > 1,
        f"the first token comes out {1 / times:.2f} times too large, not too small; what must the"
        f" second token be like? (their rms: {sizes})",
    )
    tiny = ", and in tokens this small eps hides the rest" if x.square().mean() < 1e-5 else ""
    require(
        times >= 2 - 1e-5,  # eps and rounding make exactly 2 a little less
        f"the first token comes out {math.floor(100 * times) / 100:.2f} times too small; 2 or more"
        f" are asked{tiny} (the rms of the two: {sizes})",
    )


# The MLP, with gate and up in one matrix


def _mlp_cases() -> list[Case]:
    g, cases = torch.Generator().manual_seed(8), []
    for shape, width in [((2, 5, 6), 10), ((3, 7), 4)]:
        d = shape[-1]
        x = torch.randn(d, *shape[:-1], generator=g).movedim(0, -1)  # not contiguous
        both = 2 * d**-0.5 * torch.randn(2 * width, d, generator=g)
        cases.append((x, both, torch.randn(d, width, generator=g)))
    return cases


def _narrow_mlp_cases() -> list[Case]:
    return [tuple(tensor.bfloat16() for tensor in case) for case in _mlp_cases()]


def _gelu(a: Tensor) -> Tensor:
    return F.gelu(a, approximate="tanh")


def _mlp(middle: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The MLP with another function of gate and up between its matrices."""
    return lambda x, w_gate_up, w_down: middle(*(x @ w_gate_up.T).chunk(2, -1)) @ w_down.T


def _every_other(x: Tensor, w_gate_up: Tensor, w_down: Tensor) -> Tensor:
    return (_gelu(x @ w_gate_up[::2].T) * (x @ w_gate_up[1::2].T)) @ w_down.T


def _in_float32(*arguments: Tensor) -> Tensor:
    x, w_gate_up, w_down = (tensor.float() for tensor in arguments)
    w_gate, w_up = w_gate_up.chunk(2)
    return gated_mlp(x, w_gate, w_up, w_down).to(arguments[0].dtype)


check_fused_mlp = Check(
    """`fn(x, w_gate_up, w_down)` is Gemma's gated MLP, GELU in its tanh form, without biases.

    `x` is (..., D), `w_gate_up` (2 F, D) holds the rows of gate and then those of up, and `w_down`
    is (D, F).
    """,
    "x w_gate_up w_down",
    _in_float32,
    _mlp_cases,
    {
        "gate and up are swapped: the first F rows are the gate, which goes through GELU": _mlp(
            lambda gate, up: gate * _gelu(up)
        ),
        "took every other row; the gate has the first F rows, up the last F": _every_other,
        "used GELU by erf; Gemma uses the tanh form": _mlp(lambda gate, up: F.gelu(gate) * up),
        "used SiLU, as Llama does; Gemma uses GELU": _mlp(lambda gate, up: F.silu(gate) * up),
        "used a sigmoid alone, as the first gated units did; use GELU": _mlp(
            lambda gate, up: gate.sigmoid() * up
        ),
        "used ReLU; Gemma uses GELU": _mlp(lambda gate, up: gate.relu() * up),
        "left out GELU": _mlp(lambda gate, up: gate * up),
        "put the product through GELU; only the gate goes through it": _mlp(
            lambda gate, up: _gelu(gate * up)
        ),
        "put up through GELU as well; only the gate goes through it": _mlp(
            lambda gate, up: _gelu(gate) * _gelu(up)
        ),
        "added gate and up; multiply them": _mlp(lambda gate, up: _gelu(gate) + up),
        "added x; the block does that, the MLP does not": lambda x, w_gate_up, w_down: (
            x + _in_float32(x, w_gate_up, w_down)
        ),
        "left out up; multiply the gate by it": _mlp(lambda gate, up: _gelu(gate)),
        "left out the gate; multiply up by GELU of it": _mlp(lambda gate, up: up),
    },
).then(_narrow_mlp_cases, atol=2**-3)  # sums of a few rounded numbers
