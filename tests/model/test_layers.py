"""Normalisation, feed-forward and embedding, against PyTorch and against the loops."""

import math

import pytest
import torch
from torch.nn import functional as F

from gemma3_edu import naive
from gemma3_edu.model.layers import GatedMLP, RMSNorm, TokenEmbedding
from gemma3_edu.model.presets import PRESETS

B, T, D = 2, 5, 12


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def norm(w: torch.Tensor, eps: float = 1e-6) -> RMSNorm:
    module = RMSNorm(len(w), eps)
    module.load_state_dict({"weight": w})
    return module.to(w.dtype)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e5])  # at 1e-4 eps is most of the sum
@pytest.mark.parametrize("eps", [1e-6, 1e-3])
def test_rms_norm(scale, eps):
    x, w = scale * randn(T, B, D).transpose(0, 1), randn(D, seed=1)  # not contiguous
    got = norm(w, eps)(x)
    torch.testing.assert_close(got, F.rms_norm(x, (D,), 1 + w, eps), rtol=1e-5, atol=0)
    torch.testing.assert_close(got, naive.layers.rms_norm(x, w, eps), rtol=1e-5, atol=0)


def test_a_fresh_norm_has_gain_one():
    x = randn(B, T, 3, D)  # any number of axes before the last
    torch.testing.assert_close(RMSNorm(D)(x), F.rms_norm(x, (D,), eps=1e-6))


def test_rms_norm_in_bfloat16_casts_last():
    """Right answers differ in a few values where float32 itself rounds; an early cast in many."""
    x, w = randn(7, 640).bfloat16(), randn(640, seed=1).bfloat16()
    wide = x.double() * torch.rsqrt(x.double().square().mean(-1, keepdim=True) + 1e-6)
    want = (wide * (1 + w.double())).bfloat16()
    cast_first = wide.bfloat16() * (1 + w)

    def share(got: torch.Tensor) -> float:
        assert got.dtype == torch.bfloat16
        return float((got != want).float().mean())

    assert share(norm(w)(x)) < 0.01
    assert share(naive.layers.rms_norm(x, w)) < 0.01
    assert share(cast_first) > 0.2


@pytest.fixture
def mlp() -> GatedMLP:
    module = GatedMLP(D, 7)
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    assert shapes == {
        "gate_proj.weight": (7, D),
        "up_proj.weight": (7, D),
        "down_proj.weight": (D, 7),
    }
    for seed, parameter in enumerate(module.parameters()):
        parameter.data = randn(*parameter.shape, seed=seed)
    return module


def test_gated_mlp(mlp):
    x = randn(B, T, D, seed=9) / 2
    with torch.no_grad():
        got = mlp(x)
        weights = (mlp.gate_proj.weight, mlp.up_proj.weight, mlp.down_proj.weight)
        want = naive.layers.gated_mlp(x, *weights)
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
        erf = mlp.down_proj(F.gelu(mlp.gate_proj(x)) * mlp.up_proj(x))
        swapped = mlp.down_proj(mlp.gate_proj(x) * F.gelu(mlp.up_proj(x), approximate="tanh"))
        assert 1e-4 < (got - erf).abs().max() < 1e-2  # the two forms of GELU are that close
        assert (got - swapped).abs().max() > 0.1


@pytest.mark.parametrize("a", [-9.0, -1.5, -0.1, 0.0, 0.7, 2.0, 30.0])
def test_the_naive_gelu_is_pytorchs(a):
    want = float(F.gelu(torch.tensor(a, dtype=torch.float64), approximate="tanh"))
    assert naive.layers.gelu_tanh(a) == pytest.approx(want, abs=1e-12)


def embedding(table: torch.Tensor) -> TokenEmbedding:
    module = TokenEmbedding(*table.shape)
    module.weight.data = table
    return module


@pytest.mark.parametrize(
    ("size", "scale"), [("270m", 25.25), ("1b", 34), ("4b", 50.5), ("12b", 62), ("27b", 73.5)]
)
def test_the_embedding_scale_is_rounded_to_bfloat16(size, scale):
    ones = torch.ones(3, PRESETS[size].text.hidden_size)
    token = torch.tensor([[1]])
    assert embedding(ones.bfloat16())(token).unique().tolist() == [scale]
    exact = torch.tensor(math.sqrt(ones.shape[1]), dtype=torch.float32)
    assert embedding(ones)(token).unique().tolist() == [exact.item()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_embedding_and_logits(dtype):
    table, tokens = randn(11, D).to(dtype), torch.tensor([[3, 0, 10, 3, 7], [1, 2, 9, 4, 8]])
    module = embedding(table)
    assert module(tokens).equal(naive.layers.token_embedding(tokens, table))
    x = randn(B, T, D, seed=4).to(dtype)
    got = module.logits(x)
    assert got.dtype == dtype
    torch.testing.assert_close(got, naive.layers.logits(x, table))


def test_logits_come_from_the_same_table_unscaled():
    module = embedding(randn(11, D))
    assert len(list(module.parameters())) == 1
    unit = torch.eye(D)[None]  # the scores of unit vectors are the table itself, turned
    assert module.logits(unit)[0].T.equal(module.weight)
