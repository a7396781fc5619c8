"""Checks of the exercises on image tokens: pooling patches, numbering images, cutting a prompt.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 2", check_image_ids, lambda ids, soft: (ids == soft).long())
Exercise 2: every soft token got 1, so two images would see each other; number the images (rows
    ##t# #ttt, where # is a soft token: got [[1, 1, 0, 1], [1, 0, 0, 0]],
    expected [[1, 1, 0, 2], [1, 0, 0, 0]])
"""

from collections.abc import Callable
from itertools import pairwise
from math import isqrt
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...naive.layout import image_ids
from ...naive.vision import average_pool
from .difference import show
from .grading import Case, Check

Pool = Callable[[Tensor, int], Tensor]

# Pooling


def _patches() -> list[Case]:
    g = torch.Generator().manual_seed(12)
    cases = [(torch.arange(16.0).view(1, 16, 1), 2)]
    for images, across, side, width in [(2, 6, 2, 5), (3, 6, 3, 7), (1, 12, 4, 3), (2, 3, 1, 4)]:
        x = torch.randn(width, across**2, images, generator=g).permute(2, 1, 0)  # not contiguous
        cases.append((x, side))
    return cases


def _pooled(x: Tensor, side: int) -> Tensor:
    return torch.stack([average_pool(image.float(), side) for image in x]).to(x.dtype)


def _grid(x: Tensor) -> Tensor:
    """I P E to I E rows columns."""
    return x.transpose(1, 2).unflatten(2, (isqrt(x.shape[1]), -1))


def _on_grid(pool: Pool) -> Pool:
    return lambda x, side: pool(_grid(x), side).flatten(2).transpose(1, 2)


def _apart(x: Tensor, side: int) -> Tensor:
    count = isqrt(x.shape[1]) // side
    return x.unflatten(1, (side, count, side, count)).mean((1, 3)).flatten(1, 2)


def _misread(x: Tensor, side: int) -> Tensor:
    across = isqrt(x.shape[1])
    grid = x.reshape(len(x), -1, across, across)
    return F.avg_pool2d(grid, side).flatten(2).transpose(1, 2)


check_pool = Check(
    """`fn(x, side)` averages squares of side * side patches: (I P E) in, (I M E) out.

    The P patches of an image form a square grid, row by row, and so do the M means.
    """,
    "x side",
    _pooled,
    _patches,
    {
        "averaged patches that follow each other in the row; a square takes `side` neighbours"
        " from each of `side` rows of the grid": lambda x, side: x.unflatten(1, (-1, side**2)).mean(
            2
        ),
        "the squares come column by column; they come row by row, as the patches do": _on_grid(
            lambda grid, side: F.avg_pool2d(grid, side).transpose(2, 3)
        ),
        "added the patches up; divide by their number, side * side": lambda x, side: (
            _pooled(x, side) * side**2
        ),
        "divided by side; a square holds side * side patches": lambda x, side: (
            _pooled(x, side) * side
        ),
        "took the largest of each square; take the mean": _on_grid(F.max_pool2d),
        "kept one patch of each square and dropped the others; take their mean": _on_grid(
            lambda grid, side: grid[:, :, ::side, ::side]
        ),
        "averaged patches that stand far apart; a square is made of neighbours": _apart,
        "cut (I, P, E) into an image without exchanging axes first, which mixes the numbers of"
        " different patches; E has to come before the rows and columns": _misread,
        "`side` is the edge of a square in patches, not the number of squares": _on_grid(
            F.adaptive_avg_pool2d
        ),
        "the axes are I E M; exchange the last two": lambda x, side: _pooled(x, side).transpose(
            1, 2
        ),
    },
).then(lambda: [(x.bfloat16(), side) for x, side in _patches()], atol=2**-5)


# Numbering


def _rows_of_ids() -> dict[str, Case]:
    cases = {}
    for soft, rows in [
        (9, ["##t#", "#ttt"]),
        (9, ["t####t", "tttttt", "##t##t", "t#t#tt", "ttt###"]),
        (262_144, ["tt##tt##tt##t", "####t####tttt", "ttttttttttttt"]),
        (7, ["#t#t#t#t#", "ttttttttt"]),
    ]:
        marks = torch.tensor([[mark == "#" for mark in row] for row in rows])
        text = torch.arange(marks.numel()).reshape(marks.shape) % 5 + 2
        ids = torch.where(marks, soft, text).t().contiguous().t()  # not contiguous
        cases[f"rows {' '.join(rows)}, where # is a soft token"] = (ids, soft)
    return cases


def _numbered(ids: Tensor, soft: int) -> Tensor:
    return torch.tensor([image_ids(row) for row in (ids == soft).tolist()])


def _by_starts(rule: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, int], Tensor]:
    """An answer from the soft tokens, 1 or 0, and from the starts of their runs."""

    def answer(ids: Tensor, soft: int) -> Tensor:
        marks = (ids == soft).long()
        return rule(marks, F.pad(marks, (1, 0)).diff(dim=1).clamp(min=0))

    return answer


check_image_ids = Check(
    """`fn(ids, soft)` is Int[B T]: 0 for text, n for the soft tokens of the row's n-th image.

    `ids` is Int[B T]; an unbroken run of the id `soft` is one image, and text stands between two.
    """,
    "ids soft",
    _numbered,
    _rows_of_ids,
    {
        "every soft token got 1, so two images would see each other; number the images": _by_starts(
            lambda marks, starts: marks
        ),
        "numbered the soft tokens one by one; all those of an image share a number": _by_starts(
            lambda marks, starts: marks * marks.cumsum(1)
        ),
        "the text after an image has its number too; text is 0, or it would see the image's"
        " later tokens as its own": _by_starts(lambda marks, starts: starts.cumsum(1)),
        "went on counting from row to row; each row is a text of its own": _by_starts(
            lambda marks, starts: marks * starts.flatten().cumsum(0).view(marks.shape)
        ),
        "an image in the first column was missed; what comes before a row is text": _by_starts(
            lambda marks, starts: marks * F.pad(starts[:, 1:], (1, 0)).cumsum(1)
        ),
        "counted images from 0, but 0 is the number of text": _by_starts(
            lambda marks, starts: marks * (starts.cumsum(1) - 1)
        ),
        "text is -1; it has to be 0": _by_starts(
            lambda marks, starts: marks * starts.cumsum(1) - 1
        ),
        "True and False are swapped: numbered the runs of text": lambda ids, soft: _numbered(
            (ids == soft).int(), 0
        ),
    },
)


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
