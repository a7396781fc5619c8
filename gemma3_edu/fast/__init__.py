"""The same model, faster or smaller: a compiled decode step, and weights of 8 and 4 bits."""

from .compiled import compile_decode
from .quantize import quantize_weights

__all__ = ["compile_decode", "quantize_weights"]
