"""The checks on rotary embedding accept what is right, however written, and name each slip."""

import math
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gemma3_edu import naive
from gemma3_edu.lessons.checks.rope import check_merged_positions, check_slow_pairs, check_turn
from gemma3_edu.lessons.figures.rope import wavelengths
from gemma3_edu.model.config import RopeConfig
from gemma3_edu.model.rope import apply_rope, rope_table

# check_turn


def by_package(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    return apply_rope(x, *rope_table(position, x.shape[-1], RopeConfig(theta, factor)))


def by_loops(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    table = naive.rope.rope_table(position, x.shape[-1], RopeConfig(theta, factor))
    return naive.rope.apply_rope(x, *table)


def by_complex(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    """Angles from logarithms, and a turn as a complex product in float64."""
    half = x.shape[-1] // 2
    rate = torch.exp(-torch.arange(half, dtype=torch.float64) / half * math.log(theta)) / factor
    unit = torch.exp(1j * position[..., None, None].double() * rate)
    turned = torch.complex(*x.double().chunk(2, dim=-1)) * unit
    return torch.cat([turned.real, turned.imag], dim=-1).to(x.dtype)


def by_rotate_half(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    """As transformers writes it, but in float32 to the end."""
    H = x.shape[-1]
    angle = position.float()[..., None] / factor @ theta ** (-torch.arange(0, H, 2)[None] / H)
    cos, sin = (f(torch.cat([angle, angle], -1))[:, :, None] for f in (torch.cos, torch.sin))
    first, second = x.float().chunk(2, dim=-1)
    return (x.float() * cos + torch.cat([-second, first], -1) * sin).to(x.dtype)


def by_matrices(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    """One H x H matrix for each position."""
    H = x.shape[-1]
    y = torch.empty_like(x)
    for b, t in torch.cartesian_prod(*map(torch.arange, position.shape)).tolist():
        matrix = torch.zeros(H, H, dtype=torch.float64)
        for i in range(H // 2):
            angle = float(position[b, t]) / factor * theta ** (-2 * i / H)
            matrix[i, i] = matrix[i + H // 2, i + H // 2] = math.cos(angle)
            matrix[i + H // 2, i] = math.sin(angle)
            matrix[i, i + H // 2] = -math.sin(angle)
        y[b, t] = (x[b, t].double() @ matrix.T).to(x.dtype)
    return y


@pytest.mark.parametrize("answer", [by_package, by_loops, by_complex, by_rotate_half, by_matrices])
def test_right_turns(answer):
    check_turn(answer)


def turned(
    angle: Callable[[Tensor, Tensor, int, float, float], Tensor],
) -> Callable[..., Tensor]:
    """Right but for the angle, of positions (B T 1 1), pairs, H, theta and factor."""

    def answer(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
        pair = torch.arange(x.shape[-1] // 2)
        a = angle(position[:, :, None, None].double(), pair, x.shape[-1], theta, factor)
        first, second = x.double().chunk(2, dim=-1)
        both = [first * a.cos() - second * a.sin(), second * a.cos() + first * a.sin()]
        return torch.cat(both, dim=-1).to(x.dtype)

    return answer


def neighbours(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    H = x.shape[-1]
    paired = x.unflatten(-1, (H // 2, 2)).transpose(-1, -2).flatten(-2)
    y = by_package(paired, position, theta, factor)
    return y.unflatten(-1, (2, H // 2)).transpose(-1, -2).flatten(-2)


def swapped(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    cos, sin = rope_table(position, x.shape[-1], RopeConfig(theta, factor))
    return apply_rope(x, sin, cos)


def of_places(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    return by_package(x, torch.arange(x.shape[1]).expand_as(position), theta, factor)


def in_place(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    return x.copy_(by_package(x, position, theta, factor))


def half_of_it(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    """Turns the first head alone."""
    y = x.clone()
    y[:, :, :1] = by_package(x[:, :, :1], position, theta, factor)
    return y


FROM_1 = "counted pairs from 1; the first turns by the position itself"


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        ("nothing was turned", lambda x, position, theta, factor: x.clone()),
        (
            "neighbours were paired; Gemma pairs element i with element i + H/2",
            neighbours,
        ),
        (
            "turned backwards; it is first * cos - second * sin, and second * cos + first * sin",
            turned(lambda p, i, H, theta, f: -p / f * theta ** (-2 * i / H)),
        ),
        ("cos and sin are swapped", swapped),
        (
            "the exponent is half of what it should be: theta ** (-2 i / H), with i from 0 to"
            " H/2 - 1",
            turned(lambda p, i, H, theta, f: p / f * theta ** (-i / H)),
        ),
        (
            "the exponent's sign: theta ** (-2 i / H), so later pairs turn slower",
            turned(lambda p, i, H, theta, f: p / f * theta ** (2 * i / H)),
        ),
        (FROM_1, turned(lambda p, i, H, theta, f: p / f * theta ** (-2 * (i + 1) / H))),
        (
            "left out the factor; every position is divided by it",
            turned(lambda p, i, H, theta, f: p * theta ** (-2 * i / H)),
        ),
        (
            "multiplied by the factor; every position is divided by it",
            turned(lambda p, i, H, theta, f: p * f * theta ** (-2 * i / H)),
        ),
        (
            "took a token's place in the tensor for its position; use the numbers in position",
            of_places,
        ),
        (
            "counted positions from 1",
            turned(lambda p, i, H, theta, f: (p + 1) / f * theta ** (-2 * i / H)),
        ),
        ("changed x or position in place; return a new tensor", in_place),
        (
            "shape (2, 5, 24), expected (2, 5, 3, 8)",
            lambda x, position, theta, factor: by_package(x, position, theta, factor).flatten(2),
        ),
        (
            "dtype torch.float32, expected torch.bfloat16",
            lambda x, position, theta, factor: by_package(x.float(), position, theta, factor),
        ),
        (
            "expected a tensor, got tuple",
            lambda x, position, theta, factor: (x, position),
        ),
    ],
)
def test_wrong_turns(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_turn(answer)


def test_a_turn_wrong_in_its_own_way_gets_the_number_of_values():
    with pytest.raises(AssertionError, match=r"^160 of 240 values differ by more than 0.0001, fi"):
        check_turn(half_of_it)


def rounded_table(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    table = rope_table(position, x.shape[-1], RopeConfig(theta, factor))
    return apply_rope(x, *(each.to(x.dtype).float() for each in table))


def rounded_positions(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    return by_package(x, position.to(x.dtype).int(), theta, factor)


def rounded_throughout(x: Tensor, position: Tensor, theta: float, factor: float) -> Tensor:
    table = rope_table(position, x.shape[-1], RopeConfig(theta, factor))
    cos, sin = (each.to(x.dtype)[:, :, None] for each in table)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


@pytest.mark.parametrize("answer", [rounded_table, rounded_positions, rounded_throughout])
def test_rounding_too_early_shows_in_bfloat16(answer):
    sentence = "compute angles and products in float32, and cast last"
    with pytest.raises(
        AssertionError, match=rf"^bfloat16: \d\d% of the values differ; {sentence}$"
    ):
        check_turn(answer)


# check_slow_pairs

Count = Callable[[int, float, float, int], object]


def by_waves(head_dim: int, theta: float, factor: float, context: int) -> int:
    return int((wavelengths(head_dim, RopeConfig(theta, factor)) > context).sum())


def by_logarithm(head_dim: int, theta: float, factor: float, context: int) -> int:
    first = head_dim / 2 * math.log(context / (2 * math.pi * factor), theta)
    return head_dim // 2 - min(head_dim // 2, max(0, math.ceil(first)))


def by_angles(head_dim: int, theta: float, factor: float, context: int) -> int:
    """From the package's frequencies: the angle after the whole context is under a full turn."""
    pair = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
    return (context / factor * theta**-pair).lt(math.tau).sum().item()


@pytest.mark.parametrize("answer", [by_waves, by_logarithm, by_angles])
def test_right_counts(answer):
    check_slow_pairs(answer)


def counting(length: Callable[[int, int, float, float], float]) -> Count:
    def answer(head_dim: int, theta: float, factor: float, context: int) -> int:
        lengths = [length(i, head_dim, theta, factor) for i in range(head_dim // 2)]
        return sum(each > context for each in lengths)

    return answer


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "all pairs were counted; those that go round within the context are not slow",
            lambda H, theta, f, context: H // 2,
        ),
        (
            "the fast pairs were counted; the slow ones are asked for",
            lambda H, theta, f, context: H // 2 - by_waves(H, theta, f, context),
        ),
        (
            "once round is 2 pi, not 1: a pair's wavelength is 2 pi divided by its angle for one"
            " token",
            counting(lambda i, H, theta, f: f * theta ** (2 * i / H)),
        ),
        (
            "once round is 2 pi, not pi",
            counting(lambda i, H, theta, f: math.pi * f * theta ** (2 * i / H)),
        ),
        (
            "left out the factor; it makes every wavelength longer",
            counting(lambda i, H, theta, f: math.tau * theta ** (2 * i / H)),
        ),
        (
            "divided the wavelength by the factor; it makes every wavelength longer",
            counting(lambda i, H, theta, f: math.tau / f * theta ** (2 * i / H)),
        ),
        (
            "the exponent is half of what it should be: 2 i / H, with i from 0 to H/2 - 1",
            counting(lambda i, H, theta, f: math.tau * f * theta ** (i / H)),
        ),
        (
            "counted elements, not pairs: a head has H/2 pairs",
            lambda H, theta, f, context: 2 * by_waves(H, theta, f, context),
        ),
        (
            "expected a whole number, got float",
            lambda H, theta, f, context: float(by_waves(H, theta, f, context)),
        ),
        ("expected a whole number, got bool", lambda H, theta, f, context: True),
        # no slip of its own
        (
            "head_dim=256, theta=10000, factor=1, context=32768: got 10, expected 9",
            lambda H, theta, f, context: by_waves(H, theta, f, context) + 1,
        ),
    ],
)
def test_wrong_counts(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_slow_pairs(answer)


# check_merged_positions


@pytest.mark.parametrize("pair", [(256, 257), (257, 256), [259, 260], (509, 508), (383, 384)])
def test_right_merged_positions(pair):
    check_merged_positions(lambda: pair)
    a, b = (
        torch.tensor([[p]]).bfloat16().int() for p in pair
    )  # the lesson's suspect turns them alike
    for one, other in zip(*(rope_table(p, 64, RopeConfig(1e4)) for p in (a, b)), strict=True):
        assert one.equal(other)


@pytest.mark.parametrize(
    ("sentence", "pair"),
    [
        ("the suspect tells 255 and 256 apart; which numbers does its position lose?", (255, 256)),
        ("the suspect tells 256 and 258 apart; which numbers does its position lose?", (256, 258)),
        ("the suspect tells 257 and 258 apart; which numbers does its position lose?", (257, 258)),
        ("257 twice; two different positions are asked for", (257, 257)),
        ("position 512 is not among 0 to 511", (512, 513)),
        ("position -1 is not among 0 to 511", (-1, 256)),
        ("expected whole numbers, got float", (256.0, 257.0)),
        ("expected whole numbers, got bool", (True, 1)),
        ("expected two positions, got 257", 257),
        ("expected two positions, got (256, 257, 258)", (256, 257, 258)),
    ],
)
def test_wrong_merged_positions(sentence, pair):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_merged_positions(lambda: pair)


@pytest.mark.parametrize("check", [check_turn, check_slow_pairs, check_merged_positions])
def test_a_stub_is_let_through(check):
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
