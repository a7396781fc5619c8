"""The settings of a GGUF file to a Gemma3Config, and back.

llama.cpp knows some numbers by rule, so that no file states them: every sixth layer is global,
local layers have base 10,000, and scores are scaled by the head size except in the model of 62
layers. Factor 8 on global layers is stated by most files of 4B, 12B and 27B; where it is not, it is
known by the number of layers.

>>> from gemma3_edu.model.presets import PRESETS
>>> stated = text_settings(PRESETS["4b"])
>>> stated["gemma3.block_count"], stated["gemma3.rope.scaling.factor"]
(34, 8.0)
>>> [key for key in stated if "local" in key or "scale" in key]
[]
"""

import dataclasses
from typing import Any

import numpy as np

from ...model.config import (
    AttentionType,
    Gemma3Config,
    RopeConfig,
    TextConfig,
    VisionConfig,
    layer_pattern,
)
from ...prompt.tokenizer import Tokenizer
from .header import Head, Value
from .names import layer_of

TEXT, VISION, OLLAMA_VISION = "gemma3", "clip.vision", "gemma3.vision"
_LAYERS_WITH_FACTOR_8 = (34, 48, 62)  # 4B, 12B, 27B
_LAYERS_OF_27B = 62
_POOLING = 4  # patches along an edge that become one soft token, where a file does not say
# Settings of other models in the same architecture's files: (name, the only value Gemma 3 has).
_FIXED = {
    f"{TEXT}.final_logit_softcapping": 0.0,
    f"{TEXT}.attn_logit_softcapping": 0.0,
    f"{TEXT}.attention.causal": True,
}


def read_config(text: Head, vision: Head | None, tokenizer: Tokenizer | None) -> Gemma3Config:
    """The config of a model whose settings are in these files.

    The ids of the tokens in and around an image are the tokenizer's. Raises ValueError for files
    that are not of a Gemma 3, or do not belong together.
    """
    ids: dict[str, Any] = {}
    if tokenizer is not None:
        ids["boi_token_index"], ids["eoi_token_index"] = tokenizer.boi_id, tokenizer.eoi_id
        ids["image_token_index"] = tokenizer.soft_id
    config = Gemma3Config(text=_read_text(text), **ids)
    if vision is None:
        return config
    tower, tokens = _read_vision(vision, config.text)
    return dataclasses.replace(config, vision=tower, mm_tokens_per_image=tokens)


def _read_text(head: Head) -> TextConfig:
    for name, only in _FIXED.items():
        if head.setting(name, only) != only:
            raise ValueError(
                f"{head.path.name}: the setting {name} is {head.settings[name]}; Gemma 3 has "
                f"{only}, so this is another model"
            )
    layers = _block_count(head, TEXT)
    heads = head.size(f"{TEXT}.attention.head_count")
    width = head.size(f"{TEXT}.embedding_length")
    head_dim = head.size(f"{TEXT}.attention.key_length")
    if (value_dim := head.size(f"{TEXT}.attention.value_length", head_dim)) != head_dim:
        raise ValueError(
            f"{head.path.name}: keys have {head_dim} numbers and values {value_dim}; in Gemma 3 "
            "they are equal, so this is another model"
        )
    if "token_embd.weight" not in head.tensors:
        raise ValueError(
            f"{head.path.name}: has no tensor token_embd.weight, the embedding; get the file again"
        )
    local_base = head.setting(f"{TEXT}.rope.local.freq_base", 10_000.0)  # Ollama's name
    return TextConfig(
        vocab_size=head.tensors["token_embd.weight"].shape[0],
        hidden_size=width,
        intermediate_size=head.size(f"{TEXT}.feed_forward_length"),
        layer_types=_layer_types(head, layers),
        num_attention_heads=heads,
        num_key_value_heads=head.size(f"{TEXT}.attention.head_count_kv"),
        head_dim=head_dim,
        query_pre_attn_scalar=width // heads if layers == _LAYERS_OF_27B else head_dim,
        sliding_window=head.size(f"{TEXT}.attention.sliding_window"),
        max_position_embeddings=head.size(f"{TEXT}.context_length"),
        rope_local=RopeConfig(head.setting(f"{TEXT}.rope.freq_base_swa", local_base)),
        rope_global=_read_rope(head, layers),
        rms_norm_eps=head.setting(f"{TEXT}.attention.layer_norm_rms_epsilon", 1e-6),
    )


def _block_count(head: Head, prefix: str) -> int:
    """The number of layers, which is believed only if the file has tensors for them."""
    layers = head.size(f"{prefix}.block_count")
    found = {layer_of(name, vision=prefix != TEXT) for name in head.tensors} - {None}
    if not found <= set(range(layers)) or len(found) < layers:
        raise ValueError(
            f"{head.path.name}: the setting {prefix}.block_count is {layers}, but there are "
            f"tensors of {len(found)} layers; get the file again, and all parts of it"
        )
    return layers


def _layer_types(head: Head, layers: int) -> tuple[AttentionType, ...]:
    name = f"{TEXT}.attention.sliding_window_pattern"
    stated = head.settings.get(name)
    if not isinstance(stated, np.ndarray):
        return layer_pattern(layers, head.size(name, 6))
    if len(stated) != layers:
        raise ValueError(
            f"{head.path.name}: the setting {name} is of {len(stated)} layers, but the model has "
            f"{layers}; get another conversion of the model"
        )
    return tuple(AttentionType.LOCAL if local else AttentionType.GLOBAL for local in stated)


def _read_rope(head: Head, layers: int) -> RopeConfig:
    kind = head.setting(f"{TEXT}.rope.scaling.type", "linear")
    if kind not in ("linear", "none"):
        raise ValueError(
            f"{head.path.name}: the setting {TEXT}.rope.scaling.type is {kind!r}; Gemma 3 has "
            "'linear' or none, so this is a changed model, which is not read here"
        )
    by_rule = 8.0 if layers in _LAYERS_WITH_FACTOR_8 else 1.0
    factor = head.setting(f"{TEXT}.rope.scaling.factor", by_rule) if kind == "linear" else 1.0
    return RopeConfig(head.setting(f"{TEXT}.rope.freq_base", 1_000_000.0), factor)


def _read_vision(head: Head, text: TextConfig) -> tuple[VisionConfig, int]:
    """The tower, and how many soft tokens it makes of an image."""
    key = VISION if f"{VISION}.block_count" in head.settings else OLLAMA_VISION
    for name in ("image_mean", "image_std"):
        stated = head.settings.get(f"{key}.{name}")
        if stated is not None and np.asarray(stated).tolist() != [0.5, 0.5, 0.5]:
            raise ValueError(
                f"{head.path.name}: the setting {key}.{name} is {stated}; the pixels Gemma 3 was "
                "trained on need 0.5 in each colour, so this is another model"
            )
    projection = head.tensors.get("mm.input_projection.weight")
    if projection and projection.shape[-1] != text.hidden_size:
        raise ValueError(
            f"vision: {head.path.name} makes soft tokens of width {projection.shape[-1]}, but the "
            f"text model's is {text.hidden_size}; it belongs to another size of Gemma 3"
        )
    tower = VisionConfig(
        hidden_size=head.size(f"{key}.embedding_length"),
        intermediate_size=head.size(f"{key}.feed_forward_length"),
        num_hidden_layers=_block_count(head, key),
        num_attention_heads=head.size(f"{key}.attention.head_count"),
        image_size=head.size(f"{key}.image_size"),
        patch_size=head.size(f"{key}.patch_size"),
        layer_norm_eps=head.setting(f"{key}.attention.layer_norm_epsilon", 1e-6),
    )
    pooling = head.size(f"{key}.projector.scale_factor", _POOLING)
    return tower, max(1, tower.patches_per_side // pooling) ** 2


def text_settings(config: Gemma3Config) -> dict[str, Value]:
    """The settings of a text file, by name."""
    text, rope = config.text, config.text.rope_global
    settings: dict[str, Value] = {
        "context_length": text.max_position_embeddings,
        "embedding_length": text.hidden_size,
        "block_count": text.num_hidden_layers,
        "feed_forward_length": text.intermediate_size,
        "attention.head_count": text.num_attention_heads,
        "attention.head_count_kv": text.num_key_value_heads,
        "attention.key_length": text.head_dim,
        "attention.value_length": text.head_dim,
        "attention.layer_norm_rms_epsilon": text.rms_norm_eps,
        "attention.sliding_window": text.sliding_window,
        "rope.freq_base": rope.theta,
        "vocab_size": text.vocab_size,
    }
    if rope.factor != 1 or text.num_hidden_layers in _LAYERS_WITH_FACTOR_8:
        settings |= {"rope.scaling.type": "linear", "rope.scaling.factor": rope.factor}
    return {f"{TEXT}.{name}": value for name, value in settings.items()}


def vision_settings(config: Gemma3Config) -> dict[str, Value]:
    """The settings of the vision file, by name."""
    tower = config.vision
    assert tower is not None
    half = np.full(3, 0.5, np.float32)
    settings: dict[str, Value] = {
        "image_size": tower.image_size,
        "patch_size": tower.patch_size,
        "embedding_length": tower.hidden_size,
        "feed_forward_length": tower.intermediate_size,
        "projection_dim": config.text.hidden_size,
        "block_count": tower.num_hidden_layers,
        "attention.head_count": tower.num_attention_heads,
        "attention.layer_norm_epsilon": tower.layer_norm_eps,
        "image_mean": half,
        "image_std": half,
    }
    pooling = tower.patches_per_side // round(config.mm_tokens_per_image**0.5)
    if pooling != _POOLING:
        settings["projector.scale_factor"] = pooling
    return {
        "clip.has_vision_encoder": True,
        "clip.projector_type": "gemma3",
        "clip.use_gelu": True,  # in its tanh form
        **{f"{VISION}.{name}": value for name, value in settings.items()},
    }


def check_storable(config: Gemma3Config) -> None:
    """Raise ValueError for a config that its own settings would not give back."""
    text = config.text
    by_rule: dict[str, Any] = {
        "layer_types": layer_pattern(text.num_hidden_layers),
        "query_pre_attn_scalar": text.hidden_size // text.num_attention_heads
        if text.num_hidden_layers == _LAYERS_OF_27B
        else text.head_dim,
        "rope_local": RopeConfig(10_000.0),
    }
    for name, only in by_rule.items():
        if getattr(text, name) != only:
            raise ValueError(
                f"config: {name}={getattr(text, name)!r} has no place in a GGUF file, whose "
                f"readers take {only!r} by rule; save a folder instead"
            )
