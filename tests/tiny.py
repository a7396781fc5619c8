"""Tiny models and prompts for tests: random weights that hide nothing, prompts drawn as strings."""

import dataclasses

import torch
from torch import Tensor

from gemma3_edu.model.config import (
    AttentionType,
    Gemma3Config,
    RopeConfig,
    TextConfig,
    VisionConfig,
)
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.model.layout import Batch

LOCAL, GLOBAL = AttentionType.LOCAL, AttentionType.GLOBAL
_BRANCH_NORMS = ("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")
BOI, EOI, SOFT = 60, 61, 62
SOFT_TOKENS = 4  # an image's; larger than small windows, smaller than others


def tiny_config(window: int = 5, *, vision: bool = False, **changes: object) -> Gemma3Config:
    """Two local layers around a global one, unless `changes` to the text config say otherwise."""
    text = TextConfig(
        vocab_size=64,
        hidden_size=24,
        intermediate_size=40,
        layer_types=(LOCAL, GLOBAL, LOCAL),
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=10,
        query_pre_attn_scalar=7,
        sliding_window=window,
        max_position_embeddings=512,
        rope_global=RopeConfig(1e6, 8.0),
    )
    text = dataclasses.replace(text, **changes)
    if not vision:
        return Gemma3Config(text=text)
    tower = VisionConfig(
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=8,
        patch_size=2,
    )
    ids = {"boi_token_index": BOI, "eoi_token_index": EOI, "image_token_index": SOFT}
    return Gemma3Config(text=text, vision=tower, mm_tokens_per_image=SOFT_TOKENS, **ids)


def tiny_model(config: Gemma3Config, seed: int = 0) -> Gemma3:
    """Random weights, those of norms and biases too, so that leaving one out shows.

    Random networks amplify rounding from layer to layer. Branches of half the residual stream's
    size, and hidden states of half its, keep it well below 1e-5, so that 1e-5 tells a mistake. The
    final norm's gains have both signs, or else the tied head would repeat the last token for ever.
    """
    generator = torch.Generator().manual_seed(seed)
    model = Gemma3(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            std = 0.2 if parameter.ndim == 1 else parameter.shape[-1] ** -0.5
            parameter.normal_(0.0, std, generator=generator)
            if name.endswith(_BRANCH_NORMS):
                parameter.sub_(0.5)
            if name == "language_model.norm.weight":
                parameter.mul_(2.5).sub_(1.0)
    return model.eval()


def prompts(config: Gemma3Config, *rows: str, seed: int = 0) -> Batch:
    """A batch padded on the left: "t" is a random text token, "#" an image with its frame.

    >>> prompts(tiny_config(vision=True), "t#t", "tt").layout.image_id.tolist()
    [[0, 0, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]]
    """
    generator = torch.Generator().manual_seed(seed)
    image = [BOI, *[SOFT] * SOFT_TOKENS, EOI]

    def ids_of(row: str) -> list[int]:
        text = torch.randint(2, BOI, (len(row),), generator=generator).tolist()
        pieces = [image if mark == "#" else [text[i]] for i, mark in enumerate(row)]
        return [token for piece in pieces for token in piece]

    count, images = sum(row.count("#") for row in rows), None
    ids, mask = left_padded([ids_of(row) for row in rows])
    if count:
        assert config.vision is not None
        shape = (count, 3, config.vision.image_size, config.vision.image_size)
        images = torch.rand(shape, generator=generator) * 2 - 1
    return Batch.from_ids(ids, config, images, mask)


def left_padded(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Ids and attention mask of rows of unequal length, with 0 as padding on the left."""
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def real(batch: Batch) -> Tensor:
    """True where a token is no padding."""
    return batch.layout.position >= 0


def one_row(batch: Batch, row: int) -> Batch:
    """That row alone, without its padding."""
    kept = real(batch)[row]
    layout = dataclasses.replace(
        batch.layout,
        position=batch.layout.position[row : row + 1, kept],
        image_id=batch.layout.image_id[row : row + 1, kept],
    )
    images, counts = batch.images, batch.layout.image_id.amax(1).tolist()
    if images is not None:
        before = sum(counts[:row])
        images = images[before : before + counts[row]] if counts[row] else None
    return Batch(batch.tokens[row : row + 1, kept], layout, images)
