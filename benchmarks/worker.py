"""A contestant's process: it waits for a request, does one repetition, and waits again.

The parent starts it from a server that has imported both libraries and computed nothing, so that a
fresh process costs a fork. While another works, this one blocks on its pipe; OpenMP's threads sleep
too, soon after their last work. All belong to the parent's process group.

>>> sorted(quiet_environment(2))[:3]
['HF_HUB_OFFLINE', 'KMP_BLOCKTIME', 'MKL_NUM_THREADS']
"""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .rows import Contestant, Row

_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
_PRELOAD = [
    "gemma3_edu.hub.checkpoint",
    "gemma3_edu.generation",
    "transformers.models.gemma3.modeling_gemma3",
    "transformers.models.auto.modeling_auto",
]


class WorkerError(RuntimeError):
    """The repetition ended in an error, or the process with it; says which."""


def quiet_environment(threads: int) -> dict[str, str]:
    """What a worker's libraries read when they start."""
    return {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "KMP_BLOCKTIME": "1",  # ms: brief; GNU's OpenMP also spins briefly where nothing is said
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
    }


class Worker:
    """The parent's end. Close it, or use it in a `with`."""

    def __init__(
        self,
        library: str,
        folder: Path,
        threads: int,
        on_share: Callable[[float], None] | None = None,
    ):
        context: Any = multiprocessing.get_context(_METHOD)
        if _METHOD == "forkserver":
            context.set_forkserver_preload(_PRELOAD)
        self._connection, theirs = context.Pipe()
        self._on_share = on_share
        self._process = context.Process(
            target=serve, args=(theirs, library, folder, threads), daemon=True
        )
        with _environment(quiet_environment(threads)):
            self._process.start()
        theirs.close()  # or its end would go unnoticed

    def repeat(self, row: Row, contestant: Contestant) -> dict[str, Any]:
        """One repetition."""
        return self._ask("repeat", row, contestant)

    def forget(self) -> None:
        """Let go of the prompts that are stored for rows."""
        self._ask("forget")

    def _ask(self, what: str, *arguments: Any) -> Any:
        try:
            self._connection.send((what, arguments))
            while True:
                answer, content = self._connection.recv()
                if answer == "done":
                    return content
                if answer == "failed":
                    raise WorkerError(content)
                if self._on_share is not None:
                    self._on_share(content)
        except (EOFError, ConnectionError):
            self._process.join()
            raise WorkerError(_last_words(self._process.exitcode)) from None

    def close(self) -> None:
        """End the process, at work or not."""
        self._connection.close()
        self._process.kill()
        self._process.join()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def serve(connection: Connection, library: str, folder: Path, threads: int) -> None:
    """The worker's end: answer requests until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who ends this process
    import torch

    from .jobs import Bench

    torch.set_num_threads(threads)
    _ = torch.ones(64, 64) @ torch.ones(64, 64)  # the library of matrix products takes its buffers
    bench = Bench(library, folder, lambda share: connection.send(("share", share)))
    while True:
        try:
            what, arguments = connection.recv()
        except EOFError:
            return
        try:
            result = getattr(bench, what)(*arguments)
        except Exception:
            connection.send(("failed", traceback.format_exc()))
        else:
            connection.send(("done", result))


def _last_words(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "killed from outside, most likely because memory ran out; choose smaller rows"
    return f"the worker ended with exit code {code}"


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
