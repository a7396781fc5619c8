"""Mistakes in the layers: norms, feed-forward, embedding, blocks, the vision tower."""

from .mutant import PARITY, Mutant

LAYERS, BLOCK = "model/layers.py", "model/gemma3.py"

MUTANTS = [
    # RMSNorm
    Mutant(
        "RMSNorm multiplies by w, not 1 + w",
        LAYERS,
        "(1.0 + self.weight.float())",
        "self.weight.float()",
        PARITY,
    ),
    Mutant(
        "eps outside the root",
        LAYERS,
        "torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)",
        "1 / (wide.pow(2).mean(-1, keepdim=True).sqrt() + self.eps)",
        "model/test_layers.py",
    ),
    Mutant(
        "cast before the weight, as Llama does",
        LAYERS,
        "(normed * (1.0 + self.weight.float())).to(x.dtype)",
        "normed.to(x.dtype) * (1.0 + self.weight)",
        "model/test_layers.py",
    ),
    Mutant(
        "RMSNorm in the input's dtype",
        LAYERS,
        "wide = x.float()",
        "wide = x",
        "model/test_layers.py",
    ),
    # feed-forward
    Mutant(
        "gate and up swapped",
        LAYERS,
        'gate = F.gelu(self.gate_proj(x), approximate="tanh")\n'
        "        return self.down_proj(gate * self.up_proj(x))",
        'gate = F.gelu(self.up_proj(x), approximate="tanh")\n'
        "        return self.down_proj(gate * self.gate_proj(x))",
        PARITY,
    ),
    Mutant(
        "SiLU instead of GELU",
        LAYERS,
        'F.gelu(self.gate_proj(x), approximate="tanh")',
        "F.silu(self.gate_proj(x))",
        PARITY,
    ),
    Mutant(
        "GELU by erf",
        LAYERS,
        'F.gelu(self.gate_proj(x), approximate="tanh")',
        "F.gelu(self.gate_proj(x))",
        PARITY,
    ),
    # embedding and head
    Mutant(
        "sqrt(D) left out",
        LAYERS,
        "F.embedding(tokens, self.weight) * scale",
        "F.embedding(tokens, self.weight)",
        PARITY,
    ),
    Mutant(
        "sqrt(D) not rounded to bfloat16",
        LAYERS,
        "self.weight.shape[1] ** 0.5, dtype=self.weight.dtype",
        "self.weight.shape[1] ** 0.5, dtype=torch.float32",
        "model/test_layers.py",
    ),
    Mutant(
        "image embeddings scaled like words",
        BLOCK,
        "embedded = self.vision(batch.images)",
        "embedded = (self.vision(batch.images) * x.shape[-1] ** 0.5)",
        PARITY,
    ),
    Mutant(
        "the head reads scaled rows",
        LAYERS,
        "return F.linear(x, self.weight)",
        "return F.linear(x, self.weight * self.weight.shape[1] ** 0.5)",
        PARITY,
    ),
    Mutant(
        "a soft cap on the logits, as in Gemma 2",
        LAYERS,
        "return F.linear(x, self.weight)",
        "return 30 * (F.linear(x, self.weight) / 30).tanh()",
        PARITY,
    ),
    Mutant(
        "an untied head",
        LAYERS,
        "return F.linear(x, self.weight)",
        "return F.linear(x, self.weight.roll(1, 0))",
        PARITY,
    ),
    # blocks
    Mutant(
        "post-norm after the sum",
        BLOCK,
        "x = x + self.post_attention_layernorm(branch)",
        "x = self.post_attention_layernorm(x + branch)",
        PARITY,
    ),
    Mutant(
        "no norm on the feed-forward branch",
        BLOCK,
        "return x + self.post_feedforward_layernorm(branch)",
        "return x + branch",
        PARITY,
    ),
    Mutant(
        "post_attention_layernorm taken for the norm before the MLP, as in Llama",
        BLOCK,
        "self.mlp(self.pre_feedforward_layernorm(x))",
        "self.mlp(self.post_attention_layernorm(x))",
        PARITY,
    ),
    Mutant("no final norm", BLOCK, "return self.norm(x)", "return x", PARITY),
    # vision
    Mutant(
        "GELU by erf in the vision tower",
        "model/vision.py",
        'F.gelu(self.fc1(x), approximate="tanh")',
        "F.gelu(self.fc1(x))",
        "parity/test_vision.py",
    ),
    Mutant(
        "no positions in the vision tower",
        "model/vision.py",
        "x = x + self.position_embedding.weight",
        "x = x + 0 * self.position_embedding.weight",
        "model/test_vision.py",
    ),
    Mutant(
        "the vision tower's last norm left out",
        "model/vision.py",
        "return self.post_layernorm(x)",
        "return x",
        "model/test_vision.py",
    ),
    Mutant(
        "patches counted down the columns",
        "model/vision.py",
        "self.patch_embedding(images).flatten(2)",
        "self.patch_embedding(images).transpose(2, 3).flatten(2)",
        "model/test_vision.py",
    ),
    Mutant(
        "pooling by the largest, not the average",
        "model/vision.py",
        "F.avg_pool2d(",
        "F.max_pool2d(",
        "model/test_vision.py",
    ),
    Mutant(
        "soft tokens not normalised",
        "model/vision.py",
        "self.mm_soft_emb_norm(pooled.flatten(2).transpose(1, 2))",
        "pooled.flatten(2).transpose(1, 2)",
        "model/test_vision.py",
    ),
    Mutant(
        "int8: many rows multiplied with the scales of neighbours",
        "fast/quantize.py",
        "* self.scale[:, None]",
        "* self.scale.roll(1)[:, None]",
        "fast/test_quantize.py",
    ),
    Mutant(
        "int8: the quantized embedding's rows not scaled by sqrt(D)",
        "fast/quantize.py",
        "* scale[tokens][..., None] * root",
        "* scale[tokens][..., None]",
        "fast/test_quantize.py",
    ),
    Mutant(
        "int4: a group's scale without the sign of its largest number",
        "fast/quantize.py",
        "(largest / -8)",
        "(largest.abs() / 8)",
        "fast/test_quantize.py",
    ),
]
