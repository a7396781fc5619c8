"""Tokens a second: what appendix A3 prints in its [timing] lines.

The benchmarks measure it with more care.

>>> from gemma3_edu import load
>>> per_second(load("nano-it")[0], [2, 500, 501], count=4, skip=1) > 0
True
"""

from collections.abc import Sequence
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
