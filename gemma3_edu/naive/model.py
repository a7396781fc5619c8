"""The whole model as one function of a batch and a state dict: no modules, no cache.

>>> import torch
>>> from gemma3_edu.model.gemma3 import Gemma3
>>> from gemma3_edu.model.presets import PRESETS
>>> config = PRESETS["tiny-text"]
>>> batch = Batch.from_ids(torch.tensor([[2, 7, 8]]), config)
>>> gemma3(batch, Gemma3(config).state_dict(), config).shape  # B T V
torch.Size([1, 3, 512])
"""

from jaxtyping import Bool, Float
from torch import Tensor

from ..model.config import AttentionType, Gemma3Config, TextConfig
from ..model.layout import Batch, TokenLayout
from .attention import attention
from .layers import gated_mlp, inside, logits, rms_norm, token_embedding
from .masks import attention_mask
from .rope import rope_table
from .vision import vision_tower


def block(
    x: Float[Tensor, "B T D"],
    w: dict[str, Tensor],
    mask: Bool[Tensor, "B T T"],
    rope: tuple[Float[Tensor, "B T H2"], Float[Tensor, "B T H2"]],
    config: TextConfig,
) -> Float[Tensor, "B T D"]:
    """x + norm(attention(norm(x))), then x + norm(mlp(norm(x)))."""

    def norm(name: str, x: Tensor) -> Tensor:
        return rms_norm(x, w[f"{name}.weight"], config.rms_norm_eps)

    normed = norm("input_layernorm", x)
    branch = attention(normed, inside(w, "self_attn."), mask, rope, config)
    x = x + norm("post_attention_layernorm", branch)
    normed = norm("pre_feedforward_layernorm", x)
    gate, up, down = (w[f"mlp.{name}_proj.weight"] for name in ("gate", "up", "down"))
    branch = gated_mlp(normed, gate, up, down)
    return x + norm("post_feedforward_layernorm", branch)


def decoder(
    x: Float[Tensor, "B T D"], w: dict[str, Tensor], layout: TokenLayout, config: TextConfig
) -> Float[Tensor, "B T D"]:
    """Block after block, each with the mask and the rotation of its type; then the final norm."""
    for layer, kind in enumerate(config.layer_types):
        window = config.sliding_window if kind is AttentionType.LOCAL else None
        mask = attention_mask(layout, layout, window)
        rope = rope_table(layout.position, config.head_dim, config.rope(kind))
        x = block(x, inside(w, f"layers.{layer}."), mask, rope, config)
    return rms_norm(x, w["norm.weight"], config.rms_norm_eps)


def embed(batch: Batch, w: dict[str, Tensor], config: Gemma3Config) -> Float[Tensor, "B T D"]:
    """Words from the table; where an image's soft tokens stand, the next vector of the tower."""
    soft = batch.layout.image_id > 0
    words = batch.tokens.where(~soft, 0)  # the soft token's id may have no row in the table
    x = token_embedding(words, w["language_model.embed_tokens.weight"])
    if batch.images is None:
        return x
    seen = iter(vision_tower(batch.images, inside(w, "vision."), config).flatten(0, 1))
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            if soft[b, t]:
                x[b, t] = next(seen)
    return x


def gemma3(batch: Batch, w: dict[str, Tensor], config: Gemma3Config) -> Float[Tensor, "B T V"]:
    """Logits of every column; those of padding mean nothing."""
    x = embed(batch, w, config)
    x = decoder(x, inside(w, "language_model."), batch.layout, config.text)
    return logits(x, w["language_model.embed_tokens.weight"])
