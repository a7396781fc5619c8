"""transformers as a contestant: the leanest way that it offers in public.

That is its own DynamicCache (which keeps a window's keys on local layers), inference mode, logits
of the last column only, the forward pass called without `generate` around it where steps are timed,
and `generate` without a streamer where that is what is measured.

>>> import tempfile
>>> from .shapes import config_of, prompt_ids, save_random
>>> with tempfile.TemporaryDirectory() as folder:
...     _ = save_random(config_of("tiny-text"), "float32", folder)
...     model = Theirs(folder, "float32")
>>> prompt = model.prefill(prompt_ids(config_of("tiny-text"), 9), room=4)
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
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    Cache,
    DynamicCache,
    StaticCache,
)
from transformers.models.gemma3 import modeling_gemma3  # noqa: F401  or loading would import it
from transformers.utils import logging

from .rows import Contestant


@dataclass
class Prompt:
    """A prompt that is stored: its cache, and the id chosen after it."""

    cache: Any  # one of its caches
    first: Tensor

    @torch.inference_mode()
    def copied(self) -> "Prompt":
        """The same with a cache of its own, so that decoding can begin here again."""
        return Prompt(copy.deepcopy(self.cache), self.first)


class Theirs:
    """A loaded model. Greedy everywhere; batch size 1."""

    def __init__(self, folder: str | Path, dtype: str):
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        multimodal = AutoConfig.from_pretrained(folder).model_type == "gemma3"
        kind = AutoModelForImageTextToText if multimodal else AutoModelForCausalLM
        self.model = kind.from_pretrained(
            folder, dtype=getattr(torch, dtype), attn_implementation="sdpa"
        ).eval()
        self.model.generation_config.eos_token_id = None  # random weights may say it at once
        self.chunk: int | None = None
        self.compiled = False
        self._quick = torch.compile(self.model.forward)  # as its documentation does; not yet run

    def use(self, contestant: Contestant) -> None:
        """Choose the attention, whether prompts are fed in chunks, what is compiled."""
        self.model.set_attn_implementation(contestant.attention)
        assert self.model.get_decoder().config._attn_implementation == contestant.attention
        self.chunk, self.compiled = contestant.chunk, contestant.compiled

    @torch.inference_mode()
    def prefill(self, ids: Tensor, room: int = 0) -> Prompt:
        """Store a prompt; its cache grows by itself, but for the static one of compiled steps."""
        cache: Cache = DynamicCache(config=self.model.config)
        if self.compiled:
            cache = StaticCache(config=self.model.config, max_cache_len=ids.shape[1] + room)
        for part in ids.split(self.chunk or ids.shape[1], dim=1):
            logits = self._step(self.model, part, cache)
        return Prompt(cache, logits.argmax(-1))

    @torch.inference_mode()
    def decode(self, prompt: Prompt, steps: int) -> list[int]:
        """Feed the prompt's first id and go on: `steps` passes of one token, their ids."""
        ids, chosen = prompt.first, []
        forward = self._quick if self.compiled else self.model
        for _ in range(steps):
            ids = self._step(forward, ids[:, None], prompt.cache).float().argmax(-1)
            chosen.append(int(ids))
        return chosen

    def _step(self, forward: Callable[..., Any], ids: Tensor, cache: Cache) -> Tensor:
        out = forward(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1]

    @torch.inference_mode()
    def generate(self, ids: Tensor, count: int) -> list[int]:
        """What a call of `generate` answers."""
        mask = torch.ones_like(ids)
        out = self.model.generate(ids, attention_mask=mask, max_new_tokens=count, do_sample=False)
        return out[0, ids.shape[1] :].tolist()

    def cache_bytes(self, prompt: Prompt) -> int:
        """Bytes of the keys and values that the cache shows.

        Right after a prefill, its local layers show the end of larger tensors, which stay in memory
        until the next step; the peak has those.
        """
        return sum(keys.nbytes + values.nbytes for keys, values, _ in prompt.cache)

    @torch.inference_mode()
    def tower(self, pixels: Tensor) -> Tensor:
        """Soft tokens of images."""
        return self.model.get_image_features(pixel_values=pixels).pooler_output

    def watch(self, on_columns: Callable[[int], None]) -> None:
        """Call back after every pass through the model with the number of its columns."""

        def hook(module: torch.nn.Module, inputs: tuple[Tensor, ...], out: object) -> None:
            on_columns(out.last_hidden_state.shape[1])  # type: ignore[attr-defined]

        self.model.get_decoder().register_forward_hook(hook)
