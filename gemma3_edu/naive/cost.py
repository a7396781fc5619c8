"""Costs, counted by walking through the model.

>>> from gemma3_edu.model.presets import PRESETS
>>> parameters(PRESETS["1b"])
999885952
>>> cache_bytes(PRESETS["1b"].text, 32_768)
145752064
"""

from ..model.config import AttentionType, Gemma3Config, TextConfig, VisionConfig
from .masks import may_see


def parameters(config: Gemma3Config) -> int:
    """Head by head and unit by unit; the head is the embedding again, so it adds nothing."""
    text = config.text
    D, H = text.hidden_size, text.head_dim
    total = text.vocab_size * D
    for _ in text.layer_types:
        for _ in range(text.num_attention_heads):
            total += H * D + D * H  # rows of q_proj, columns of o_proj
        for _ in range(text.num_key_value_heads):
            total += H * D + H * D  # rows of k_proj and v_proj
        for _ in range(text.intermediate_size):
            total += D + D + D  # a row of gate_proj, a row of up_proj, a column of down_proj
        total += 2 * H + 4 * D  # norms of queries and keys, four around the branches
    total += D  # the final norm
    if config.vision is not None:
        E = config.vision.hidden_size
        total += vision_parameters(config.vision) + E + E * D  # the projector's norm and matrix
    return total


def vision_parameters(config: VisionConfig) -> int:
    """Every matrix of the encoder has a bias, every norm a weight and a bias."""
    E, F = config.hidden_size, config.intermediate_size
    total = E * config.num_channels * config.patch_size**2 + E
    for _ in range(config.patches_per_side**2):
        total += E  # the vector of a place
    for _ in range(config.num_hidden_layers):
        for _ in ("q_proj", "k_proj", "v_proj", "out_proj"):
            total += E * E + E
        total += (F * E + F) + (E * F + E)
        total += 2 * (E + E)
    return total + E + E


def cache_bytes(
    config: TextConfig, context: int, batch_size: int = 1, bytes_per_value: int = 2
) -> int:
    """Feed the tokens in one by one; a local layer that has W forgets one for each it takes."""
    total = 0
    for kind in config.layer_types:
        stored = 0
        for _ in range(context):
            if kind is AttentionType.GLOBAL or stored < config.sliding_window:
                stored += 1
        key_and_value = 2 * config.num_key_value_heads * config.head_dim * bytes_per_value
        total += stored * key_and_value
    return total * batch_size


def flops(config: TextConfig, tokens: int, context: int = 0, logit_columns: int = 1) -> int:
    """Operations for `tokens` new tokens after `context` cached ones; a multiply-add is two."""
    D, H, N = config.hidden_size, config.head_dim, config.num_attention_heads
    matrices = 2 * N * D * H + 2 * config.num_key_value_heads * D * H
    matrices += 3 * D * config.intermediate_size
    total = 0
    for kind in config.layer_types:
        window = config.sliding_window if kind is AttentionType.LOCAL else None
        for i in range(context, context + tokens):
            total += 2 * matrices
            for j in range(i + 1):
                if may_see(i, j, window=window):
                    total += N * (2 * H + 2 * H)  # its part of q k, its part of weights v
    return total + logit_columns * 2 * D * config.vocab_size


def vision_flops(config: Gemma3Config) -> int:
    """Operations to make one image's soft tokens, pooling and norms left out."""
    assert config.vision is not None
    vision, P = config.vision, config.vision.patches_per_side**2
    E, F = vision.hidden_size, vision.intermediate_size
    total = P * 2 * E * vision.num_channels * vision.patch_size**2
    for _ in range(vision.num_hidden_layers):
        for _ in range(P):
            total += 2 * (4 * E * E + 2 * E * F)
            total += P * (2 * E + 2 * E)  # every patch sees every patch
    return total + config.mm_tokens_per_image * 2 * E * config.text.hidden_size
