"""Gemma 3, text and images, short enough to read.

    from gemma3_edu import Message, chat, load

    model, processor = load("path/to/gemma-3-4b-it")
    print(chat(model, processor, [Message.user("What is on this picture?", picture)]))

The names below are the public ones. `gemma3_edu.fast`, `.verify`, `.naive`, `.train` and `.lessons`
are imported by name.
"""

from .generation import Sampler, chat, generate, stream
from .hub import (
    WEIGHT_MAP,
    bundled,
    config_from_hf,
    config_to_hf,
    export_weights,
    load,
    load_weights,
    save,
)
from .model import (
    PRESETS,
    Attention,
    AttentionType,
    Batch,
    Block,
    Decoder,
    GatedMLP,
    Gemma3,
    Gemma3Config,
    KVCache,
    RMSNorm,
    RopeConfig,
    TextConfig,
    TokenEmbedding,
    TokenLayout,
    VisionConfig,
    VisionTower,
    apply_rope,
    attend,
    attend_fused,
    attention_mask,
    layer_pattern,
    rope_table,
    visible_attention,
)
from .prompt import Message, Processor, Tokenizer, load_image, pan_and_scan
from .study import capture, cost, replace_linears

__version__ = "0.1.0"

__all__ = [
    "PRESETS",
    "WEIGHT_MAP",
    "Attention",
    "AttentionType",
    "Batch",
    "Block",
    "Decoder",
    "GatedMLP",
    "Gemma3",
    "Gemma3Config",
    "KVCache",
    "Message",
    "Processor",
    "RMSNorm",
    "RopeConfig",
    "Sampler",
    "TextConfig",
    "TokenEmbedding",
    "TokenLayout",
    "Tokenizer",
    "VisionConfig",
    "VisionTower",
    "apply_rope",
    "attend",
    "attend_fused",
    "attention_mask",
    "bundled",
    "capture",
    "chat",
    "config_from_hf",
    "config_to_hf",
    "cost",
    "export_weights",
    "generate",
    "layer_pattern",
    "load",
    "load_image",
    "load_weights",
    "pan_and_scan",
    "replace_linears",
    "rope_table",
    "save",
    "stream",
    "visible_attention",
]
