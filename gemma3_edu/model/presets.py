"""The configs of the released sizes, of the bundled model, and of two tiny ones for tests.

The numbers are those of the technical report (arXiv:2503.19786, Table 1 and section 2) and of the
released configs; 270M is not in the report.

>>> [config.text.num_hidden_layers for config in PRESETS.values()]
[18, 26, 34, 48, 62, 12, 7, 13]
>>> PRESETS["27b"].text.query_pre_attn_scalar  # 5376 / 32, not the head size
168
"""

from .config import Gemma3Config, RopeConfig, TextConfig, VisionConfig, layer_pattern

# fmt: off
_SIZES = {
    # layers      D       F   N   K    H    s     W  vocabulary  context  factor
    "270m": (18,  640,  2048,  4,  1, 256, 256,  512, 262_144,  32_768, 1.0),
    "1b":   (26, 1152,  6912,  4,  1, 256, 256,  512, 262_144,  32_768, 1.0),
    "4b":   (34, 2560, 10240,  8,  4, 256, 256, 1024, 262_208, 131_072, 8.0),
    "12b":  (48, 3840, 15360, 16,  8, 256, 256, 1024, 262_208, 131_072, 8.0),
    "27b":  (62, 5376, 21504, 32, 16, 128, 168, 1024, 262_208, 131_072, 8.0),
    # bundled with the package
    "nano":  (12, 128,   352,  4,  2,  40,  40,   64,   3_136,   2_048, 8.0),
    # for tests: all sizes differ, both layer types occur, s is not H, an image is longer than W
    "tiny-text": (7,  24,  40, 4,  2,  10,   7,    5,     512,     256, 1.0),
    "tiny":      (13, 24,  40, 4,  2,  10,   7,    5,     576,     256, 8.0),
}
# fmt: on


def _text(name: str) -> TextConfig:
    layers, d, f, n, k, h, s, w, vocabulary, context, factor = _SIZES[name]
    return TextConfig(
        vocab_size=vocabulary,
        hidden_size=d,
        intermediate_size=f,
        layer_types=layer_pattern(layers),
        num_attention_heads=n,
        num_key_value_heads=k,
        head_dim=h,
        query_pre_attn_scalar=s,
        sliding_window=w,
        max_position_embeddings=context,
        rope_global=RopeConfig(1e6, factor),
    )


_SIGLIP = VisionConfig()  # the same encoder in every released size
_NANO_SIGLIP = VisionConfig(
    hidden_size=128,
    intermediate_size=512,
    num_hidden_layers=4,
    num_attention_heads=4,
    image_size=112,
    patch_size=14,
)
_TINY_SIGLIP = VisionConfig(
    hidden_size=16,
    intermediate_size=28,
    num_hidden_layers=2,
    num_attention_heads=2,
    image_size=36,
    patch_size=6,
)

PRESETS: dict[str, Gemma3Config] = {
    "270m": Gemma3Config(text=_text("270m")),
    "1b": Gemma3Config(text=_text("1b")),
    "4b": Gemma3Config(text=_text("4b"), vision=_SIGLIP),
    "12b": Gemma3Config(text=_text("12b"), vision=_SIGLIP),
    "27b": Gemma3Config(text=_text("27b"), vision=_SIGLIP),
    "nano": Gemma3Config(
        text=_text("nano"),
        vision=_NANO_SIGLIP,
        mm_tokens_per_image=16,
        boi_token_index=3070,
        eoi_token_index=3071,
        image_token_index=3072,
    ),
    "tiny-text": Gemma3Config(text=_text("tiny-text")),
    "tiny": Gemma3Config(
        text=_text("tiny"),
        vision=_TINY_SIGLIP,
        mm_tokens_per_image=9,
        boi_token_index=510,
        eoi_token_index=511,
        image_token_index=512,
    ),
}
