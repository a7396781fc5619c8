"""Gemma 3: the block, the decoder, and the whole model with its vision tower.

The model returns logits and nothing else. It keeps no state: for a cache, make a `KVCache` and pass
it in.

>>> import torch
>>> from gemma3_edu.model.presets import PRESETS
>>> config = PRESETS["tiny-text"]
>>> model = Gemma3(config)
>>> model(Batch.from_ids(torch.tensor([[2, 7, 8]]), config)).shape  # B T V
torch.Size([1, 3, 512])
"""

from jaxtyping import Float
from torch import Tensor, nn

from .attention import Attention
from .cache import KVCache
from .config import Gemma3Config, TextConfig
from .layers import GatedMLP, RMSNorm, TokenEmbedding
from .layout import Batch, TokenLayout
from .masks import Mask, attention_mask
from .rope import Rope, rope_table
from .vision import VisionTower


class Block(nn.Module):
    """x + norm(attention(norm(x))), then x + norm(mlp(norm(x))): four norms.

    The second norm of each pair acts on the branch, before the sum. `post_attention_layernorm` is
    such a norm; in Llama the same name means the norm *before* the MLP.
    """

    def __init__(self, config: TextConfig, layer: int):
        super().__init__()
        d, eps = config.hidden_size, config.rms_norm_eps
        self.input_layernorm = RMSNorm(d, eps)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = RMSNorm(d, eps)
        self.pre_feedforward_layernorm = RMSNorm(d, eps)
        self.mlp = GatedMLP(d, config.intermediate_size)
        self.post_feedforward_layernorm = RMSNorm(d, eps)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        mask: Mask,
        rope: Rope,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """The residual stream after one more layer; the arguments are those of Attention."""
        branch = self.self_attn(self.input_layernorm(x), mask, rope, cache)
        x = x + self.post_attention_layernorm(branch)
        branch = self.mlp(self.pre_feedforward_layernorm(x))
        return x + self.post_feedforward_layernorm(branch)


class Decoder(nn.Module):
    """The language model: embedding, blocks, final norm, and the embedding again as the head."""

    def __init__(self, config: TextConfig):
        super().__init__()
        self.config = config
        self.embed_tokens = TokenEmbedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config, i) for i in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self, x: Float[Tensor, "B T D"], layout: TokenLayout, cache: KVCache | None = None
    ) -> Float[Tensor, "B T D"]:
        """Embeddings to normalized hidden states; with a cache, of T columns after those stored.

        Masks and rope tables depend only on the attention type, so each type has one of each.
        """
        kinds = set(self.config.layer_types)
        keys = cache.begin(layout, self.config, x.dtype) if cache else dict.fromkeys(kinds, layout)
        masks, ropes = {}, {}
        for kind in kinds:
            masks[kind] = attention_mask(layout, keys[kind], self.config.window(kind))
            ropes[kind] = rope_table(layout.position, self.config.head_dim, self.config.rope(kind))
        for block, kind in zip(self.layers, self.config.layer_types, strict=True):
            x = block(x, masks[kind], ropes[kind], cache)
        if cache is not None:
            cache.commit(layout)
        return self.norm(x)


class Gemma3(nn.Module):
    """The whole model. `vision` is None in text-only sizes."""

    def __init__(self, config: Gemma3Config):
        super().__init__()
        self.config = config
        self.language_model = Decoder(config.text)
        self.vision = None if config.vision is None else VisionTower(config)

    def embed(self, batch: Batch) -> Float[Tensor, "B T D"]:
        """Token embeddings, and the soft tokens of the vision tower where `image_id` > 0."""
        soft = batch.layout.image_id > 0
        x = self.language_model.embed_tokens(batch.tokens.masked_fill(soft, 0))
        if batch.images is None:
            return x
        if self.vision is None:
            raise ValueError(
                f"images: {len(batch.images)} given, but this model is text-only; "
                "load a size that has a vision tower"
            )
        embedded = self.vision(batch.images).to(x.dtype).flatten(0, 1)
        if len(embedded) != int(soft.sum()):
            raise ValueError(
                f"images: {len(batch.images)} images make {len(embedded)} soft tokens; the layout "
                f"has room for {int(soft.sum())}"
            )
        return x.masked_scatter(soft[:, :, None], embedded)

    def hidden_states(self, batch: Batch, cache: KVCache | None = None) -> Float[Tensor, "B T D"]:
        """What the head reads. With a cache, `batch` contains the columns after those stored."""
        return self.language_model(self.embed(batch), batch.layout, cache)

    def logits(self, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T V"]:
        """The head alone. Pass only the last column if that is all you need."""
        return self.language_model.embed_tokens.logits(hidden)

    def forward(self, batch: Batch, cache: KVCache | None = None) -> Float[Tensor, "B T V"]:
        """The logits of every column; those of padding mean nothing."""
        return self.logits(self.hidden_states(batch, cache))
