"""Checks of the exercises on pan and scan: how many crops, where they are, what a token sees.

>>> check_crop_boxes(pan_and_scan)
>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 3", check_crop_boxes, lambda width, height: pan_and_scan(width, height)[:1])
Exercise 3: got 1 entries, expected 2: got [(0, 0, 800, 896)], expected [(0, 0, 800, 896),
    (800, 0, 1600, 896)] (1600 x 896)
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ...naive.images import Box, pan_and_scan
from .grading import Case, Check, Function, ask, require, require_tensor

# Ratios and sides at their borders, wide and tall; 256, 1.2 and 4 are the rule's own numbers.
_SIZES = [
    *((1600, 896), (1001, 400), (400, 1001), (2500, 1000), (1000, 2500), (1536, 1024)),
    *((1200, 1000), (1000, 834), (1250, 1000), (896, 896), (4000, 3400), (4000, 3000)),
    *((4000, 500), (300, 4000), (767, 256), (600, 240), (512, 256), (511, 256), (510, 256)),
    *((700, 300), (1100, 300), (300, 1100), (2200, 1000), (1, 1)),
]


def _half_up(ratio: float) -> int:
    return math.floor(ratio + 0.5)


def _number(
    width: int,
    height: int,
    rounded: Callable[[float], int] = _half_up,
    from_ratio: float = 1.2,
    at_border: bool = True,
    least: int = 2,
    most: int = 4,
    room: bool = True,
    asked: str = "either side",
) -> int:
    """The rule with one thing changed."""
    long, short = max(width, height), min(width, height)
    ratio = long / short
    if ratio < from_ratio or (ratio == from_ratio and not at_border):
        return 0
    number = min(rounded(ratio), long // 256) if room else rounded(ratio)
    number = min(max(least, number), most)
    length = math.ceil(long / number)
    sides = {"either side": min(length, short), "length": length, "short side": short}
    return number if sides.get(asked, 256) >= 256 else 0


Rule = Callable[[int, int], int]


def _with(**change: Any) -> Rule:
    return lambda width, height: _number(width, height, **change)


def _tiles(side: int) -> int:
    return math.ceil(side / 896)


# Rules whose crops are cut along the longer side, as the right ones are.
_RULES: dict[str, Rule] = {
    "a ratio of 2.5 makes three crops, since a half goes up; round takes the even neighbour, 2:"
    " use floor(ratio + 0.5)": _with(rounded=round),
    "cut the ratio off; round it, a half up": _with(rounded=math.floor),
    "rounded the ratio up; round it to the nearest, a half up": _with(rounded=math.ceil),
    "one crop is the picture again: there are two at least": _with(least=1),
    "at most four crops, however long the picture": _with(most=99),
    "there is room for long // 256 crops: three of 256 pixels do not fit into 767": _with(
        room=False
    ),
    "a picture whose crops would have a side under 256 pixels is not cut": _with(asked="nothing"),
    "asked for the crops' length only; a short side under 256 pixels forbids crops too": _with(
        asked="length"
    ),
    "asked for the short side only; crops shorter than 256 pixels are forbidden too": _with(
        asked="short side"
    ),
    "a ratio of exactly 1.2 is cut: at least, not more than": _with(at_border=False),
    "cut from a ratio of 1.5 on; the rule here begins at 1.2": _with(from_ratio=1.5),
    "square pictures are not cut: the ratio must reach 1.2": _with(from_ratio=1.0),
    "tall pictures are cut too, from top to bottom": lambda width, height: (
        0 if height > width else _number(width, height)
    ),
    "counted 896 pixels a crop; the ratio decides, not the size": lambda width, height: _tiles(
        max(width, height)
    ),
    "no picture is cut at all": lambda width, height: 0,
}
_WHOLE = "counted the whole picture too; asked for are the crops"
_GRID = "a grid of 896-pixel tiles; crops run along one side"


# How many crops


def _counts(fn: Callable[[Tensor, Tensor], Any], width: Tensor, height: Tensor) -> dict[str, int]:
    """The answer by size, so that a message names the size."""
    got = ask(fn, width, height)
    whole = isinstance(got, Tensor) and not (got.is_floating_point() or got.dtype == torch.bool)
    require(whole or not isinstance(got, Tensor), "crops are counted, give whole numbers (.long())")
    got = require_tensor(got, tuple(width.shape), got.dtype if whole else torch.long)
    sizes = zip(width.tolist(), height.tolist(), got.tolist(), strict=True)
    return {f"{w} x {h}": number for w, h, number in sizes}


def _each(rule: Rule) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda width, height: torch.tensor(
        [rule(*size) for size in zip(width.tolist(), height.tolist(), strict=True)]
    )


def _number_cases() -> dict[str, Case]:
    width, height = torch.tensor(_SIZES).unbind(1)  # not contiguous
    return {f"{len(_SIZES)} sizes": (width, height)}


check_crop_numbers = Check(
    "`fn(width, height)` is Int[N]: how many crops pictures of these N sizes are cut into.",
    "width height",
    _each(lambda width, height: len(pan_and_scan(width, height))),
    _number_cases,
    {sentence: _each(rule) for sentence, rule in _RULES.items()}
    | {
        _WHOLE: [
            _each(lambda width, height: _number(width, height) + 1),
            _each(lambda w, h: _number(w, h) + (_number(w, h) > 0)),
        ],
        _GRID: _each(lambda width, height: _tiles(width) * _tiles(height)),
    },
    call=_counts,
)


# Where they are


def _cut(width: int, height: int, number: int, step: str = "up", last: str = "cut") -> list[Box]:
    """So many boxes, with another length of a crop, or another end of the last one."""
    if not number:
        return []
    long = max(width, height)
    length = math.ceil(long / number) if step == "up" else long // number
    starts = list(range(0, long, length))
    ends = [start + length if last == "over" else min(start + length, long) for start in starts]
    if step == "rest":
        starts, ends = starts[:number], [*ends[: number - 1], long]
    if width >= height:
        return [(start, 0, end, height) for start, end in zip(starts, ends, strict=True)]
    return [(0, start, width, end) for start, end in zip(starts, ends, strict=True)]


def _along(rule: Rule, **change: str) -> Callable[[int, int], list[Box]]:
    return lambda width, height: _cut(width, height, rule(width, height), **change)


def _grid(width: int, height: int) -> list[Box]:
    places = [(896 * x, 896 * y) for y in range(_tiles(height)) for x in range(_tiles(width))]
    return [(x, y, min(x + 896, width), min(y + 896, height)) for x, y in places]


check_crop_boxes = Check(
    "`fn(width, height)` lists the crops' boxes: left, top, right, bottom, in pixels.",
    "width height",
    pan_and_scan,
    lambda: {f"{width} x {height}": (width, height) for width, height in _SIZES},
    {
        "a sliver is left over as one crop more; round the length of a crop up": _along(
            _number, step="down"
        ),
        "the last crop is the longest; round the length up, and it is the shortest": _along(
            _number, step="rest"
        ),
        "the last crop reaches over the picture's edge; let it end there": _along(
            _number, last="over"
        ),
        "gave width and height of a crop; give its right and bottom edge": lambda width, height: [
            (a, b, c - a, d - b) for a, b, c, d in pan_and_scan(width, height)
        ],
        "a tall picture's crops come one below the other": lambda width, height: pan_and_scan(
            max(width, height), min(width, height)
        ),
        _WHOLE: lambda width, height: [(0, 0, width, height), *pan_and_scan(width, height)],
        _GRID: _grid,
    }
    | {sentence: _along(rule) for sentence, rule in _RULES.items()},
)


# Where a soft token looks

Region: TypeAlias = tuple[float, float, float, float]


def seen_region(
    width: int, height: int, image: int, row: int, column: int, per_side: int
) -> Region:
    """Left, top, right, bottom of what one of `per_side` x `per_side` soft tokens looks at.

    >>> seen_region(1600, 896, image=2, row=0, column=1, per_side=16)
    (850.0, 0.0, 900.0, 56.0)
    """
    return _part(_views(width, height)[image], row, column, per_side)


def _views(width: int, height: int) -> list[Box]:
    return [(0, 0, width, height), *pan_and_scan(width, height)]


def _part(box: Box, row: int, column: int, per_side: int) -> Region:
    left, top, right, bottom = box
    across, down = (right - left) / per_side, (bottom - top) / per_side
    x, y = left + column * across, top + row * down
    return x, y, x + across, y + down


def _of_box(change: Callable[[list[Box], int], Box]) -> Callable[..., Region]:
    """The region in another box: a function of the whole picture and its crops, and of `image`."""
    return lambda w, h, image, row, column, n: _part(change(_views(w, h), image), row, column, n)


def _moved_to_0(views: list[Box], image: int) -> Box:
    left, top, right, bottom = views[image]
    return 0, 0, right - left, bottom - top


def _as_long_as_the_first(views: list[Box], image: int) -> Box:
    left, top, *_ = views[image]
    if not image:
        return views[0]
    return left, top, left + views[1][2] - views[1][0], top + views[1][3] - views[1][1]


def _sides(*case: int) -> Region:
    left, top, right, bottom = seen_region(*case)
    return left, top, right - left, bottom - top


def _numbers(fn: Function, *case: int) -> Any:
    answer = ask(fn, *case)
    return answer.tolist() if isinstance(answer, Tensor) else answer


check_seen_region = Check(
    """`fn(width, height, image, row, column, per_side)`: the pixels that a soft token looks at.

    Left, top, right, bottom in the picture; image 0 is the whole picture, image k its k-th crop.
    """,
    "width height image row column per_side",
    seen_region,
    lambda: [
        (width, height, image, row, column, 4)
        for width, height in [(1001, 400), (400, 1001), (3000, 1000), (500, 480)]
        for image in range(len(_views(width, height)))
        for row, column in [(0, 0), (1, 3), (3, 2)]
    ],
    {
        "row and column are swapped: a row counts down, a column to the right": (
            lambda w, h, image, row, column, n: seen_region(w, h, image, column, row, n)
        ),
        "the crop's own place is missing: add where it begins in the picture": _of_box(_moved_to_0),
        "the last crop may be shorter than the first; take its own sides": (
            _of_box(_as_long_as_the_first)
        ),
        "took the whole picture for every image; image k is the k-th crop": _of_box(
            lambda views, image: views[0]
        ),
        "image 0 is the whole picture; took the last crop for it": _of_box(
            lambda views, image: views[image or -1]
        ),
        "gave width and height; give the right and the bottom edge": _sides,
    },
    call=_numbers,
    atol=1e-2,
)
