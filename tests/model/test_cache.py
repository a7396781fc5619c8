"""Cached equals uncached: any chunks, any window, any padding, any images."""

import itertools
import random

import pytest
import torch
from torch import Tensor

from gemma3_edu.generation.generate import chunks, decode, prefill
from gemma3_edu.model.cache import KVCache
from gemma3_edu.model.config import layer_pattern
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.model.layout import Batch
from tests.tiny import one_row, prompts, real, tiny_config, tiny_model

WINDOWS = range(1, 13)
ROWS = {
    "text": ("t" * 38, "t" * 23, "t"),
    # two images side by side; borders that cut an image of one row and not of the other
    "images": ("tt#tttt##ttttttttt#tt", "#ttt#tttttt", "ttttt#t"),
}


def uncached(model: Gemma3, batch: Batch) -> Tensor:
    with torch.no_grad():
        return model.hidden_states(batch)


def cached(
    model: Gemma3, batch: Batch, ranges: list[tuple[int, int]], max_length: int | None = None
) -> Tensor:
    """Hidden states of all columns, from a fresh cache, whose stores hold NaN until written."""
    cache = KVCache(model.config.text, batch.layout.batch_size, max_length)
    for store in cache.keys + cache.values:
        store.fill_(float("nan"))
    with torch.no_grad():
        parts = [model.hidden_states(batch.columns(*borders), cache) for borders in ranges]
    assert cache.length == batch.layout.length
    return torch.cat(parts, 1)


def assert_equal(got: Tensor, want: Tensor, batch: Batch) -> None:
    """Real queries only: what padding computes means nothing, but it is finite."""
    assert got.isfinite().all()
    torch.testing.assert_close(got[real(batch)], want[real(batch)], rtol=0, atol=1e-5)


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("window", WINDOWS)
def test_every_chunk_size(window, rows):
    config = tiny_config(window, vision=True)
    model, batch = tiny_model(config), prompts(config, *rows)
    want, length = uncached(model, batch), batch.layout.length
    assert length > 3 * window
    for size in range(1, length + 1):
        max_length = length if size % 2 else None  # a store of fixed size, a growing one
        assert_equal(cached(model, batch, chunks(batch.layout, size), max_length), want, batch)


@pytest.mark.parametrize("seed", range(30))
def test_any_partition(seed):
    """Chunks of any sizes in any order, as long as none cuts an image."""
    rng = random.Random(seed)
    config = tiny_config(rng.choice(WINDOWS), vision=True)
    model = tiny_model(config, seed)
    marks = ["".join(rng.choices("t#", [5, 1], k=rng.randint(1, 20))) for _ in range(3)]
    batch = prompts(config, *marks, seed=seed)
    image_id = batch.layout.image_id
    cut = ((image_id[:, 1:] == image_id[:, :-1]) & (image_id[:, 1:] > 0)).any(0)
    borders = [c + 1 for c in range(len(cut)) if not cut[c] and rng.random() < 0.4]
    borders = [0, *borders, batch.layout.length]
    ranges = list(itertools.pairwise(borders))
    assert_equal(cached(model, batch, ranges), uncached(model, batch), batch)


def test_two_global_layers():
    """Gemma 3's own order of layers: 13 of them, five local to one global."""
    config = tiny_config(window=4, layer_types=layer_pattern(13))
    model, batch = tiny_model(config), prompts(config, "t" * 30, "t" * 17)
    for size in (1, 3, 4, 5, 11, 30):
        assert_equal(
            cached(model, batch, chunks(batch.layout, size)), uncached(model, batch), batch
        )


@pytest.mark.parametrize("window", WINDOWS)
def test_decoding_step_by_step(window):
    """A prompt at once, then one column after another through `decode`."""
    config = tiny_config(window, vision=True)
    model = tiny_model(config)
    whole = prompts(config, "t#tt" + "t" * 30, "t" * 33)
    want = model.logits(uncached(model, whole))
    cache = KVCache(config.text, batch_size=2, max_length=whole.layout.length)
    logits = prefill(model, whole.columns(0, 10), cache, chunk_size=4)
    torch.testing.assert_close(logits, want[:, 9], rtol=0, atol=1e-5)
    layout = whole.columns(0, 10).layout
    for column in range(10, whole.layout.length):
        layout = layout.next_column()
        assert layout.position.equal(whole.layout.position[:, column : column + 1])
        logits = decode(model, whole.tokens[:, column], layout, cache)
        torch.testing.assert_close(logits, want[:, column], rtol=0, atol=1e-5)


@pytest.mark.parametrize("window", [1, 3, 5, 12])
def test_a_ragged_batch_equals_its_rows_one_by_one(window):
    config = tiny_config(window, vision=True)
    model, batch = tiny_model(config), prompts(config, *ROWS["images"], "t#ttt#")
    together = uncached(model, batch)
    in_chunks = cached(model, batch, chunks(batch.layout, 5))
    for row, kept in enumerate(real(batch)):
        alone = uncached(model, one_row(batch, row))[0]
        torch.testing.assert_close(together[row, kept], alone, rtol=0, atol=1e-5)
        torch.testing.assert_close(in_chunks[row, kept], alone, rtol=0, atol=1e-5)


def test_an_image_may_not_be_cut():
    """Why borders move: the first half of an image would not see the second."""
    config = tiny_config(12, vision=True)
    model, batch = tiny_model(config), prompts(config, "t#tt")
    with pytest.raises(ValueError, match=r"4 soft tokens; the layout has room for 2"):
        cached(model, batch, [(0, 4), (4, batch.layout.length)])
