"""What a model costs, from its config alone: parameters, bytes, operations.

All counts are exact integers of the architecture as it is built here. The functions take a whole
config or its text part.

>>> from gemma3_edu.model.presets import PRESETS
>>> parameters(PRESETS["1b"])
999885952
>>> cache_bytes(PRESETS["1b"], 32_768)  # bfloat16; all layers global would take 872,415,232
145752064
"""

from dataclasses import dataclass
from typing import Literal

from ..model.config import AttentionType, Gemma3Config, TextConfig, VisionConfig


def _text(config: Gemma3Config | TextConfig) -> TextConfig:
    return config if isinstance(config, TextConfig) else config.text


def parameters_by_part(config: Gemma3Config | TextConfig) -> dict[str, int]:
    """Parameters of each part; the embedding is counted once, since the head is tied to it.

    The technical report, Table 1, counts attention, MLP and norms together as "non-embedding". The
    64 padded rows of the multimodal vocabularies (262,208 for 262,144) are counted here.
    """
    text = _text(config)
    d, h = text.hidden_size, text.head_dim
    layers = text.num_hidden_layers
    heads = 2 * text.num_attention_heads + 2 * text.num_key_value_heads  # of q, o and of k, v
    parts = {
        "embedding": text.vocab_size * d,
        "attention": layers * d * h * heads,
        "mlp": layers * 3 * d * text.intermediate_size,
        "norms": layers * (4 * d + 2 * h) + d,
    }
    if isinstance(config, Gemma3Config) and config.vision is not None:
        parts["vision"] = _vision_parameters(config.vision)
        parts["projector"] = config.vision.hidden_size * (d + 1)  # the matrix and a norm before it
    return parts


def _vision_parameters(vision: VisionConfig) -> int:
    e, f = vision.hidden_size, vision.intermediate_size
    norm = 2 * e  # weight and bias
    block = 4 * (e * e + e) + (e * f + f) + (f * e + e) + 2 * norm
    patch = vision.num_channels * vision.patch_size**2 * e + e
    positions = vision.patches_per_side**2 * e
    return patch + positions + vision.num_hidden_layers * block + norm


def parameters(config: Gemma3Config | TextConfig) -> int:
    """All parameters; twice as many are the bytes of a bfloat16 checkpoint."""
    return sum(parameters_by_part(config).values())


@dataclass(frozen=True)
class WeightFormat:
    """How a matrix is stored: bits per number, and a scale of 16 bits for each `block` of a row.

    "row" means one scale per row (per channel); None means no scales.
    """

    bits: int
    block: int | Literal["row"] | None = None

    def matrix_bytes(self, rows: int, columns: int) -> int:
        """Bytes of one matrix with its scales. Raises ValueError if blocks do not fill its rows.

        >>> FORMATS["int4-32"].matrix_bytes(2, 64)  # 128 half bytes and 4 scales: 4.5 bits each
        72
        """
        if self.block is None:
            scales = 0
        elif self.block == "row":
            scales = rows
        elif columns % self.block:
            raise ValueError(f"columns={columns} is not a multiple of block={self.block}")
        else:
            scales = rows * columns // self.block
        return rows * columns * self.bits // 8 + 2 * scales


FORMATS = {
    "bf16": WeightFormat(16),
    "int8": WeightFormat(8, "row"),
    "sfp8": WeightFormat(8),
    "int4-32": WeightFormat(4, 32),
    "int4-row": WeightFormat(4, "row"),
}
"""Those of the report's Table 3, and int8. "int4-32" is the layout of llama.cpp's Q4_0."""


def weight_bytes(config: Gemma3Config | TextConfig, weights: str | WeightFormat = "bf16") -> int:
    """Bytes of the weights, the language model's matrices in a format of `FORMATS` or your own.

    Norms stay in 16 bits, and so does the vision tower, since its rows of 4304 cannot be divided
    into blocks of 32. A decoded token reads the text part: `weight_bytes(config.text, weights)`.

    >>> from gemma3_edu.model.presets import PRESETS
    >>> weight_bytes(PRESETS["27b"]), weight_bytes(PRESETS["27b"], "int4-32")
    (54864813280, 16040825056)
    """
    if isinstance(weights, str) and weights not in FORMATS:
        raise ValueError(f"weights={weights!r} must be a WeightFormat or one of {list(FORMATS)}")
    stored = FORMATS[weights] if isinstance(weights, str) else weights
    parts = parameters_by_part(config)
    kept = sum(parts.get(part, 0) for part in ("norms", "vision", "projector"))
    return 2 * kept + sum(stored.matrix_bytes(*shape) for shape in _matrices(_text(config)))


def _matrices(text: TextConfig) -> list[tuple[int, int]]:
    """(rows, columns) of the language model's matrices; the head is the first one again."""
    d, f, h = text.hidden_size, text.intermediate_size, text.head_dim
    q, kv = text.num_attention_heads * h, text.num_key_value_heads * h
    layer = [(q, d), (kv, d), (kv, d), (d, q), (f, d), (f, d), (d, f)]
    return [(text.vocab_size, d), *layer * text.num_hidden_layers]


def cache_bytes(
    config: Gemma3Config | TextConfig, context: int, batch_size: int = 1, bytes_per_value: int = 2
) -> int:
    """Bytes of keys and values for `context` tokens per row: min(context, W) on local layers.

    This is the formula of the architecture; the report's Table 3 fits neither it nor any other.
    """
    text = _text(config)
    _at_least(0, context=context)
    _at_least(1, batch_size=batch_size, bytes_per_value=bytes_per_value)
    tokens = sum(_stored(text, kind, context) for kind in text.layer_types)
    values = 2 * text.num_key_value_heads * text.head_dim * tokens
    return batch_size * values * bytes_per_value


def _stored(text: TextConfig, kind: AttentionType, context: int) -> int:
    return context if kind is AttentionType.GLOBAL else min(context, text.sliding_window)


def flops_by_part(
    config: Gemma3Config | TextConfig,
    tokens: int,
    context: int = 0,
    batch_size: int = 1,
    images: int = 0,
    logit_columns: int = 1,
) -> dict[str, int]:
    """Floating-point operations to run `tokens` new tokens after `context` cached ones.

    A multiplication and an addition count as two operations. Only matrix products are counted, as
    is usual: norms, rotations, softmax and activations are left out. "scores" counts the pairs that
    a causal mask of text allows (at most W per query on local layers), "head" the columns whose
    logits are computed. `images` is the number in the whole batch, not per row.
    """
    _at_least(1, tokens=tokens, batch_size=batch_size)
    _at_least(0, context=context, images=images, logit_columns=logit_columns)
    parts = _text_flops(_text(config), tokens, context, batch_size, logit_columns)
    if images:
        if not isinstance(config, Gemma3Config) or config.vision is None:
            raise ValueError(f"images={images}: this config has no vision tower")
        parts["vision"] = images * _vision_flops(config)
    return parts


def _text_flops(
    text: TextConfig, tokens: int, context: int, batch_size: int, logit_columns: int
) -> dict[str, int]:
    """FLOPs of each part of the language model, with so many columns of logits in each row."""
    rows = batch_size * tokens
    pairs = sum(_pairs(text, kind, tokens, context) for kind in text.layer_types)
    per_pair = 4 * text.num_attention_heads * text.head_dim  # q k, and weights v
    weights = parameters_by_part(text)
    return {
        "attention": 2 * rows * weights["attention"],
        "scores": batch_size * pairs * per_pair,
        "mlp": 2 * rows * weights["mlp"],
        "head": 2 * batch_size * logit_columns * text.vocab_size * text.hidden_size,
    }


def _pairs(text: TextConfig, kind: AttentionType, tokens: int, context: int) -> int:
    """The keys that each new query sees, i + 1 or W if that is less, summed over the queries."""

    def triangle(n: int) -> int:
        return n * (n + 1) // 2

    last = context + tokens
    if kind is AttentionType.GLOBAL:
        return triangle(last) - triangle(context)
    w = text.sliding_window
    full = max(0, last - max(context, w))  # queries that see a whole window
    return full * w + triangle(min(last, w)) - triangle(min(context, w))


def _vision_flops(config: Gemma3Config) -> int:
    vision = config.vision
    assert vision is not None
    e, f, patches = vision.hidden_size, vision.intermediate_size, vision.patches_per_side**2
    block = patches * (4 * e * e + 2 * e * f) + 2 * patches * patches * e
    patch = patches * vision.num_channels * vision.patch_size**2 * e
    projection = config.mm_tokens_per_image * e * config.text.hidden_size
    return 2 * (patch + vision.num_hidden_layers * block + projection)


def flops(
    config: Gemma3Config | TextConfig,
    tokens: int,
    context: int = 0,
    batch_size: int = 1,
    images: int = 0,
    logit_columns: int = 1,
) -> int:
    """The sum of `flops_by_part`; for one decoded token about 2 x the parameters.

    >>> from gemma3_edu.model.presets import PRESETS
    >>> round(flops(PRESETS["27b"], tokens=1) / parameters(PRESETS["27b"].text), 3)
    2.0
    """
    return sum(flops_by_part(config, tokens, context, batch_size, images, logit_columns).values())


def _at_least(low: int, **values: int) -> None:
    for name, value in values.items():
        if value < low:
            raise ValueError(f"{name}={value} must be at least {low}")
