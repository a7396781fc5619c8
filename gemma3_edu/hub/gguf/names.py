"""The names of the parameters in GGUF files: one table, used in both directions.

Two kinds of numbers differ, too. RMSNorm's gains are stored as 1 + w, so that llama.cpp can
multiply by them as they are; the LayerNorms of SigLIP are not. And `mm.input_projection` has the
shape (E, D) that it has here, whereas the matrix of a linear layer has its outputs first.

>>> our_name("blk.3.ffn_norm.weight")
'language_model.layers.3.pre_feedforward_layernorm.weight'
>>> gguf_name("vision.projector.mm_input_projection_weight")
'mm.input_projection.weight'
>>> is_gain("blk.3.ffn_norm.weight"), is_gain("v.blk.3.ln1.weight"), is_gain("blk.3.ffn_up.weight")
(True, False, False)
"""

import re

_WHOLE = {
    "token_embd.weight": "language_model.embed_tokens.weight",
    "output_norm.weight": "language_model.norm.weight",
    "v.patch_embd.weight": "vision.encoder.patch_embedding.weight",
    "v.patch_embd.bias": "vision.encoder.patch_embedding.bias",
    "v.position_embd.weight": "vision.encoder.position_embedding.weight",
    "v.post_ln.weight": "vision.encoder.post_layernorm.weight",
    "v.post_ln.bias": "vision.encoder.post_layernorm.bias",
    "mm.soft_emb_norm.weight": "vision.projector.mm_soft_emb_norm.weight",
    "mm.input_projection.weight": "vision.projector.mm_input_projection_weight",
}
_TEXT_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_VISION_LAYER = {
    "ln1": "layer_norm1",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_out": "self_attn.out_proj",
    "ln2": "layer_norm2",
    "ffn_up": "mlp.fc1",
    "ffn_down": "mlp.fc2",
}
_LAYERS = {
    "blk.": ("language_model.layers.", _TEXT_LAYER),
    "v.blk.": ("vision.encoder.layers.", _VISION_LAYER),
}
# The head is the embedding, also where a converter wrote it a second time.
IGNORED = ("output.weight",)
VISION = ("v.", "mm.")
# Ollama's spellings of the vision half, which lies in the same file as the text, and llama.cpp's.
_OLLAMA = {
    "v.patch_embedding.": "v.patch_embd.",
    "v.position_embedding.": "v.position_embd.",
    "v.post_layernorm.": "v.post_ln.",
    ".layer_norm1.": ".ln1.",
    ".layer_norm2.": ".ln2.",
    ".attn_output.": ".attn_out.",
    ".mlp.fc1.": ".ffn_up.",
    ".mlp.fc2.": ".ffn_down.",
    "mm.mm_input_projection.": "mm.input_projection.",
    "mm.mm_soft_emb_norm.": "mm.soft_emb_norm.",
}


_IN_LAYER = re.compile(r"((?:v\.)?blk\.)(0|[1-9]\d{0,3})\.(\w+)\.(weight|bias)")


def our_name(name: str) -> str | None:
    """Our name of a tensor in a GGUF file; None if Gemma 3 has no such parameter."""
    if name in _WHOLE:
        return _WHOLE[name]
    if found := _IN_LAYER.fullmatch(name):
        prefix, layer, part, kind = found.groups()
        ours, parts = _LAYERS[prefix]
        return f"{ours}{layer}.{parts[part]}.{kind}" if part in parts else None
    return None


def gguf_name(name: str) -> str:
    """The name in a GGUF file of one of our parameters."""
    for theirs, ours in _WHOLE.items():
        if ours == name:
            return theirs
    for prefix, (ours, parts) in _LAYERS.items():
        if name.startswith(ours):
            layer, _, rest = name.removeprefix(ours).partition(".")
            module, _, kind = rest.rpartition(".")
            for theirs, our_part in parts.items():
                if our_part == module:
                    return f"{prefix}{layer}.{theirs}.{kind}"
    raise ValueError(f"name={name!r} is not a parameter of Gemma3")


def layer_of(name: str, vision: bool) -> int | None:
    """The layer that a tensor is in, of the vision tower or of the text model."""
    found = _IN_LAYER.fullmatch(name)
    return int(found[2]) if found and name.startswith("v.") == vision else None


def is_gain(name: str) -> bool:
    """Whether a tensor is the 1 + w of an RMSNorm."""
    return name.endswith("norm.weight")


def as_llama_cpp(name: str) -> str:
    """Ollama's name of a vision tensor as llama.cpp spells it; other names as they are.

    >>> as_llama_cpp("v.blk.3.mlp.fc1.bias"), as_llama_cpp("blk.3.attn_output.weight")
    ('v.blk.3.ffn_up.bias', 'blk.3.attn_output.weight')
    """
    if name.startswith(VISION):
        for theirs, ours in _OLLAMA.items():
            name = name.replace(theirs, ours)
    return name
