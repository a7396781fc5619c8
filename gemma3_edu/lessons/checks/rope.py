"""Checks of the exercises on rotary embedding: slow pairs, turning, positions that merge.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 1", check_slow_pairs, lambda head_dim, theta, factor, context: head_dim // 2)
Exercise 1: all pairs were counted; those that go round within the context are not slow
    (head_dim = 32, theta = 500, factor = 2, context = 64: got 16, expected 11)
"""

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from ...model.config import RopeConfig
from ...naive.rope import apply_rope, rope_table
from .difference import plain, show
from .grading import Case, Check, ask, require, standard_torch

# Turning


def _right_turn(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    return apply_rope(x, *rope_table(position, x.shape[-1], RopeConfig(theta, factor)))


def _turn_cases() -> dict[str, Case]:
    g, cases = torch.Generator().manual_seed(7), {}
    for B, T, N, H, theta, factor in [
        (1, 2, 3, 4, 100.0, 2.0),
        (2, 5, 3, 8, 100.0, 1.0),
        (1, 7, 2, 6, 50.0, 4.0),
        (3, 2, 1, 4, 1e4, 1.0),
    ]:
        x = torch.randn(B, N, T, H, generator=g).transpose(1, 2)  # not contiguous
        position = torch.randint(3, 40, (B, T), generator=g)
        words = f"x of shape {B, T, N, H}, position = {position.tolist()}, {theta = :g}"
        cases[f"{words}, {factor = :g}"] = (x, position, theta, factor)
    return cases


def _narrow_turn_cases() -> list[Case]:
    x = torch.randn(1, 4, 2, 32, generator=torch.Generator().manual_seed(8)).bfloat16()
    return [(x, torch.tensor([[301, 401, 603, 1001]]), 1e4, 1.0)]


def _rotated(x: Tensor, angle: Tensor) -> Tensor:
    first, second = x.double().chunk(2, dim=-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1).to(x.dtype)


def _turned(angle: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Right but for the angle, a function of positions (B T 1 1), pairs, H, theta and factor."""

    def fn(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
        H, p = x.shape[-1], position[:, :, None, None].double()
        return _rotated(x, angle(p, torch.arange(H // 2), H, theta, factor))

    return fn


def _neighbours(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    H = x.shape[-1]
    apart = x.unflatten(-1, (H // 2, 2)).transpose(-1, -2).flatten(-2)
    y = _right_turn(apart, position, theta, factor)
    return y.unflatten(-1, (2, H // 2)).transpose(-1, -2).flatten(-2)


def _joined(join: Callable[..., Tensor], own_half: bool = False) -> Callable[..., Tensor]:
    """Right but for how the halves are turned and joined, a function of both, cos and sin.

    With `own_half` the exponent counts the numbers of a half instead of a head's.
    """

    def fn(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
        first, second = x.double().chunk(2, dim=-1)
        half = first.shape[-1]
        exponent = -2 * torch.arange(half) / (half if own_half else 2 * half)
        angle = position[:, :, None, None].double() / factor * theta**exponent
        return join(first, second, angle.cos(), angle.sin()).to(x.dtype)

    return fn


def _overwritten(first: Tensor, second: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first = first * cos - second * sin
    return torch.cat([first, second * cos + first * sin], -1)


def _half_the_pairs(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    """H from one half, and so half as many angles: they fit where there is one."""
    H = x.shape[-1] // 2
    p = position[:, :, None, None].double()
    return _rotated(x, p / factor * theta ** (-2 * torch.arange(H // 2) / H))


def _rounded_table(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    table = rope_table(position, x.shape[-1], RopeConfig(theta, factor))
    return apply_rope(x, *(each.to(x.dtype).float() for each in table))


def _narrow_throughout(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    table = rope_table(position, x.shape[-1], RopeConfig(theta, factor))
    cos, sin = (each.to(x.dtype)[:, :, None] for each in table)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


check_turn = (
    Check(
        "`fn(x, position, theta, factor)` turns x, B T N H, for positions, B T; dtype stays.",
        "x position theta factor",
        _right_turn,
        _turn_cases,
        {
            "nothing was turned": lambda x, *_: x.clone(),
            "neighbours were paired; Gemma pairs element i with element i + H/2": _neighbours,
            "turned backwards; it is first * cos - second * sin, and second * cos + first * sin": (
                _turned(lambda p, i, H, theta, f: -p / f * theta ** (-2 * i / H))
            ),
            "overwrote the first half and then computed the second from it; keep the old one": (
                _joined(_overwritten)
            ),
            "took H from one half; in theta ** (-2 i / H) it is the width of the whole head": [
                _joined(lambda a, b, c, s: torch.cat([a * c - b * s, b * c + a * s], -1), True),
                _half_the_pairs,
            ],
            "interleaved the two halves, as stack does; put one after the other with cat": _joined(
                lambda a, b, c, s: torch.stack([a * c - b * s, b * c + a * s], -1).flatten(-2)
            ),
            "swapped the halves; the first is first * cos - second * sin": _joined(
                lambda a, b, c, s: torch.cat([b * c + a * s, a * c - b * s], -1)
            ),
            "the first half's sign: it is first * cos - second * sin": _joined(
                lambda a, b, c, s: torch.cat([a * c + b * s, b * c + a * s], -1)
            ),
            "the second half's sign: it is second * cos + first * sin": _joined(
                lambda a, b, c, s: torch.cat([a * c - b * s, b * c - a * s], -1)
            ),
            "cos and sin are swapped": _turned(
                lambda p, i, H, theta, f: math.pi / 2 - p / f * theta ** (-2 * i / H)
            ),
            "the exponent is half of what it should be: theta ** (-2 i / H), with i from 0 to"
            " H/2 - 1": _turned(lambda p, i, H, theta, f: p / f * theta ** (-i / H)),
            "the exponent's sign: theta ** (-2 i / H), so later pairs turn slower": _turned(
                lambda p, i, H, theta, f: p / f * theta ** (2 * i / H)
            ),
            "counted pairs from 1; the first turns by the position itself": _turned(
                lambda p, i, H, theta, f: p / f * theta ** (-2 * (i + 1) / H)
            ),
            "left out the factor; every position is divided by it": _turned(
                lambda p, i, H, theta, f: p * theta ** (-2 * i / H)
            ),
            "multiplied by the factor; every position is divided by it": _turned(
                lambda p, i, H, theta, f: p * f * theta ** (-2 * i / H)
            ),
            "put the factor into the base; it divides the positions": [
                _turned(lambda p, i, H, theta, f: p * (theta * f) ** (-2 * i / H)),
                _turned(lambda p, i, H, theta, f: p * (theta / f) ** (-2 * i / H)),
            ],
            "made degrees of the angles; cos and sin take radians, as theta ** (-2 i / H) is": (
                _turned(lambda p, i, H, theta, f: p / f * theta ** (-2 * i / H) * math.pi / 180)
            ),
            "the speeds end at 1 / theta; it is theta ** (-2 i / H), so the last is a bit faster": (
                _turned(lambda p, i, H, theta, f: p / f * theta ** (-i / max(H // 2 - 1, 1)))
            ),
            "divided the positions by // and lost the fractions; use /": _turned(
                lambda p, i, H, theta, f: p // f * theta ** (-2 * i / H)
            ),
            "gave every text the positions of the first; each has a row of its own": _turned(
                lambda p, i, H, theta, f: p[:1] / f * theta ** (-2 * i / H)
            ),
            "counted from each text's first token; use the numbers in position as they are": (
                _turned(lambda p, i, H, theta, f: (p - p[:, :1]) / f * theta ** (-2 * i / H))
            ),
            "took a token's place in the tensor for its position; use the numbers in position": (
                lambda x, position, theta, factor: _right_turn(
                    x, torch.arange(x.shape[1]).expand_as(position), theta, factor
                )
            ),
            "counted positions from 1": _turned(
                lambda p, i, H, theta, f: (p + 1) / f * theta ** (-2 * i / H)
            ),
        },
        atol=1e-4,
    )
    .then(_narrow_turn_cases, atol=8.0)  # values are judged by their share
    .then(
        _narrow_turn_cases,
        {
            "bfloat16: computed in the dtype of x; compute angles and products in float32, and cast"
            " last": [
                _rounded_table,
                _narrow_throughout,
                lambda x, position, *rest: _right_turn(x, position.to(x.dtype).int(), *rest),
            ]
        },
        atol=0.0,
        share=0.02,
    )
)

# Slow pairs


def _count_cases() -> list[Case]:
    return [
        (32, 500.0, 2.0, 64),
        (256, 1e4, 1.0, 32_768),
        (256, 1e6, 1.0, 32_768),
        (256, 1e6, 8.0, 131_072),
        (128, 1e6, 8.0, 131_072),
        (256, 1e4, 1.0, 131_072),
        (16, 100.0, 8.0, 40),  # even pair 0 is slow
    ]


def _counting(
    length: Callable[[int, int, float, float], float],
    pairs: Callable[[int], range] = lambda H: range(H // 2),
) -> Callable[..., int]:
    """How many pairs have a `length`, of i, H, theta and factor, above the context."""
    return lambda H, theta, factor, context: sum(
        length(i, H, theta, factor) > context for i in pairs(H)
    )


def _tokens_round(i: int, H: int, theta: float, factor: float) -> float:
    return math.tau * factor * theta ** (2 * i / H)


_slow = _counting(_tokens_round)


def _no_tensor(got: Any, *_: Any) -> str | None:
    if isinstance(got, Tensor) and got.numel() == 1:
        return "gave a tensor; make a whole number of it with int(...) or .item()"
    return None


check_slow_pairs = Check(
    "`fn(head_dim, theta, factor, context)` counts pairs that go round less than once in context.",
    "head_dim theta factor context",
    _slow,
    _count_cases,
    {
        "all pairs were counted; those that go round within the context are not slow": (
            lambda H, theta, factor, context: H // 2
        ),
        "the fast pairs were counted; the slow ones are asked for": (
            lambda H, *rest: H // 2 - _slow(H, *rest)
        ),
        "once round is 2 pi, not 1: a pair's wavelength is 2 pi divided by its angle for one"
        " token": _counting(lambda i, H, theta, f: f * theta ** (2 * i / H)),
        "once round is 2 pi, not 360: the angles are in radians": _counting(
            lambda i, H, theta, f: 360 * f * theta ** (2 * i / H)
        ),
        "once round is 2 pi, not pi": _counting(
            lambda i, H, theta, f: math.pi * f * theta ** (2 * i / H)
        ),
        "left out the factor; it makes every wavelength longer": _counting(
            lambda i, H, theta, f: math.tau * theta ** (2 * i / H)
        ),
        "divided the wavelength by the factor; it makes every wavelength longer": _counting(
            lambda i, H, theta, f: math.tau / f * theta ** (2 * i / H)
        ),
        "the exponent is half of what it should be: 2 i / H, with i from 0 to H/2 - 1": _counting(
            lambda i, H, theta, f: math.tau * f * theta ** (i / H)
        ),
        "the loop went over H numbers; a head has only H/2 pairs, i from 0 to H/2 - 1": (
            _counting(_tokens_round, range)
        ),
        "counted pairs from 1; i goes from 0 to H/2 - 1": (
            _counting(_tokens_round, lambda H: range(1, H // 2 + 1))
        ),
        "left out pair 0; i goes from 0 to H/2 - 1": (
            _counting(_tokens_round, lambda H: range(1, H // 2))
        ),
        "put the factor into the base; it divides the positions": _counting(
            lambda i, H, theta, f: math.tau * (theta * f) ** (2 * i / H)
        ),
        "counted elements, not pairs: a head has H/2 pairs": lambda *case: 2 * _slow(*case),
    },
    explain=_no_tensor,
)


@standard_torch()
def check_merged_positions(fn: Callable[[], Any]) -> None:
    """`fn()` gives two positions below 512 that a table with a bug turns alike.

    The bug: positions in bfloat16, which has 8 significant binary digits.

    >>> check_merged_positions(lambda: (256, 257))
    """
    answer = _unpacked(ask(fn))
    pair = isinstance(answer, tuple | list) and len(answer) == 2
    require(pair, f"expected two positions, got {show(answer) or type(answer).__name__}")
    answer = [_unpacked(p) for p in answer]
    for p in answer:
        whole = isinstance(p, Integral) and not isinstance(p, bool)
        require(whole, f"expected whole numbers, got {type(p).__name__}")
        require(0 <= p < 512, f"position {p} is not among 0 to 511")
    a, b = answer
    require(a != b, f"{a} twice; two different positions are asked for")
    seen = [int(torch.tensor(int(p)).bfloat16()) for p in (a, b)]
    require(
        seen[0] == seen[1],
        f"the suspect tells {a} and {b} apart, as {seen[0]} and {seen[1]}; which numbers does its"
        " position lose?",
    )


def _unpacked(answer: Any) -> Any:
    """The numbers of a tensor, or what is none."""
    return plain(answer).tolist() if isinstance(answer, Tensor) else answer
