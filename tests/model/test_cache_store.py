"""What lies in the cache, where, and how many bytes it takes; what it refuses."""

import dataclasses

import pytest
import torch

from gemma3_edu import cost
from gemma3_edu.generation.generate import chunks
from gemma3_edu.model.cache import KVCache
from gemma3_edu.model.config import RopeConfig
from gemma3_edu.model.layout import TokenLayout
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.model.rope import apply_rope, rope_table
from gemma3_edu.study.capture import capture
from tests.tiny import GLOBAL, LOCAL, prompts, real, tiny_config, tiny_model


def text_layout(*lengths: int) -> TokenLayout:
    """Rows of text, padded on the left."""
    columns = torch.arange(max(lengths))
    return TokenLayout.of_text(torch.stack([columns >= max(lengths) - n for n in lengths]))


def fill(cache: KVCache, layout: TokenLayout, size: int) -> None:
    """Store nothing but where the columns sit, chunk by chunk."""
    for borders in chunks(layout, size):
        part = layout.columns(*borders)
        cache.begin(part)
        cache.commit(part)


@pytest.mark.parametrize("name", PRESETS)
def test_bytes_equal_the_formula(name):
    text = PRESETS[name].text
    w = text.sliding_window
    for context in (1, w - 1, w, w + 1, 3 * w + 7, 32_768, 131_072):
        for rows, dtype in ((1, torch.bfloat16), (3, torch.float32)):
            cache = KVCache(text, rows, context, dtype, device="meta")
            want = cost.cache_bytes(text, context, rows, dtype.itemsize)
            stores = cache.keys + cache.values
            assert cache.nbytes == want
            assert sum(store.untyped_storage().nbytes() for store in stores) == want
            assert cache.keys[0].shape[2] == min(context, w)


def test_prefill_and_decoding_allocate_nothing_more():
    config = tiny_config(window=3, vision=True)
    model, batch = tiny_model(config), prompts(config, "ttt#ttttt")
    length = batch.layout.length
    cache = KVCache(config.text, max_length=length)
    places = [store.data_ptr() for store in cache.keys + cache.values]
    with torch.no_grad():
        for borders in chunks(batch.layout, 2):
            model(batch.columns(*borders), cache)
    assert places == [store.data_ptr() for store in cache.keys + cache.values]
    assert cache.nbytes == cost.cache_bytes(config, length, bytes_per_value=4)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 37])
@pytest.mark.parametrize("window", [1, 4, 5])
def test_column_c_lies_in_slot_c_mod_w(window, size):
    """After wrapping seven times or more, slots hold the uncached keys of the last W columns."""
    config = tiny_config(window)
    model, batch = tiny_model(config), prompts(config, "t" * 37, "t" * 9)
    with capture(model, "language_model.layers.*.self_attn.[kv]_*") as seen, torch.no_grad():
        model(batch)
    cache = KVCache(config.text, 2, 37)
    with torch.no_grad():
        for borders in chunks(batch.layout, size):
            model(batch.columns(*borders), cache)
    for layer, kind in enumerate(config.text.layer_types):
        at = f"language_model.layers.{layer}.self_attn."
        table = rope_table(batch.layout.position, config.text.head_dim, config.text.rope(kind))
        keys = apply_rope(seen[at + "k_norm"][0], *table)  # B T K H
        values = seen[at + "v_proj"][0].unflatten(-1, (-1, config.text.head_dim))
        slots = window if kind is LOCAL else 37
        for column in range(37 - slots, 37):
            for store, want in ((cache.keys, keys), (cache.values, values)):
                kept = real(batch)[:, column]
                got = store[layer][kept, :, column % slots]
                torch.testing.assert_close(got, want[kept, column], rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 5, 6, 23])
def test_layouts_lie_where_keys_lie(size):
    layout = text_layout(23, 8)
    cache = KVCache(tiny_config(window=5).text, 2, 24)
    fill(cache, layout, size)
    following = cache.begin(layout.next_column())[LOCAL].position
    assert following[0].tolist() == [20, 21, 22, 23, 19]  # column 23 lies in slot 23 mod 5 = 3
    assert following[1].tolist() == [5, 6, 7, 8, 4]
    everything = cache.begin(layout.next_column())[GLOBAL].position
    assert everything[0].tolist() == list(range(24))
    assert everything[1].tolist() == [-1] * 15 + list(range(9))


@pytest.mark.parametrize("window", range(1, 13))
def test_any_chunks_leave_the_same_layout(window):
    """As a set: the next chunk's queries find the same keys, in whatever order."""
    config = tiny_config(window, vision=True)
    layout = prompts(config, "t#ttttt##tttttt", "ttt#ttttttt").layout
    chunk = prompts(config, "t" * 3, "t" * 3).layout
    chunk = TokenLayout(chunk.position + layout.position[:, -1:] + 1, chunk.image_id)
    seen = {kind: set() for kind in (LOCAL, GLOBAL)}
    for size in range(1, layout.length + 1):
        cache = KVCache(config.text, 2)
        fill(cache, layout, size)
        for kind, keys in cache.begin(chunk).items():
            pairs = torch.stack([keys.position, keys.image_id], -1)
            seen[kind].add(tuple(tuple(sorted(map(tuple, row))) for row in pairs.tolist()))
    kept = layout.followed_by(chunk)
    whole = torch.stack([kept.position, kept.image_id], -1)
    for kind, start in ((LOCAL, -window - 3), (GLOBAL, 0)):
        want = tuple(tuple(sorted(map(tuple, row))) for row in whole[:, start:].tolist())
        assert seen[kind] == {want}


def test_a_growing_store_equals_a_fixed_one():
    """Past 64 slots and 128, where the store doubles, column by column and chunk by chunk."""
    config = tiny_config()
    model, batch = tiny_model(config), prompts(config, "t" * 150, "t" * 70)
    for size in (1, 63, 64, 65, 150):
        growing, fixed = KVCache(config.text, 2), KVCache(config.text, 2, max_length=150)
        with torch.no_grad():
            for borders in chunks(batch.layout, size):
                part = batch.columns(*borders)
                assert torch.equal(model(part, growing), model(part, fixed))
        slots = [store.shape[2] for store in growing.keys]
        assert slots == [5, 256, 5]


class TestRefusals:
    def test_no_room(self):
        for name in ("batch_size", "max_length"):
            with pytest.raises(ValueError, match=f"{name}=0 must be at least 1"):
                KVCache(tiny_config().text, **{name: 0})

    def test_another_number_of_rows(self):
        cache = KVCache(tiny_config().text, batch_size=2)
        with pytest.raises(ValueError, match="3 rows for a cache made with batch_size=2"):
            cache.begin(text_layout(4, 4, 4))

    @pytest.mark.parametrize("columns", [1, 2, 9])
    def test_more_than_max_length(self, columns):
        cache = KVCache(tiny_config().text, max_length=8)
        fill(cache, text_layout(8), 3)
        wanted = rf"8 columns stored and {columns} new ones exceed max_length=8"
        with pytest.raises(ValueError, match=wanted):
            cache.begin(text_layout(columns))

    @pytest.mark.parametrize(
        "position",
        [
            [0, 1, 2, -1],  # padding on the right
            [0, 1, -1, 2],
            [0, 1, 3, 4],  # a gap
            [0, 1, 1, 2],
            [3, 2, 1, 0],
            [-1, 1, 2, 3],
            [2, 3, 4, 5],  # a beginning that is none
        ],
    )
    def test_positions_that_do_not_count_up(self, position):
        zeros = torch.zeros(1, 4, dtype=torch.long)
        with pytest.raises(ValueError, match="positions must count up by one from 0"):
            KVCache(tiny_config().text).begin(TokenLayout(torch.tensor([position]), zeros))

    def test_a_chunk_that_does_not_go_on_where_the_last_ended(self):
        cache = KVCache(tiny_config().text, batch_size=2)
        fill(cache, text_layout(8, 3), 8)
        begin = torch.tensor([[8, 9], [3, 4]])
        zeros = torch.zeros_like(begin)
        cache.begin(TokenLayout(begin, zeros))
        for wrong in ([[0, 1], [0, 1]], [[8, 9], [8, 9]], [[9, 10], [3, 4]], [[-1, 0], [3, 4]]):
            with pytest.raises(ValueError, match="positions must count up by one from 0"):
                cache.begin(TokenLayout(torch.tensor(wrong), zeros))

    @pytest.mark.parametrize(
        "wrong", [[[8], [8]], [[9], [3]], [[400], [3]], [[0], [0]], [[8], [-1]]]
    )
    def test_one_column_that_does_not_go_on_where_the_last_ended(self, wrong):
        cache = KVCache(tiny_config().text, batch_size=2)
        fill(cache, text_layout(8, 3), 8)
        zeros = torch.zeros(2, 1, dtype=torch.long)
        with pytest.raises(ValueError, match="positions must count up by one from 0"):
            cache.begin(TokenLayout(torch.tensor(wrong), zeros))
        cache.begin(TokenLayout(torch.tensor([[8], [3]]), zeros))
        with pytest.raises(ValueError, match="positions must count up by one from 0"):
            KVCache(tiny_config().text, 2).begin(TokenLayout(torch.tensor([[5], [5]]), zeros))

    @pytest.mark.parametrize(
        "change", [{"sliding_window": 6}, {"rope_global": RopeConfig(1e6, 4.0)}]
    )
    def test_a_cache_of_another_config(self, change):
        """Of the same shapes, so that nothing else would notice."""
        model, batch = tiny_model(tiny_config()), prompts(tiny_config(), "ttt")
        cache = KVCache(dataclasses.replace(model.config.text, **change))
        with pytest.raises(ValueError, match="cache: made for another config"):
            model(batch, cache)
        same = dataclasses.replace(model.config.text)
        model(batch, KVCache(same))

    @pytest.mark.parametrize("columns", [1, 3, 9])
    def test_a_cache_of_another_dtype(self, columns):
        model, batch = tiny_model(tiny_config()), prompts(tiny_config(), "t" * columns)
        with pytest.raises(ValueError, match=r"cache: dtype=torch.bfloat16, but .* torch.float32"):
            model(batch, KVCache(model.config.text, dtype=torch.bfloat16))


class Broken(BaseException):
    """What no code expects, as Ctrl-C."""


@pytest.mark.parametrize("layer", range(3))
def test_a_step_that_ends_in_an_error_leaves_a_cache_that_says_so(layer):
    """A chunk that wraps the ring overwrites keys that its own retry would need."""
    config = tiny_config(window=5)
    model, batch = tiny_model(config), prompts(config, "t" * 20)
    cache = KVCache(config.text)

    def fail(*anything: object) -> None:
        raise Broken

    with torch.no_grad():
        model(batch.columns(0, 8), cache)
        hook = model.language_model.layers[layer].mlp.register_forward_hook(fail)
        with pytest.raises(Broken):
            model(batch.columns(8, 15), cache)
        hook.remove()
        with pytest.raises(ValueError, match="cache: an error ended its last step halfway"):
            model(batch.columns(8, 15), cache)
        fresh = KVCache(config.text)
        model(batch.columns(0, 8), fresh)
        model(batch.columns(8, 15), fresh)


def test_a_refusal_leaves_the_cache_as_it_was():
    config = tiny_config(window=5)
    model, batch = tiny_model(config), prompts(config, "t" * 12)
    cache = KVCache(config.text)
    with torch.no_grad():
        model(batch.columns(0, 8), cache)
        with pytest.raises(ValueError, match="positions must count up"):
            model(batch.columns(9, 12), cache)
        got = model(batch.columns(8, 12), cache)
        torch.testing.assert_close(got, model(batch)[:, 8:], rtol=0, atol=1e-5)
