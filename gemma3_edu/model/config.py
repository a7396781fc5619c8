"""What a Gemma 3 model is made of, as frozen values.

A config says what a model *is*; nothing here computes. The fields have the names that they have in
the `config.json` of the public checkpoints, which `hub.config_json` reads and writes. There is no
torch in this file, so that costs can be studied without it.
"""

import dataclasses
import math
from dataclasses import dataclass
from enum import Enum
from typing import Any


def _positive(where: str, kind: Any = int, **values: float) -> None:
    for name, value in values.items():
        if not isinstance(value, kind) or isinstance(value, bool) or not 0 < value < math.inf:
            what = "a whole number" if kind is int else "a number"
            raise ValueError(f"{where}: {name}={value!r} must be {what} above 0")


class AttentionType(Enum):
    """Whether a layer sees a sliding window (LOCAL) or everything before it (GLOBAL)."""

    LOCAL = "sliding_attention"
    GLOBAL = "full_attention"


def layer_pattern(num_hidden_layers: int, period: int = 6) -> tuple[AttentionType, ...]:
    """Every `period`-th layer is global, and all others are local (technical report, section 2).

    Layer i, counted from 0, is global if (i + 1) % period == 0. A depth that is not a multiple of
    the period, such as the 34 layers of 4B, ends in local layers.

    >>> "".join(kind.name[0] for kind in layer_pattern(14))
    'LLLLLGLLLLLGLL'
    """
    _positive("layer_pattern", num_hidden_layers=num_hidden_layers, period=period)
    local, everything = AttentionType.LOCAL, AttentionType.GLOBAL
    return tuple(local if (i + 1) % period else everything for i in range(num_hidden_layers))


@dataclass(frozen=True)
class RopeConfig:
    """Rotary position embedding of one attention type."""

    theta: float  # base of the frequencies
    factor: float = 1.0  # positions are divided by it: by 8 on global layers of 4B, 12B and 27B

    def __post_init__(self) -> None:
        _positive("RopeConfig", int | float, theta=self.theta, factor=self.factor)


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """The language model. The letters are those of all shapes (see `gemma3_edu`)."""

    vocab_size: int  # V
    hidden_size: int  # D
    intermediate_size: int  # F
    layer_types: tuple[AttentionType, ...]  # one per layer
    num_attention_heads: int  # N query heads
    num_key_value_heads: int  # K, a divisor of N
    head_dim: int  # H
    query_pre_attn_scalar: float  # s: scores are scaled by s ** -0.5; equal to H except in 27B
    sliding_window: int  # W: how many keys a query sees in a local layer, its own included
    max_position_embeddings: int  # the longest context
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
        _check_numbers(self)
        if not all(isinstance(self.rope(kind), RopeConfig) for kind in AttentionType):
            raise ValueError("TextConfig: rope_local and rope_global must each be a RopeConfig")
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"TextConfig: num_attention_heads={self.num_attention_heads} is not a multiple of "
                f"num_key_value_heads={self.num_key_value_heads}; every key/value head serves the "
                "same number of query heads"
            )
        if self.head_dim % 2:
            raise ValueError(
                f"TextConfig: head_dim={self.head_dim} is odd; rotary embedding rotates pairs"
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

    hidden_size: int = 1152  # E
    intermediate_size: int = 4304
    num_hidden_layers: int = 27
    num_attention_heads: int = 16
    image_size: int = 896
    patch_size: int = 14
    num_channels: int = 3
    layer_norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        _check_numbers(self)
        for part, whole in [("num_attention_heads", "hidden_size"), ("patch_size", "image_size")]:
            if getattr(self, whole) % getattr(self, part):
                raise ValueError(
                    f"VisionConfig: {whole}={getattr(self, whole)} is not a multiple of "
                    f"{part}={getattr(self, part)}"
                )

    @property
    def patches_per_side(self) -> int:
        """Patches along one edge of the image; the square of it is P."""
        return self.image_size // self.patch_size


@dataclass(frozen=True, kw_only=True)
class Gemma3Config:
    """The whole model; `vision` is None in the text-only sizes (270M, 1B)."""

    text: TextConfig
    vision: VisionConfig | None = None
    mm_tokens_per_image: int = 256  # M
    boi_token_index: int = 255_999  # start of image
    eoi_token_index: int = 256_000  # end of image
    image_token_index: int = 262_144  # the soft token: each marks the place of one image embedding

    def __post_init__(self) -> None:
        _positive("Gemma3Config", mm_tokens_per_image=self.mm_tokens_per_image)
        if self.vision is None:
            return
        side = round(self.mm_tokens_per_image**0.5)
        if side**2 != self.mm_tokens_per_image or self.vision.patches_per_side % side:
            raise ValueError(
                f"Gemma3Config: mm_tokens_per_image={self.mm_tokens_per_image} must be the square "
                f"of a divisor of {self.vision.patches_per_side}, the patches along an edge; "
                "pooling turns whole squares of patches into one soft token each"
            )


def _check_numbers(config: Any) -> None:
    kinds: dict[Any, Any] = {int: int, float: int | float}
    for field in dataclasses.fields(config):
        if kind := kinds.get(field.type):
            _positive(type(config).__name__, kind, **{field.name: getattr(config, field.name)})
