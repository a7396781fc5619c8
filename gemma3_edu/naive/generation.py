"""Generating without a cache: everything is computed again for each new token.

>>> from gemma3_edu.model.gemma3 import Gemma3
>>> from gemma3_edu.model.presets import PRESETS
>>> model = Gemma3(PRESETS["tiny-text"])
>>> batch = Batch.from_ids(torch.tensor([[2, 7, 8]]), model.config)
>>> len(list(generate(model, batch, Sampler(temperature=0), max_new_tokens=4)))
4
"""

from collections.abc import Callable, Collection, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..generation.sampling import Sampler
from ..model.layout import Batch


@torch.no_grad()
def generate(
    model: Callable[[Batch], Float[Tensor, "B T V"]],
    batch: Batch,
    sampler: Sampler,
    max_new_tokens: int,
    stop_tokens: Collection[int] = (),
    generator: torch.Generator | None = None,
) -> Iterator[Int[Tensor, "B"]]:
    """Yield one id a row and step; a row that has stopped yields 0 until all rows have."""
    stopped = [False] * batch.layout.batch_size
    for _ in range(max_new_tokens):
        ids = sampler(model(batch)[:, -1], generator)
        for b, has_stopped in enumerate(stopped):
            if has_stopped:
                ids[b] = 0
            stopped[b] = has_stopped or int(ids[b]) in stop_tokens
        yield ids
        if all(stopped):
            return
        longer = torch.cat([batch.tokens, ids[:, None]], dim=1)
        layout = batch.layout.followed_by(batch.layout.next_column())
        batch = Batch(longer, layout, batch.images)
