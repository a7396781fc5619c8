"""Greedy text equals what transformers' generate gives."""

import random

import pytest
import torch

from gemma3_edu.generation.generate import generate
from gemma3_edu.generation.sampling import Sampler
from tests.parity.oracle import ours_from, random_config, random_prompts, transformers_model

pytestmark = pytest.mark.parity
STEPS = 24


def theirs(oracle: torch.nn.Module, prompts: object, stops: list[int]) -> list[list[int]]:
    given = {name: value for name, value in vars(prompts).items() if value is not None}
    del given["position_ids"]  # generate counts them itself
    if not hasattr(oracle.config, "vision_config"):
        del given["token_type_ids"]
    oracle.generation_config.eos_token_id = stops
    oracle.generation_config.pad_token_id = 0
    out = oracle.generate(**given, do_sample=False, max_new_tokens=STEPS)
    return out[:, prompts.input_ids.shape[1] :].tolist()


@pytest.mark.parametrize("seed", range(1000, 1009))
def test_greedy(seed):
    """Ragged batches, images, prompts past the window; rows stop at one of two tokens."""
    rng = random.Random(seed)
    config = random_config(rng, vision=seed % 3 > 0)
    oracle = transformers_model(config, seed)
    model, prompts = ours_from(oracle, config), random_prompts(rng, config)
    batch = prompts.batch(config)
    free = torch.stack(list(generate(model, batch, Sampler(0), STEPS)), 1)
    assert len(free.unique()) >= 8  # no token for ever
    assert free.tolist() == theirs(oracle, prompts, [-1])
    stops = [int(free[0, 10]), int(free[-1, 4])]
    got = torch.stack(list(generate(model, batch, Sampler(0), STEPS, stops, chunk_size=7)), 1)
    assert got.shape[1] <= 11 or len(free) > 1
    assert got.tolist() == theirs(oracle, prompts, stops)
