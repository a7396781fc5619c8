"""Look into a model, change it, and count what it costs."""

from . import cost
from .capture import capture
from .replace import replace_linears, with_head, with_norm

__all__ = ["capture", "cost", "replace_linears", "with_head", "with_norm"]
