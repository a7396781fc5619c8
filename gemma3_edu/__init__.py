"""Gemma 3, text and images, in PyTorch: an implementation to read in an evening and to change.

    model, processor = load("path/to/gemma-3-4b-it")
    print(chat(model, processor, [Message.user("What is in this picture?", picture)]))

Notable features of the architecture and of this code:

- five local layers, which see a sliding window, to each global one; two bases of RoPE
- grouped-query attention; queries and keys are normalized before they are rotated
- four norms per block; RMSNorm scales by 1 + w
- a GeGLU feed-forward, no biases, and a head that is the embedding table
- any picture becomes the same number of soft tokens, which see each other in both directions
- masks follow from where tokens sit, so that padding, chunks and the ring cache need no other code
- no flag changes what the model computes, and the caller holds all state, which is the cache

The order to read in; each file imports only files above it:

model          tokens and pictures to logits
    config         what a model is made of
    presets        the released sizes
    layers         RMSNorm, the feed-forward layer and the embedding
    rope           rotary position embedding
    layout         where each token sits, and the batch that the model reads
    masks          which keys each query may see
    cache          keys and values of earlier tokens, on local layers in a ring
    attention      grouped-query attention, written out and with PyTorch's kernel
    vision         pixels to soft tokens: SigLIP, pooling and projection
    gemma3         the block, the decoder and the whole model
prompt         words and pictures to a batch, and ids back to words
    tokenizer      text to ids and back, with SentencePiece
    images         pictures to pixels, and pan and scan
    chat_template  a conversation as one text
    processor      conversations to batches
generation     logits to text
    sampling       temperature, top-k and top-p
    generate       prefill in chunks, then one token at a time
    chat           a whole reply in one call

The letters of all shapes:

    B batch            T query tokens       S key tokens        D hidden size
    F feed-forward     V vocabulary         N query heads       K key/value heads
    G = N / K          H head size          W sliding window    I images
    Y, X pixels        P patches            M soft tokens of an image
    E width of the vision encoder

The other folders: `hub` reads and writes checkpoints, and `study` looks into models, changes them
and counts their costs; `fast`, `verify`, `naive`, `train` and `lessons` are imported by name.
"""

# fmt: off
from .generation import Sampler, chat, generate, stream
from .hub import (
    WEIGHT_MAP, bundled, config_from_hf, config_to_hf, export_weights, load, load_weights, save,
)
from .model import (
    PRESETS, Attention, AttentionType, Batch, Block, Decoder, GatedMLP, Gemma3, Gemma3Config,
    KVCache, RMSNorm, RopeConfig, TextConfig, TokenEmbedding, TokenLayout, VisionConfig,
    VisionTower, apply_rope, attend, attend_fused, attention_mask, layer_pattern, rope_table,
    visible_attention,
)
from .prompt import Message, Processor, Tokenizer, load_image, pan_and_scan
from .study import capture, cost, replace_linears

__version__ = "0.1.0"

__all__ = [
    "PRESETS", "WEIGHT_MAP", "Attention", "AttentionType", "Batch", "Block", "Decoder", "GatedMLP",
    "Gemma3", "Gemma3Config", "KVCache", "Message", "Processor", "RMSNorm", "RopeConfig", "Sampler",
    "TextConfig", "TokenEmbedding", "TokenLayout", "Tokenizer", "VisionConfig", "VisionTower",
    "apply_rope", "attend", "attend_fused", "attention_mask", "bundled", "capture", "chat",
    "config_from_hf", "config_to_hf", "cost", "export_weights", "generate", "layer_pattern", "load",
    "load_image", "load_weights", "pan_and_scan", "replace_linears", "rope_table", "save", "stream",
    "visible_attention",
]
# fmt: on
