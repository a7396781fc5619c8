"""Checks of the exercises on rotary embedding: turning, counting slow pairs, positions that merge.

>>> check_slow_pairs(lambda head_dim, theta, factor, context: head_dim // 2)
Traceback (most recent call last):
AssertionError: all pairs were counted; those that go round within the context are not slow
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...model.config import RopeConfig
from ...naive.rope import apply_rope, rope_table
from .compare import compare

Turn = Callable[[Tensor, Tensor, float, float], Any]


def check_turn(fn: Turn) -> None:
    """`fn(x, position, theta, factor)` turns x, B T N H, for positions, B T; dtype stays.

    >>> def right(x, position, theta, factor):
    ...     return apply_rope(x, *rope_table(position, x.shape[-1], RopeConfig(theta, factor)))
    >>> check_turn(right)
    """
    g = torch.Generator().manual_seed(7)
    for B, T, N, H, rope in [
        (2, 5, 3, 8, RopeConfig(100.0)),
        (1, 7, 2, 6, RopeConfig(50.0, 4.0)),
        (3, 2, 1, 4, RopeConfig(1e4)),
    ]:
        x = torch.randn(B, N, T, H, generator=g).transpose(1, 2)  # not contiguous
        position = torch.randint(3, 40, (B, T), generator=g)
        before = x.clone(), position.clone()
        got = fn(x, position, rope.theta, rope.factor)
        for old, now in zip(before, (x, position), strict=True):
            assert torch.equal(old, now), "changed x or position in place; return a new tensor"
        want = apply_rope(x, *rope_table(position, H, rope))
        compare(got, want, _turn_slips(x, position, rope), atol=1e-4)
    x = torch.randn(1, 4, 2, 32, generator=g).bfloat16()
    position = torch.tensor([[301, 401, 603, 1001]])
    got = fn(x, position, 1e4, 1.0)
    want = apply_rope(x, *rope_table(position, 32, RopeConfig(1e4)))
    compare(got, want, atol=8.0)  # type, shape and dtype; values are judged by their share
    share = float((got != want).double().mean())
    assert share < 0.02, (
        f"bfloat16: {share:.0%} of the values differ; compute angles and products in float32, and"
        " cast last"
    )


def _turn_slips(x: Tensor, position: Tensor, rope: RopeConfig) -> Sequence[tuple[str, Tensor]]:
    H = x.shape[-1]
    pair = torch.arange(H // 2)
    p = position[:, :, None, None].double()
    step = rope.theta ** (-2 * pair / H)
    angle = p / rope.factor * step  # B T 1 H/2

    def turned(angle: Tensor) -> Tensor:
        first, second = x.double().chunk(2, dim=-1)
        cos, sin = angle.cos(), angle.sin()
        return torch.cat([first * cos - second * sin, second * cos + first * sin], -1).to(x.dtype)

    def neighbours() -> Tensor:
        first, second = x.double()[..., 0::2], x.double()[..., 1::2]
        cos, sin = angle.cos(), angle.sin()
        both = [first * cos - second * sin, second * cos + first * sin]
        return torch.stack(both, dim=-1).flatten(-2).to(x.dtype)

    places = torch.arange(x.shape[1])[:, None, None].double()
    return [
        ("nothing was turned", x),
        ("neighbours were paired; Gemma pairs element i with element i + H/2", neighbours()),
        (
            "turned backwards; it is first * cos - second * sin, and second * cos + first * sin",
            turned(-angle),
        ),
        ("cos and sin are swapped", turned(math.pi / 2 - angle)),
        (
            "the exponent is half of what it should be: theta ** (-2 i / H), with i from 0 to"
            " H/2 - 1",
            turned(p / rope.factor * rope.theta ** (-pair / H)),
        ),
        (
            "the exponent's sign: theta ** (-2 i / H), so later pairs turn slower",
            turned(p / rope.factor * rope.theta ** (2 * pair / H)),
        ),
        ("counted pairs from 1; the first turns by the position itself", turned(angle * step[1])),
        ("left out the factor; every position is divided by it", turned(angle * rope.factor)),
        (
            "multiplied by the factor; every position is divided by it",
            turned(angle * rope.factor**2),
        ),
        (
            "took a token's place in the tensor for its position; use the numbers in position",
            turned(places / rope.factor * step),
        ),
        ("counted positions from 1", turned(angle + step / rope.factor)),
    ]


def check_slow_pairs(fn: Callable[[int, float, float, int], Any]) -> None:
    """`fn(head_dim, theta, factor, context)` counts pairs that go round less than once in context.

    >>> def right(head_dim, theta, factor, context):
    ...     exponents = [2 * i / head_dim for i in range(head_dim // 2)]
    ...     return sum(2 * math.pi * factor * theta**e > context for e in exponents)
    >>> check_slow_pairs(right)
    """
    answers = [fn(*case) for case in _CASES]
    for answer in answers:
        assert isinstance(answer, int) and not isinstance(answer, bool), (
            f"expected a whole number, got {type(answer).__name__}"
        )
    wants = [_count(*case, _right) for case in _CASES]
    if answers == wants:
        return
    for sentence, slip in _COUNT_SLIPS:
        assert answers != [slip(*case) for case in _CASES], sentence
    for case, answer, want in zip(_CASES, answers, wants, strict=True):
        told = "head_dim={}, theta={:g}, factor={:g}, context={}".format(*case)
        assert answer == want, f"{told}: got {answer}, expected {want}"


_CASES: list[tuple[int, float, float, int]] = [
    (256, 1e4, 1.0, 32_768),
    (256, 1e6, 1.0, 32_768),
    (256, 1e6, 8.0, 131_072),
    (128, 1e6, 8.0, 131_072),
    (256, 1e4, 1.0, 131_072),
    (32, 500.0, 2.0, 64),
]


def _count(
    head_dim: int,
    theta: float,
    factor: float,
    context: int,
    exponent: Callable[..., float],
    once: float = 2 * math.pi,
) -> int:
    lengths = [once * factor * theta ** exponent(i, head_dim) for i in range(head_dim // 2)]
    return sum(length > context for length in lengths)


def _right(i: int, head_dim: int) -> float:
    return 2 * i / head_dim


_COUNT_SLIPS: list[tuple[str, Callable[[int, float, float, int], int]]] = [
    (
        "all pairs were counted; those that go round within the context are not slow",
        lambda H, theta, factor, context: H // 2,
    ),
    (
        "the fast pairs were counted; the slow ones are asked for",
        lambda H, theta, factor, context: H // 2 - _count(H, theta, factor, context, _right),
    ),
    (
        "once round is 2 pi, not 1: a pair's wavelength is 2 pi divided by its angle for one token",
        lambda H, theta, factor, context: _count(H, theta, factor, context, _right, once=1.0),
    ),
    (
        "once round is 2 pi, not pi",
        lambda H, theta, factor, context: _count(H, theta, factor, context, _right, once=math.pi),
    ),
    (
        "left out the factor; it makes every wavelength longer",
        lambda H, theta, factor, context: _count(H, theta, 1.0, context, _right),
    ),
    (
        "divided the wavelength by the factor; it makes every wavelength longer",
        lambda H, theta, factor, context: _count(H, theta, 1 / factor, context, _right),
    ),
    (
        "the exponent is half of what it should be: 2 i / H, with i from 0 to H/2 - 1",
        lambda H, theta, factor, context: _count(H, theta, factor, context, lambda i, h: i / h),
    ),
    (
        "counted elements, not pairs: a head has H/2 pairs",
        lambda H, theta, factor, context: 2 * _count(H, theta, factor, context, _right),
    ),
]


def check_merged_positions(fn: Callable[[], Any]) -> None:
    """`fn()` gives two positions below 512 that a table with a bug turns alike.

    The bug: positions in bfloat16, which has 8 significant binary digits.

    >>> check_merged_positions(lambda: (256, 257))
    """
    answer = fn()
    assert isinstance(answer, tuple | list) and len(answer) == 2, (
        f"expected two positions, got {answer!r}"
    )
    for p in answer:
        assert isinstance(p, int) and not isinstance(p, bool), (
            f"expected whole numbers, got {type(p).__name__}"
        )
        assert 0 <= p < 512, f"position {p} is not among 0 to 511"
    a, b = answer
    assert a != b, f"{a} twice; two different positions are asked for"
    seen = [int(torch.tensor(p).bfloat16()) for p in (a, b)]
    assert seen[0] == seen[1], (
        f"the suspect tells {a} and {b} apart; which numbers does its position lose?"
    )
