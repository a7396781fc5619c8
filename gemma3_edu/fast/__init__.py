"""The same model, faster or smaller: a compiled decode step, and weights of 8 and 4 bits."""

from .blockwise import BlockwiseEmbedding, BlockwiseLinear
from .compiled import FastDecoder
from .quantize import quantize_weights

__all__ = ["BlockwiseEmbedding", "BlockwiseLinear", "FastDecoder", "quantize_weights"]
