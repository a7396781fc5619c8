"""Run one notebook in a fresh kernel and measure it: seconds, slowest cell, peak memory."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbformat import NotebookNode

# One thread, no network, accelerator or released model: the same conditions as in the tests.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "CUDA_VISIBLE_DEVICES": "",
    "GEMMA3_EDU_REAL": "",
}
CELL_TIMEOUT = 120


@dataclass
class Measured:
    """What a run took; `seconds` counts from the start of the kernel to its last cell."""

    seconds: float = 0.0
    cell_seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0


def run(
    nb: NotebookNode, folder: Path, progress: Callable[[int], None] = lambda index: None
) -> tuple[NotebookNode, Measured]:
    """Execute a copy of `nb` in `folder`; `progress` hears the index of each cell as it starts.

    nbclient's CellExecutionError, CellTimeoutError or DeadKernelError if a cell does not end well;
    errors in cells tagged `raises-exception` are outputs.
    """
    fresh = nbformat.from_dict(nb)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    measured, started = Measured(), time.perf_counter()
    done, began = threading.Event(), {}

    def watch(pid: int) -> None:
        while not done.wait(0.05):
            measured.peak_bytes = max(measured.peak_bytes, _memory(pid))

    def cell_start(cell: NotebookNode, cell_index: int) -> None:
        began[cell_index] = time.perf_counter()
        progress(cell_index)

    def cell_executed(cell: NotebookNode, cell_index: int, execute_reply: object) -> None:
        if cell.cell_type == "code":
            measured.cell_seconds.append(time.perf_counter() - began[cell_index])

    client = NotebookClient(
        fresh,
        kernel_name="python3",
        timeout=CELL_TIMEOUT,
        startup_timeout=CELL_TIMEOUT,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # the kernel's own chatter is not about the notebook
        on_cell_start=cell_start,
        on_cell_executed=cell_executed,
        on_notebook_start=lambda notebook: threading.Thread(
            target=watch, args=(client.km.provisioner.pid,), daemon=True
        ).start(),
    )
    try:
        client.execute(cwd=str(folder), env={**os.environ, **ENVIRONMENT})
    finally:
        done.set()
    measured.seconds = time.perf_counter() - started
    return fresh, measured


def _memory(pid: int) -> int:
    """Bytes held by the kernel and its children now, or the kernel's own peak if that is more."""
    try:
        kernel = psutil.Process(pid)
        now = sum(_resident(p) for p in [kernel, *kernel.children(recursive=True)])
        status = Path(f"/proc/{pid}/status")  # Linux remembers peaks that fall between two looks
        if status.exists():
            peak = next(s for s in status.read_text().splitlines() if s.startswith("VmHWM"))
            now = max(now, int(peak.split()[1]) * 1024)
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError, StopIteration):
        return 0
    return now


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0
