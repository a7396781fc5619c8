"""gemma3_edu as a contestant: its public functions, called as a user calls them.

>>> import tempfile
>>> from .shapes import config_of, prompt_ids, save_random
>>> with tempfile.TemporaryDirectory() as folder:
...     _ = save_random(config_of("tiny-text"), "float32", folder)
...     model = Ours(folder, "float32")
>>> prompt = model.prefill(prompt_ids(model.config, 9), room=4)
>>> len(model.decode(prompt, 4))
4
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gemma3_edu.fast.compiled import FastDecoder
from gemma3_edu.fast.quantize import quantize_weights
from gemma3_edu.generation.generate import decode, generate, prefill
from gemma3_edu.generation.sampling import Sampler
from gemma3_edu.hub.checkpoint import load
from gemma3_edu.model.cache import KVCache
from gemma3_edu.model.layout import Batch, TokenLayout

from .rows import OURS, QUANTIZED, VARIANTS, Contestant, Variant


@dataclass
class Prompt:
    """A prompt that is stored: its cache, where it ends, and the id chosen after it."""

    cache: KVCache
    end: TokenLayout
    first: Tensor

    def copied(self) -> "Prompt":
        """The same with a cache of its own, so that decoding can begin here again."""
        return Prompt(copy.deepcopy(self.cache), self.end, self.first)


class Ours:
    """A loaded model. Greedy everywhere; batch size 1."""

    def __init__(self, folder: str | Path, dtype: str, variant: Variant = VARIANTS[OURS]):
        activations = torch.bfloat16 if dtype in QUANTIZED else getattr(torch, dtype)
        self.model, _ = load(folder, dtype=activations, keep_bits=variant.keep_bits)
        if variant.bits is not None:
            quantize_weights(self.model, variant.bits)
        if variant.compiled is not None:
            self.model = FastDecoder(self.model, variant.compiled)
        assert self.model.language_model.norm.weight.dtype is activations
        self.config = self.model.config

    def use(self, contestant: Contestant) -> None:
        """Nothing to choose: one way to attend, one chunk size."""
        assert contestant.library in VARIANTS

    def prefill(self, ids: Tensor, room: int = 0) -> Prompt:
        """Store a prompt; the cache has `room` for so many tokens after it."""
        dtype = self.model.language_model.norm.weight.dtype
        cache = KVCache(self.config.text, 1, ids.shape[1] + room, dtype)
        batch = Batch.from_ids(ids, self.config)
        logits = prefill(self.model, batch, cache)
        return Prompt(cache, batch.layout, logits.argmax(-1))

    def decode(self, prompt: Prompt, steps: int) -> list[int]:
        """Feed the prompt's first id and go on: `steps` passes of one token, their ids."""
        ids, layout, chosen = prompt.first, prompt.end, []
        for _ in range(steps):
            layout = layout.next_column()
            ids = decode(self.model, ids, layout, prompt.cache).float().argmax(-1)
            chosen.append(int(ids))
        return chosen

    def generate(self, ids: Tensor, count: int) -> list[int]:
        """What a call of `generate` answers."""
        batch = Batch.from_ids(ids, self.config)
        return [int(new) for new in generate(self.model, batch, Sampler(temperature=0), count)]

    def cache_bytes(self, prompt: Prompt) -> int:
        """Bytes of the keys and values that the cache holds."""
        return prompt.cache.nbytes

    @torch.no_grad()
    def tower(self, pixels: Tensor) -> Tensor:
        """Soft tokens of images."""
        assert self.model.vision is not None
        return self.model.vision(pixels)

    def watch(self, on_columns: Callable[[int], None]) -> None:
        """Call back after every pass through the decoder with the number of its columns."""

        def hook(module: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
            on_columns(output.shape[1])

        self.model.language_model.register_forward_hook(hook)
