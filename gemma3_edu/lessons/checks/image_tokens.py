"""Checks of the exercises on image tokens: pooling patches, numbering images, cutting a prompt.

>>> check_image_ids(lambda ids, soft: (ids == soft).long())
Traceback (most recent call last):
AssertionError: every soft token got 1, so two images would see each other; number the images
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...naive.layout import image_ids
from ...naive.vision import average_pool
from .compare import compare

Slips = Sequence[tuple[str, Tensor]]
Chunks = list[tuple[int, int]]


def check_pool(fn: Callable[[Tensor, int], Any]) -> None:
    """`fn(x, side)` averages squares of side * side patches: (I P E) in, (I M E) out.

    The P patches of an image form a square grid, row by row, and so do the M means.

    >>> check_pool(lambda x, side: torch.stack([average_pool(image, side) for image in x]))
    """
    g = torch.Generator().manual_seed(12)
    for images, across, side, width in [(2, 6, 2, 5), (3, 6, 3, 7), (1, 12, 4, 3), (2, 3, 1, 4)]:
        x = torch.randn(width, across**2, images, generator=g).permute(2, 1, 0)  # not contiguous
        before = x.clone()
        got = fn(x, side)
        assert x.equal(before), "changed x in place; return a new tensor"
        want = _pooled(x, side)
        shape = tuple(got.shape) if isinstance(got, Tensor) else None
        assert shape != (images, side**2, width) or shape == want.shape, (
            "`side` is the edge of one square in patches, not the number of squares along an edge"
        )
        assert shape != (images, width, want.shape[1]), (
            "the axes are I E M; exchange the last two, so that each soft token is a row"
        )
        compare(got, want, _pool_slips(x, across, side))
    low = torch.randn(2, 36, 5, generator=g).bfloat16()
    compare(fn(low, 2), _pooled(low.float(), 2).bfloat16(), atol=2**-5)


def _pooled(x: Tensor, side: int) -> Tensor:
    return torch.stack([average_pool(image, side) for image in x])


def _pool_slips(x: Tensor, across: int, side: int) -> Slips:
    count = across // side  # squares along an edge
    right = _pooled(x, side)
    grid = x.unflatten(1, (across, across))  # I rows columns E
    squares = grid.unflatten(2, (count, side)).unflatten(1, (count, side))  # I n s n s E
    apart = grid.unflatten(2, (side, count)).unflatten(1, (side, count))  # I s n s n E
    misread = F.avg_pool2d(x.reshape(len(x), -1, across, across), side)
    return [
        (
            "averaged patches that follow each other in the row; a square takes `side` neighbours"
            " from each of `side` rows of the grid",
            x.unflatten(1, (-1, side**2)).mean(2),
        ),
        (
            "the squares come column by column; they stand row by row, as the patches do",
            right.unflatten(1, (count, count)).transpose(1, 2).flatten(1, 2),
        ),
        ("added the patches up; divide by their number, side * side", right * side**2),
        ("divided by side; a square holds side * side patches", right * side),
        ("took the largest of each square; take the mean", squares.amax((2, 4)).flatten(1, 2)),
        (
            "kept one patch of each square and dropped the others; take their mean",
            grid[:, ::side, ::side].flatten(1, 2),
        ),
        (
            "averaged patches that stand far apart; a square is made of neighbours",
            apart.mean((1, 3)).flatten(1, 2),
        ),
        (
            "cut (I, P, E) into an image without exchanging axes first, which mixes the numbers of"
            " different patches; E has to come before the rows and columns",
            misread.flatten(2).transpose(1, 2),
        ),
    ]


def check_image_ids(fn: Callable[[Tensor, int], Any]) -> None:
    """`fn(ids, soft)` is Int[B T]: 0 for text, n for the soft tokens of the row's n-th image.

    `ids` is Int[B T]; an unbroken run of the id `soft` is one image, and text stands between two.
    """
    for soft, rows in [
        (9, ["t####t", "tttttt", "##t##t", "t#t#tt", "ttt###"]),
        (262_144, ["tt##tt##tt##t", "####t####tttt", "ttttttttttttt"]),
        (7, ["#t#t#t#t#"]),
    ]:
        marks = torch.tensor([[mark == "#" for mark in row] for row in rows])
        text = torch.arange(marks.numel()).reshape(marks.shape) % 5 + 2
        ids = torch.where(marks, soft, text).t().contiguous().t()  # not contiguous
        before = ids.clone()
        got = fn(ids, soft)
        assert ids.equal(before), "changed ids in place; return a new tensor"
        want = torch.tensor([image_ids(row) for row in marks.tolist()])
        compare(got, want, _id_slips(marks, want))


def _id_slips(soft: Tensor, right: Tensor) -> Slips:
    before = F.pad(soft, (1, 0))[:, :-1]
    starts = (soft & ~before).long()
    inside = starts.clone()
    inside[:, 0] = 0
    through = starts.flatten().cumsum(0).reshape(soft.shape)
    return [
        (
            "every soft token got 1, so two images would see each other; number the images",
            soft.long(),
        ),
        (
            "numbered the soft tokens one by one; all those of an image share a number",
            torch.where(soft, soft.long().cumsum(1), 0),
        ),
        (
            "the text behind an image has its number too; text is 0, or it would see the image's"
            " later tokens as its own",
            starts.cumsum(1),
        ),
        (
            "went on counting from row to row; each row is a text of its own and starts at 1",
            torch.where(soft, through, 0),
        ),
        (
            "an image in the first column was missed; what stands before a row is text",
            torch.where(soft, inside.cumsum(1), 0),
        ),
        ("counted images from 0, but 0 stands for text", torch.where(soft, right - 1, 0)),
        ("text is -1; it has to be 0", torch.where(soft, right - 1, -1)),
        ("True and False are swapped: numbered the runs of text", _runs(~soft)),
    ]


def _runs(marks: Tensor) -> Tensor:
    return torch.tensor([image_ids(row) for row in marks.tolist()])


def check_chunks(fn: Callable[[list[int], int], Any]) -> None:
    """`fn(image_id, size)` lists (start, stop) of each chunk of a prompt, `stop` excluded.

    A chunk has `size` columns, the last one what is left; a border that would cut an image moves
    right until it no longer does, and the chunk grows.
    """
    for size, image_id in [
        (2, [0, 1, 1, 1, 0, 0]),
        (4, [0] * 11),
        (3, [0, 0, 1, 1, 1, 1, 1, 0, 2, 2, 2, 2, 2, 0, 0]),
        (5, [1, 1, 1, 0, 2, 2, 2, 0, 3, 3, 3]),
        (1, [0, 1, 1, 0]),
        (4, [0, 1, 1, 1, 0, 2, 2, 2]),
        (20, [0, 0, 1, 1, 0]),
    ]:
        given = list(image_id)
        got = fn(given, size)
        case = f"(image_id {image_id}, size {size})"
        assert given == image_id, f"changed image_id in place {case}"
        _judge_chunks(_pairs(got), image_id, size, case)


def _pairs(got: Any) -> Chunks:
    assert isinstance(got, list | tuple), f"expected a list of pairs, got {type(got).__name__}"
    for pair in got:
        numbers = isinstance(pair, list | tuple) and all(isinstance(n, int) for n in pair)
        assert numbers and len(pair) == 2, f"expected pairs (start, stop), got {pair!r}"
    return [(start, stop) for start, stop in got]


def _judge_chunks(chunks: Chunks, image_id: list[int], size: int, case: str) -> None:
    length = len(image_id)
    reached = 0
    for start, stop in chunks:
        assert start < stop, f"the chunk {(start, stop)} is empty {case}"
        assert start <= reached, f"column {reached} is in no chunk {case}"
        assert start == reached, f"column {start} is in two chunks {case}"
        assert stop <= length, f"a chunk ends at {stop}, behind the last of {length} columns {case}"
        cut = image_id[stop - 1] if stop < length and image_id[stop - 1] == image_id[stop] else 0
        assert not cut, (
            f"the border at {stop} cuts image {cut}: its first tokens never see the rest {case}"
        )
        least = min(start + size, length)
        assert stop >= least, (
            f"the chunk {(start, stop)} is shorter than {size}: a border inside an image moves"
            f" right, past it {case}"
        )
        while least < length and image_id[least] and image_id[least - 1] == image_id[least]:
            least += 1
        assert stop == least, (
            f"the chunk {(start, stop)} is longer than it has to be; it can end at {least} {case}"
        )
        reached = stop
    assert reached == length, f"column {reached} is in no chunk {case}"
