"""Checks of the exercises on pan and scan: how many crops, where they are, where a rule is wrong.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 2", check_crop_number, lambda width, height: round(width / height))
Exercise 2: got 0, expected 3 (400 x 1001)
"""

import math
from collections.abc import Callable
from typing import Any

from ...naive.images import Box, pan_and_scan
from .grading import Check, CheckError, ask, require, standard_torch

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
    room_along: str = "long",
    least_first: bool = False,
    up: bool = True,
) -> int:
    """The rule with one thing changed."""
    long, short = max(width, height), min(width, height)
    ratio = long / short
    if ratio < from_ratio or (ratio == from_ratio and not at_border):
        return 0
    fit = (long if room_along == "long" else short) // 256 if room else 99
    number = rounded(ratio)
    number = min(max(least, number), fit) if least_first else max(least, min(number, fit))
    number = min(number, most)
    length = math.ceil(long / number) if up else long // number
    sides = {"either side": min(length, short), "length": length, "short side": short}
    return number if sides.get(asked, 256) >= 256 else 0


Rule = Callable[[int, int], int]


def _with(**change: Any) -> Rule:
    return lambda width, height: _number(width, height, **change)


def _tiles(side: int) -> int:
    return math.ceil(side / 896)


# Rules whose crops are cut along the longer side, as the right ones are.
_RULES: dict[str, Rule | list[Rule]] = {
    "a ratio of 2.5 makes three crops, since a half goes up; round takes the even neighbour, 2:"
    " use floor(ratio + 0.5)": _with(rounded=round),
    "cut the ratio off; round it, a half up": _with(rounded=math.floor),
    "rounded the ratio up; round it to the nearest, a half up": _with(rounded=math.ceil),
    "one crop is the picture again: there are two at least": _with(least=1),
    "at most four crops, however long the picture": [_with(most=99), _with(most=5)],
    "there is room for long // 256 crops: three of 256 pixels do not fit into 767": _with(
        room=False
    ),
    "room is counted along the longer side, which is cut: long // 256": _with(room_along="short"),
    "the limits came in another order: first the room, and then at least 2, which has the last"
    " word": _with(least_first=True),
    "511 / 2 is 255.5: a crop's length is rounded up, to 256, before it is compared with 256": (
        _with(up=False)
    ),
    "gave none where ratio or room made one crop; then there are two, if they are long enough": (
        lambda width, height: 0 if _number(width, height, least=1) < 2 else _number(width, height)
    ),
    "a picture whose crops would have a side under 256 pixels is not cut": _with(asked="nothing"),
    "asked for the crops' length only; a short side under 256 pixels forbids crops too": _with(
        asked="length"
    ),
    "asked for the short side only, or before the number was final; crops shorter than 256 pixels"
    " are forbidden too": _with(asked="short side"),
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


# How many crops

check_crop_number = Check(
    "`fn(width, height)` is how many crops a picture of this size is cut into, 0 for none.",
    "width height",
    lambda width, height: len(pan_and_scan(width, height)),
    lambda: {f"{width} x {height}": (width, height) for width, height in _SIZES},
    _RULES
    | {
        _WHOLE: [
            lambda width, height: _number(width, height) + 1,
            lambda width, height: _number(width, height) + (_number(width, height) > 0),
        ],
        "a grid of 896-pixel tiles; crops run along one side": lambda width, height: (
            _tiles(width) * _tiles(height)
        ),
    },
)


# Where they are


def _places(width: int, height: int, number: int, step: str = "up", last: str = "cut") -> list[Box]:
    """So many boxes, with another length of a crop, or another end of the last one."""
    if not number:
        return []
    long = max(width, height)
    length = math.ceil(long / number) if step == "up" else long // number
    starts = list(range(0, long, length))
    ends = [start + length if last == "over" else min(start + length, long) for start in starts]
    if step == "rest":
        starts, ends = starts[:number], [*ends[: number - 1], long]
    if step == "overlap":
        starts, ends = [*starts[: number - 1], long - length], [*ends[: number - 1], long]
    if step.startswith("spread"):
        more = number - 1 if step == "spread first" else 0
        ends = [(long * (n + 1) + more) // number for n in range(number)]
        starts = [0, *ends[:-1]]
    return _upright(width, height, list(zip(starts, ends, strict=True)))


def _upright(width: int, height: int, spans: list[tuple[int, int]]) -> list[Box]:
    if width >= height:
        return [(start, 0, end, height) for start, end in spans]
    return [(0, start, width, end) for start, end in spans]


def _with_places(**change: str) -> Callable[[int, int, int], list[Box]]:
    return lambda width, height, number: _places(width, height, number, **change)


def _sideways(width: int, height: int, number: int) -> list[Box]:
    """The crops of a tall picture that has been laid on its side, and not put upright again."""
    return _places(max(width, height), min(width, height), number)


def _other_side(width: int, height: int, number: int) -> list[Box]:
    """Cut along the shorter side."""
    step = math.ceil(min(width, height) / number) if number else 1
    starts = range(0, min(width, height), step) if number else []
    if width >= height:
        return [(0, start, width, min(start + step, height)) for start in starts]
    return [(start, 0, min(start + step, width), height) for start in starts]


def _always_across(width: int, height: int, number: int) -> list[Box]:
    """Side by side, whatever the shape."""
    step = math.ceil(width / number) if number else 0
    starts = range(0, width, step) if number else []
    return [(start, 0, min(start + step, width), height) for start in starts]


check_crop_places = Check(
    "`fn(width, height, number)` lists the boxes of so many crops: left, top, right, bottom.",
    "width height number",
    lambda width, height, number: _places(width, height, number),
    lambda: {
        f"{width} x {height}, {number} crops": (width, height, number)
        for width, height in _SIZES
        for number in [_number(width, height)]
    },
    {
        "a sliver is left over as one crop more; round the length of a crop up": _with_places(
            step="down"
        ),
        "the last crop is the longest; round the length up, and it is the shortest": _with_places(
            step="rest"
        ),
        "the last two crops overlap; each pixel belongs to one crop": _with_places(step="overlap"),
        "spread the remainder over the crops; round the length up, and the last is shorter": [
            _with_places(step="spread"),
            _with_places(step="spread first"),
        ],
        "the last crop reaches over the picture's edge; let it end there": _with_places(
            last="over"
        ),
        "gave width and height of a crop; give its right and bottom edge": lambda *case: [
            (a, b, c - a, d - b) for a, b, c, d in _places(*case)
        ],
        "gave top before left; the order is left, top, right, bottom": lambda *case: [
            (b, a, d, c) for a, b, c, d in _places(*case)
        ],
        "gave only the crops' places along one side; give left, top, right and bottom": [
            lambda *case: [
                (a, c) if case[0] >= case[1] else (b, d) for a, b, c, d in _places(*case)
            ],
            lambda *case: [(a, c) for a, b, c, d in _places(*case)],
        ],
        "a tall picture's crops come one below the other": [_sideways, _always_across],
        "cut along the shorter side, which makes crops longer in shape than the picture": (
            _other_side
        ),
        "the whole picture is no crop; list the crops alone": lambda width, height, number: [
            (0, 0, width, height),
            *_places(width, height, number),
        ],
        "for 0 crops give an empty list": lambda width, height, number: (
            _places(width, height, number) or [(0, 0, width, height)]
        ),
        "cut the crops in the wrong order; left to right, or top to bottom": lambda *case: _places(
            *case
        )[::-1],
    },
)


# Where a colleague's rule is wrong


def colleagues_crops(width: int, height: int) -> list[tuple[int, int]]:
    """Where each crop begins and ends along the longer side, with two mistakes."""
    long, short = max(width, height), min(width, height)
    if long / short < 1.2 or short < 256:
        return []
    number = min(max(2, min(round(long / short), long // 256)), 4)
    step = long // number
    if step < 256:
        return []
    return [(start, min(start + step, long)) for start in range(0, long, step)]


_MOST = 5000  # pixels of a side


@standard_torch()
def check_two_sizes(fn: Callable[[], Any]) -> None:
    """`fn()` gives two sizes: one of which the colleague makes too few crops, one of too many.

    >>> check_two_sizes(lambda: [(2500, 1000), (1001, 400)])
    """
    got = ask(fn)
    require(
        isinstance(got, list | tuple) and len(got) == 2,
        "give two sizes, one with too few crops and one with too many",
    )
    for place, (size, wanted) in enumerate(zip(got, ("few", "many"), strict=True)):
        name = ("first", "second")[place]
        whole = isinstance(size, list | tuple) and all(type(side) is int for side in size)
        require(
            whole and len(size) == 2,
            f"the {name} size is {size!r}; give its width and height as two ints",
        )
        width, height = size
        require(
            min(size) >= 1 and max(size) <= _MOST,
            f"the {name} size is {width} x {height}; keep its sides from 1 to {_MOST:,} pixels",
        )
        rule, theirs = len(pan_and_scan(width, height)), len(colleagues_crops(width, height))
        counts = f"{width} x {height}: the rule makes {rule}, the colleague {theirs}"
        if rule == theirs:
            raise CheckError(f"of the {name} size both make the same number of crops", counts)
        if (theirs < rule) != (wanted == "few"):
            other = "many" if wanted == "few" else "few"
            raise CheckError(
                f"the {name} size should get too {wanted} crops, not too {other}", counts
            )
