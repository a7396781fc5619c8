"""From logits to text: choosing an id, the loop around the model, one call for a whole reply."""

from .chat import chat, stream
from .generate import chunks, decode, generate, prefill
from .sampling import Sampler, keep_top_k, keep_top_p

__all__ = [
    "Sampler",
    "chat",
    "chunks",
    "decode",
    "generate",
    "keep_top_k",
    "keep_top_p",
    "prefill",
    "stream",
]
