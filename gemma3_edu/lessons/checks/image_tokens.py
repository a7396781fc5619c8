"""Checks of the exercises on image tokens: the mixed mask, and cutting a prompt.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 2", check_small_mixed_masks, lambda image_id, window: causal(image_id))
Exercise 2: soft tokens look back only; those of one picture see each other ahead as well (row t##t,
    global layer: at (1, 2): got False, expected True; 1 of 16 values differs)
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ...hub import load
from ...hub.checkpoint import ASSETS
from ...model.attention import Attention, attend_fused
from ...naive.layout import image_ids
from ...naive.masks import may_see
from ...prompt.images import load_image
from .difference import show
from .grading import Case, Check, CheckError, Function, ask, require, require_tensor, standard_torch

# The mixed mask

MixedMask = Callable[[Tensor, int | None], Tensor]
ROWS = ["t##t", "tt###t##tt", "##t####", "tttt", "t#########tt", "#t#", "t##||###t"]


def _mixed_cases() -> dict[str, Case]:
    cases = {}
    for row in ROWS:
        ids = torch.tensor(_numbered(row))
        for window in (None, 3, 5):
            layer = "global layer" if window is None else f"window {window}"
            cases[f"row {row.replace('|', '')}, {layer}"] = (ids, window)
    return cases


def _numbered(row: str) -> list[int]:
    """The picture of each letter; "||" is the border of two pictures that touch."""
    found: list[int] = []
    for part in row.split("||"):
        found += [n + max(found, default=0) * (n > 0) for n in image_ids([c == "#" for c in part])]
    return found


def _mixed_mask(image_id: Tensor, window: int | None) -> Tensor:
    own = image_id.tolist()
    pairs = [[may_see(i, j, a, b, window) for j, b in enumerate(own)] for i, a in enumerate(own)]
    return torch.tensor(pairs)


def _back(image_id: Tensor) -> Tensor:
    """How many places back each key is."""
    places = torch.arange(len(image_id))
    return places[:, None] - places[None, :]


def causal(image_id: Tensor) -> Tensor:
    """The mask of a text: every token sees itself and what comes before it."""
    return _back(image_id) >= 0


def _alike(image_id: Tensor) -> Tensor:
    return image_id[:, None] == image_id[None, :]


def _both_soft(image_id: Tensor) -> Tensor:
    return (image_id > 0)[:, None] & (image_id > 0)[None, :]


def _own(image_id: Tensor) -> Tensor:
    return _alike(image_id) & _both_soft(image_id)


def _near(image_id: Tensor, window: int | None, more: int = 0) -> Tensor:
    return _back(image_id) < (10**6 if window is None else window + more)


def _windowed(rule: Callable[[Tensor], Tensor]) -> MixedMask:
    """A mask from the numbers of pictures alone, under the right window."""
    return lambda image_id, window: rule(image_id) & _near(image_id, window)


def _with_or_without_window(rule: Callable[[Tensor], Tensor]) -> list[MixedMask]:
    return [_windowed(rule), lambda image_id, window: rule(image_id)]


def _explain_mixed(got: Any, want: Tensor, *_: Any) -> str | None:
    if isinstance(got, Tensor) and got.is_floating_point():
        return "gave numbers to add to scores; give True where a query may see a key, else False"
    return None


def _ask_for_a_table(fn: Function, *case: Any) -> Any:
    """The answer; where a whole table was asked for one yes or no, a sentence on how to go on."""
    try:
        return ask(fn, *case)
    except RuntimeError as error:
        require(
            "is ambiguous" not in str(error),
            "`and`, `or` and `if` want one yes or no, and a table has many; join tables with & and"
            " |, each part in brackets",
        )
        raise


check_small_mixed_masks = Check(
    """`fn(image_id, window)` is Bool[T T]: True where the query of the row may see the key.

    `image_id` is Int[T]: 0 for text, n for the soft tokens of the n-th picture. `window` is None on
    global layers.
    """,
    "image_id window",
    _mixed_mask,
    _mixed_cases,
    {
        "soft tokens look back only; those of one picture see each other ahead as well": (
            _with_or_without_window(causal)
        ),
        "all text sees all text, because 0 equals 0; text belongs to no picture": (
            _with_or_without_window(lambda ids: causal(ids) | _alike(ids))
        ),
        "two pictures see each other; ask whether both tokens are of the same one": (
            _with_or_without_window(lambda ids: causal(ids) | _both_soft(ids))
        ),
        "a soft token sees only its own picture; it also sees all that comes before": _windowed(
            lambda ids: torch.where((ids > 0)[:, None], _own(ids), causal(ids))
        ),
        "text does not see the pictures before it": _windowed(
            lambda ids: (causal(ids) & _alike(ids)) | _own(ids)
        ),
        "each picture sees itself and nothing else is seen; text and older pictures are missing": (
            _windowed(_own)
        ),
        "`and` where `or` belongs: what is seen is behind, or of the same picture": _windowed(
            lambda ids: causal(ids) & _own(ids)
        ),
        "every token sees every token; only those of one picture look ahead": _windowed(
            lambda ids: torch.ones_like(_alike(ids))
        ),
        "a token does not see itself; it does": _windowed(
            lambda ids: (_back(ids) > 0) | (_own(ids) & (_back(ids) != 0))
        ),
        "a word does not see itself; i - j is 0 for its own key": _windowed(
            lambda ids: (_back(ids) > 0) | _own(ids)
        ),
        "rows and columns are swapped: a row is a query": lambda *case: _mixed_mask(*case).T,
        "True and False are swapped: True means that the query may see the key": (
            lambda *case: ~_mixed_mask(*case)
        ),
        "the window was ignored": lambda ids, window: causal(ids) | _own(ids),
        "the window holds inside a picture too: `or` comes first, then the window over both": (
            lambda ids, window: (causal(ids) & _near(ids, window)) | _own(ids)
        ),
        "W + 1 keys: i - j is less than W": lambda ids, window: (
            (causal(ids) | _own(ids)) & _near(ids, window, 1)
        ),
        "W - 1 keys: i - j goes from 0 to W - 1": lambda ids, window: (
            (causal(ids) | _own(ids)) & _near(ids, window, -1)
        ),
        "the window cuts ahead as well; here it looks back only": lambda ids, window: (
            _mixed_mask(ids, window) & (_back(ids) > -(window or 10**6))
        ),
    },
    call=_ask_for_a_table,
    explain=_explain_mixed,
)


@standard_torch()
def check_mixed_mask(fn: Function) -> None:
    """The small cases of `check_small_mixed_masks`; then nano reads a row with two pictures."""
    check_small_mixed_masks(fn)
    nano, processor = load("nano-it")
    if processor is None:
        raise CheckError("nano-it is here without its tokenizer")
    pictures = [load_image(ASSETS / "pictures" / f"{name}.png") for name in ("number", "hearts")]
    words = "Two pictures came with the post this morning, and nobody knows who sent them."
    batch = processor.text(f"<start_of_image>{words}<start_of_image>{words}", pictures)
    text, image_id, masks = nano.config.text, batch.layout.image_id[0], {}
    with torch.no_grad():
        want = nano(batch)
        for window in (text.sliding_window, None):  # once for each kind of layer
            mask = ask(fn, image_id.clone(), window)
            masks[window] = require_tensor(mask, (len(image_id),) * 2, torch.bool)[None]
        for layer in (part for part in nano.modules() if isinstance(part, Attention)):
            mask = masks[text.window(text.layer_types[layer.layer])]
            layer.attend = partial(_attend_with, mask)
        worst = float((nano(batch) - want).abs().max())
    require(
        worst < 1e-3,
        f"right in the small cases, but nano, which read a row of {len(image_id)} tokens with this"
        f" mask, W = {text.sliding_window}, gives other logits, by {worst:.2g}; does it hold for"
        " long rows?",
    )


def _attend_with(mask: Tensor, q: Tensor, k: Tensor, v: Tensor, _: Tensor, scale: float) -> Tensor:
    return attend_fused(q, k, v, mask, scale)


# Cutting a prompt into chunks


def _inside(image_id: list[int], border: int) -> bool:
    """Whether a border before this column would cut an image."""
    return 0 < border < len(image_id) and 0 < image_id[border] == image_id[border - 1]


def _chunks(
    image_id: list[int], size: int, inside: Callable[[list[int], int], bool] = _inside
) -> list[tuple[int, int]]:
    borders = [0]
    while borders[-1] < len(image_id):
        border = min(borders[-1] + size, len(image_id))
        while inside(image_id, border):
            border += 1
        borders.append(border)
    return list(pairwise(borders))


def _what_is_wrong(got: Any, want: object, image_id: list[int], size: int) -> str | None:
    """The first chunk that breaks a rule."""
    if not isinstance(got, list | tuple):
        return None
    reached, length = 0, len(image_id)
    for pair in got:
        if not (isinstance(pair, list | tuple) and [type(n) for n in pair] == [int, int]):
            return f"expected pairs (start, stop), got {show(pair) or type(pair).__name__}"
        start, stop = pair
        if start != reached:
            where = "no chunk" if start > reached else "two chunks"
            return f"column {min(start, reached)} is in {where}"
        if start >= stop:
            return f"the chunk {pair} is empty"
        if stop > length:
            return f"a chunk ends at {stop}, after the last of {length} columns"
        if _inside(image_id, stop):
            image = image_id[stop]
            return f"the border at {stop} cuts image {image}: its first tokens never see the rest"
        least = _chunks(image_id[start:], size)[0][1] + start
        if stop < least:
            return f"the chunk {pair} is too short; a border inside an image moves right, past it"
        if stop > least:
            return f"the chunk {pair} is longer than it has to be; it can end at {least}"
        reached = stop
    return None if reached == length else f"column {reached} is in no chunk"


check_chunks = Check(
    """`fn(image_id, size)` lists (start, stop) of each chunk of a prompt, `stop` excluded.

    A chunk has `size` columns, the last one what is left; a border that would cut an image moves
    right until it no longer does, and the chunk grows.
    """,
    "image_id size",
    _chunks,
    lambda: [
        ([0, 1, 1, 1, 0, 0], 2),
        ([0] * 11, 4),
        ([0, 0, 1, 1, 1, 1, 1, 0, 2, 2, 2, 2, 2, 0, 0], 3),
        ([1, 1, 1, 0, 2, 2, 2, 0, 3, 3, 3], 5),
        ([0, 1, 1, 0], 1),
        ([0, 1, 1, 1, 0, 2, 2, 2], 4),
        ([0, 0, 1, 1, 0], 20),
        ([0, 1, 1, 1, 2, 2, 2, 0], 4),
    ],
    {
        "two images that touch were taken for one; a border between them cuts neither": (
            lambda image_id, size: _chunks([min(n, 1) for n in image_id], size)
        ),
        "a border between two columns of text was moved too; only an image holds one": (
            lambda image_id, size: _chunks([n + 1 for n in image_id], size)
        ),
    },
    explain=_what_is_wrong,
)
