"""The checks on the whole text model accept right answers, however found."""

from collections.abc import Callable

import pytest
from torch import Tensor

from gemma3_edu import attention_mask, rope_table
from gemma3_edu.lessons.checks.text_model import check_forward, check_problems
from tests.lessons.checks.messages import message

# check_forward


def shipped(decoder, x, layout, cache) -> Tensor:
    return decoder(x, layout, cache)


def layer_by_layer(
    begin=True, give=True, commit="once", again=False, turned=False
) -> Callable[..., Tensor]:
    """Masks and rotations anew in every layer; without arguments it is right."""

    def fn(decoder, x, layout, cache) -> Tensor:
        config = decoder.config
        keys = cache.begin(layout) if cache and begin else dict.fromkeys(config.layer_types, layout)
        for block, kind in zip(decoder.layers, config.layer_types, strict=True):
            if cache and again:
                keys = cache.begin(layout)
            pair = (keys[kind], layout) if turned else (layout, keys[kind])
            mask = attention_mask(*pair, config.window(kind))
            rope = rope_table(layout.position, config.head_dim, config.rope(kind))
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
    ],
)
def test_misused_caches(answer, words: str):
    said = message(check_forward, answer)
    assert said.startswith(words)
    assert said.endswith("(two texts in chunks of 6, 10 and 1)")


def test_what_is_wrong_without_a_cache_is_said_first():
    said = message(check_forward, lambda decoder, x, layout, cache: x)
    assert said.startswith("one text at once: ") or said.endswith("(one text at once)")


# check_problems


def by_walking(wanted, found, rename):
    problems, met = set(), set()
    for theirs, shape in found.items():
        ours = rename(theirs)
        if ours not in wanted:
            problems.add(("unknown", theirs))
        elif ours in met:
            problems.add(("doubled", ours))
        elif shape != wanted[ours]:
            problems.add(("shape", ours))
        met.add(ours)
    return problems | {("missing", ours) for ours in wanted if ours not in met}


def by_sets(wanted, found, rename):
    spellings: dict = {}
    for theirs in found:
        spellings.setdefault(rename(theirs), []).append(theirs)
    mine = {ours: names for ours, names in spellings.items() if ours in wanted}
    unknown = set(found) - {name for names in mine.values() for name in names}
    return {
        *(("unknown", name) for name in unknown),
        *(("missing", ours) for ours in wanted.keys() - mine.keys()),
        *(("doubled", ours) for ours, names in mine.items() if len(names) > 1),
        *(("shape", ours) for ours, names in mine.items() if found[names[0]] != wanted[ours]),
    }


@pytest.mark.parametrize("answer", [by_walking, by_sets])
def test_right_readers(answer):
    check_problems(answer)


@pytest.mark.parametrize("place", range(5))
def test_a_reader_that_stops_at_one_problem(place: int):
    words = message(check_problems, lambda *case: set(sorted(by_walking(*case))[place : place + 1]))
    assert words.startswith("stopped at one problem; report all at once (a file with five problems")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda problems: problems | {("shape", "embed.weight")},
            "('shape', 'embed.weight') is too much (a file in which all is right)",
        ),
        (
            lambda problems: problems - {("shape", "norm.weight"), ("doubled", "norm.weight")},
            "('shape', 'norm.weight') is missing (a file with five problems)",
        ),
    ],
)
def test_readers_without_a_name(change, words: str):
    assert message(check_problems, lambda *case: change(by_walking(*case))) == words
