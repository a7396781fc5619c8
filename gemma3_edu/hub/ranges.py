"""Which values the settings in a checkpoint's files may have: one table, one error for all of them.

The limits lie far outside all that is in use; they keep a file from asking for a model that no
machine can even list.

>>> check({"text_config": {"head_dim": "256", "sliding_window": -1, "rms_norm_eps": 1}}, "config")
Traceback (most recent call last):
ValueError: config: 2 settings are wrong:
  text_config: head_dim='256' must be an int from 1 to 16384
  text_config: sliding_window=-1 must be an int from 1 to 2147483647
"""

import reprlib
from collections.abc import Iterator, Mapping
from typing import Any

_LONG = 2**31 - 1
_ID = (int, 0, 2**24)  # of a token
_THETA, _FACTOR = (float, 1.0, 1e15), (float, 1e-3, 1e6)

# Part of a file: its settings, each with type, least and most. A float may be written as an int.
# "ids" is an id or a list of them, "names" a list of texts; a part that is named is an object.
RANGES: dict[str, dict[str, Any]] = {
    "config": {
        "mm_tokens_per_image": (int, 1, 2**20),
        "boi_token_index": _ID,
        "eoi_token_index": _ID,
        "image_token_index": _ID,
        "eos_token_id": "ids",
        "quantization_config": "any_object",
        "text_config": "text_config",
        "vision_config": "vision_config",
    },
    "text_config": {
        "vocab_size": (int, 1, 2**24),
        "hidden_size": (int, 1, 2**17),
        "intermediate_size": (int, 1, 2**20),
        "num_hidden_layers": (int, 1, 1000),
        "num_attention_heads": (int, 1, 2**12),
        "num_key_value_heads": (int, 1, 2**12),
        "head_dim": (int, 1, 2**14),
        "query_pre_attn_scalar": (float, 1e-6, 1e9),
        "sliding_window": (int, 1, _LONG),
        "sliding_window_pattern": (int, 1, _LONG),
        "max_position_embeddings": (int, 1, _LONG),
        "rms_norm_eps": (float, 1e-30, 1.0),
        "rope_theta": _THETA,
        "rope_local_base_freq": _THETA,
        "rope_scaling": "rope",
        "rope_parameters": "rope_parameters",
        "layer_types": "names",
        "eos_token_id": "ids",
    },
    "vision_config": {
        "hidden_size": (int, 1, 2**17),
        "intermediate_size": (int, 1, 2**20),
        "num_hidden_layers": (int, 1, 1000),
        "num_attention_heads": (int, 1, 2**12),
        "image_size": (int, 1, 2**14),
        "patch_size": (int, 1, 2**14),
        "num_channels": (int, 3, 3),
        "layer_norm_eps": (float, 1e-30, 1.0),
    },
    "rope_parameters": {"full_attention": "rope", "sliding_attention": "rope"},
    "rope": {"rope_theta": _THETA, "factor": _FACTOR},
    "any_object": {},
    "generation_config": {"eos_token_id": "ids"},
    "processor_config": {
        "image_seq_length": (int, 1, 2**20),
        "image_processor": "preprocessor_config",
    },
    "preprocessor_config": {
        "do_pan_and_scan": (bool, False, True),
        "pan_and_scan_min_crop_size": (int, 1, 2**20),
        "pan_and_scan_max_num_crops": (int, 1, 1000),
        "pan_and_scan_min_ratio_to_activate": (float, 1.0, 1e6),
    },
}


def check(content: Mapping[str, Any], part: str) -> None:
    """Compare the settings of a file with the table; null is as good as absent.

    Raises one ValueError with all that are wrong. Settings that are not in the table are others'.
    """
    found = list(_problems(content, part))
    if found:
        raise ValueError(f"{part}: {len(found)} settings are wrong:\n  " + "\n  ".join(found))


def _problems(content: Mapping[str, Any], part: str) -> Iterator[str]:
    for name, rule in RANGES[part].items():
        value = content.get(name)
        if value is None:
            continue
        if rule in RANGES:
            if isinstance(value, dict):
                yield from _problems(value, rule)
                continue
            wanted = "an object"
        elif rule == "names":
            if isinstance(value, list) and all(isinstance(each, str) for each in value):
                continue
            wanted = "a list of texts"
        elif rule == "ids":
            if all(_within(each, *_ID) for each in (value if isinstance(value, list) else [value])):
                continue
            wanted = f"an int from 0 to {_ID[2]}, or a list of them"
        else:
            kind, least, most = rule
            if _within(value, *rule):
                continue
            wanted = "true or false" if kind is bool else f"{_NAMES[kind]} from {least} to {most}"
        yield f"{part}: {name}={reprlib.repr(value)} must be {wanted}"


_NAMES = {int: "an int", float: "a number"}


def _within(value: Any, kind: type, least: float, most: float) -> bool:
    return type(value) in ((int, float) if kind is float else (kind,)) and least <= value <= most
