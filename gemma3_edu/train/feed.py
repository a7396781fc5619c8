"""Lessons by the number of the step, made ahead by worker processes.

>>> feed = Feed(lambda step: 10 * step)
>>> [feed(step) for step in (3, 4, 5)]  # begins anywhere, goes on in order
[30, 40, 50]
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from .data.examples import Example
from .data.mixture import Mixture

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


def examples_of_step(mixture: Mixture, step: int, rows: int) -> list[Example]:
    """What a step reads: a function of its number alone."""
    return [mixture.example(step * rows + i) for i in range(rows)]


def sorted_parts(
    examples: Sequence[Example], length: Callable[[Example], int], parts: int
) -> list[list[Example]]:
    """The same examples, sorted by length and cut into `parts` batches of about the same size.

    Rows of one batch then have about the same length and little padding, and long batches have few
    rows. All parts belong to one step: a step that read one kind of example alone would unlearn the
    others a little.
    """
    ordered = sorted(examples, key=length)
    cuts = borders([length(example) for example in ordered], parts)
    return [ordered[i:j] for i, j in pairwise(cuts)]


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
