"""The check on the whole text model accepts right answers, however found."""

from collections.abc import Callable

import pytest
from torch import Tensor

from gemma3_edu import attention_mask, rope_table
from gemma3_edu.lessons.checks.text_model import check_forward
from tests.lessons.checks.messages import message


def shipped(decoder, x, layout, cache) -> Tensor:
    return decoder(x, layout, cache)


def layer_by_layer(
    begin=True, give=True, commit="once", again=False, turned=False, told=True, keyed=False
) -> Callable[..., Tensor]:
    """Masks and rotations anew in every layer; without arguments it is right."""

    def fn(decoder, x, layout, cache) -> Tensor:
        config = decoder.config
        keys = cache.begin(layout) if cache and begin else dict.fromkeys(config.layer_types, layout)
        for block, kind in zip(decoder.layers, config.layer_types, strict=True):
            if cache and again:
                keys = cache.begin(layout)
            if cache and not told:
                keys = dict.fromkeys(config.layer_types, layout)
            pair = (keys[kind], layout) if turned else (layout, keys[kind])
            mask = attention_mask(*pair, config.window(kind))
            places = (keys[kind] if keyed else layout).position
            rope = rope_table(places, config.head_dim, config.rope(kind))
            x = block(x, mask, rope, cache if give else None)
            if cache and commit == "always":
                cache.commit(layout)
        if cache and commit in ("once", "twice"):
            cache.commit(layout)
        if cache and commit == "twice":
            cache.commit(layout)
        return decoder.norm(x)

    return fn


@pytest.mark.parametrize("answer", [shipped, layer_by_layer()])
def test_right_forward_passes(answer):
    check_forward(answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda d, x, layout, cache: d(x, layout), "the cache was not used; a chunk must see"),
        (layer_by_layer(begin=False), "the masks do not know the stored keys; ask `cache.begin`"),
        (layer_by_layer(give=False), "the blocks did not get the cache; it is their last"),
        (layer_by_layer(commit="never"), "`cache.commit(layout)` is missing after the last"),
        (layer_by_layer(commit="always"), "`cache.commit` came before the last block; it ends"),
        (layer_by_layer(commit="twice"), "`cache.commit` was called twice; once a step"),
        (layer_by_layer(again=True), "`cache.begin` was called twice in a step; call it once"),
        (layer_by_layer(turned=True), "a mask's rows were keys; `attention_mask(queries, keys"),
        (layer_by_layer(told=False), "the masks know the new tokens alone; use the layouts"),
        (layer_by_layer(keyed=True), "rotations were made for the stored keys too, which were"),
    ],
)
def test_misused_caches(answer, words: str):
    said = message(check_forward, answer)
    assert said.startswith(words)
    assert said.endswith("(two texts in chunks of 6, 10 and 1)")


def test_what_is_wrong_without_a_cache_is_said_first():
    said = message(check_forward, lambda decoder, x, layout, cache: x)
    assert said.startswith("one text at once: ") or said.endswith("(one text at once)")
