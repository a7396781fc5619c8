"""Peak memory of a piece of work, as Linux counts it for this process.

The kernel keeps the largest resident size (VmHWM in /proc/self/status), and forgets it when 5 is
written to /proc/self/clear_refs. Pages of mapped files count as long as they are resident.

>>> with growth() as grown:
...     block = bytearray(50_000_000)
>>> 45e6 < grown.bytes < 100e6
True
"""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MEMINFO = Path("/proc/meminfo")
MIB = 2**20


@dataclass
class Growth:
    """How far the resident size rose above where it began; known when the block has ended."""

    bytes: int = 0


def check() -> None:
    """ValueError where the peak cannot be read and reset."""
    try:
        CLEAR.write_text("5")
        _read("VmHWM")
    except (OSError, KeyError) as error:
        raise ValueError(
            f"memory: {CLEAR} cannot be used here ({error}), and without it no peak is measured; "
            "run on Linux, or choose other rows: 'prefill-*' 'decode-*' 'first-token-*' 'tower-*'"
        ) from error


@contextmanager
def growth() -> Iterator[Growth]:
    """Inside, the work; afterwards `bytes` is its peak above what was resident before."""
    gc.collect()
    _give_back()
    CLEAR.write_text("5")
    before, grown = _read("VmRSS"), Growth()
    yield grown
    grown.bytes = max(0, _read("VmHWM") - before)


def available() -> float:
    """Bytes that may still be used; infinite where Linux does not say."""
    try:
        return _read("MemAvailable", MEMINFO)
    except OSError:
        return float("inf")


def _read(field: str, file: Path = STATUS) -> int:
    lines = dict(line.split(":", 1) for line in file.read_text().splitlines())
    return int(lines[field].split()[0]) * 1024


def _give_back() -> None:
    """Ask glibc to return what it holds in reserve, or the work would seem to need less."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
