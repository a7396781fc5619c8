"""Configs as values: frozen, compared by content, checked when made; no torch needed."""

import dataclasses
import subprocess
import sys

import pytest

from gemma3_edu.model.config import (
    AttentionType,
    Gemma3Config,
    RopeConfig,
    TextConfig,
    VisionConfig,
    layer_pattern,
)
from gemma3_edu.model.presets import PRESETS
from tests.tiny import tiny_config

TINY = tiny_config(vision=True)


@pytest.mark.parametrize("part", [TINY, TINY.text, TINY.vision, TINY.text.rope_global])
def test_frozen_and_hashable(part):
    field = dataclasses.fields(part)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(part, field, getattr(part, field))
    assert hash(part) == hash(dataclasses.replace(part))
    assert part == dataclasses.replace(part)


def test_every_sixth_layer_is_global():
    """Facts of the released sizes: number of layers, of global ones, and which comes last."""
    wanted = {"270m": (18, 3, True), "1b": (26, 4, False), "4b": (34, 5, False)}
    wanted |= {"12b": (48, 8, True), "27b": (62, 10, False)}
    for name, (layers, count, last) in wanted.items():
        kinds = [kind is AttentionType.GLOBAL for kind in PRESETS[name].text.layer_types]
        assert (len(kinds), sum(kinds), kinds[-1]) == (layers, count, last)
        assert [i for i, is_global in enumerate(kinds) if is_global] == list(range(5, layers, 6))


def test_released_sizes():
    """Head size and query scale differ in 27B alone; only 4B and larger stretch positions."""
    for name in ("270m", "1b", "4b", "12b", "27b"):
        text, large = PRESETS[name].text, name not in ("270m", "1b")
        assert text.rope(AttentionType.LOCAL) == RopeConfig(1e4, 1.0)
        assert text.rope(AttentionType.GLOBAL) == RopeConfig(1e6, 8.0 if large else 1.0)
        assert text.sliding_window == (1024 if large else 512)
        assert text.max_position_embeddings == (131_072 if large else 32_768)
        assert text.head_dim == (128 if name == "27b" else 256)
        assert text.query_pre_attn_scalar == (5376 // 32 if name == "27b" else 256)
        assert text.num_attention_heads * text.head_dim != text.hidden_size
        assert (PRESETS[name].vision is not None) == large


NUMBERS = [f.name for f in dataclasses.fields(TextConfig) if f.type in (int, float)]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [0, -1, True])
def test_text_numbers_are_above_0(name, value):
    with pytest.raises(
        ValueError, match=f"TextConfig: {name}={value} must be a (whole )?number above 0"
    ):
        dataclasses.replace(TINY.text, **{name: value})


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(VisionConfig)])
def test_vision_numbers_are_above_0(name):
    with pytest.raises(
        ValueError, match=f"VisionConfig: {name}=0 must be a (whole )?number above 0"
    ):
        VisionConfig(**{name: 0})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layer_pattern(0), "num_hidden_layers=0 must be a whole number above 0"),
        (lambda: layer_pattern(6, 0), "period=0 must be a whole number above 0"),
        (lambda: RopeConfig(0.0), "RopeConfig: theta=0.0 must be a number above 0"),
        (lambda: RopeConfig(1e4, -8.0), "RopeConfig: factor=-8.0 must be a number above 0"),
        (lambda: tiny_config(layer_types=()), r"layer_types=\(\) must be AttentionType members"),
        (lambda: tiny_config(num_attention_heads=3), "num_attention_heads=3 is not a multiple of"),
        (lambda: tiny_config(head_dim=9), "head_dim=9 is odd"),
        (lambda: VisionConfig(num_attention_heads=5), "hidden_size=1152 is not a multiple of"),
        (lambda: VisionConfig(patch_size=15), "image_size=896 is not a multiple of patch_size=15"),
        (lambda: dataclasses.replace(TINY, mm_tokens_per_image=5), "=5 must be the square"),
        (lambda: dataclasses.replace(TINY, mm_tokens_per_image=9), "=9 must be the square"),
    ],
)
def test_values_that_fit_no_model(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_types_are_checked_without_the_hook_of_the_tests_too():
    """What a file may hold: numbers as text, null, not a number; a list of layer types is fine."""
    script = """
import dataclasses
from gemma3_edu.model.presets import PRESETS
text = PRESETS["tiny"].text
assert dataclasses.replace(text, layer_types=list(text.layer_types)) == text
for name, value in [("hidden_size", "24"), ("head_dim", None), ("rms_norm_eps", float("nan"))]:
    try:
        dataclasses.replace(text, **{name: value})
    except ValueError as error:
        print(error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        "TextConfig: hidden_size='24' must be a whole number above 0",
        "TextConfig: head_dim=None must be a whole number above 0",
        "TextConfig: rms_norm_eps=nan must be a number above 0",
    ]


def test_defaults_are_the_released_encoder():
    assert PRESETS["27b"].vision == VisionConfig()
    assert Gemma3Config(text=TINY.text).mm_tokens_per_image == 256


ODD = """
import dataclasses
from gemma3_edu.model.presets import PRESETS
for change in ({"sliding_window": 64.5}, {"vocab_size": 64.0}, {"rms_norm_eps": float("inf")},
               {"rope_global": "x"}, {"rope_local": None}):
    try:
        print("accepted", dataclasses.replace(PRESETS["tiny"].text, **change))
    except ValueError as error:
        print(error)
"""


def test_fields_of_another_type():
    """In a process of its own, without the annotations' check of the other tests."""
    run = subprocess.run([sys.executable, "-c", ODD], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        "TextConfig: sliding_window=64.5 must be a whole number above 0",
        "TextConfig: vocab_size=64.0 must be a whole number above 0",
        "TextConfig: rms_norm_eps=inf must be a number above 0",
        *["TextConfig: rope_local and rope_global must each be a RopeConfig"] * 2,
    ]
    assert tiny_config(query_pre_attn_scalar=7.5)
