"""Random tiny models that take every branch, as transformers builds them and as we do."""

import random
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import Gemma3Config as HFConfig
from transformers import Gemma3ForCausalLM, Gemma3ForConditionalGeneration
from transformers import Gemma3TextConfig as HFTextConfig

from gemma3_edu.hub.config_json import config_to_hf
from gemma3_edu.hub.weights import load_weights
from gemma3_edu.model.config import (
    Gemma3Config,
    RopeConfig,
    TextConfig,
    VisionConfig,
    layer_pattern,
)
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.model.layout import Batch

VOCABULARY = 300
BOI, EOI, SOFT = 288, 289, 290


def random_config(rng: random.Random, vision: bool) -> Gemma3Config:
    """A config with a size, window, head ratio, factor and scale of its own."""
    kv_heads, groups = rng.choice([1, 2, 3]), rng.choice([1, 2, 4])
    heads = kv_heads * groups
    head_dim = rng.choice([6, 8, 14])
    window = rng.randint(2, 12)
    text = TextConfig(
        vocab_size=VOCABULARY,
        hidden_size=heads * (60 // heads + rng.choice([1, 3])),  # transformers wants N | D
        intermediate_size=rng.choice([20, 50]),
        layer_types=layer_pattern(rng.randint(7, 14)),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        query_pre_attn_scalar=rng.choice([head_dim - 1, head_dim + 5]),
        sliding_window=window,
        max_position_embeddings=256,
        rope_global=RopeConfig(1e6, rng.choice([1.0, 8.0])),
    )
    if not vision:
        return Gemma3Config(text=text)
    pooled, per_token = rng.choice([1, 2, 3, 4]), rng.choice([1, 2])
    tower = VisionConfig(
        hidden_size=16,
        intermediate_size=rng.choice([20, 28]),
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=pooled * per_token * 3,
        patch_size=3,
    )
    ids = {"boi_token_index": BOI, "eoi_token_index": EOI, "image_token_index": SOFT}
    return Gemma3Config(text=text, vision=tower, mm_tokens_per_image=pooled**2, **ids)


def transformers_model(config: Gemma3Config, seed: int = 0) -> torch.nn.Module:
    """The oracle, with weights that hide nothing: no norm is 0, no bias is 0, logits of order one.

    Random networks amplify rounding: with gains much wider than these, transformers' own two
    attention kernels already differ by 2e-5.
    """
    if config.vision:
        model = Gemma3ForConditionalGeneration(HFConfig.from_dict(config_to_hf(config)))
    else:
        model = Gemma3ForCausalLM(HFTextConfig.from_dict(config_to_hf(config)))
    model.set_attn_implementation("eager")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            std = 0.2 if parameter.ndim == 1 else parameter.shape[-1] ** -0.5
            if "embed_tokens" in name:
                std /= 2  # and with it the logits
            parameter.normal_(0.0, std, generator=generator)
            if ("layer_norm" in name or "post_layernorm" in name) and name.endswith("weight"):
                parameter.add_(1.0)  # a plain LayerNorm's gain
    return model.eval()


def ours_from(oracle: torch.nn.Module, config: Gemma3Config, hub_names: bool = False) -> Gemma3:
    """Our model with the oracle's weights, read through the weight table.

    The oracle spells them in transformers' newest way, or as the files on the hub do.
    """
    tensors = oracle.state_dict()
    if hub_names:
        tensors = {hub_spelling(name): tensor for name, tensor in tensors.items()}
    with torch.device("meta"):
        model = Gemma3(config)
    load_weights(model, tensors)
    return model.eval()


def hub_spelling(name: str) -> str:
    """The name in a released file of a tensor of transformers 5's model."""
    for new, old in [
        ("model.language_model.", "language_model.model."),
        ("model.vision_tower.", "vision_tower.vision_model."),
        ("model.multi_modal_projector.", "multi_modal_projector."),
        ("lm_head.", "language_model.lm_head."),
    ]:
        if name.startswith(new):
            return old + name.removeprefix(new)
    return name  # text-only models have one spelling


@dataclass
class Prompts:
    """A ragged, left-padded batch, as transformers takes it."""

    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor
    position_ids: Tensor
    pixel_values: Tensor | None

    def batch(self, config: Gemma3Config) -> Batch:
        """The same as we take it."""
        return Batch.from_ids(self.input_ids, config, self.pixel_values, self.attention_mask)

    def logits(self, oracle: torch.nn.Module) -> Tensor:
        """What the oracle says."""
        given = dict(vars(self))
        if self.pixel_values is None:
            given.pop("pixel_values")
        if not hasattr(oracle.config, "vision_config"):
            given.pop("token_type_ids")
        with torch.no_grad():
            return oracle(**given, use_cache=False).logits

    @property
    def real(self) -> Tensor:
        """True where a token is no padding."""
        return self.attention_mask > 0


def random_prompts(rng: random.Random, config: Gemma3Config, longest: int | None = None) -> Prompts:
    """One to three rows longer than four windows, each with 0 to 3 images anywhere."""
    rows, images = [], 0
    longest = longest or 4 * config.text.sliding_window + rng.randint(5, 20)
    for row in range(rng.randint(1, 3)):
        pieces = [[2]]
        for _ in range(rng.randint(0, 3) if config.vision else 0):
            pieces.append([rng.randrange(5, BOI) for _ in range(rng.randint(0, 6))])
            pieces.append([BOI, *[SOFT] * config.mm_tokens_per_image, EOI])
            images += 1
        ids = [token for piece in pieces for token in piece]
        length = longest if row == 0 else rng.randint(longest // 2, longest)
        rows.append(ids + [rng.randrange(5, BOI) for _ in range(length - len(ids))])
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    pixels = None
    if images:
        assert config.vision is not None
        size = config.vision.image_size
        generator = torch.Generator().manual_seed(rng.randrange(1 << 30))
        pixels = torch.rand(images, 3, size, size, generator=generator) * 2 - 1
    position = (mask.cumsum(1) - 1).clamp(min=0)
    return Prompts(ids, mask, (ids == SOFT).long(), position, pixels)
