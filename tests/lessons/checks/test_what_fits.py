"""The check on cards accepts what is right, however written, and tells each slip by its name."""

import re
from dataclasses import replace

import pytest

from gemma3_edu.lessons.checks.what_fits import check_best_fit
from gemma3_edu.model.config import AttentionType
from gemma3_edu.study.cost import cache_bytes, parameters, weight_bytes


def by_trying(configs, formats, memory, context):
    for name in sorted(configs, key=lambda n: parameters(configs[n]), reverse=True):
        config = configs[name]
        for kind in formats:
            total = weight_bytes(config, kind) + cache_bytes(config, context)
            if context <= config.text.max_position_embeddings and total <= memory:
                return name, kind
    return None


def by_ranking(configs, formats, memory, context):
    fits = [
        (parameters(config), -place, name)
        for name, config in configs.items()
        for place, kind in enumerate(formats)
        if weight_bytes(config, kind) <= memory - cache_bytes(config, context)
        and config.text.max_position_embeddings >= context
    ]
    return (max(fits)[2], formats[-max(fits)[1]]) if fits else None


@pytest.mark.parametrize("answer", [by_trying, by_ranking])
def test_right_fits(answer):
    check_best_fit(answer)


def changed(total=None, memory=0, limit=True):
    """The right search with another sum, another memory, or without the limit of a size."""

    def right(config, kind, context):
        return weight_bytes(config, kind) + cache_bytes(config, context)

    def answer(configs, formats, available, context):
        for name in sorted(configs, key=lambda n: -parameters(configs[n])):
            if limit and context > configs[name].text.max_position_embeddings:
                continue
            for kind in formats:
                if (total or right)(configs[name], kind, context) <= available + memory:
                    return name, kind
        return None

    return answer


def without_windows(config, kind, context):
    kinds = (AttentionType.GLOBAL,) * config.text.num_hidden_layers
    return weight_bytes(config, kind) + cache_bytes(
        replace(config.text, layer_types=kinds), context
    )


def bits_first(configs, formats, memory, context):
    for kind in formats:
        found = by_trying(configs, (kind,), memory, context)
        if found:
            return found
    return None


def smallest(configs, formats, memory, context):
    for name in sorted(configs, key=lambda n: parameters(configs[n])):
        found = by_trying({name: configs[name]}, formats, memory, context)
        if found:
            return found
    return None


BITS = {"bf16": 16, "int8": 8, "int4-32": 4}


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        ("the cache was left out", changed(lambda c, kind, n: weight_bytes(c, kind))),
        (
            "the vision tower was left out; it lies in memory too",
            changed(lambda c, kind, n: weight_bytes(c.text, kind) + cache_bytes(c, n)),
        ),
        (
            "every layer's cache was as long as the context; a local one stops at W columns",
            changed(without_windows),
        ),
        (
            "bits times parameters: scales, norms and the vision tower take more than that",
            changed(lambda c, kind, n: parameters(c) * BITS[kind] / 8 + cache_bytes(c, n)),
        ),
        (
            "a model was given a longer context than `max_position_embeddings`",
            changed(limit=False),
        ),
        ("a smaller size in more bits was preferred; parameters count first", bits_first),
        ("the smallest size was returned", smallest),
        (
            "one byte was left free; a model that fills the memory to the byte still fits",
            changed(memory=-1),
        ),
        # no slip of their own
        (
            "24,000,000,000 bytes at 32,768 tokens: got 27b, expected ('27b', 'int4-32')",
            lambda *case: (by_trying(*case) or [None])[0],
        ),
        (
            "16,000,000,000 bytes at 32,768 tokens: got ('12b', 'bf16'), expected ('12b', 'int8')",
            lambda *case: ("12b", "bf16") if case[2:] == (16 * 10**9, 32_768) else by_trying(*case),
        ),
    ],
)
def test_wrong_fits(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_best_fit(answer)


def test_a_stub_is_let_through():
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check_best_fit(stub)
