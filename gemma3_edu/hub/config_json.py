"""A checkpoint's `config.json`, in any of its layouts, to a Gemma3Config, and back.

There are three layouts. *Old* files (transformers 4) have `rope_theta`, `rope_local_base_freq`,
`rope_scaling` and `sliding_window_pattern`; *new* ones (transformers 5) have `rope_parameters` by
layer type and a list of `layer_types`; the released multimodal files are *sparse* and rely on the
defaults of transformers. Settings that this architecture does not have are refused, never skipped:
a model that loads and then answers wrongly is worse than one that does not load.

>>> gemma = config_from_hf({"model_type": "gemma3_text", "num_hidden_layers": 7})
>>> [kind.name for kind in gemma.text.layer_types]
['LOCAL', 'LOCAL', 'LOCAL', 'LOCAL', 'LOCAL', 'GLOBAL', 'LOCAL']
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from ..model.config import (
    AttentionType,
    Gemma3Config,
    RopeConfig,
    TextConfig,
    VisionConfig,
    layer_pattern,
)
from .folder import current
from .ranges import check

Fields = dict[str, Any]

LOCAL, GLOBAL = AttentionType.LOCAL.value, AttentionType.GLOBAL.value

# The defaults of transformers' Gemma3TextConfig. They match no released size, but the sparse files
# leave out exactly what equals them.
_TEXT_DEFAULTS: Fields = {
    "vocab_size": 262_208,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "query_pre_attn_scalar": 256,
    "sliding_window": 4096,
    "max_position_embeddings": 131_072,
    "rms_norm_eps": 1e-6,
}
# Those of SiglipVisionConfig: the small published SigLIP, not the encoder of Gemma 3.
_VISION_DEFAULTS: Fields = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 16,
    "num_channels": 3,
    "layer_norm_eps": 1e-6,
}
_TOP_DEFAULTS: Fields = {
    "mm_tokens_per_image": 256,
    "boi_token_index": 255_999,
    "eoi_token_index": 256_000,
    "image_token_index": 262_144,
}
# What this architecture fixes: with any other value it would be another model.
_TEXT_FIXED: Fields = {
    "hidden_activation": "gelu_pytorch_tanh",
    "attention_bias": False,
    "attn_logit_softcapping": None,
    "final_logit_softcapping": None,
    "use_bidirectional_attention": False,
    "tie_word_embeddings": True,
}
_VISION_FIXED: Fields = {"model_type": "siglip_vision_model", "hidden_act": "gelu_pytorch_tanh"}
_ARCHITECTURES = {
    "gemma3": "Gemma3ForConditionalGeneration",
    "gemma3_text": "Gemma3ForCausalLM",
}


def load_json(source: Fields | str | Path) -> Fields:
    """The dict itself, or the content of a config file, or of the `config.json` in a folder."""
    if isinstance(source, dict):
        return source
    path = Path(source)
    path = current(path) / "config.json" if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f"config: {path} does not exist; every checkpoint folder has one")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"config: {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"config: {path} is not JSON ({error}); download it again") from error
    if not isinstance(content, dict):
        raise ValueError(f"config: {path} contains a {type(content).__name__}, not an object")
    return content


def config_from_hf(source: Fields | str | Path) -> Gemma3Config:
    """Read a checkpoint's `config.json`: a dict, the file, or its folder.

    Old, new and sparse layouts are read. Raises ValueError for another model type, for a setting
    Gemma 3 does not have or whose value makes no sense (see `ranges`), and for quantized weights.
    """
    config = load_json(source)
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in _ARCHITECTURES:
        raise ValueError(
            f"config: model_type={kind!r} is not Gemma 3; expected one of {sorted(_ARCHITECTURES)}"
        )
    check(config, "config")
    if config.get("quantization_config"):
        method = config["quantization_config"].get("quant_method", "unknown")
        raise ValueError(
            f"config: quantization_config (quant_method={method!r}) marks quantized weights; load "
            "the unquantized checkpoint and quantize after loading"
        )
    _refuse(config, {"tie_word_embeddings": True}, "config")
    top = {name: _given(config, name, value) for name, value in _TOP_DEFAULTS.items()}
    if kind == "gemma3_text":
        check(config, "text_config")
        return Gemma3Config(text=_read_text(config), vision=None, **top)
    vision = config.get("vision_config") or {}
    _refuse(vision, _VISION_FIXED, "vision_config")
    fields = {name: _given(vision, name, value) for name, value in _VISION_DEFAULTS.items()}
    return Gemma3Config(
        text=_read_text(config.get("text_config") or {}), vision=VisionConfig(**fields), **top
    )


def _given(config: Fields, name: str, default: Any) -> Any:
    value = config.get(name)
    return default if value is None else value


def _refuse(config: Fields, fixed: Fields, where: str) -> None:
    for name, only in fixed.items():
        value = config.get(name, only)
        if value != only and not (value is None and only is False):
            raise ValueError(f"{where}: {name}={value!r}; Gemma 3 has {only!r} and nothing else")


def _read_text(config: Fields) -> TextConfig:
    _refuse(config, _TEXT_FIXED, "text_config")
    fields = {name: _given(config, name, value) for name, value in _TEXT_DEFAULTS.items()}
    layers = _given(config, "num_hidden_layers", 26)
    types = config.get("layer_types")
    if types is None:
        types = layer_pattern(layers, _given(config, "sliding_window_pattern", 6))
    elif unknown := sorted(set(types) - {LOCAL, GLOBAL}):
        raise ValueError(f"text_config: layer_types names {unknown}; Gemma 3 has {[LOCAL, GLOBAL]}")
    elif len(types) != layers:
        raise ValueError(
            f"text_config: layer_types has {len(types)} entries for num_hidden_layers={layers}"
        )
    by_type = config.get("rope_parameters") or {}
    if unknown := sorted(set(by_type) - {LOCAL, GLOBAL}):
        raise ValueError(
            f"text_config: rope_parameters names {unknown}; expected {[LOCAL, GLOBAL]}"
        )
    everywhere = {**(by_type.get(GLOBAL) or {}), **(config.get("rope_scaling") or {})}
    fields["layer_types"] = tuple(map(AttentionType, types))
    fields["rope_global"] = _read_rope(everywhere, _given(config, "rope_theta", 1e6))
    nearby = by_type.get(LOCAL) or {}
    fields["rope_local"] = _read_rope(nearby, _given(config, "rope_local_base_freq", 1e4))
    return TextConfig(**fields)


def _read_rope(rope: Fields, theta: float) -> RopeConfig:
    kind = rope.get("rope_type", rope.get("type", "default"))  # "type" is the oldest name
    if kind not in ("default", "linear"):
        raise ValueError(
            f"text_config: rope_type={kind!r}; Gemma 3 has 'default' and 'linear' (with a factor)"
        )
    factor = _given(rope, "factor", None if kind == "linear" else 1.0)
    if factor is None or (kind == "default" and factor != 1):
        raise ValueError(
            f"text_config: rope_type={kind!r} with factor={factor}; 'linear' needs one, 'default' "
            "has none"
        )
    return RopeConfig(float(_given(rope, "rope_theta", theta)), float(factor))


def config_to_hf(config: Gemma3Config) -> Fields:
    """The content of a `config.json` that transformers reads, with both new and old names.

    transformers 5 reads the new names; older releases and other engines know only the old ones.

    >>> old = {"model_type": "gemma3_text", "rope_scaling": {"type": "linear", "factor": 8}}
    >>> config_to_hf(config_from_hf(old))["rope_parameters"]["full_attention"]
    {'rope_theta': 1000000.0, 'rope_type': 'linear', 'factor': 8.0}
    """
    text = _write_text(config.text)
    if config.vision is None:
        return {"architectures": [_ARCHITECTURES["gemma3_text"]], **text}
    return {
        "architectures": [_ARCHITECTURES["gemma3"]],
        "model_type": "gemma3",
        "tie_word_embeddings": True,
        **{name: getattr(config, name) for name in _TOP_DEFAULTS},
        "text_config": text,
        # No attention-pooling head: the projector reads the patches themselves.
        "vision_config": {
            **_VISION_FIXED,
            **dataclasses.asdict(config.vision),
            "vision_use_head": False,
        },
    }


def _write_text(text: TextConfig) -> Fields:
    types = text.layer_types
    everything = AttentionType.GLOBAL
    period = types.index(everything) + 1 if everything in types else len(types) + 1
    regular = layer_pattern(len(types), period) == types
    everywhere, nearby = text.rope_global, text.rope_local
    if nearby.factor != 1:
        raise ValueError(
            f"rope_local: factor={nearby.factor}; config.json can scale global layers only"
        )
    factor = everywhere.factor
    scaling = {"rope_type": "linear", "factor": factor} if factor != 1 else None
    return {
        "model_type": "gemma3_text",
        **{name: getattr(text, name) for name in _TEXT_DEFAULTS},
        **_TEXT_FIXED,
        "num_hidden_layers": len(types),
        "layer_types": [kind.value for kind in types],
        **({"sliding_window_pattern": period} if regular else {}),
        "rope_parameters": {
            GLOBAL: {"rope_theta": everywhere.theta, **(scaling or {"rope_type": "default"})},
            LOCAL: {"rope_theta": nearby.theta, "rope_type": "default"},
        },
        "rope_theta": everywhere.theta,
        "rope_local_base_freq": nearby.theta,
        "rope_scaling": scaling,
    }
