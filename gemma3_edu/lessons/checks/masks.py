"""Checks of the exercises on who sees what: the mask and the layer pattern.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 2", check_layer_types, lambda n, period: layer_pattern(n, period)[1:])
Exercise 2: got 6 entries, expected 7 (num_layers = 7, period = 3)
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...hub import load
from ...model.attention import Attention, attend_fused
from ...model.config import AttentionType, layer_pattern
from ...model.layout import Batch
from ...naive.masks import may_see
from .grading import Case, Check, Function, ask, require, require_tensor, standard_torch

# A mask of text


def _mask_cases() -> list[Case]:
    g = torch.Generator().manual_seed(5)
    chunk = torch.arange(24).reshape(8, 3)[3:, 1]  # 10, 13, ... 22: not contiguous
    padded = torch.tensor([-1, -1, 0, 1, 2, 3, 4, 5, 6])
    return [
        (torch.tensor([3, 4, 5]), torch.arange(6), 3),
        (torch.arange(12), torch.arange(12), 4),
        (torch.arange(8, 12), torch.randperm(12, generator=g), 5),
        (chunk, torch.randperm(23, generator=g)[:12], 7),
        (torch.arange(6), torch.arange(11), 1),
        (torch.tensor([0, 1]), torch.tensor([-1, 0, 1]), 3),
        (padded, padded, 3),
        (padded[4:], torch.cat([padded, padded[:2]]), 4),
        (torch.tensor([-1, 4, 2]), torch.tensor([2, 4, 5, 1]), 3),
        (torch.tensor([5, 6, 7]), torch.arange(8), None),
        (padded, padded, None),
        (torch.tensor([3000]), torch.arange(5), None),
        (torch.tensor([3000]), torch.arange(5), 10),
    ]


def _mask(q: Tensor, k: Tensor, window: int | None) -> Tensor:
    seen = [[may_see(i, j, window=window) for j in k.tolist()] for i in q.tolist()]
    return torch.tensor(seen)


def _real(q: Tensor, k: Tensor) -> Tensor:
    return (q >= 0)[:, None] & (k >= 0)[None, :]


def _back(rule: Callable[[Tensor, int], Tensor]) -> Callable[[Tensor, Tensor, int | None], Tensor]:
    """A mask that is this function of how far back each key is, and of W, padding apart."""

    def mask(q: Tensor, k: Tensor, window: int | None) -> Tensor:
        wide = window is None  # a window that nothing is outside of, and neither is one key more
        return _real(q, k) & rule(q[:, None] - k[None, :], 10**6 if wide else int(window or 0))

    return mask


def _back_of_all(q: Tensor, k: Tensor, window: int | None) -> Tensor:
    """The right rule, asked of -1 as if it were a position."""
    back = q[:, None] - k[None, :]
    return (back >= 0) & (back < (10**6 if window is None else window))


def _bands(last: bool) -> list[Callable[[Tensor, Tensor, int | None], Tensor]]:
    """Bands of tril and triu over places: all, without padded keys, and without any padding.

    The diagonal begins at the first query and key, or ends at the `last` ones.
    """

    def band(q: Tensor, k: Tensor, window: int | None) -> Tensor:
        shift = len(k) - len(q) if last else 0
        ones = torch.ones(len(q), len(k))
        return ones.tril(shift).triu(shift + 1 - (window or 10**6)).bool()

    return [
        band,
        lambda q, k, w: band(q, k, w) & (k >= 0)[None, :],
        lambda q, k, w: band(q, k, w) & _real(q, k),
    ]


def _instead_of_none(
    window: Callable[[Tensor, Tensor], int],
) -> Callable[[Tensor, Tensor, int | None], Tensor]:
    """The right mask, but a layer without a window gets this one."""
    return lambda q, k, w: _mask(q, k, window(q, k) if w is None else w)


def _ahead_in_windows(q: Tensor, k: Tensor, window: int | None) -> Tensor:
    """The window alone where there is one, and else the causal limit alone."""
    back = q[:, None] - k[None, :]
    return back >= 0 if window is None else back < window


def _is_triangle(got: Any, want: Tensor) -> bool:
    """Row t sees key t and none after it, as tril makes it, though the positions ask for others."""
    return (
        isinstance(got, Tensor)
        and got.shape == want.shape
        and bool(got.diagonal().all() and not got.triu(1).any() and want.triu(1).any())
    )


def _ask_for_a_table(fn: Function, *case: Any) -> Any:
    """The answer; where a whole table was asked for one yes or no, a sentence on how to go on."""
    try:
        return ask(fn, *case)
    except RuntimeError as error:
        require("is ambiguous" not in str(error), _CHAINED)
        raise


def _explain_mask(got: Any, want: Tensor, *_: Any) -> str | None:
    if not isinstance(got, Tensor):
        return None
    if got.is_floating_point():
        return "gave numbers to add to scores; give True where a query may see a key, else False"
    if got.shape == want.T.shape != want.shape:
        return "yours has a row for each key; give a row for each query, a column for each key"
    return _PLACES if _is_triangle(got, want) else None


_CHAINED = (
    "0 <= d < window, `and` and `if` want one yes or no, and a table has many; split the condition"
    " and join the parts with &, each in brackets"
)
_PLACES = "took a token's place in the tensor for its position; use the numbers in q and k"
_OWN = "the query's own key counts, so the window holds i - j from 0 to W - 1"
_AHEAD = "the future leaks: the window"

check_small_masks = Check(
    """`fn(q, k, window)` is Bool[T S] for positions `q`, T of them, and `k`, S, in any order.

    True where a query may see a key: text, -1 for padding, None for a layer without a window.
    """,
    "q k window",
    _mask,
    _mask_cases,
    {
        f"W + 1 keys: {_OWN}": _back(lambda back, w: (back >= 0) & (back <= w)),
        f"W - 1 keys: {_OWN}": _back(lambda back, w: (back >= 0) & (back < w - 1)),
        f"in yours a query does not see itself: {_OWN}": _back(
            lambda back, w: (back > 0) & (back < w)
        ),
        "the window was ignored: every earlier key is seen": _back(lambda back, w: back >= 0),
        "the future leaks: j >= i stands where j <= i belongs": _back(lambda back, w: back <= 0),
        f"{_AHEAD} bounds one side only; ask for j <= i as well": [
            _back(lambda back, w: back < w),
            lambda q, k, w: _real(q, k) & _ahead_in_windows(q, k, w),
            _ahead_in_windows,
        ],
        f"{_AHEAD} looks ahead as far as back; ask for j <= i as well": [
            _back(lambda back, w: back.abs() < w),
            lambda q, k, w: (q[:, None] - k[None, :]).abs() < (w or 10**6),
            lambda q, k, w: _back_of_all(q, k, w) | (w is not None and _back_of_all(k, q, w).T),
        ],
        "yours takes k - q for the distance, and so looks ahead; it is i - j, q - k": [
            _back(lambda back, w: (back <= 0) & (-back < w)),
            lambda q, k, w: _back_of_all(-q, -k, w),
            lambda q, k, w: _back_of_all(-q, -k, w) & (k >= 0)[None, :],
        ],
        "True and False are swapped: True means that the query may see the key": (
            lambda *case: ~_mask(*case)
        ),
        "rows and columns are swapped: a row is a query": lambda *case: _mask(*case).T,
        _PLACES: [
            *_bands(last=False),
            lambda q, k, w: _bands(last=False)[0](q, k, None),
            lambda q, k, w: _bands(last=False)[2](q, k, None),
        ],
        "k was sorted; column s is the key at position k[s], so keep the order": [
            lambda q, k, w: _mask(q, k.sort().values, w),
            lambda q, k, w: _mask(q.sort().values, k.sort().values, w),
        ],
        "the key at position 0 is hidden; only -1 is padding": (
            lambda q, k, w: _mask(q, k, w) & (k > 0)
        ),
        "lined the queries up with the last keys; use the numbers in q and k": _bands(last=True),
        "padding was treated as text: a key at -1 is near to a query at 0, and must not be seen": (
            _back_of_all
        ),
        "None is no window at all, and any number in its place hides keys in a longer text": [
            _instead_of_none(lambda q, k: len(k)),
            _instead_of_none(lambda q, k: int(k.max())),
            lambda q, k, w: _back_of_all(q, k, w or 0) & _real(q, k),
            lambda q, k, w: _back_of_all(q, k, w or 0),
        ],
        "without a window yours sees the future; the condition j <= i holds in every layer": [
            lambda q, k, w: _real(q, k) if w is None else _mask(q, k, w),
            lambda q, k, w: torch.ones(len(q), len(k)).bool() if w is None else _mask(q, k, w),
        ],
        "a window of more than len(k) is a window still; the query may be far after all keys": (
            lambda q, k, w: _mask(q, k, None if w and w > len(k) else w)
        ),
        "padding is hidden in local layers only; without a window it must be hidden as well": [
            lambda q, k, w: _back_of_all(q, k, w) if w is None else _mask(q, k, w),
            lambda q, k, w: (
                _back_of_all(q, k, w) & (q >= 0)[:, None] if w is None else _mask(q, k, w)
            ),
        ],
        "padding is seen: the columns of keys at -1 must be False": (
            lambda q, k, w: _back_of_all(q, k, w) & (q >= 0)[:, None]
        ),
        "padding sees padding: where both are at -1 the mask must be False as well": (
            lambda q, k, w: _mask(q, k, w) | ((q < 0)[:, None] & (k < 0)[None, :])
        ),
        "padding sees: the rows of queries at -1 must be False": (
            lambda q, k, w: _mask(q, k, w) | (q < 0)[:, None]
        ),
    },
    call=_ask_for_a_table,
    explain=_explain_mask,
)


@standard_torch()
def check_mask(fn: Function) -> None:
    """The small cases of `check_small_masks`; then nano reads 150 tokens with this mask."""
    check_small_masks(fn)
    nano, _ = load("nano-pt", text_only=True)
    ids = 7 + torch.arange(150)[None] * 19 % 2900
    batch = Batch.from_ids(ids, nano.config)
    with torch.no_grad():
        want = nano(batch)
        where = batch.layout.position[0]
        text, masks = nano.config.text, {}
        for window in (text.sliding_window, None):  # once for each kind of layer: a loop is slow
            mask = ask(fn, where.clone(), where.clone(), window)
            masks[window] = require_tensor(mask, (150, 150), torch.bool)[None]
        for layer in (module for module in nano.modules() if isinstance(module, Attention)):
            mask = masks[text.window(text.layer_types[layer.layer])]
            layer.attend = partial(_attend_with, mask)
        worst = float((nano(batch) - want).abs().max())
    require(
        worst < 1e-3,
        "right in the small cases, but nano, which read 150 tokens with this mask, W = 64, gives"
        f" other logits, by {worst:.2g}; does the mask hold for long texts?",
    )


def _attend_with(mask: Tensor, q: Tensor, k: Tensor, v: Tensor, _: Tensor, scale: float) -> Tensor:
    return attend_fused(q, k, v, mask, scale)


# The layer pattern


def _types(rule: Callable[[int, int, int], bool]) -> Callable[[int, int], list[AttentionType]]:
    """Layers that are global where this function of i, how many there are and the period holds."""
    return lambda n, period: [
        AttentionType.GLOBAL if rule(i, n, period) else AttentionType.LOCAL for i in range(n)
    ]


check_layer_types = Check(
    "`fn(num_layers, period)` lists an AttentionType a layer: every `period`-th is global.",
    "num_layers period",
    lambda n, period: list(layer_pattern(n, period)),
    lambda: [(7, 3), (26, 6), (34, 6), (18, 6), (4, 6), (9, 2), (3, 1)],
    {
        "in yours layer 0 is global, but the global layer is the last one of its round": (
            _types(lambda i, n, period: i % period == 0)
        ),
        "local and global are swapped in yours: one layer in `period` is global": (
            _types(lambda i, n, period: (i + 1) % period != 0)
        ),
        "yours has `period` local layers before each global one; the period counts that one too": (
            _types(lambda i, n, period: (i + 1) % (period + 1) == 0)
        ),
        "the first global layer comes one too early in yours": (
            _types(lambda i, n, period: (i + 2) % period == 0)
        ),
        "the period is one short in yours: with period 6, a global layer follows five local ones": (
            _types(lambda i, n, period: (i + 1) % max(period - 1, 1) == 0)
        ),
        "yours counts from the last layer; count from the first, even if the last ones are local": [
            _types(lambda i, n, period: (n - 1 - i) % period == 0),
            _types(lambda i, n, period: (n - i) % period == 0),
        ],
        "the last layer was made global; a depth that is no multiple of period ends locally": (
            _types(lambda i, n, period: (i + 1) % period == 0 or i == n - 1)
        ),
        "no layer is global in yours": _types(lambda i, n, period: False),
        "with a period of 1 every layer is the last one of its round, and so it is global": (
            _types(lambda i, n, period: period > 1 and (i + 1) % period == 0)
        ),
        "yours has a period of 6 whatever `period` is": _types(
            lambda i, n, period: (i + 1) % 6 == 0
        ),
        "yours ends with a whole round and has too many entries; give num_layers of them": [
            lambda n, period: list(layer_pattern(-(-n // period) * period, period)),
            lambda n, period: list(layer_pattern((n // period + 1) * period, period)),
        ],
        "the local layers after the last global one are missing": lambda n, period: list(
            layer_pattern(n, period)
        )[: n // period * period],
    },
    explain=lambda got, *_: (
        "gave strings; give the members AttentionType.LOCAL and AttentionType.GLOBAL themselves"
        if isinstance(got, list) and any(isinstance(kind, str) for kind in got)
        else None
    ),
)
