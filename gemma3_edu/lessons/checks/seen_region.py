"""The check of the exercise on where a soft token looks: back from a crop into the picture.

>>> check_seen_region(seen_region)
>>> check_seen_region(lambda w, h, image, row, column, n: seen_region(w, h, 0, row, column, n))
Traceback (most recent call last):
AssertionError: took the whole picture for every image; image k is the k-th crop
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ...naive.images import Box, pan_and_scan
from .compare import compare

Region: TypeAlias = tuple[float, float, float, float]


def seen_region(
    width: int, height: int, image: int, row: int, column: int, per_side: int
) -> Region:
    """Left, top, right, bottom of what one of `per_side` x `per_side` soft tokens looks at.

    >>> seen_region(1600, 896, image=2, row=0, column=1, per_side=16)
    (850.0, 0.0, 900.0, 56.0)
    """
    return _part(_views(width, height)[image], row, column, per_side)


def check_seen_region(fn: Callable[[int, int, int, int, int, int], Any]) -> None:
    """`fn(width, height, image, row, column, per_side)`: the pixels that a soft token looks at.

    Left, top, right, bottom in the picture; image 0 is the whole picture, image k its k-th crop.
    """
    cases = [
        (width, height, image, row, column, 4)
        for width, height in [(1001, 400), (400, 1001), (3000, 1000), (500, 480)]
        for image in range(len(_views(width, height)))
        for row, column in [(0, 0), (1, 3), (3, 2)]
    ]
    answers = [_numbers(fn(*case)) for case in cases]
    want = torch.tensor([seen_region(*case) for case in cases])
    slips = [(sentence, torch.tensor([slip(*case) for case in cases])) for sentence, slip in _SLIPS]
    compare(torch.tensor(answers), want, slips, atol=1e-2)


def _numbers(answer: Any) -> list[float]:
    plain = answer.tolist() if isinstance(answer, Tensor) else answer
    assert isinstance(plain, list | tuple), f"expected a tuple, got {type(plain).__name__}"
    assert len(plain) == 4, f"{len(plain)} numbers, expected left, top, right and bottom"
    return [float(side) for side in plain]


def _views(width: int, height: int) -> list[Box]:
    return [(0, 0, width, height), *pan_and_scan(width, height)]


def _part(box: Box, row: int, column: int, per_side: int) -> Region:
    left, top, right, bottom = box
    across, down = (right - left) / per_side, (bottom - top) / per_side
    x, y = left + column * across, top + row * down
    return x, y, x + across, y + down


def _as_long_as_the_first(w: int, h: int, image: int, row: int, column: int, n: int) -> Region:
    left, top, right, bottom = _views(w, h)[image]
    if image:
        _, _, across, down = _views(w, h)[1]
        right, bottom = left + across, top + down
    return _part((left, top, right, bottom), row, column, n)


def _not_moved(w: int, h: int, image: int, row: int, column: int, n: int) -> Region:
    left, top, right, bottom = _views(w, h)[image]
    return _part((0, 0, right - left, bottom - top), row, column, n)


def _crops_from_0(w: int, h: int, image: int, row: int, column: int, n: int) -> Region:
    """What `crops[image - 1]` gives for image 0: the last crop."""
    views = _views(w, h)
    return _part(views[image or -1], row, column, n)


def _sides(w: int, h: int, image: int, row: int, column: int, n: int) -> Region:
    left, top, right, bottom = seen_region(w, h, image, row, column, n)
    return left, top, right - left, bottom - top


_SLIPS: list[tuple[str, Callable[..., Region]]] = [
    (
        "row and column are swapped: a row counts down, a column to the right",
        lambda w, h, image, row, column, n: seen_region(w, h, image, column, row, n),
    ),
    ("the crop's own place is missing: add where it begins in the picture", _not_moved),
    ("the last crop may be shorter than the first; take its own sides", _as_long_as_the_first),
    (
        "took the whole picture for every image; image k is the k-th crop",
        lambda w, h, image, row, column, n: seen_region(w, h, 0, row, column, n),
    ),
    ("image 0 is the whole picture; took the last crop for it", _crops_from_0),
    ("gave width and height; give the right and the bottom edge", _sides),
]
