"""Tokens a second, of our step and of llama.cpp: what appendix A3 prints in its [timing] lines.

The benchmarks measure both with more care.

>>> from gemma3_edu import load
>>> per_second(load("nano-it")[0], [2, 500, 501], count=4, skip=1) > 0
True
"""

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import torch

from ..generation.generate import generate
from ..generation.sampling import Sampler
from ..model.gemma3 import Gemma3
from ..model.layout import Batch


def per_second(model: Gemma3, ids: Sequence[int], count: int = 48, skip: int = 8) -> float:
    """The pace of `count` greedy tokens after a prompt, without the first `skip`.

    Before these the prompt is read, and the step compiled.
    """
    batch = Batch.from_ids(torch.tensor([ids]), model.config)
    for number, _ in enumerate(generate(model, batch, Sampler(temperature=0), count)):
        if number == skip:
            start = perf_counter()
    return (count - skip - 1) / (perf_counter() - start)


def llama_cpp(path: Path, ids: Sequence[int], count: int = 48) -> float:
    """The same of llama.cpp, as it says itself, on a GGUF file; 0 if it is not installed."""
    try:
        import xllamacpp  # type: ignore[import-untyped]
    except ImportError:
        return 0.0
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.n_ctx, settings.verbosity = str(path), 1024, 0
    settings.cpuparams.n_threads = torch.get_num_threads()
    request = {"prompt": ids, "max_tokens": count, "temperature": 0, "ignore_eos": True}
    answer = xllamacpp.Server(settings).handle_completions(request)
    return float(answer["timings"]["predicted_per_second"])
