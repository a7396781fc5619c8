"""From logits to text: choosing an id, the loop around the model, and the one call for people.

Read it in this order: `sampling`, `generate`, `chat`. `generate` sees ids only.
"""

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
