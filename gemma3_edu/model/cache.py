"""The key/value cache: a ring of W slots on local layers, a growing store on global ones.

Attention needs the keys and values of earlier tokens at every step; the cache keeps them, so that
they are computed only once. It also keeps their *layout*, so that masks are made for what is
stored, in whatever order. Keys are stored after QK-norm and rotary embedding.

A step calls `begin` once, `update` once for each layer, and `commit` once.

>>> from gemma3_edu.model.presets import PRESETS
>>> cache = KVCache(PRESETS["tiny-text"].text, max_length=12)
>>> [keys.shape[2] for keys in cache.keys]  # W = 5 slots on local layers, 12 on the global one
[5, 5, 5, 5, 5, 12, 5]
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from .config import AttentionType, TextConfig
from .layout import TokenLayout

_FIRST_SLOTS = 64  # of a growing store, which doubles from there


class KVCache:
    """Keys and values of all layers, `keys[layer]` and `values[layer]`: Float[B K slots H].

    Column c is stored in slot c mod slots. Global layers have `max_length` slots; without a
    `max_length` they grow by doubling. Local layers have min(W, max_length). `length` counts the
    columns stored so far.
    """

    def __init__(
        self,
        config: TextConfig,
        batch_size: int = 1,
        max_length: int | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ):
        for name, value in [("batch_size", batch_size), ("max_length", max_length)]:
            if value is not None and value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        self.config, self.batch_size, self.max_length = config, batch_size, max_length
        self.dtype, self.length, self._unfinished = dtype, 0, False
        slots = {
            AttentionType.LOCAL: min(config.sliding_window, max_length or config.sliding_window),
            AttentionType.GLOBAL: max_length or _FIRST_SLOTS,
        }

        def empty(kind: AttentionType) -> Tensor:
            shape = (batch_size, config.num_key_value_heads, slots[kind], config.head_dim)
            return torch.empty(shape, dtype=dtype, device=device)

        self.keys = [empty(kind) for kind in config.layer_types]
        self.values = [empty(kind) for kind in config.layer_types]
        # Position and image id in one tensor, so that one write stores both.
        self._layouts = {
            kind: torch.empty((batch_size, n, 2), dtype=torch.long, device=device)
            for kind, n in slots.items()
        }

    @property
    def nbytes(self) -> int:
        """Bytes of all keys and values; with `max_length` T they equal `cost.cache_bytes` at T."""
        return sum(store.nbytes for store in self.keys + self.values)

    def begin(
        self, new: TokenLayout, config: TextConfig | None = None, dtype: torch.dtype | None = None
    ) -> dict[AttentionType, TokenLayout]:
        """Begin a step: the layout of the keys that `update` will return, by attention type.

        Raises ValueError when the new columns do not fit this cache or do not continue what it
        holds, when `config` or `dtype` are given and differ, and after a step without its end.
        """
        if config is not None and config != self.config:
            raise ValueError("cache: made for another config than the model's model.config.text")
        if dtype is not None and dtype != self.dtype:
            raise ValueError(f"cache: dtype={self.dtype}, but the model computes in {dtype}")
        self._check(new)
        if self.max_length is None:
            self._make_room(self.length + new.length)
        seen = {k: _extend(v.clone(), _pair(new), self.length) for k, v in self._layouts.items()}
        return {k: TokenLayout(pairs[..., 0], pairs[..., 1]) for k, pairs in seen.items()}

    def update(
        self, layer: int, k: Float[Tensor, "B K T H"], v: Float[Tensor, "B K T H"]
    ) -> tuple[Float[Tensor, "B K S H"], Float[Tensor, "B K S H"]]:
        """Store T new columns of one layer; return all that their queries may need."""
        self._unfinished = True
        keys, values = self.keys[layer], self.values[layer]
        return _extend(keys, k, self.length), _extend(values, v, self.length)

    def commit(self, new: TokenLayout) -> None:
        """End a step: every layer has stored these columns."""
        for layout in self._layouts.values():
            _extend(layout, _pair(new), self.length)
        self.length, self._unfinished = self.length + new.length, False

    def _check(self, new: TokenLayout) -> None:
        if self._unfinished:
            raise ValueError("cache: an error ended its last step halfway; fill a new one")
        if new.batch_size != self.batch_size:
            raise ValueError(
                f"batch: {new.batch_size} rows for a cache made with batch_size={self.batch_size}"
            )
        total = self.length + new.length
        if self.max_length is not None and total > self.max_length:
            raise ValueError(
                f"cache: {self.length} columns stored and {new.length} new ones exceed max_length="
                f"{self.max_length}; make the cache longer, or leave max_length out"
            )
        if torch.compiler.is_compiling() or new.position.is_meta:
            return  # there are no values to look at
        position = F.pad(new.position, (1, 0), value=-1)
        if self.length:  # global layers never wrap, so this is the last column
            position[:, 0] = self._layouts[AttentionType.GLOBAL][:, self.length - 1, 0]
        before, after = position[:, :-1], position[:, 1:]
        starts = (before < 0) & (after <= 0)  # padding goes on, or the sequence begins
        if not bool((starts | ((before >= 0) & (after == before + 1))).all()):
            raise ValueError(
                "layout: positions must count up by one from 0 after padding on the left, and go "
                "on from the last column stored; the ring takes each row's columns in order"
            )

    def _make_room(self, total: int) -> None:
        slots = self._layouts[AttentionType.GLOBAL].shape[1]
        if total <= slots:
            return
        while slots < total:
            slots *= 2
        self._layouts[AttentionType.GLOBAL] = _grown(self._layouts[AttentionType.GLOBAL], slots)
        for layer, kind in enumerate(self.config.layer_types):
            if kind is AttentionType.GLOBAL:
                self.keys[layer] = _grown(self.keys[layer], slots)
                self.values[layer] = _grown(self.values[layer], slots)


def _pair(layout: TokenLayout) -> Tensor:
    return torch.stack([layout.position, layout.image_id], dim=-1)


def _extend(store: Tensor, new: Tensor, length: int) -> Tensor:
    """Write `new` columns (axis -2) at `length`; return all that their queries may see."""
    slots, added = store.shape[-2], new.shape[-2]
    if added == 1 or length + added <= slots:  # no query needs what is overwritten
        store.narrow(-2, length % slots, added).copy_(new)
        return store.narrow(-2, 0, min(length + added, slots))
    # A chunk that wraps: its first queries need keys that its last ones overwrite, so they see the
    # old ring and the chunk itself, and only the chunk's last columns are stored.
    seen = torch.cat([store.narrow(-2, 0, min(length, slots)), new], dim=-2)
    kept = new[..., -slots:, :]
    columns = torch.arange(length + added - kept.shape[-2], length + added, device=store.device)
    store.index_copy_(store.dim() - 2, columns % slots, kept)
    return seen


def _grown(store: Tensor, slots: int) -> Tensor:
    grown = store.new_empty((*store.shape[:-2], slots, store.shape[-1]))
    grown.narrow(-2, 0, store.shape[-2]).copy_(store)
    return grown
