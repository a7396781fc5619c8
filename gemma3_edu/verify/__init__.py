"""Compare a checkpoint with transformers, stage by stage; run models that do not fit in memory."""

from .offload import offloaded
from .verify import first_divergence, relative_error, report, verify

__all__ = ["first_divergence", "offloaded", "relative_error", "report", "verify"]
