"""The check of the exercise on the whole text model, its forward pass.

>>> check_forward(lambda decoder, x, layout, cache: decoder(x, layout, cache))
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ...model.cache import KVCache
from ...model.config import AttentionType, TextConfig, layer_pattern
from ...model.gemma3 import Decoder
from ...model.layout import TokenLayout
from ...model.masks import attention_mask
from ...model.presets import PRESETS
from ...model.rope import rope_table
from .grading import Case, Check, CheckError, Function, ask

Kinds = Callable[[AttentionType], AttentionType]
LOCAL, GLOBAL = AttentionType.LOCAL, AttentionType.GLOBAL


def _forward(
    mask: Kinds = lambda kind: kind,
    rope: Kinds = lambda kind: kind,
    place: Callable[[TokenLayout, TokenLayout], Tensor] = lambda layout, keys: layout.position,
    stored: bool = True,
    seen: Callable[[TokenLayout], TokenLayout] = lambda layout: layout,
    step: Callable[[Tensor, Tensor, Decoder], Tensor] = lambda x, before, decoder: x,
    start: Callable[[Tensor], Tensor] = lambda x: x,
    end: Callable[[Tensor, Decoder], Tensor] = lambda x, decoder: decoder.norm(x),
    last: int | None = None,
    turn: Callable[[Tensor], Tensor] = lambda mask: mask,
    types: Callable[[TextConfig], Sequence[AttentionType]] = lambda config: config.layer_types,
) -> Function:
    """The forward pass; each argument replaces a part of it by a wrong one."""

    def fn(decoder: Decoder, x: Tensor, layout: TokenLayout, cache: KVCache | None) -> Tensor:
        config, kinds = decoder.config, (LOCAL, GLOBAL)
        at = seen(layout)
        keys = cache.begin(layout, config, x.dtype) if cache else dict.fromkeys(kinds, at)
        keys = keys if stored else dict.fromkeys(kinds, at)
        places = {k: place(layout, keys[k]) for k in kinds}
        masks = {k: turn(attention_mask(at, keys[k], config.window(k))) for k in kinds}
        ropes = {k: rope_table(places[k], config.head_dim, config.rope(k)) for k in kinds}
        x = start(x)
        for block, kind in list(zip(decoder.layers, types(config), strict=True))[:last]:
            x = step(block(x, masks[mask(kind)], ropes[rope(kind)], cache), x, decoder)
        if cache is not None:
            cache.commit(layout)
        return end(x, decoder)

    return fn


def _always(kind: AttentionType) -> Kinds:
    return lambda _: kind


def _other(kind: AttentionType) -> AttentionType:
    return LOCAL if kind is GLOBAL else GLOBAL


def _unpadded(layout: TokenLayout) -> TokenLayout:
    return TokenLayout.of_text(torch.ones_like(layout.position, dtype=torch.bool))


def _from_0(layout: TokenLayout, keys: TokenLayout) -> Tensor:
    """Positions as if every chunk were a text of its own."""
    return torch.arange(layout.length).expand_as(layout.position)


class _Watched(KVCache):
    """A cache that remembers how it was used."""

    def __init__(self, config: TextConfig, batch_size: int):
        super().__init__(config, batch_size)
        self.begun = self.updated = self.committed = 0
        self.lengths: set[int] = set()  # of the keys, once they have been asked for

    def begin(self, *arguments: Any, **named: Any) -> dict[AttentionType, TokenLayout]:
        self.begun += 1
        keys = super().begin(*arguments, **named)
        self.lengths = {layout.length for layout in keys.values()}
        return keys

    def update(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        self.updated += 1
        return super().update(layer, k, v)

    def commit(self, new: TokenLayout) -> None:
        self.committed += 1
        super().commit(new)


def _in_chunks(
    fn: Function, decoder: Decoder, x: Tensor, layout: TokenLayout, sizes: Sequence[int]
) -> Any:
    """What `fn` gives of all columns: at once without sizes, else chunk by chunk with a cache."""
    if not sizes:
        return _real(ask(fn, decoder, x, layout, None), layout)
    cache, out = _Watched(decoder.config, layout.batch_size), []
    for chunk, (a, b) in enumerate(pairwise(accumulate(sizes, initial=0)), start=1):
        try:
            out.append(ask(fn, decoder, x[:, a:b], layout.columns(a, b), cache))
        except NotImplementedError:
            raise
        except (RuntimeError, TypeError, ValueError) as error:
            raise _misused(cache, chunk) or error from error
        if wrong := _misused(cache, chunk):
            raise wrong
    tensors = all(isinstance(part, Tensor) and part.ndim == 3 for part in out)
    return _real(torch.cat(out, dim=1), layout) if tensors else out


def _real(got: Any, layout: TokenLayout) -> Any:
    """The same with 0 in padded columns, of which nothing is asked."""
    if not isinstance(got, Tensor) or got.shape[:2] != layout.position.shape:
        return got
    return got.masked_fill((layout.position < 0)[..., None], 0)


def _misused(cache: _Watched, chunk: int) -> CheckError | None:
    """What is wrong with how `chunk` steps used the cache, if it can be seen without the values."""
    counts = cache.begun, cache.updated, cache.committed
    all_layers = chunk * len(cache.config.layer_types)
    for wrong, sentence in [
        (not any(counts), "the cache was not used; a chunk must see the tokens before it"),
        (not cache.begun, "the masks do not know the stored keys; ask `cache.begin` for them"),
        (
            cache.begun > chunk,
            "`cache.begin` was called twice in a step; call it once, before the loop",
        ),
        (not cache.updated, "the blocks did not get the cache; it is their last argument"),
        (
            cache.committed == chunk and cache.updated < all_layers,
            "`cache.commit` came before the last block; it ends the step",
        ),
        (cache.updated > all_layers, "a block got the cache twice in one step"),
        (
            cache.updated == all_layers and cache.committed < chunk,
            "`cache.commit(layout)` is missing after the last block",
        ),
        (cache.committed > chunk, "`cache.commit` was called twice; once a step is enough"),
    ]:
        if wrong:
            return CheckError(sentence)
    return None


def _fits(block: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    """CheckError before a block gets a mask or rotations for other tokens than it needs."""
    got = dict(zip(("x", "mask", "rope", "cache"), given, strict=False)) | named
    x, mask, rope, cache = (got.get(name) for name in ("x", "mask", "rope", "cache"))
    if not (isinstance(x, Tensor) and isinstance(mask, Tensor) and mask.ndim == 3):
        return
    (rows, columns), new = mask.shape[1:], x.shape[1]
    if rows != new == columns:
        raise CheckError(
            "a mask's rows were keys; `attention_mask(queries, keys, window)` takes `layout` first"
        )
    if isinstance(cache, _Watched) and cache.lengths and columns == new not in cache.lengths:
        raise CheckError(
            "the masks know the new tokens alone; use the layouts that `cache.begin` gives"
        )
    if isinstance(rope, tuple) and isinstance(rope[0], Tensor) and rope[0].shape[1] != new:
        raise CheckError(
            "rotations were made for the stored keys too, which were turned when they came; make"
            " them from `layout.position`"
        )


def _texts(layer_types: Sequence[AttentionType] = ()) -> tuple[Decoder, Tensor, TokenLayout]:
    """A decoder, and two embedded texts of 17 columns, the second padded."""
    config = PRESETS["tiny-text"].text  # seven layers, of which the sixth is global
    config = replace(config, layer_types=tuple(layer_types) or config.layer_types)
    g = torch.Generator().manual_seed(9)
    decoder = Decoder(config).eval().requires_grad_(False)
    for weight in decoder.parameters():
        weight.normal_(0.0, 0.3 if weight.ndim == 1 else weight.shape[-1] ** -0.5, generator=g)
    for block in decoder.layers:
        block.register_forward_pre_hook(_fits, with_kwargs=True)
    x = torch.randn(2, 17, config.hidden_size, generator=g)
    return decoder, x, TokenLayout.of_text(torch.arange(17) >= torch.tensor([[0], [5]]))


def _at_once() -> dict[str, Case]:
    decoder, x, layout = _texts()
    first = TokenLayout(layout.position[:1], layout.image_id[:1])
    other, *_ = _texts((LOCAL, GLOBAL, LOCAL, LOCAL, GLOBAL))
    return {
        "one text at once": (decoder, x[:1], first, ()),
        "two texts, the second padded": (decoder, x, layout, ()),
        "a decoder whose layers are L G L L G": (other, x[:1], first, ()),
    }


def _inverted(mask: Tensor) -> Tensor:
    return ~mask


check_forward = Check(
    """`fn(decoder, x, layout, cache)` is what `decoder(x, layout, cache)` gives.

    Without a cache, which is then None, and chunk by chunk with one; nothing is asked of padding.
    """,
    "decoder x layout chunks",
    _forward(),
    _at_once,
    {
        "all layers were global; `config.layer_types` says which are local": _forward(
            mask=_always(GLOBAL), rope=_always(GLOBAL)
        ),
        "all layers were local; `config.layer_types` says which are global": _forward(
            mask=_always(LOCAL), rope=_always(LOCAL)
        ),
        "local and global layers were exchanged": _forward(mask=_other, rope=_other),
        "the masks of local and global layers were exchanged": _forward(mask=_other),
        "the rotations of local and global layers were exchanged": _forward(rope=_other),
        "global layers got the window too; `config.window(kind)` is None for them": _forward(
            mask=_always(LOCAL)
        ),
        "local layers got no window; `config.window(kind)` has it": _forward(mask=_always(GLOBAL)),
        "global layers were rotated as local ones; use `config.rope(kind)`": _forward(
            rope=_always(LOCAL)
        ),
        "local layers were rotated as global ones; use `config.rope(kind)`": _forward(
            rope=_always(GLOBAL)
        ),
        "tokens looked at padding; make the masks from `layout`": _forward(seen=_unpadded),
        "the final norm was left out": _forward(end=lambda x, decoder: x),
        "the final norm came after every block; it comes once, at the end": _forward(
            step=lambda x, before, decoder: decoder.norm(x), end=lambda x, decoder: x
        ),
        "normed after every block; there is one final norm": _forward(
            step=lambda x, before, decoder: decoder.norm(x)
        ),
        "x was added to a block's result, which contains it already": _forward(
            step=lambda x, before, decoder: x + before
        ),
        "x was multiplied by the root of D; it is embedded already": _forward(
            start=lambda x: x * x.shape[-1] ** 0.5
        ),
        "the root of D was added to x, which is embedded already": _forward(
            start=lambda x: x + x.shape[-1] ** 0.5
        ),
        "the result was multiplied by the root of D; nothing comes after the norm": _forward(
            end=lambda x, decoder: decoder.norm(x) * x.shape[-1] ** 0.5
        ),
        "gave scores; the head comes after this function": _forward(
            end=lambda x, decoder: decoder.embed_tokens.logits(decoder.norm(x))
        ),
        "the last block was left out": _forward(last=-1),
        "the final norm came twice": _forward(end=lambda x, decoder: decoder.norm(decoder.norm(x))),
        "the masks were inverted; True is where a query may look": _forward(turn=_inverted),
        "every sixth layer was global; `config.layer_types` has the order": _forward(
            types=lambda config: layer_pattern(config.num_hidden_layers)
        ),
    },
    call=_in_chunks,
).then(
    lambda: {"two texts in chunks of 6, 10 and 1": (*_texts(), (6, 10, 1))},
    {
        "rotated as if each chunk began a text; `layout.position` goes on counting": _forward(
            place=_from_0
        ),
        "the masks know the new tokens alone; use the layouts that `cache.begin` gives": _forward(
            stored=False
        ),
        "rotations were made for the stored keys too, which were turned when they came; make them"
        " from `layout.position`": _forward(place=lambda layout, keys: keys.position),
    },
)
