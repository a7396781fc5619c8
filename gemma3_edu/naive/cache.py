"""A cache as plain lists, and what a ring of slots holds.

>>> cache = ListCache(window=2)
>>> for column in range(4):
...     cache.append(torch.full((1, 1, 1), float(column)), torch.zeros(1, 1, 1))
>>> cache.stacked()[0].flatten().tolist(), ring(4, 3)
([2.0, 3.0], [3, 1, 2])
"""

import torch
from jaxtyping import Float
from torch import Tensor


class ListCache:
    """One layer's keys and values, an entry a column, oldest first.

    With `window` None nothing is ever forgotten, as on global layers; with W the last W columns
    stay, as on local ones.
    """

    def __init__(self, window: int | None = None):
        self.window = window
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    def append(self, k: Float[Tensor, "B K H"], v: Float[Tensor, "B K H"]) -> None:
        """Store one column; forget the oldest where there are more than W."""
        self.keys.append(k)
        self.values.append(v)
        if self.window is not None and len(self.keys) > self.window:
            del self.keys[0], self.values[0]

    def stacked(self) -> tuple[Float[Tensor, "B K S H"], Float[Tensor, "B K S H"]]:
        """All that is stored, as attention reads it."""
        return torch.stack(self.keys, dim=2), torch.stack(self.values, dim=2)


def ring(length: int, slots: int) -> list[int | None]:
    """Which column each slot of a ring holds once `length` columns were written, one by one.

    None is a slot not yet written.

    >>> ring(2, 3)
    [0, 1, None]
    """
    held: list[int | None] = [None] * slots
    for column in range(length):
        held[column % slots] = column
    return held
