"""Where and with what a run was made, as its results say.

>>> list(describe(threads=2)["versions"])
['python', 'torch', 'transformers', 'gemma3_edu']
"""

import hashlib
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import gemma3_edu

PACKAGES = ("torch", "transformers")
CORE = ("model", "prompt", "generation", "hub", "study", "fast")


def describe(threads: int) -> dict[str, Any]:
    """Processor, memory, versions, and how busy the machine was before the run.

    `load` is the mean number of programs that wanted a processor in the last minute, 0 on a quiet
    machine. `versions` has, beside our version, a digest of the source that was measured.
    """
    pages = {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(getattr(os, "sysconf_names", {}))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9 if pages else None
    return {
        "cpu": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": cores(),
        "memory_gb": memory and round(memory, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": threads,
        "wait_policy": "passive",
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
            "gemma3_edu": f"{gemma3_edu.__version__} ({_digest()})",
        },
    }


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _digest() -> str:
    """Twelve hexadecimal digits of the core's source files, names included."""
    folder, digest = Path(gemma3_edu.__file__).parent, hashlib.sha256()
    for file in sorted(file for part in CORE for file in (folder / part).glob("*.py")):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
