"""A checkpoint beside transformers, stage by stage, and models whose weights stay in their file."""

from .offload import offloaded
from .verify import relative_error, report, verify

__all__ = ["offloaded", "relative_error", "report", "verify"]
