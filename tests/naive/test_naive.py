"""The loops equal the core where no other file of tests compares them: layouts, the cache, the
whole model, sampling, generation and costs."""

import random

import pytest
import torch

from gemma3_edu import cost, naive
from gemma3_edu.generation.generate import generate
from gemma3_edu.generation.sampling import Sampler, keep_top_k, keep_top_p
from gemma3_edu.model.attention import attend
from gemma3_edu.model.cache import KVCache
from gemma3_edu.model.config import AttentionType, layer_pattern
from gemma3_edu.model.layout import Batch, TokenLayout
from gemma3_edu.model.masks import attention_mask
from gemma3_edu.model.presets import PRESETS
from tests.tiny import SOFT, prompts, tiny_config, tiny_model

SIZES = ["270m", "1b", "4b", "12b", "27b", "tiny-text", "tiny"]


@pytest.mark.parametrize(
    "rows", [("t#tt", "##", "t"), ("ttt",), ("#t##t", "tt#ttttttttt#")], ids=str
)
def test_layout(rows):
    batch = prompts(tiny_config(vision=True), *rows)
    for b, tokens in enumerate(batch.tokens.tolist()):
        padding = sum(token == 0 for token in tokens)  # prompts draw no token 0
        real = [c >= padding for c in range(len(tokens))]
        assert batch.layout.position[b].tolist() == naive.layout.positions(real)
        soft = [token == SOFT for token in tokens]
        assert batch.layout.image_id[b].tolist() == naive.layout.image_ids(soft)


@pytest.mark.parametrize("window", [1, 3, 5])
def test_the_ring_holds_what_the_list_holds(window):
    """Column by column: the same keys and values, once the slots are put in order of position."""
    config = tiny_config(window, layer_types=(AttentionType.LOCAL, AttentionType.GLOBAL)).text
    cache = KVCache(config, batch_size=2)
    lists = [naive.cache.ListCache(window), naive.cache.ListCache()]
    layout = TokenLayout.of_text(torch.ones(2, 1, dtype=torch.bool))
    generator = torch.Generator().manual_seed(0)
    for length in range(1, 4 * window + 3):
        keys = cache.begin(layout)
        for layer, (kind, naively) in enumerate(zip(config.layer_types, lists, strict=True)):
            k, v = torch.randn(2, 2, 2, 1, 10, generator=generator)  # one column of B K 1 H each
            naively.append(k[:, :, 0], v[:, :, 0])
            position = keys[kind].position[0]
            stores = cache.update(layer, k, v)
            for store, want in zip(stores, naively.stacked(), strict=True):
                assert store[:, :, position.argsort()].equal(want)
        assert keys[AttentionType.LOCAL].position[0].tolist() == [
            column for column in naive.cache.ring(length, window) if column is not None
        ]
        cache.commit(layout)
        layout = layout.next_column()


@pytest.mark.parametrize("window", [None, 1, 4])
def test_a_list_of_the_last_w_is_a_window(window):
    """Decoding with a list, and no mask at all, is attention with the mask of all columns."""
    q = torch.randn(1, 4, 13, 6, generator=torch.Generator().manual_seed(0))
    k, v = torch.randn(2, 1, 2, 13, 6, generator=torch.Generator().manual_seed(1))
    text = TokenLayout.of_text(torch.ones(1, 13, dtype=torch.bool))
    want, _ = attend(q, k, v, attention_mask(text, text, window), scale=0.3)
    cache = naive.cache.ListCache(window)
    for t in range(13):
        cache.append(k[:, :, t], v[:, :, t])
        keys, values = cache.stacked()
        everything = torch.ones(1, 1, keys.shape[2], dtype=torch.bool)
        got, _ = naive.attention.attend(q[:, :, t : t + 1], keys, values, everything, 0.3)
        torch.testing.assert_close(got, want[:, :, t : t + 1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("rows", [("tt#ttttttttt",), ("ttttttttt#t##", "tt", "#ttt")], ids=str)
def test_the_whole_model(rows):
    """Two local layers around global ones, images larger and smaller than the window, padding."""
    for window in (3, 6):
        config = tiny_config(window, vision=True, layer_types=layer_pattern(4, period=2))
        model, batch = tiny_model(config), prompts(config, *rows)
        with torch.no_grad():
            got = model(batch)
        want = naive.model.gemma3(batch, model.state_dict(), config)
        real = batch.layout.position >= 0
        assert want[real].std() > 0.3
        torch.testing.assert_close(got[real], want[real], rtol=0, atol=1e-5)


def test_the_whole_model_on_text():
    config = tiny_config(4, layer_types=layer_pattern(7))
    model, batch = tiny_model(config), prompts(config, "t" * 14)
    with torch.no_grad():
        got = model(batch)
    want = naive.model.gemma3(batch, model.state_dict(), config)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", range(10))
def test_sampling(seed):
    """Some logits are equal, all of one row, and some so low that the others already sum to 1."""
    rng = random.Random(seed)
    logits = torch.randn(3, 16, generator=torch.Generator().manual_seed(seed)) * 3
    logits[:, :8] = logits[:, :8].round()
    logits = torch.cat([logits, torch.zeros(1, 16), torch.linspace(-40, 40, 16)[None]])
    for k in (1, 2, 5, 16, 40):
        assert keep_top_k(logits, k).equal(naive.sampling.keep_top_k(logits, k))
    for p in (1e-9, rng.random(), 4 / 16, 0.95, 1.0):
        assert keep_top_p(logits, p).equal(naive.sampling.keep_top_p(logits, p))
    temperature, k, p = rng.uniform(0.3, 2), rng.randint(1, 16), rng.random()
    want = naive.sampling.probabilities(logits, temperature, k, p)
    torch.testing.assert_close(Sampler(temperature, k, p).probabilities(logits), want)


@pytest.mark.parametrize("sampler", [Sampler(temperature=0), Sampler(1.3, 20, 0.9)], ids=str)
def test_generating_with_a_cache_is_generating_without(sampler):
    """Ragged rows, an image, chunks; rows stop at different steps."""
    config = tiny_config(5, vision=True)
    model, batch = tiny_model(config), prompts(config, "t#ttttttt", "ttt", "tttt#")
    new, stops = 12, (5, 11, 23, 40)

    def rng() -> torch.Generator:
        return torch.Generator().manual_seed(3)

    got = list(generate(model, batch, sampler, new, stops, chunk_size=3, generator=rng()))
    want = list(naive.generation.generate(model, batch, sampler, new, stops, rng()))
    assert torch.stack(got).equal(torch.stack(want))
    assert len(got) > 3


def test_a_row_that_has_stopped_yields_0():
    """A made-up model that counts up from each row's last token; 9 stops."""

    def counts(batch: Batch) -> torch.Tensor:
        return torch.nn.functional.one_hot((batch.tokens + 1) % 10, 10).float()

    layout = TokenLayout.of_text(torch.ones(2, 1, dtype=torch.bool))
    batch = Batch(torch.tensor([[5], [7]]), layout)
    steps = naive.generation.generate(counts, batch, Sampler(temperature=0), 9, [9])
    assert [ids.tolist() for ids in steps] == [[6, 8], [7, 9], [8, 0], [9, 0]]


@pytest.mark.parametrize("size", SIZES)
def test_parameters(size):
    assert cost.parameters(PRESETS[size]) == naive.cost.parameters(PRESETS[size])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("context", [0, 4, 5, 6, 1023, 1024, 1025, 5000])
def test_cache_bytes(size, context):
    text = PRESETS[size].text
    want = naive.cost.cache_bytes(text, context, batch_size=3, bytes_per_value=4)
    assert cost.cache_bytes(text, context, 3, 4) == want


@pytest.mark.parametrize(("tokens", "context"), [(1, 0), (4, 0), (9, 0), (1, 30), (7, 3), (8, 5)])
def test_flops(tokens, context):
    text = PRESETS["tiny"].text
    want = naive.cost.flops(text, tokens, context, logit_columns=2)
    assert cost.flops(text, tokens, context, logit_columns=2) == want
    assert cost.flops(text, tokens, context, batch_size=3, logit_columns=2) == 3 * want


@pytest.mark.parametrize("size", ["tiny", "4b"])
def test_flops_of_images(size):
    config = PRESETS[size]
    without = cost.flops(config, tokens=1)
    assert cost.flops(config, tokens=1, images=2) - without == 2 * naive.cost.vision_flops(config)
