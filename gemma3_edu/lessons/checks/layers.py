"""Checks of the exercises on layers: RMSNorm, its weights in GGUF files, a hidden bug; the MLP.

>>> check_rmsnorm(rms_norm)
>>> check_rmsnorm(lambda x, w, eps: x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * w)
Traceback (most recent call last):
AssertionError: scaled by w; Gemma scales by 1 + w
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...naive.layers import gated_mlp, rms_norm
from .compare import compare

Slips = Sequence[tuple[str, Tensor]]


def check_rmsnorm(fn: Callable[[Tensor, Tensor, float], Any]) -> None:
    """`fn(x, w, eps)` is Gemma's RMSNorm over the last axis of `x`, of any shape and dtype.

    In bfloat16 no tolerance tells a late cast from an early one, and right answers may differ in a
    value here and there, where float32 itself rounds. So the share of differing values is judged:
    under 1 % is right, and an early cast changes about 30 %.
    """
    g, eps = torch.Generator().manual_seed(3), 1e-2
    for shape in [(2, 5, 6), (3, 7), (9, 4)]:
        x = 0.1 * torch.randn(shape, generator=g) + 0.05  # small, off centre: eps, mean both matter
        x = x.T if shape == (9, 4) else x  # not contiguous
        w = torch.randn(x.shape[-1], generator=g)  # not zero: the 1 matters
        before = x.clone(), w.clone()
        got = fn(x, w, eps)
        for old, now in zip(before, (x, w), strict=True):
            assert torch.equal(old, now), "changed x or w in place; return a new tensor"
        compare(got, rms_norm(x, w, eps), _float_slips(x, w, eps))
    x = torch.randn(30, 41, generator=g).bfloat16().T
    w = torch.randn(30, generator=g).bfloat16()
    _compare_rounded(fn(x, w, eps), rms_norm(x, w, eps), _bfloat16_slips(x, w, eps))


def _float_slips(x: Tensor, w: Tensor, eps: float) -> Slips:
    mean_square, gain = x.pow(2).mean(-1, keepdim=True), 1 + w
    normed = x / (mean_square + eps).sqrt()
    over_tokens = x.pow(2).mean(-2, keepdim=True)
    centred = x - x.mean(-1, keepdim=True)
    return [
        ("scaled by w; Gemma scales by 1 + w", normed * w),
        ("left out the gain; multiply by 1 + w", normed),
        (
            "eps was added after the root; add it to the mean square, under the root",
            x / (mean_square.sqrt() + eps) * gain,
        ),
        ("left out eps; add it to the mean square", x / mean_square.sqrt() * gain),
        (
            "used the sum of squares; use the mean",
            x / (x.shape[-1] * mean_square + eps).sqrt() * gain,
        ),
        ("divided by the mean square; take its root first", x / (mean_square + eps) * gain),
        (
            "subtracted the mean first, as LayerNorm does; RMSNorm leaves it in",
            centred / (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt() * gain,
        ),
        (
            "averaged over all tokens together; each token has a mean of its own, over the last"
            " axis",
            _over_all_tokens(x, eps) * gain,
        ),
        (
            "averaged over the tokens, not over the entries of each; use the last axis",
            x / (over_tokens + eps).sqrt() * gain,
        ),
    ]


def _bfloat16_slips(x: Tensor, w: Tensor, eps: float) -> Slips:
    wide = x.float()
    normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    early = (
        "bfloat16: rounded before multiplying by the gain, as Llama does; multiply in float32 and"
        " cast last"
    )
    throughout = "bfloat16: computed in the dtype of x throughout; convert x and w to float32 first"
    narrow = x.pow(2).mean(-1, keepdim=True) + eps
    return [
        (early, normed.bfloat16() * (1 + w)),
        (early, (normed.bfloat16() * (1 + w.float())).bfloat16()),
        (
            "bfloat16: 1 + w was rounded; convert w to float32 before adding 1",
            (normed * (1 + w).float()).bfloat16(),
        ),
        (throughout, x * torch.rsqrt(narrow) * (1 + w)),
        (throughout, x / narrow.sqrt() * (1 + w)),
    ]


def _compare_rounded(got: Any, want: Tensor, slips: Slips) -> None:
    compare(got, want, atol=0.25)  # type, shape, dtype, and that it is a norm at all

    def share(other: Tensor) -> float:
        return float((got != other).double().mean())

    if share(want) < 0.01:
        return
    for sentence, wrong in slips:
        assert share(wrong) >= 0.01, sentence
    raise AssertionError(
        f"bfloat16: {share(want):.0%} of the values differ; compute in float32 and cast last"
    )


def check_weight_from_gguf(fn: Callable[[Tensor], Any]) -> None:
    """`fn(stored)` turns a norm's weight as GGUF stores it, 1 + w in float32, into w in bfloat16.

    >>> check_weight_from_gguf(lambda stored: (stored - 1).bfloat16())
    """
    g = torch.Generator().manual_seed(4)
    real = torch.tensor([300.0, -0.8125, 2**-8, 2**-15, 0.0])  # 300 and -0.8125 are in 270M
    w = torch.cat([real, torch.randn(8, generator=g)]).bfloat16()
    for chosen in (w, w[::2], w.repeat(2)[:19]):
        stored = 1 + chosen.float()
        before = stored.clone()
        got = fn(stored)
        assert torch.equal(stored, before), "changed the stored tensor in place; return a new one"
        slips = [
            ("left the 1 in; GGUF stores 1 + w, so subtract 1", stored.bfloat16()),
            ("added 1; GGUF stores 1 + w already, so subtract 1", (stored + 1).bfloat16()),
            (
                "rounded to bfloat16 before subtracting, which loses every small w; subtract in"
                " float32, then cast",
                stored.bfloat16() - 1,
            ),
            ("subtracted from 1; the other way round", (1 - stored).bfloat16()),
        ]
        compare(got, chosen, slips, atol=0.0)


def check_unmasking(fn: Callable[[], Any]) -> None:
    """`fn()` gives two tokens whose first comes out at most half its size from a norm with a bug.

    The bug: one mean square over all tokens together. With one token it does not show, nor with
    tokens of equal size. Shape (1, 2, 5).

    >>> check_unmasking(lambda: torch.stack([torch.ones(5), 10 * torch.ones(5)])[None])
    """
    x = fn()
    assert isinstance(x, Tensor), f"expected a tensor, got {type(x).__name__}"
    assert tuple(x.shape) == (1, 2, 5), f"shape {tuple(x.shape)}, expected (1, 2, 5)"
    assert x.dtype == torch.float32, f"dtype {x.dtype}, expected torch.float32"
    right = rms_norm(x, torch.zeros(5))[0, 0].norm()
    wrong = _over_all_tokens(x, 1e-6)[0, 0].norm()
    assert right != 0, "the first token is zero, and any norm leaves it zero; give it a size"
    times = float(right / wrong)
    assert math.isfinite(times), "x holds, or leads to, inf or nan"
    assert abs(times - 1) > 1e-3, (
        "the suspect gets this right: both tokens have the same rms, so the mean over both is the"
        " mean of each"
    )
    assert times > 1, (
        f"the first token comes out {1 / times:.2f} times too large, not too small; what must the"
        " second token be like?"
    )
    assert times >= 2, f"the first token comes out {times:.2f} times too small; 2 or more are asked"


def _over_all_tokens(x: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt(x.pow(2).mean() + eps)


def check_gated_mlp(fn: Callable[[Tensor, Tensor, Tensor, Tensor], Any]) -> None:
    """`fn(x, w_gate, w_up, w_down)` is Gemma's gated MLP, GELU in its tanh form, without biases.

    `x` is (..., D), the first two matrices are (F, D), the last (D, F).

    >>> check_gated_mlp(gated_mlp)
    """
    g = torch.Generator().manual_seed(8)
    for shape, width in [((2, 5, 6), 9), ((3, 7), 4)]:
        d = shape[-1]
        x = torch.randn(d, *shape[:-1], generator=g).movedim(0, -1)  # not contiguous
        w_gate, w_up = (2 * d**-0.5 * torch.randn(width, d, generator=g) for _ in range(2))
        given = x, w_gate, w_up, torch.randn(d, width, generator=g)
        before = [tensor.clone() for tensor in given]
        got = fn(*given)
        for old, now in zip(before, given, strict=True):
            assert torch.equal(old, now), "changed an argument in place; return a new tensor"
        compare(got, gated_mlp(*given), _mlp_slips(*given))
    narrow = [tensor.bfloat16() for tensor in given]
    compare(fn(*narrow), gated_mlp(*given).bfloat16(), atol=2**-3)  # sums of a few rounded numbers


def _mlp_slips(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Slips:
    gate, up = x @ w_gate.T, x @ w_up.T

    def gelu(a: Tensor) -> Tensor:
        return F.gelu(a, approximate="tanh")

    middles = [
        ("gate and up are swapped: the gate goes through GELU, up does not", gate * gelu(up)),
        ("used GELU by erf; Gemma uses the tanh form", F.gelu(gate) * up),
        ("used SiLU, as Llama does; Gemma uses GELU", F.silu(gate) * up),
        ("used a sigmoid alone, as the first gated units did; use GELU", gate.sigmoid() * up),
        ("used ReLU; Gemma uses GELU", gate.relu() * up),
        ("left out GELU", gate * up),
        ("put the product through GELU; only the gate goes through it", gelu(gate * up)),
        ("put up through GELU as well; only the gate goes through it", gelu(gate) * gelu(up)),
        ("added gate and up; multiply them", gelu(gate) + up),
        ("left out up; multiply the gate by it", gelu(gate)),
    ]
    return [(sentence, middle @ w_down.T) for sentence, middle in middles]
