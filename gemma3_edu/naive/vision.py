"""From pixels to soft tokens, one image, patch and square at a time.

>>> picture = torch.arange(16.0).reshape(1, 4, 4)
>>> [patch.flatten().tolist() for patch in patches(picture, 2)][:2]
[[0.0, 1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]]
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ..model.config import Gemma3Config, VisionConfig
from .attention import attend
from .layers import gelu_tanh, inside, rms_norm


def patches(image: Float[Tensor, "C Y X"], size: int) -> list[Float[Tensor, "C size size"]]:
    """Squares of `size` pixels: along the top row first, then the next row, as one reads."""
    _, Y, X = image.shape
    found = []
    for y in range(0, Y, size):
        for x in range(0, X, size):
            found.append(image[:, y : y + size, x : x + size])
    return found


def layer_norm(
    x: Float[Tensor, "P E"], w: Float[Tensor, "E"], b: Float[Tensor, "E"], eps: float
) -> Float[Tensor, "P E"]:
    """(x - mean) / sqrt(variance + eps) * w + b, row by row: here w is the gain, not gain - 1."""
    y = torch.empty_like(x)
    for p, row in enumerate(x):
        variance = float(((row - row.mean()) ** 2).mean())
        y[p] = (row - row.mean()) / math.sqrt(variance + eps) * w + b
    return y


def vision_block(
    x: Float[Tensor, "P E"], w: dict[str, Tensor], config: VisionConfig
) -> Float[Tensor, "P E"]:
    """x + attention(norm(x)), then x + mlp(norm(x)); every patch sees every patch."""

    def linear(name: str, x: Tensor) -> Tensor:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(name: str, x: Tensor) -> Tensor:
        return layer_norm(x, w[f"{name}.weight"], w[f"{name}.bias"], config.layer_norm_eps)

    P, E = x.shape
    H = E // config.num_attention_heads
    normed = norm("layer_norm1", x)
    q, k, v = (
        linear(f"self_attn.{name}_proj", normed).reshape(1, P, -1, H).transpose(1, 2)
        for name in "qkv"
    )
    everything = torch.ones(1, P, P, dtype=torch.bool)
    heads, _ = attend(q, k, v, everything, 1 / math.sqrt(H))
    x = x + linear("self_attn.out_proj", heads.transpose(1, 2).reshape(P, E))
    hidden = linear("mlp.fc1", norm("layer_norm2", x))
    return x + linear("mlp.fc2", hidden.apply_(gelu_tanh))  # on every number of it


def vision_encoder(
    image: Float[Tensor, "3 Y X"], w: dict[str, Tensor], config: VisionConfig
) -> Float[Tensor, "P E"]:
    """One vector a patch: the patch's pixels times a matrix, plus a vector for its place."""
    matrix, bias = w["patch_embedding.weight"].flatten(1), w["patch_embedding.bias"]
    pixels = [patch.flatten() for patch in patches(image, config.patch_size)]
    x = torch.stack([matrix @ values + bias for values in pixels])
    x = x + w["position_embedding.weight"]
    for layer in range(config.num_hidden_layers):
        x = vision_block(x, inside(w, f"layers.{layer}."), config)
    return layer_norm(
        x, w["post_layernorm.weight"], w["post_layernorm.bias"], config.layer_norm_eps
    )


def average_pool(x: Float[Tensor, "P E"], side: int) -> Float[Tensor, "M E"]:
    """The mean of each square of side * side patches; squares in reading order, as patches are.

    >>> average_pool(torch.arange(16.0)[:, None], 2).flatten()  # (0 + 1 + 4 + 5) / 4 first
    tensor([ 2.5000,  4.5000, 10.5000, 12.5000])
    """
    across = math.isqrt(len(x))
    squares = []
    for top in range(0, across, side):
        for left in range(0, across, side):
            total = torch.zeros_like(x[0])
            for row in range(top, top + side):
                for column in range(left, left + side):
                    total += x[row * across + column]
            squares.append(total / side**2)
    return torch.stack(squares)


def vision_projector(
    x: Float[Tensor, "P E"], w: dict[str, Tensor], config: Gemma3Config
) -> Float[Tensor, "M D"]:
    """Average squares of patches, normalise, change the width from E to D."""
    assert config.vision is not None
    side = config.vision.patches_per_side // math.isqrt(config.mm_tokens_per_image)
    pooled = average_pool(x, side)
    normed = rms_norm(pooled, w["mm_soft_emb_norm.weight"], config.vision.layer_norm_eps)
    return normed @ w["mm_input_projection_weight"]


def vision_tower(
    images: Float[Tensor, "I 3 Y X"], w: dict[str, Tensor], config: Gemma3Config
) -> Float[Tensor, "I M D"]:
    """Encoder and projector for each image by itself."""
    assert config.vision is not None
    encoded = [vision_encoder(image, inside(w, "encoder."), config.vision) for image in images]
    return torch.stack([vision_projector(x, inside(w, "projector."), config) for x in encoded])
