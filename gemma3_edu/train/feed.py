"""Lessons by the number of the step, made ahead by worker processes.

>>> feed = Feed(lambda pool: [10 * pool, 10 * pool + 1], pool_size=2)
>>> [feed(step) for step in (3, 4, 5)]  # begins anywhere, goes on in order
[11, 20, 21]
"""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from .data.examples import Example
from .data.mixture import Mixture

T = TypeVar("T")
POOL = 16  # batches sorted by length together: more wastes memory, fewer waste padding


class _Pools(Dataset[list[T]], Generic[T]):
    """Pools by number, from one on; endless, as far as a loader can tell."""

    def __init__(self, make: Callable[[int], Sequence[T]], first: int):
        self.make, self.first = make, first

    def __getitem__(self, index: int) -> list[T]:
        return list(self.make(self.first + index))

    def __len__(self) -> int:
        return 1 << 40


class Feed(Generic[T]):
    """`feed(step)` for steps in order; `make(pool)` gives the `pool_size` batches of a pool.

    With `workers` the pools are made ahead by that many processes, one thread each. Raises
    ValueError when a step is asked for out of order.
    """

    def __init__(self, make: Callable[[int], Sequence[T]], pool_size: int = POOL, workers: int = 0):
        self._make, self._pool_size, self._workers = make, pool_size, workers
        self._next: int | None = None
        self._pools: Iterator[list[T]] = iter(())
        self._pool: list[T] = []

    def __call__(self, step: int) -> T:
        within = step % self._pool_size
        if self._next is None:
            self._pools = self._from(step // self._pool_size)
            self._pool = next(self._pools)
        elif step != self._next:
            raise ValueError(f"step: {step} after {self._next - 1}; steps come in order")
        elif within == 0:
            self._pool = next(self._pools)
        self._next = step + 1
        return self._pool[within]

    def _from(self, first: int) -> Iterator[list[T]]:
        loader = DataLoader(
            _Pools(self._make, first),
            batch_size=None,
            num_workers=self._workers,
            worker_init_fn=_one_thread if self._workers else None,
            persistent_workers=bool(self._workers),
        )
        return iter(loader)


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def pool_of_examples(
    mixture: Mixture, pool: int, batch_size: int, length: Callable[[Example], int]
) -> list[list[Example]]:
    """The `POOL` batches of a pool: sorted by length, cut, the batches shuffled.

    Rows of one batch then have about the same length and little padding, and long batches have few
    rows, so that all take about as long; a batch has `batch_size` rows on average. What is in the
    pool, and in which order, is a function of its number alone.
    """
    first, count = pool * POOL * batch_size, POOL * batch_size
    examples = sorted((mixture.example(first + i) for i in range(count)), key=length)
    lengths = [length(example) for example in examples]
    batches = [examples[i:j] for i, j in pairwise(borders(lengths, POOL))]
    random.Random(f"{mixture.seed}/{pool}").shuffle(batches)
    return batches


def borders(lengths: Sequence[int], parts: int) -> list[int]:
    """Where to cut rows, sorted by length, into `parts` batches whose largest is least.

    A batch is as large as its rows times its longest row: padding counts.

    >>> borders([1, 1, 1, 1, 4, 4, 8], 3)  # 4 x 1, 2 x 4, 1 x 8
    [0, 4, 6, 7]
    """
    least, most = 0, len(lengths) * lengths[-1]
    while most - least > 1:  # the least room in which they fit
        room = (least + most) // 2
        least, most = (least, room) if len(_cuts(lengths, room)) <= parts + 1 else (room, most)
    cuts = _cuts(lengths, most)
    while len(cuts) <= parts:  # they fit in fewer: split the one of most rows
        rows, at = max((after - before, n) for n, (before, after) in enumerate(pairwise(cuts)))
        cuts.insert(at + 1, cuts[at] + rows // 2)
    return cuts


def _cuts(lengths: Sequence[int], room: int) -> list[int]:
    """Greedily: a new batch where one more row would not fit in `room`."""
    cuts = [0]
    for i, length in enumerate(lengths):
        if (i + 1 - cuts[-1]) * length > room and i > cuts[-1]:
            cuts.append(i)
    return [*cuts, len(lengths)]
