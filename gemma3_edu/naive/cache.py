"""A cache as plain lists, what a ring of slots holds, and a cache made of any rule for one store.

>>> cache = ListCache(window=2)
>>> for column in range(4):
...     cache.append(torch.full((1, 1, 1), float(column)), torch.zeros(1, 1, 1))
>>> cache.stacked()[0].flatten().tolist(), ring(4, 3)
([2.0, 3.0], [3, 1, 2])
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ..model.config import AttentionType, TextConfig
from ..model.layout import TokenLayout


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


class RuleCache:
    """A cache for one text, made of a rule for one store, in which a row is a token.

    `rule(store, new, length)` writes the rows `new` of a chunk into `store`, in place, and returns
    the rows that the chunk's queries look at; `length` tokens were stored before. A store has
    `max_length` rows, on local layers only `window` if that is given. Rows not yet written are
    NaN, so reading one cannot go unnoticed.
    """

    def __init__(
        self,
        config: TextConfig,
        rule: Callable[[Tensor, Tensor, int], Tensor],
        max_length: int,
        window: int | None = None,
    ):
        self.rule, self.length, self.kinds = rule, 0, config.layer_types
        rows = {AttentionType.LOCAL: window or max_length, AttentionType.GLOBAL: max_length}
        width = config.num_key_value_heads * config.head_dim
        self.keys = [torch.full((rows[kind], width), torch.nan) for kind in self.kinds]
        self.values = [torch.full((rows[kind], width), torch.nan) for kind in self.kinds]
        self.positions = {kind: torch.full((count, 1), torch.nan) for kind, count in rows.items()}

    def begin(
        self, new: TokenLayout, config: TextConfig | None = None, dtype: torch.dtype | None = None
    ) -> dict[AttentionType, TokenLayout]:
        """The positions of the rows that `update` will return, from which the masks are made.

        `config` and `dtype` are the model's, which a `KVCache` compares with its own.
        """
        # A copy, since the positions count only when all layers have stored their rows.
        stores = {kind: store.clone() for kind, store in self.positions.items()}
        rows = new.position[0][:, None].float()
        seen = {kind: self.rule(store, rows, self.length) for kind, store in stores.items()}
        # whole numbers again, and 0 for "not of an image"
        return {
            kind: TokenLayout(p.T.long(), torch.zeros_like(p.T).long()) for kind, p in seen.items()
        }

    def update(
        self, layer: int, k: Float[Tensor, "1 K T H"], v: Float[Tensor, "1 K T H"]
    ) -> tuple[Float[Tensor, "1 K S H"], ...]:
        """Store the new rows of one layer; return what their queries look at."""
        back = []
        for store, new in [(self.keys[layer], k), (self.values[layer], v)]:
            # All heads of a token in one row for the rule, and apart again for attention.
            rows = self.rule(store, new[0].transpose(0, 1).flatten(1), self.length)
            back.append(rows.unflatten(1, (k.shape[1], -1)).transpose(0, 1)[None])
        return tuple(back)

    def commit(self, new: TokenLayout) -> None:
        """All layers have stored these tokens."""
        for store in self.positions.values():
            self.rule(store, new.position[0][:, None].float(), self.length)
        self.length += new.length
