"""llama.cpp as a contestant: its server inside this process, from the wheel `xllamacpp`.

The server takes ids and answers with text, so which ids it chose is not seen. Its cache stores all
columns of local layers too (`swa_full`), so that a repetition can begin at the end of the prompt.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .rows import LLAMA, Contestant


@dataclass
class Prompt:
    """A prompt that is stored: its ids, the last of them in place of one chosen after it."""

    ids: list[int]
    first: Tensor

    def copied(self) -> "Prompt":
        """Itself: the server goes back to the end of the prompt when it is asked again."""
        return self


class LlamaCpp:
    """A loaded model. Greedy, on as many threads as PyTorch has."""

    def __init__(self, folder: str | Path, dtype: str):
        import xllamacpp  # type: ignore[import-untyped]

        settings = xllamacpp.CommonParams()
        settings.model.path = str(Path(folder) / "model.gguf")
        settings.n_ctx, settings.n_parallel, settings.swa_full = 2048, 1, True
        for threads in (settings.cpuparams, settings.cpuparams_batch):
            threads.n_threads = torch.get_num_threads()
        self.server = xllamacpp.Server(settings)

    def use(self, contestant: Contestant) -> None:
        """Nothing to choose."""
        assert contestant.library == LLAMA

    def prefill(self, ids: Tensor, room: int = 0) -> Prompt:
        """Store a prompt, from its first token, and choose one after it."""
        prompt = ids[0].tolist()
        self._ask(prompt, 1, new=len(prompt), cache_prompt=False)
        return Prompt(prompt, ids[:, -1])

    def decode(self, prompt: Prompt, steps: int) -> list[int]:
        """As many passes of one token after the prompt; no ids."""
        self._ask([*prompt.ids, int(prompt.first)], steps, new=1, cache_prompt=True)
        return []

    def _ask(self, ids: list[int], count: int, new: int, **settings: bool) -> None:
        """Have `count` tokens written, for which `new` tokens of the prompt are passed through."""
        greedy = {"temperature": 0, "samplers": ["top_k"], "top_k": 1, "ignore_eos": True}
        request = {"prompt": ids, "n_predict": count, "max_tokens": count, **greedy, **settings}
        timings: dict[str, Any] = self.server.handle_completions(request)["timings"]
        assert (timings["prompt_n"], timings["predicted_n"]) == (new, count), timings
