"""Checkpoints in the public layout, and every kind of file in them, read and written.

No other folder knows the format of such a file.
"""

from .checkpoint import bundled, load, save
from .config_json import config_from_hf, config_to_hf
from .processor_files import processor_from_folder, processor_to_files
from .weights import (
    WEIGHT_MAP,
    CheckpointFiles,
    export_weights,
    hub_name,
    load_weights,
    our_name,
)

__all__ = [
    "WEIGHT_MAP",
    "CheckpointFiles",
    "bundled",
    "config_from_hf",
    "config_to_hf",
    "export_weights",
    "hub_name",
    "load",
    "load_weights",
    "our_name",
    "processor_from_folder",
    "processor_to_files",
    "save",
]
