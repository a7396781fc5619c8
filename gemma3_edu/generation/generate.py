"""Generating text: feed the prompt in chunks (prefill), then one token at a time (decode).

>>> from gemma3_edu.model.presets import PRESETS
>>> _ = torch.manual_seed(0)
>>> model = Gemma3(PRESETS["tiny-text"]).eval()
>>> batch = Batch.from_ids(torch.tensor([[2, 7, 8]]), model.config)
>>> len(list(generate(model, batch, Sampler(temperature=0), max_new_tokens=5)))
5
"""

from collections.abc import Collection, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..model.cache import KVCache
from ..model.gemma3 import Gemma3
from ..model.layout import Batch, TokenLayout
from .sampling import Sampler

PAD_ID = 0  # what a row that has stopped yields; other rows never see it
CHUNK = 256  # columns of a prompt at once; in a local layer each meets W - 1 + CHUNK keys


def chunks(layout: TokenLayout, size: int) -> list[tuple[int, int]]:
    """Column ranges of at most `size` columns, except where that would cut an image in any row.

    An image's tokens see each other both ways, so they must arrive together: a border inside an
    image moves past it and the chunk grows.

    >>> image_id = torch.tensor([[0, 1, 1, 1, 0, 0]])
    >>> chunks(TokenLayout.of(torch.ones_like(image_id, dtype=torch.bool), image_id), 2)
    [(0, 4), (4, 6)]
    """
    inside_an_image = (layout.image_id > 0) & ~layout.image_starts()
    cuts_an_image = [*inside_an_image.any(0).tolist(), False]  # a border just before each column
    ranges, start = [], 0
    while start < layout.length:
        stop = min(start + size, layout.length)
        while cuts_an_image[stop]:
            stop += 1
        ranges.append((start, stop))
        start = stop
    return ranges


@torch.no_grad()
def prefill(
    model: Gemma3, batch: Batch, cache: KVCache, chunk_size: int = CHUNK
) -> Float[Tensor, "B V"]:
    """Store a prompt in the cache, chunk by chunk; return the logits of its last column.

    The mask of a chunk is chunk x T, so memory grows with T and not with its square. The head, the
    widest matrix of the model, is multiplied with one column only.
    """
    for start, stop in chunks(batch.layout, chunk_size):
        hidden = model.hidden_states(batch.columns(start, stop), cache)
    return model.logits(hidden[:, -1:])[:, 0]


@torch.no_grad()
def decode(
    model: Gemma3, ids: Int[Tensor, "B"], layout: TokenLayout, cache: KVCache
) -> Float[Tensor, "B V"]:
    """One step: store the ids just chosen, at column `layout`; return the logits of the next."""
    return model(Batch(ids[:, None], layout), cache)[:, 0]


def generate(
    model: Gemma3,
    batch: Batch,
    sampler: Sampler | None = None,
    max_new_tokens: int = 256,
    stop_tokens: Collection[int] = (),
    *,
    chunk_size: int = CHUNK,
    cache: KVCache | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Int[Tensor, "B"]]:
    """Yield one id per row at each step, as soon as it is known, stop tokens included.

    A row that has stopped yields PAD_ID until all have. To go on where an earlier call ended, pass
    its cache: `batch` then has the columns after those stored, beginning with the last id yielded,
    which was not stored. Raises ValueError before any work if the request exceeds the model or the
    cache.
    """
    if chunk_size < 1:
        raise ValueError(f"chunk_size={chunk_size} must be at least 1")
    limit = model.config.text.max_position_embeddings
    longest = int(batch.layout.position.max()) + 1
    if max_new_tokens < 1 or longest + max_new_tokens > limit:
        raise ValueError(
            f"max_new_tokens={max_new_tokens} must be at least 1 and at most what is left: the "
            f"prompt has {longest} of max_position_embeddings={limit} tokens; ask for fewer, or "
            "shorten the prompt"
        )
    size = batch.layout.length + max_new_tokens - 1  # the last id is not stored
    if cache is None:
        gain = model.language_model.norm.weight  # in the dtype of activations, whatever weights are
        rows = batch.layout.batch_size
        cache = KVCache(model.config.text, rows, size, gain.dtype, gain.device)
    elif cache.max_length is not None and cache.length + size > cache.max_length:
        raise ValueError(
            f"max_new_tokens={max_new_tokens} needs {size} columns after the {cache.length} in the "
            f"cache, which has max_length={cache.max_length}; make it longer, or leave that out"
        )
    sampler = Sampler() if sampler is None else sampler
    return _steps(model, batch, sampler, max_new_tokens, stop_tokens, chunk_size, cache, generator)


def _steps(
    model: Gemma3,
    batch: Batch,
    sampler: Sampler,
    max_new_tokens: int,
    stop_tokens: Collection[int],
    chunk_size: int,
    cache: KVCache,
    generator: torch.Generator | None,
) -> Iterator[Int[Tensor, "B"]]:
    stops = torch.tensor(sorted(stop_tokens), device=batch.tokens.device)
    stopped = torch.zeros(len(batch.tokens), dtype=torch.bool, device=batch.tokens.device)
    logits, layout = prefill(model, batch, cache, chunk_size), batch.layout
    for left in reversed(range(max_new_tokens)):
        ids = sampler(logits, generator).masked_fill(stopped, PAD_ID)
        yield ids
        stopped |= torch.isin(ids, stops)
        if left == 0 or bool(stopped.all()):
            return
        layout = layout.next_column()
        logits = decode(model, ids, layout, cache)
