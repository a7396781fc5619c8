"""Lessons by the number of the step, made ahead by worker processes.

>>> feed = Feed(lambda step: 10 * step)
>>> [feed(step) for step in (3, 4, 5)]  # begins anywhere, goes on in order
[30, 40, 50]
"""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

T = TypeVar("T")


class _Steps(Dataset[T], Generic[T]):
    """What steps read, from one on; endless, as far as a loader can tell."""

    def __init__(self, make: Callable[[int], T], first: int):
        self.make, self.first = make, first

    def __getitem__(self, index: int) -> T:
        return self.make(self.first + index)

    def __len__(self) -> int:
        return 1 << 40


class Feed(Generic[T]):
    """`feed(step)` for steps in order is `make(step)`.

    With `workers` it is made ahead by that many processes, one thread each. Raises ValueError when
    a step is asked for out of order.
    """

    def __init__(self, make: Callable[[int], T], workers: int = 0):
        self._make, self._workers = make, workers
        self._next: int | None = None
        self._made: Iterator[T] = iter(())

    def __call__(self, step: int) -> T:
        if self._next is None:
            self._made = self._from(step)
        elif step != self._next:
            raise ValueError(f"step: {step} after {self._next - 1}; steps come in order")
        self._next = step + 1
        return next(self._made)

    def _from(self, first: int) -> Iterator[T]:
        loader = DataLoader(
            _Steps(self._make, first),
            batch_size=None,
            num_workers=self._workers,
            worker_init_fn=_one_thread if self._workers else None,
            persistent_workers=bool(self._workers),
        )
        return iter(loader)


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
