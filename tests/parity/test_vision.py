"""The vision tower equals transformers' SiglipVisionModel and Gemma3MultiModalProjector."""

import random

import pytest
import torch

from tests.parity.oracle import ours_from, random_config, transformers_model

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("seed", range(12))
def test_float32(seed):
    """Stage by stage: the encoder's patches, then the projector on the same patches."""
    config = random_config(random.Random(seed), vision=True)
    oracle = transformers_model(config, seed).model
    tower = ours_from(transformers_model(config, seed), config).vision
    size = config.vision.image_size
    images = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    with torch.no_grad():
        want = oracle.vision_tower(pixel_values=images).last_hidden_state
        got = tower.encoder(images)
        assert got.std() > 0.3
        torch.testing.assert_close(got, want, rtol=0, atol=1e-5)
        want = oracle.multi_modal_projector(want)
        assert want.std() > 0.3
        torch.testing.assert_close(tower(images), want, rtol=0, atol=1e-5)
