"""Logits equal transformers' on random models that take every branch."""

import random

import pytest
import torch

from tests.parity.oracle import ours_from, random_config, random_prompts, transformers_model

pytestmark = pytest.mark.parity
SEEDS = range(48)


@pytest.mark.parametrize("seed", SEEDS)
def test_float32(seed):
    rng = random.Random(seed)
    config = random_config(rng, vision=seed % 3 > 0)
    oracle = transformers_model(config, seed)
    prompts = random_prompts(rng, config)
    want = prompts.logits(oracle)[prompts.real]
    with torch.no_grad():
        got = ours_from(oracle, config)(prompts.batch(config))[prompts.real]
    assert 0.3 < want.std() < 3
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)
