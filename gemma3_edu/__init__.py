"""Gemma 3, text and images, short enough to read.

    from gemma3_edu import Message, chat, load

    model, processor = load("path/to/gemma-3-4b-it")
    print(chat(model, processor, [Message.user("What is on this picture?", picture)]))

The names below are the public ones. `gemma3_edu.naive`, `.checks`, `.train` and `.viz` are imported
by name.
"""

from .attention import Attention, attend, attend_fused, visible_attention
from .cache import KVCache
from .chat_template import Message
from .checkpoint import bundled, load, save
from .config import (
    AttentionType,
    Gemma3Config,
    RopeConfig,
    TextConfig,
    VisionConfig,
    layer_pattern,
)
from .conversation import chat, stream
from .generation import generate
from .images import load_image, pan_and_scan
from .layers import GatedMLP, RMSNorm, TokenEmbedding
from .layout import Batch, TokenLayout
from .masks import attention_mask
from .model import Block, Decoder, Gemma3
from .presets import PRESETS
from .processor import Processor
from .rope import apply_rope, rope_table
from .sampling import Sampler
from .surgery import replace_linears
from .taps import capture
from .tokenizer import Tokenizer
from .vision import VisionTower
from .weights import WEIGHT_MAP, export_weights, load_weights

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
