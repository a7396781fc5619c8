"""What a Gemma 3 model is made of, as frozen values.

A config says what a model *is*; nothing here computes. Field names are those of the public
checkpoints' `config.json`, so that a reader can lay the two side by side. Reading and writing that
file is the job of `hub.config_json`. Nothing here imports torch, so that costs can be studied
without it.
"""

import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import Any


def _positive(where: str, **values: float) -> None:
    for name, value in values.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
            raise ValueError(f"{where}: {name}={value!r} must be a number above 0")


class AttentionType(Enum):
    """Whether a layer sees a sliding window (LOCAL) or everything before it (GLOBAL)."""

    LOCAL = "sliding_attention"
    GLOBAL = "full_attention"


def layer_pattern(num_hidden_layers: int, period: int = 6) -> tuple[AttentionType, ...]:
    """Layer types in which every `period`-th layer is global and the first is local (section 2).

    Layer i, counted from 0, is global iff (i + 1) % period == 0. A depth that is no multiple of the
    period, such as 4B's 34, ends in local layers.

    >>> "".join(kind.name[0] for kind in layer_pattern(14))
    'LLLLLGLLLLLGLL'
    """
    _positive("layer_pattern", num_hidden_layers=num_hidden_layers, period=period)
    local, everything = AttentionType.LOCAL, AttentionType.GLOBAL
    return tuple(local if (i + 1) % period else everything for i in range(num_hidden_layers))


@dataclass(frozen=True)
class RopeConfig:
    """Rotary position embedding of one attention type.

    `theta` is the base of the frequencies; every position is divided by `factor` (position
    interpolation: 8 on the global layers of 4B and larger, 1 elsewhere).
    """

    theta: float
    factor: float = 1.0

    def __post_init__(self) -> None:
        _positive("RopeConfig", theta=self.theta, factor=self.factor)


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """The language model. `layer_types` holds one entry a layer, so it also gives their number.

    `query_pre_attn_scalar` s scales attention scores by s ** -0.5; it equals `head_dim` except in
    27B. `sliding_window` W lets a local query see W keys, its own included.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    layer_types: tuple[AttentionType, ...]
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    query_pre_attn_scalar: float
    sliding_window: int
    max_position_embeddings: int
    rope_local: RopeConfig = RopeConfig(theta=10_000.0)
    rope_global: RopeConfig = RopeConfig(theta=1_000_000.0)
    rms_norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        object.__setattr__(self, "layer_types", tuple(self.layer_types))
        if not self.layer_types or not all(isinstance(t, AttentionType) for t in self.layer_types):
            raise ValueError(
                f"TextConfig: layer_types={self.layer_types!r} must be AttentionType members, at "
                "least one; layer_pattern(num_hidden_layers) makes Gemma 3's"
            )
        _positive("TextConfig", **_numbers(self))
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"TextConfig: num_attention_heads={self.num_attention_heads} is no multiple of "
                f"num_key_value_heads={self.num_key_value_heads}; every key/value head serves the "
                "same number of query heads"
            )
        if self.head_dim % 2:
            raise ValueError(
                f"TextConfig: head_dim={self.head_dim} is odd; rotary embedding turns pairs"
            )

    @property
    def num_hidden_layers(self) -> int:
        """How many blocks the decoder has."""
        return len(self.layer_types)

    def rope(self, kind: AttentionType) -> RopeConfig:
        """The rotary embedding of one attention type."""
        return self.rope_global if kind is AttentionType.GLOBAL else self.rope_local

    def window(self, kind: AttentionType) -> int | None:
        """W on local layers; None on global ones, which see everything before them."""
        return self.sliding_window if kind is AttentionType.LOCAL else None


@dataclass(frozen=True, kw_only=True)
class VisionConfig:
    """The SigLIP encoder (So400m/14 in all released sizes): square images, square patches."""

    hidden_size: int = 1152
    intermediate_size: int = 4304
    num_hidden_layers: int = 27
    num_attention_heads: int = 16
    image_size: int = 896
    patch_size: int = 14
    num_channels: int = 3
    layer_norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        _positive("VisionConfig", **_numbers(self))
        for part, whole in [
            ("num_attention_heads", "hidden_size"),
            ("patch_size", "image_size"),
        ]:
            if getattr(self, whole) % getattr(self, part):
                raise ValueError(
                    f"VisionConfig: {whole}={getattr(self, whole)} is no multiple of "
                    f"{part}={getattr(self, part)}"
                )

    @property
    def patches_per_side(self) -> int:
        """Patches along one edge of the image; there are as many squared."""
        return self.image_size // self.patch_size


@dataclass(frozen=True, kw_only=True)
class Gemma3Config:
    """The whole model; `vision` is None in the text-only sizes (270M, 1B).

    The three token indices belong to the checkpoint's vocabulary: start of image, end of image, and
    the soft token that stands wherever an image's embedding is to be put.
    """

    text: TextConfig
    vision: VisionConfig | None = None
    mm_tokens_per_image: int = 256
    boi_token_index: int = 255_999
    eoi_token_index: int = 256_000
    image_token_index: int = 262_144

    def __post_init__(self) -> None:
        _positive("Gemma3Config", mm_tokens_per_image=self.mm_tokens_per_image)
        if self.vision is None:
            return
        side = round(self.mm_tokens_per_image**0.5)
        if side**2 != self.mm_tokens_per_image or self.vision.patches_per_side % side:
            raise ValueError(
                f"Gemma3Config: mm_tokens_per_image={self.mm_tokens_per_image} must be the square "
                f"of a divisor of {self.vision.patches_per_side}, the patches along an edge; "
                "pooling maps whole squares of patches to one soft token"
            )


def _numbers(config: Any) -> dict[str, float]:
    fields = (f.name for f in dataclasses.fields(config) if f.type in (int, float))
    return {name: getattr(config, name) for name in fields}
