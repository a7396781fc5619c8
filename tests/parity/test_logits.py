"""Logits equal transformers' on random models that take every branch."""

import dataclasses
import random
from collections import Counter

import pytest
import torch

from gemma3_edu.generation.generate import chunks
from gemma3_edu.model.cache import KVCache
from gemma3_edu.model.config import AttentionType
from gemma3_edu.model.layout import Batch
from tests.parity.oracle import (
    hub_spelling,
    ours_from,
    random_config,
    random_prompts,
    transformers_model,
)

pytestmark = pytest.mark.parity
SEEDS = range(48)


def drawn(seed: int) -> tuple:
    """Config and prompts of a seed."""
    rng = random.Random(seed)
    config = random_config(rng, vision=seed % 3 > 0)
    return config, random_prompts(rng, config)


@pytest.mark.parametrize("seed", SEEDS)
def test_float32(seed):
    config, prompts = drawn(seed)
    oracle = transformers_model(config, seed)
    want = prompts.logits(oracle)[prompts.real]
    model = ours_from(oracle, config, hub_names=seed % 2 > 0)
    with torch.no_grad():
        got = model(prompts.batch(config))[prompts.real]
    assert 0.3 < want.std() < 3
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)


def branches(seed: int) -> set[str]:
    """What a seed exercises, in words."""
    config, prompts = drawn(seed)
    text, layout = config.text, prompts.batch(config).layout
    window, longest = text.sliding_window, int(layout.position.max()) + 1
    images = layout.image_id.amax(1).tolist()
    found = {
        f"{text.num_hidden_layers} layers",
        f"window {window}",
        f"ratio {text.num_attention_heads // text.num_key_value_heads}",
        f"factor {text.rope(AttentionType.GLOBAL).factor}",
        f"rows {layout.batch_size}",
        f"global layers {text.layer_types.count(AttentionType.GLOBAL)}",
        "hub names" if seed % 2 else "new names",
        *([f"images {count}" for count in images] if config.vision else ["text only"]),
    }
    if bool((layout.position < 0).any()):
        found.add("padding")
    if longest > 4 * window:
        found.add("longer than four windows")
    if text.query_pre_attn_scalar != text.head_dim:
        found.add("query scale apart")
    if any(images) and config.mm_tokens_per_image > window:
        found.add("an image larger than the window")
    if any(images) and config.mm_tokens_per_image < window:
        found.add("an image smaller than the window")
    starts = (layout.image_id == 1).float().argmax(1)  # 0 where there is no image
    padding = (layout.position < 0).sum(1)
    gaps = [int(s - p) for s, p, count in zip(starts, padding, images, strict=True) if count]
    found |= {"an image soon" for gap in gaps if gap < 3}
    found |= {"text before an image" for gap in gaps if gap > 3}
    if any(bool(row[-2] > 0) for row in layout.image_id):
        found.add("an image at the end")
    return found


def test_the_seeds_take_every_branch():
    """What each seed must have, and what some seed must have: nothing is left to luck unseen."""
    seen = [branches(seed) for seed in SEEDS]
    assert len(seen) >= 40
    assert set.intersection(*seen) >= {"longer than four windows", "query scale apart"}
    times = Counter(branch for each in seen for branch in each)
    wanted = {f"{n} layers" for n in range(7, 15)} | {f"window {n}" for n in range(2, 13)}
    wanted |= {f"ratio {n}" for n in (1, 2, 4)} | {"factor 1.0", "factor 8.0"}
    wanted |= {f"images {n}" for n in range(4)} | {f"rows {n}" for n in (1, 2, 3)}
    wanted |= {"global layers 1", "global layers 2", "padding", "text only"}
    wanted |= {"an image larger than the window", "an image smaller than the window"}
    wanted |= {"an image soon", "text before an image", "an image at the end"}
    wanted |= {"hub names", "new names"}
    assert wanted <= set(times)
    assert times["an image larger than the window"] >= 5


def test_the_two_key_layouts_are_two():
    config, _ = drawn(1)
    names = transformers_model(config).state_dict()
    old = {hub_spelling(name) for name in names}
    assert not old & set(names)
    assert {name.split(".")[0] for name in old} == {
        "language_model",
        "vision_tower",
        "multi_modal_projector",
    }


@pytest.mark.parametrize("seed", [1, 3, 5, 8])
def test_in_chunks(seed):
    """transformers at once, we through a cache in chunks shorter than most windows."""
    config, prompts = drawn(seed)
    oracle = transformers_model(config, seed)
    batch = prompts.batch(config)
    model = ours_from(oracle, config)
    cache = KVCache(config.text, batch.layout.batch_size, batch.layout.length)
    with torch.no_grad():
        parts = [model(batch.columns(*borders), cache) for borders in chunks(batch.layout, 3)]
    got, want = torch.cat(parts, 1)[prompts.real], prompts.logits(oracle)[prompts.real]
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)


def test_positions_past_bfloat16():
    """A long prompt: bfloat16 holds whole numbers up to 256 only, float32 does not mind."""
    config, _ = drawn(0)
    text = dataclasses.replace(config.text, max_position_embeddings=1024)
    config = dataclasses.replace(config, text=text)
    oracle = transformers_model(config)
    ids = torch.randint(5, 280, (1, 700), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        want, got = oracle(ids).logits, ours_from(oracle, config)(Batch.from_ids(ids, config))
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)
