"""The architecture: it turns a batch of tokens and pictures into logits.

It imports only torch and jaxtyping, and it knows no tokenizer, no sampler and no file.
"""

from .attention import Attention, attend, attend_fused, visible_attention
from .cache import KVCache
from .config import (
    AttentionType,
    Gemma3Config,
    RopeConfig,
    TextConfig,
    VisionConfig,
    layer_pattern,
)
from .gemma3 import Block, Decoder, Gemma3
from .layers import GatedMLP, RMSNorm, TokenEmbedding
from .layout import Batch, TokenLayout
from .masks import Mask, attention_mask, causal, not_padding, same_image, within_window
from .presets import PRESETS
from .rope import Rope, apply_rope, rope_table
from .vision import (
    VisionAttention,
    VisionBlock,
    VisionEncoder,
    VisionMLP,
    VisionProjector,
    VisionTower,
)

# fmt: off
__all__ = [
    "PRESETS", "Attention", "AttentionType", "Batch", "Block", "Decoder", "GatedMLP", "Gemma3",
    "Gemma3Config", "KVCache", "Mask", "RMSNorm", "Rope", "RopeConfig", "TextConfig",
    "TokenEmbedding", "TokenLayout", "VisionAttention", "VisionBlock", "VisionConfig",
    "VisionEncoder", "VisionMLP", "VisionProjector", "VisionTower", "apply_rope", "attend",
    "attend_fused", "attention_mask", "causal", "layer_pattern", "not_padding", "rope_table",
    "same_image", "visible_attention", "within_window",
]
# fmt: on
