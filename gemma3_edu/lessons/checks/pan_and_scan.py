"""Checks of the exercises on pan and scan: how many crops, and where they lie.

>>> check_crop_boxes(pan_and_scan)
>>> check_crop_boxes(lambda width, height: pan_and_scan(width, height)[:1])
Traceback (most recent call last):
AssertionError: 1600 x 896: 1 crops, expected 2
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...naive.images import pan_and_scan
from .compare import compare

# Ratios and sides at their borders, wide and tall; 256, 1.2 and 4 are the rule's own numbers.
_SIZES = [
    *((1600, 896), (1001, 400), (400, 1001), (2500, 1000), (1000, 2500), (1536, 1024)),
    *((1200, 1000), (1000, 834), (1250, 1000), (896, 896), (4000, 3400), (4000, 3000)),
    *((4000, 500), (300, 4000), (767, 256), (600, 240), (512, 256), (511, 256), (510, 256)),
    *((700, 300), (1100, 300), (300, 1100), (2200, 1000), (1, 1)),
]
_STEP = "a crop's length is the side over the number of crops, rounded up"


def check_crop_numbers(fn: Callable[[Tensor, Tensor], Any]) -> None:
    """`fn(width, height)` is Int[N]: how many crops pictures of these N sizes are cut into.

    >>> check_crop_numbers(lambda width, height: torch.zeros_like(width))
    Traceback (most recent call last):
    AssertionError: no picture is cut at all
    """
    sizes = torch.tensor(_SIZES)
    width, height = sizes[:, 0], sizes[:, 1]  # not contiguous
    got = fn(width, height)
    assert sizes.equal(torch.tensor(_SIZES)), "changed width or height in place; make new tensors"
    assert isinstance(got, Tensor), f"expected a tensor, got {type(got).__name__}"
    assert got.dtype != torch.bool and not got.is_floating_point(), (
        f"dtype {got.dtype}: crops are counted, give whole numbers (.long())"
    )
    want = torch.tensor([len(pan_and_scan(*size)) for size in _SIZES])
    slips = [(sentence, torch.tensor(row)) for sentence, row in _number_slips()]
    compare(got.long(), want, slips)


def check_crop_boxes(fn: Callable[[int, int], Any]) -> None:
    """`fn(width, height)` lists the crops' boxes: left, top, right, bottom, in pixels."""
    answers = [_boxes(fn(*size), size) for size in _SIZES]
    wants = [pan_and_scan(*size) for size in _SIZES]
    if answers == wants:
        return
    for sentence, cut in _BOX_SLIPS:
        assert answers != [cut(*size) for size in _SIZES], sentence
    for sentence, row in _number_slips():
        assert [len(answer) for answer in answers] != row, sentence
    for (width, height), answer, want in zip(_SIZES, answers, wants, strict=True):
        named = f"{width} x {height}"
        assert len(answer) == len(want), f"{named}: {len(answer)} crops, expected {len(want)}"
        for number, (box, right) in enumerate(zip(answer, want, strict=True), start=1):
            assert box == right, f"{named}: crop {number} is {box}, expected {right}"


def _boxes(answer: Any, size: tuple[int, int]) -> list[tuple[int, ...]]:
    named = f"{size[0]} x {size[1]}"
    assert isinstance(answer, list | tuple), f"expected a list, got {type(answer).__name__}"
    for box in answer:
        assert isinstance(box, list | tuple) and len(box) == 4, (
            f"{named}: {box!r} is no box; give left, top, right, bottom"
        )
    return [tuple(box) for box in answer]


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
    too_small: str = "either side",
) -> int:
    """The rule with one thing changed."""
    long, short = max(width, height), min(width, height)
    ratio = long / short
    if ratio < from_ratio or (ratio == from_ratio and not at_border):
        return 0
    number = min(rounded(ratio), long // 256) if room else rounded(ratio)
    number = min(max(least, number), most)
    sides = {
        "either side": min(math.ceil(long / number), short),
        "its length": math.ceil(long / number),
        "its other side": short,
        "nothing": 256,
    }
    return number if sides[too_small] >= 256 else 0


def _number_slips() -> list[tuple[str, list[int]]]:
    """Sentences, each with the numbers that the mistake gives for `_SIZES`."""

    def changed(**how: Any) -> list[int]:
        return [_number(*size, **how) for size in _SIZES]

    right = changed()
    tiles = [(math.ceil(width / 896), math.ceil(height / 896)) for width, height in _SIZES]
    wide = [0 if h > w else n for (w, h), n in zip(_SIZES, right, strict=True)]
    return [
        (
            "a ratio of 2.5 makes three crops, since a half goes up; round takes the even"
            " neighbour, 2: use floor(ratio + 0.5)",
            changed(rounded=round),
        ),
        ("cut the ratio off; round it, a half up", changed(rounded=math.floor)),
        ("rounded the ratio up; round it to the nearest, a half up", changed(rounded=math.ceil)),
        ("one crop is the picture again: there are two at least", changed(least=1)),
        ("at most four crops, however long the picture", changed(most=99)),
        (
            "there is room for long // 256 crops: three of 256 pixels do not fit into 767",
            changed(room=False),
        ),
        (
            "a picture whose crops would have a side under 256 pixels is not cut",
            changed(too_small="nothing"),
        ),
        (
            "asked for the crops' length only; a short side under 256 pixels forbids crops too",
            changed(too_small="its length"),
        ),
        (
            "asked for the short side only; crops shorter than 256 pixels are forbidden too",
            changed(too_small="its other side"),
        ),
        ("a ratio of exactly 1.2 is cut: at least, not more than", changed(at_border=False)),
        ("cut from a ratio of 1.5 on; the rule here begins at 1.2", changed(from_ratio=1.5)),
        ("square pictures are not cut: the ratio must reach 1.2", changed(from_ratio=1.0)),
        ("tall pictures are cut too, from top to bottom", wide),
        ("counted the whole picture too; asked for are the crops", [n + (n > 0) for n in right]),
        ("counted the whole picture too; asked for are the crops", [n + 1 for n in right]),
        ("a grid of 896-pixel tiles; crops run along one side", [a * b for a, b in tiles]),
        ("counted 896 pixels a crop; the ratio decides, not the size", [max(t) for t in tiles]),
        ("no picture is cut at all", [0] * len(right)),
    ]


def _cut(width: int, height: int, step: str = "up", last: str = "cut") -> list[tuple[int, ...]]:
    """The boxes with another length of a crop, or another end of the last one."""
    long, number = max(width, height), _number(width, height)
    if not number:
        return []
    length = math.ceil(long / number) if step == "up" else long // number
    starts = range(0, long, length)
    ends = [start + length if last == "over" else min(start + length, long) for start in starts]
    if step == "rest":
        starts, ends = range(0, number * length, length), [*ends[: number - 1], long]
    if width >= height:
        return [(start, 0, end, height) for start, end in zip(starts, ends, strict=True)]
    return [(0, start, width, end) for start, end in zip(starts, ends, strict=True)]


def _all_along_x(width: int, height: int) -> list[tuple[int, ...]]:
    boxes = pan_and_scan(max(width, height), min(width, height))
    return [tuple(box) for box in boxes]


_BOX_SLIPS: list[tuple[str, Callable[[int, int], Sequence[tuple[int, ...]]]]] = [
    (
        f"a sliver is left over as one crop more: {_STEP}",
        lambda width, height: _cut(width, height, step="down"),
    ),
    (
        f"the last crop is the longest; it is the shortest, since {_STEP}",
        lambda width, height: _cut(width, height, step="rest"),
    ),
    (
        "the last crop reaches over the picture's edge; let it end there",
        lambda width, height: _cut(width, height, last="over"),
    ),
    (
        "gave width and height of a crop; give its right and bottom edge",
        lambda width, height: [(a, b, c - a, d - b) for a, b, c, d in pan_and_scan(width, height)],
    ),
    ("a tall picture's crops lie one below the other", _all_along_x),
]
