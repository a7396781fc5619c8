"""Matrices that stay in the blocks of their file, for `load(..., keep_bits=True)`.

>>> [(kind.name, bits) for kind, bits in BITS.items()]
[('Q4_0', 4), ('Q8_0', 8)]
"""

import warnings
from collections import Counter

import torch
from gguf import GGMLQuantizationType

from ...fast.blockwise import BlockwiseEmbedding, BlockwiseLinear, why_not
from ...model.gemma3 import Gemma3
from ..weights import matched
from .weights import GGUFWeights

BITS = {GGMLQuantizationType.Q4_0: 4, GGMLQuantizationType.Q8_0: 8}
EMBEDDING = "language_model.embed_tokens"


def keep_bits(model: Gemma3, files: GGUFWeights) -> None:
    """Give `model` those matrices of its language model that are in Q4_0 and Q8_0, as they are.

    They are taken out of `files`, which keeps what is still to be loaded. Warns of matrices of
    other types, and raises ValueError if there is none of these two.
    """
    parameters = dict(model.named_parameters())
    found, left, kept = matched(parameters, files), Counter[str](), 0
    for ours, theirs in found.items():
        if parameters[ours].ndim < 2 or not ours.startswith("language_model."):
            continue
        kind, rows = files.blocks(theirs)
        if kind not in BITS or why_not(*parameters[ours].shape):
            left[kind.name] += 1
            continue
        blocks, name = torch.from_numpy(rows), ours.removesuffix(".weight")
        if name == EMBEDDING:
            model.set_submodule(name, BlockwiseEmbedding(blocks, BITS[kind], files.dtype))
        else:
            model.set_submodule(name, BlockwiseLinear(blocks, BITS[kind]))
        files.leave_out(theirs)
        kept += 1
    types = ", ".join(f"{count} of {kind}" for kind, count in left.most_common())
    if not kept:
        raise ValueError(
            f"keep_bits=True: Q4_0 and Q8_0 can be kept, and this file's matrices are {types}; "
            "load it without keep_bits"
        )
    if left:
        warnings.warn(
            f"keep_bits=True: {kept} matrices keep their bits; the others ({types}) are "
            f"dequantized to {files.dtype}, since only Q4_0 and Q8_0 can be kept",
            stacklevel=3,
        )
