"""Rotary embedding: which elements turn, by how much, and what the score depends on."""

import math

import pytest
import torch

from gemma3_edu import naive
from gemma3_edu.model.config import AttentionType, RopeConfig
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.model.rope import apply_rope, rope_table
from tests.tiny import prompts, tiny_config, tiny_model

LOCAL, GLOBAL = RopeConfig(1e4), RopeConfig(1e6, 8.0)
B, T, N, H = 2, 5, 3, 8


def table(*positions: int, rope: RopeConfig = LOCAL, head_dim: int = H):
    return rope_table(torch.tensor([positions]), head_dim, rope)


def turned(x: torch.Tensor, position: int, rope: RopeConfig = LOCAL) -> torch.Tensor:
    """One head's vector, turned for one position."""
    return apply_rope(x[None, None, None], *table(position, rope=rope, head_dim=len(x))).flatten()


@pytest.mark.parametrize("rope", [LOCAL, GLOBAL, RopeConfig(1e6), RopeConfig(7.0, 3.0)])
def test_equals_the_naive_version(rope):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(B, T, N, H, generator=generator)
    position = torch.randint(-1, 50, (B, T), generator=generator)
    tables = rope_table(position, H, rope)
    for got, want in zip(tables, naive.rope.rope_table(position, H, rope), strict=True):
        assert got.dtype == torch.float32
        torch.testing.assert_close(got, want, rtol=0, atol=5e-6)
    torch.testing.assert_close(apply_rope(x, *tables), naive.rope.apply_rope(x, *tables))


def test_pairs_are_half_a_head_apart():
    """Element 1 moves into element 1 + H/2; interleaved pairs would move it into element 0."""
    y = turned(torch.eye(H)[1], position=3)
    assert y.nonzero().flatten().tolist() == [1, 1 + H // 2]
    angle = 3 * 1e4 ** (-2 / H)  # pair 1 of H/2
    torch.testing.assert_close(y[[1, 5]], torch.tensor([math.cos(angle), math.sin(angle)]))
    back = turned(torch.eye(H)[5], position=3)  # the second of the pair turns the other way
    torch.testing.assert_close(back[[1, 5]], torch.tensor([-math.sin(angle), math.cos(angle)]))


@pytest.mark.parametrize("rope", [LOCAL, GLOBAL])
def test_the_score_depends_on_distance_alone(rope):
    q, k = torch.randn(2, 16, generator=torch.Generator().manual_seed(1))
    scores = {
        (distance, start): float(turned(q, start + distance, rope) @ turned(k, start, rope))
        for distance in (-3, 0, 4, 11)
        for start in (3, 30, 200)
    }
    for (distance, _), score in scores.items():
        assert score == pytest.approx(scores[distance, 3], abs=1e-4)
    assert scores[0, 3] == pytest.approx(float(q @ k), abs=1e-5)
    assert len({round(scores[distance, 3], 2) for distance in (-3, 0, 4, 11)}) == 4


def test_turning_keeps_lengths_and_position_0_changes_nothing():
    x = torch.randn(16, generator=torch.Generator().manual_seed(2))
    assert turned(x, 0).equal(x)
    torch.testing.assert_close(turned(x, 77).norm(), x.norm())


def test_the_factor_divides_positions():
    """Position 8 p with factor 8 is p without, to the last bit, since 8 is a power of 2."""
    for got, want in zip(
        table(0, 8, 64, 8000, rope=RopeConfig(1e6, 8.0)),
        table(0, 1, 8, 1000, rope=RopeConfig(1e6)),
        strict=True,
    ):
        assert got.equal(want)


@pytest.mark.parametrize("size", ["270m", "1b", "4b", "12b", "27b"])
def test_which_layers_have_which_rope(size):
    text = PRESETS[size].text
    factor = 1.0 if size in ("270m", "1b") else 8.0
    assert text.rope(AttentionType.LOCAL) == RopeConfig(10_000.0, 1.0)
    assert text.rope(AttentionType.GLOBAL) == RopeConfig(1_000_000.0, factor)


def test_each_layer_gets_the_table_of_its_type():
    config = tiny_config()
    model: Gemma3 = tiny_model(config)
    batch = prompts(config, "ttttttt", "ttt")
    given = []
    for block in model.language_model.layers:
        block.self_attn.register_forward_pre_hook(lambda _, inputs: given.append(inputs[2]))
    with torch.no_grad():
        model(batch)
    for (cos, sin), kind in zip(given, config.text.layer_types, strict=True):
        want = rope_table(batch.layout.position, config.text.head_dim, config.text.rope(kind))
        assert cos.equal(want[0])
        assert sin.equal(want[1])
    assert not given[0][0].equal(given[1][0])


def test_bfloat16_is_turned_in_float32():
    x = torch.randn(B, T, N, H, generator=torch.Generator().manual_seed(3)).bfloat16()
    tables = rope_table(torch.arange(1000, 1000 + T).expand(B, T), H, LOCAL)
    got = apply_rope(x, *tables)
    assert got.dtype == torch.bfloat16
    assert got.equal(apply_rope(x.float(), *tables).bfloat16())
    rounded = apply_rope(x, *(each.bfloat16().float() for each in tables))
    assert (got != rounded).float().mean() > 0.1  # a table in bfloat16 would show


def test_positions_past_8192_stay_apart():
    """In bfloat16 8190 and 8191 would both be 8192. Pair 0 turns by the position itself."""
    positions = [8190, 8191, 8192, 32_767, 131_071]
    cos, sin = table(*positions)
    want = torch.tensor([[math.cos(p), math.sin(p)] for p in positions])
    torch.testing.assert_close(torch.stack([cos[0, :, 0], sin[0, :, 0]], 1), want)


@pytest.mark.parametrize("rope", [LOCAL, GLOBAL])
@pytest.mark.parametrize("position", [8191, 32_767, 131_071])
def test_far_angles_are_as_exact_as_float32(position, rope):
    """Frequency and product round to 24 bits each: an angle is off by its 2 ** -21 at most."""
    for got, want in zip(
        table(position, rope=rope, head_dim=256),
        naive.rope.rope_table(torch.tensor([[position]]), 256, rope),
        strict=True,
    ):
        pair = torch.arange(128)
        angle = position / rope.factor * rope.theta ** (-2 * pair / 256)
        assert ((got - want).abs() <= angle * 2**-21 + 1e-6).all()
