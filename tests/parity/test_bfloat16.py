"""bfloat16: layers that can be equal are equal to the bit, and the rest errs as rounding does.

The yardstick is the same weights in float32 (with sqrt(D) as bfloat16 rounds it, for that is part
of the model). One rounding to bfloat16 errs by at most u = 2^-9 of a value, u / sqrt(3) on average,
and n roundings one after the other by sqrt(n) times that. About 24 lie in series in a layer (norms,
projections, rotation, weights, products, sums), so L layers should err by u * sqrt(8 L) of the
logits' size: 1.6 % for 8 layers. Random layers amplify what comes in, by an amount nobody can
derive; three times the estimate is allowed for that, and 1.5 times the error that transformers
makes itself.
"""

import copy
import random

import pytest
import torch
from torch import Tensor

from gemma3_edu.model.layers import GatedMLP, RMSNorm, TokenEmbedding
from gemma3_edu.model.presets import PRESETS
from tests.parity.oracle import ours_from, random_config, random_prompts, transformers_model

pytestmark = pytest.mark.parity


def rms(x: Tensor) -> float:
    return float(x.double().pow(2).mean().sqrt())


@pytest.mark.parametrize("seed", range(12))
def test_logits(seed):
    rng = random.Random(seed)
    config = random_config(rng, vision=seed % 3 > 0)
    prompts = random_prompts(rng, config)
    rounded = transformers_model(config, seed).bfloat16()
    truth = copy.deepcopy(rounded).float()
    scale = torch.tensor(config.text.hidden_size**0.5).bfloat16()
    truth.get_input_embeddings().embed_scale = scale.float()
    want = prompts.logits(truth)[prompts.real]
    with torch.no_grad():
        logits = ours_from(rounded, config)(prompts.batch(config))[prompts.real]
    assert logits.dtype == torch.bfloat16
    error = rms(logits.float() - want) / rms(want)
    theirs = rms(prompts.logits(rounded)[prompts.real].float() - want) / rms(want)
    estimate = 2**-9 * (8 * config.text.num_hidden_layers) ** 0.5
    assert error < 3 * estimate
    assert error < 1.5 * theirs
    assert error > estimate / 10  # it really ran in bfloat16


def oracle_layers(seed: int = 0) -> tuple:
    """A tiny oracle in bfloat16, its first layer, and hidden states of order one."""
    config = random_config(random.Random(seed), vision=False)
    oracle = transformers_model(config, seed).bfloat16()
    x = torch.randn(2, 50, config.text.hidden_size, generator=torch.Generator().manual_seed(seed))
    return config.text, oracle.model, x.bfloat16()


@pytest.mark.parametrize("seed", range(5))
def test_rmsnorm_to_the_bit(seed):
    """(1 + w) is applied in float32, before the only cast."""
    text, theirs, x = oracle_layers(seed)
    norm = RMSNorm(text.hidden_size, text.rms_norm_eps).bfloat16()
    with torch.no_grad():
        norm.weight.copy_(theirs.norm.weight)
        assert norm(x).equal(theirs.norm(x))


@pytest.mark.parametrize("seed", range(5))
def test_embedding_to_the_bit(seed):
    text, theirs, _ = oracle_layers(seed)
    table = TokenEmbedding(text.vocab_size, text.hidden_size).bfloat16()
    ids = torch.arange(text.vocab_size)[None]
    with torch.no_grad():
        table.weight.copy_(theirs.embed_tokens.weight)
        assert table(ids).equal(theirs.embed_tokens(ids))


@pytest.mark.parametrize("seed", range(5))
def test_mlp_to_the_bit(seed):
    text, theirs, x = oracle_layers(seed)
    mlp = GatedMLP(text.hidden_size, text.intermediate_size).bfloat16()
    mlp.load_state_dict(theirs.layers[0].mlp.state_dict())
    with torch.no_grad():
        assert mlp(x).equal(theirs.layers[0].mlp(x))


@pytest.mark.parametrize(
    ("name", "scale"), [("270m", 25.25), ("1b", 34.0), ("4b", 50.5), ("12b", 62.0), ("27b", 73.5)]
)
def test_embedding_scales_of_the_released_sizes(name, scale):
    """sqrt(D) in bfloat16; the float32 value, 25.298 for 270M, is another."""
    table = TokenEmbedding(1, PRESETS[name].text.hidden_size).bfloat16()
    with torch.no_grad():
        table.weight.fill_(1.0)
        assert table(torch.tensor([[0]])).unique().tolist() == [scale]
