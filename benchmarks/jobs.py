"""What a worker does: load a model, get a row ready, and one repetition of it at a time.

A repetition gives a dict: `seconds`, or `bytes`, and the ids it chose, by which the contestants'
work is seen to be the same.

>>> from .rows import CONTESTANTS
>>> config, row = config_of("tiny-text"), Row("decode", "tiny-text", "float32", 9, steps=4)
>>> with tempfile.TemporaryDirectory() as folder:
...     _ = save_random(config, "float32", folder)
...     bench = Bench("gemma3_edu", folder)
...     reply = bench.repeat(row, CONTESTANTS["gemma3_edu"])
>>> sorted(reply), len(reply["ids"])
(['ids', 'seconds'], 5)
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from gemma3_edu.hub.config_json import config_from_hf
from gemma3_edu.study.cost import cache_bytes

from .memory import growth
from .rows import LLAMA, VARIANTS, Contestant, Row
from .shapes import BYTES, config_of, prompt_ids, save_random

WARM_UP = 32  # tokens: enough to touch every weight and to start every thread
OnShare = Callable[[float], None]


class Bench:
    """One library with one checkpoint, which is loaded when a row first needs it."""

    def __init__(self, library: str, folder: str | Path, on_share: OnShare | None = None):
        self.folder, self.config = folder, config_from_hf(folder)
        self._load = _loader(library)  # imported now, while no clock runs
        self.model: Any = None
        self._on_share = on_share
        self._prompts: dict[tuple[str, Contestant], Any] = {}

    def repeat(self, row: Row, contestant: Contestant) -> dict[str, Any]:
        """One repetition, after whatever the row needs that is not measured."""
        if row.kind == "load":
            return self._load_and_ask(row)
        self._get_ready(row, contestant)
        if row.kind == "decode":
            prompt = self._prompts[row.name, contestant].copied()
            seconds, ids = _timed(lambda: self.model.decode(prompt, row.steps))
            # llama.cpp does not say which ids it chose
            return {"seconds": seconds, **({"ids": [int(prompt.first), *ids]} if ids else {})}
        if row.kind == "tower":
            pixels = self._pixels()
            seconds, soft = _timed(lambda: self.model.tower(pixels))
            return {"seconds": seconds, "shape": list(soft.shape)}
        ids = prompt_ids(self.config, row.tokens)
        if row.kind == "first-token":
            seconds, chosen = _timed(lambda: self.model.generate(ids, 1 + row.steps))
            return {"seconds": seconds, "ids": chosen}
        if row.kind == "prefill":
            seconds, prompt = _timed(lambda: self.model.prefill(ids))
            return {"seconds": seconds, "ids": prompt.first.tolist()}
        assert row.kind in ("memory", "long"), row.kind
        with growth() as grown:
            seconds, prompt = _timed(lambda: self.model.prefill(ids))
        return {
            "seconds": seconds,
            "bytes": grown.bytes,
            "cache": self.model.cache_bytes(prompt),
            "formula": cache_bytes(self.config, row.tokens, 1, BYTES[row.dtype]),
            "ids": prompt.first.tolist(),
        }

    def _get_ready(self, row: Row, contestant: Contestant) -> None:
        """Load, warm up, and store the prompt after which a row decodes: once a row."""
        if self.model is None:
            self.model = self._load(self.folder, row.dtype)
        self.model.use(contestant)
        if (row.name, contestant) in self._prompts:
            return
        ids = prompt_ids(self.config, max(row.tokens, WARM_UP))
        prompt = self.model.prefill(ids[:, :WARM_UP], room=1)
        self.model.decode(prompt, 1)
        if row.kind == "long" and self._on_share is not None:
            _report(self.model, row.tokens, self._on_share)
        if row.kind == "decode":
            prompt = self.model.prefill(ids[:, : row.tokens], room=row.steps)
            self.model.decode(prompt.copied(), row.steps)  # what is compiled is compiled now
        self._prompts[row.name, contestant] = prompt

    def forget(self) -> None:
        """Let go of the prompts that rows have stored."""
        self._prompts.clear()

    def _load_and_ask(self, row: Row) -> dict[str, Any]:
        """Time until the model is there, and until it has answered a prompt of one token.

        Files may be mapped and their pages read when they are first needed, so the first time alone
        would not tell the whole.
        """
        with tempfile.TemporaryDirectory() as folder:  # what is imported on first use is no loading
            save_random(config_of("tiny-text"), row.dtype, folder)
            self._load(folder, row.dtype).prefill(prompt_ids(self.config, 1))
        ids = prompt_ids(self.config, 1)
        with growth() as grown:
            loaded, model = _timed(lambda: self._load(self.folder, row.dtype))
            asked, prompt = _timed(lambda: model.prefill(ids))
        return {
            "seconds": loaded,
            "first": loaded + asked,
            "bytes": grown.bytes,
            "ids": prompt.first.tolist(),
        }

    def _pixels(self) -> Tensor:
        assert self.config.vision is not None, "the row's shape has a tower"
        side = self.config.vision.image_size
        return torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(0)) * 2 - 1


def _loader(library: str) -> Callable[[str | Path, str], Any]:
    if library in VARIANTS:
        from .ours import Ours

        return partial(Ours, variant=VARIANTS[library])
    if library == LLAMA:
        from .llama import LlamaCpp

        return LlamaCpp
    from .theirs import Theirs

    return Theirs


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = perf_counter()
    result = work()
    return perf_counter() - began, result


def _report(model: Any, tokens: int, on_share: OnShare) -> None:
    done = 0

    def on_columns(count: int) -> None:
        nonlocal done
        done += count
        on_share(min(1.0, done / tokens))

    model.watch(on_columns)
