"""The checks on rotary embedding accept what is right, however written; mistakes: test_checks."""

import math

import pytest
import torch
from torch import Tensor

from gemma3_edu import naive
from gemma3_edu.lessons.checks.rope import check_merged_positions, check_slow_pairs, check_turn
from gemma3_edu.lessons.figures.rope import wavelengths
from gemma3_edu.model.config import RopeConfig
from gemma3_edu.model.rope import apply_rope, rope_table
from tests.lessons.checks.messages import message

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


# check_slow_pairs


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


def test_a_count_is_no_tensor():
    said = message(check_slow_pairs, lambda *case: torch.tensor(by_angles(*case)))
    assert said.startswith("gave a tensor; make a whole number of it with int(...) or .item()")


# check_merged_positions


@pytest.mark.parametrize("answer", [torch.tensor([256, 257]), (torch.tensor(257), 256)])
def test_merged_positions_may_be_tensors(answer):
    check_merged_positions(lambda: answer)


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
        ("the suspect tells 255 and 256 apart, as 255 and 256; which", (255, 256)),
        ("the suspect tells 256 and 258 apart, as 256 and 258; which", (256, 258)),
        ("the suspect tells 257 and 258 apart, as 256 and 258; which", (257, 258)),
        ("257 twice; two different positions are asked for", (257, 257)),
        ("position 512 is not among 0 to 511", (512, 513)),
        ("position -1 is not among 0 to 511", (-1, 256)),
        ("expected whole numbers, got float", (256.0, 257.0)),
        ("expected whole numbers, got bool", (True, 1)),
        ("expected whole numbers, got float", (torch.tensor(256.0), 257)),
        ("the suspect tells 255 and 256 apart, as 255 and 256; which", torch.tensor([255, 256])),
        ("expected two positions, got 257", 257),
        ("expected two positions, got (256, 257, 258)", (256, 257, 258)),
    ],
)
def test_wrong_merged_positions(sentence, pair):
    assert message(check_merged_positions, lambda: pair).startswith(sentence)
