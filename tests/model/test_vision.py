"""The vision tower: order of patches, who sees whom, pooling; equal to the loops."""

import dataclasses

import pytest
import torch

from gemma3_edu import naive
from gemma3_edu.model.config import Gemma3Config, VisionConfig
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.model.vision import VisionEncoder, VisionProjector, VisionTower
from tests.tiny import tiny_config

CONFIG = Gemma3Config(
    text=tiny_config().text,
    vision=VisionConfig(
        hidden_size=10,
        intermediate_size=14,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=12,
        patch_size=2,
    ),
    mm_tokens_per_image=9,  # 6 x 6 patches in squares of 2 x 2
)


@pytest.fixture
def tower() -> VisionTower:
    """Random weights, with no bias and no gain that hides a mistake."""
    generator, module = torch.Generator().manual_seed(0), VisionTower(CONFIG)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.normal_(0.0, 0.3, generator=generator)
            if "layer_norm" in name and name.endswith("weight"):
                parameter.add_(1.0)
    return module.eval()


def images(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 12, 12, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_equals_the_naive_version(tower):
    pixels = images()
    with torch.no_grad():
        patches, soft = tower.encoder(pixels), tower(pixels)
    weights = tower.state_dict()
    encoder = naive.layers.inside(weights, "encoder.")
    want = torch.stack(
        [naive.vision.vision_encoder(image, encoder, CONFIG.vision) for image in pixels]
    )
    torch.testing.assert_close(patches, want, rtol=0, atol=1e-5)
    assert soft.shape == (3, 9, CONFIG.text.hidden_size)
    want = naive.vision.vision_tower(pixels, weights, CONFIG)
    torch.testing.assert_close(soft, want, rtol=0, atol=1e-5)


def test_patches_come_in_reading_order():
    """A picture whose patches are grey by their number, read back from the patch embedding."""
    encoder = VisionEncoder(CONFIG.vision)
    torch.nn.init.constant_(encoder.patch_embedding.weight, 1 / 12)  # the mean of 3 * 2 * 2 values
    torch.nn.init.zeros_(encoder.patch_embedding.bias)
    torch.nn.init.zeros_(encoder.position_embedding.weight)
    seen = []
    encoder.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    number = torch.arange(36.0).reshape(6, 6)
    picture = number.repeat_interleave(2, 0).repeat_interleave(2, 1).expand(1, 3, 12, 12)
    with torch.no_grad():
        encoder(picture)
    torch.testing.assert_close(seen[0][0, :, 0], torch.arange(36.0))
    means = [patch.mean() for patch in naive.vision.patches(picture[0], 2)]
    assert torch.stack(means).equal(torch.arange(36.0))


def test_pooling_averages_squares_in_reading_order():
    """Patch p is (p, 1); the norm scales both alike, so their ratio is the pooled number."""
    vision = dataclasses.replace(CONFIG.vision, hidden_size=2, image_size=8)  # 4 x 4 patches
    config = dataclasses.replace(CONFIG, vision=vision, mm_tokens_per_image=4)
    projector = VisionProjector(config)
    projector.mm_input_projection_weight.data = torch.eye(2, config.text.hidden_size)
    patches = torch.stack([torch.arange(16.0), torch.ones(16)], 1)[None]
    with torch.no_grad():
        soft = projector(patches)[0]
    torch.testing.assert_close(soft[:, 0] / soft[:, 1], torch.tensor([2.5, 4.5, 10.5, 12.5]))


def test_every_patch_sees_every_patch(tower):
    """Changing the last patch of a picture changes what comes out for the first, and back."""
    picture = images(1)
    for changed, other in [(-1, 0), (0, -1)]:
        altered = picture.clone()
        altered[..., changed, changed] = -altered[..., changed, changed]
        with torch.no_grad():
            difference = (tower.encoder(altered) - tower.encoder(picture))[0, other]
        assert difference.abs().max() > 1e-4


def test_images_do_not_see_each_other(tower):
    pixels = images()
    with torch.no_grad():
        together, alone = tower(pixels), tower(pixels[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-5)


def test_soft_tokens_have_the_dtype_of_the_weights(tower):
    with torch.no_grad():
        assert tower.bfloat16()(images()).dtype == torch.bfloat16


def test_the_released_tower():
    config = PRESETS["4b"]
    with torch.device("meta"):
        tower = VisionTower(config)
        soft = tower(torch.empty(2, 3, 896, 896))
    assert soft.shape == (2, 256, 2560)
    assert sum(p.numel() for p in tower.encoder.parameters()) == 416_866_032
    assert tower.encoder.position_embedding.weight.shape == (4096, 1152)
    assert tower.projector.mm_input_projection_weight.shape == (1152, 2560)


def test_a_text_only_config_has_no_tower():
    with pytest.raises(ValueError, match="text-only"):
        VisionTower(PRESETS["1b"])
