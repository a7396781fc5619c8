"""Checks of the exercises on layers: RMSNorm, its weights in GGUF files, a hidden bug; the MLP.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 2", check_weight_from_gguf, lambda stored: stored.bfloat16())
Exercise 2: left the 1 in; GGUF stores 1 + w, so subtract 1 (stored = [301, 0.188, 1, 1, 1]: got
[300, 0.188, 1, 1, 1], expected [300, -0.812, 0.00391, 3.05e-05, 0])
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
    for shape in [(2, 3), (2, 5, 6), (3, 7), (9, 4)]:
        x = 0.1 * torch.randn(shape, generator=g) + 0.05  # small, off centre: eps, mean both matter
        x = x.T if shape == (9, 4) else x  # not contiguous
        cases.append((x, torch.randn(x.shape[-1], generator=g), 1e-2))  # w not zero: the 1 matters
    return cases


def _narrow_cases() -> list[Case]:
    g = torch.Generator().manual_seed(4)
    x = torch.randn(30, 41, generator=g).bfloat16().T
    return [(x, torch.randn(30, generator=g).bfloat16(), 1e-2)]


def _mean_square(x: Tensor) -> Tensor:
    return x.float().square().mean(-1, keepdim=True)


def _scaled(x: Tensor, factor: Tensor, gain: Tensor) -> Tensor:
    return (x.float() * factor * gain.float()).to(x.dtype)


def _normed(x: Tensor, eps: float) -> Tensor:
    return x.float() * (_mean_square(x) + eps).rsqrt()


def _over_all_tokens(x: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean() + eps)


def _centred(x: Tensor, w: Tensor, eps: float) -> Tensor:
    return F.layer_norm(x.float(), w.shape, 1 + w.float(), eps=eps).to(x.dtype)


_EARLY = (
    "bfloat16: rounded before multiplying by the gain, as Llama does; multiply in float32 and cast"
    " last"
)
_THROUGHOUT = "bfloat16: computed in the dtype of x throughout; convert x and w to float32 first"

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
            "left out eps; add it to the mean square": lambda x, w, eps: _scaled(
                x, _mean_square(x).rsqrt(), 1 + w
            ),
            "used the sum of squares; use the mean": lambda x, w, eps: _scaled(
                x, (x.shape[-1] * _mean_square(x) + eps).rsqrt(), 1 + w
            ),
            "divided by the mean square; take its root first": lambda x, w, eps: _scaled(
                x, 1 / (_mean_square(x) + eps), 1 + w
            ),
            "subtracted the mean first, as LayerNorm does; RMSNorm leaves it in": _centred,
            "averaged over all tokens together; each token has a mean of its own, over the last"
            " axis": lambda x, w, eps: _over_all_tokens(x, eps) * (1 + w),
            "averaged over the tokens; use the last axis": lambda x, w, eps: _scaled(
                x, (x.square().mean(-2, keepdim=True) + eps).rsqrt(), 1 + w
            ),
        },
    )
    .then(_narrow_cases, atol=0.25)  # that it is a norm at all
    .then(
        _narrow_cases,
        {
            _EARLY: [
                lambda x, w, eps: _normed(x, eps).to(x.dtype) * (1 + w),
                lambda x, w, eps: (_normed(x, eps).to(x.dtype) * (1 + w.float())).to(x.dtype),
            ],
            "bfloat16: 1 + w was rounded; convert w to float32 before adding 1": lambda x, w, eps: (
                _normed(x, eps) * (1 + w).float()
            ).to(x.dtype),
            _THROUGHOUT: [
                lambda x, w, eps: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * (1 + w),
                lambda x, w, eps: x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * (1 + w),
            ],
        },
        atol=0.0,
        share=0.01,
    )
)


# Weights in GGUF files


def _gguf_cases() -> list[Case]:
    g = torch.Generator().manual_seed(4)
    real = torch.tensor([300.0, -0.8125, 2**-8, 2**-15, 0.0])  # 300 and -0.8125 are in 270M
    w = torch.cat([real, torch.randn(8, generator=g)]).bfloat16()
    return [(1 + chosen.float(),) for chosen in (w[:5], w, w[::2], w.repeat(2)[:19])]


check_weight_from_gguf = Check(
    "`fn(stored)` turns a norm's weight as GGUF stores it, 1 + w in float32, into w in bfloat16.",
    "stored",
    lambda stored: (stored.double() - 1).bfloat16(),
    _gguf_cases,
    {
        "left the 1 in; GGUF stores 1 + w, so subtract 1": lambda stored: stored.bfloat16(),
        "added 1; GGUF stores 1 + w already, so subtract 1": lambda stored: (stored + 1).bfloat16(),
        "rounded to bfloat16 before subtracting, which loses every small w; subtract in"
        " float32, then cast": lambda stored: stored.bfloat16() - 1,
        "subtracted from 1; the other way round": lambda stored: (1 - stored).bfloat16(),
    },
    atol=0.0,
)


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
        "the suspect gets this right: both tokens have the same rms, so the mean over both is the"
        " mean of each",
    )
    sizes = " and ".join(f"{size:.3g}" for size in x[0].square().mean(-1).sqrt().tolist())
    require(
        times > 1,
        f"the first token comes out {1 / times:.2f} times too large, not too small; what must the"
        f" second token be like? (their rms: {sizes})",
    )
    require(
        times >= 2,
        f"the first token comes out {times:.2f} times too small; 2 or more are asked"
        f" (the rms of the two: {sizes})",
    )


# The MLP


def _mlp_cases() -> list[Case]:
    g, cases = torch.Generator().manual_seed(8), []
    for shape, width in [((2, 5, 6), 9), ((3, 7), 4)]:
        d = shape[-1]
        x = torch.randn(d, *shape[:-1], generator=g).movedim(0, -1)  # not contiguous
        w_gate, w_up = (2 * d**-0.5 * torch.randn(width, d, generator=g) for _ in range(2))
        cases.append((x, w_gate, w_up, torch.randn(d, width, generator=g)))
    return cases


def _narrow_mlp_cases() -> list[Case]:
    return [tuple(tensor.bfloat16() for tensor in case) for case in _mlp_cases()]


def _gelu(a: Tensor) -> Tensor:
    return F.gelu(a, approximate="tanh")


def _mlp(middle: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The MLP with another function of gate and up between its matrices."""
    return lambda x, w_gate, w_up, w_down: middle(x @ w_gate.T, x @ w_up.T) @ w_down.T


def _in_float32(*arguments: Tensor) -> Tensor:
    return gated_mlp(*(tensor.float() for tensor in arguments)).to(arguments[0].dtype)


check_gated_mlp = Check(
    """`fn(x, w_gate, w_up, w_down)` is Gemma's gated MLP, GELU in its tanh form, without biases.

    `x` is (..., D), the first two matrices are (F, D), the last (D, F).
    """,
    "x w_gate w_up w_down",
    _in_float32,
    _mlp_cases,
    {
        "gate and up are swapped: the gate goes through GELU, up does not": _mlp(
            lambda gate, up: gate * _gelu(up)
        ),
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
        "left out up; multiply the gate by it": _mlp(lambda gate, up: _gelu(gate)),
    },
).then(_narrow_mlp_cases, atol=2**-3)  # sums of a few rounded numbers
