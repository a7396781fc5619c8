"""From pixels to soft tokens: SigLIP's encoder, pooling, norm and projection.

An image is cut into patches, each of which becomes a vector that attends to all others. Squares of
neighbouring patches are then averaged, and each average becomes one soft token, a vector of the
language model's width. In the released sizes 896 x 896 pixels are 64 x 64 patches, which become
16 x 16 soft tokens (technical report, section 2.1).

>>> from gemma3_edu.model.presets import PRESETS
>>> tower = VisionTower(PRESETS["tiny"])
>>> tower(torch.zeros(2, 3, 36, 36)).shape  # I M D
torch.Size([2, 9, 24])
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .config import Gemma3Config, VisionConfig
from .layers import RMSNorm


class VisionAttention(nn.Module):
    """Every patch sees every patch: multi-head attention with biases, no mask and no rotation."""

    def __init__(self, config: VisionConfig):
        super().__init__()
        e = config.hidden_size
        self.num_heads = config.num_attention_heads
        self.q_proj, self.k_proj, self.v_proj = nn.Linear(e, e), nn.Linear(e, e), nn.Linear(e, e)
        self.out_proj = nn.Linear(e, e)

    def forward(self, x: Float[Tensor, "I P E"]) -> Float[Tensor, "I P E"]:
        """Scores are scaled by head size ** -0.5, the default of the kernel."""
        q = self.q_proj(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # I heads P size
        k = self.k_proj(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        v = self.v_proj(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        out = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(out.transpose(1, 2).flatten(2))


class VisionMLP(nn.Module):
    """Two layers with biases and the tanh form of GELU between them, and no gate."""

    def __init__(self, config: VisionConfig):
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: Float[Tensor, "I P E"]) -> Float[Tensor, "I P E"]:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class VisionBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), with LayerNorms that have weight and bias."""

    def __init__(self, config: VisionConfig):
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.self_attn = VisionAttention(config)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.mlp = VisionMLP(config)

    def forward(self, x: Float[Tensor, "I P E"]) -> Float[Tensor, "I P E"]:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class VisionEncoder(nn.Module):
    """SigLIP's vision transformer: a vector for every patch, and none for the whole picture."""

    def __init__(self, config: VisionConfig):
        super().__init__()
        e, size = config.hidden_size, config.patch_size
        self.patch_embedding = nn.Conv2d(config.num_channels, e, size, stride=size)
        self.position_embedding = nn.Embedding(config.patches_per_side**2, e)
        nn.init.normal_(self.position_embedding.weight, std=e**-0.5)  # small beside the patches
        self.layers = nn.ModuleList(VisionBlock(config) for _ in range(config.num_hidden_layers))
        self.post_layernorm = nn.LayerNorm(e, config.layer_norm_eps)

    def forward(self, images: Float[Tensor, "I 3 Y X"]) -> Float[Tensor, "I P E"]:
        """Pixels in [-1, 1] to one vector per patch, row by row."""
        # stride == kernel size: one matrix applied to every patch
        x = self.patch_embedding(images).flatten(2).transpose(1, 2)
        x = x + self.position_embedding.weight
        for layer in self.layers:
            x = layer(x)
        return self.post_layernorm(x)


class VisionProjector(nn.Module):
    """Average squares of patches, normalize, and change the width by one matrix without bias.

    The matrix is stored as (E, D) and used as x @ W, unlike the weight of a Linear.
    """

    def __init__(self, config: Gemma3Config):
        super().__init__()
        assert config.vision is not None
        e, d = config.vision.hidden_size, config.text.hidden_size
        self.patches_per_side = config.vision.patches_per_side
        self.pooled_side = round(config.mm_tokens_per_image**0.5)
        self.mm_soft_emb_norm = RMSNorm(e, config.vision.layer_norm_eps)
        self.mm_input_projection_weight = nn.Parameter(torch.empty(e, d))
        nn.init.normal_(self.mm_input_projection_weight, std=e**-0.5)

    def forward(self, x: Float[Tensor, "I P E"]) -> Float[Tensor, "I M D"]:
        """P patches to M soft tokens, both row by row."""
        grid = x.transpose(1, 2).unflatten(2, (self.patches_per_side, -1))  # I E rows columns
        pooled = F.avg_pool2d(grid, self.patches_per_side // self.pooled_side)
        soft_tokens = self.mm_soft_emb_norm(pooled.flatten(2).transpose(1, 2))
        return soft_tokens @ self.mm_input_projection_weight


class VisionTower(nn.Module):
    """Encoder and projector, which turn a picture into soft tokens."""

    def __init__(self, config: Gemma3Config):
        super().__init__()
        if config.vision is None:
            raise ValueError("config: this size is text-only (vision=None) and has no vision tower")
        self.encoder = VisionEncoder(config.vision)
        self.projector = VisionProjector(config)

    def forward(self, images: Float[Tensor, "I 3 Y X"]) -> Float[Tensor, "I M D"]:
        """Soft tokens in the dtype of the weights; unlike words, they are not scaled by sqrt(D)."""
        pixels = images.to(self.encoder.patch_embedding.weight.dtype)
        return self.projector(self.encoder(pixels))
