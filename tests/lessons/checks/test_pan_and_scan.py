"""The checks on pan and scan accept what is right, however written, and name each slip."""

import math
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gemma3_edu.lessons.checks.pan_and_scan import check_crop_boxes, check_crop_numbers
from gemma3_edu.naive.images import Box, pan_and_scan
from gemma3_edu.prompt.images import Image
from gemma3_edu.prompt.images import pan_and_scan as cut_image

# check_crop_boxes


def boxes_by_package(width: int, height: int) -> list[Box]:
    """Where the crops of the package lie, from their sizes."""
    found, left, top = [], 0, 0
    for crop in cut_image(Image.new("1", (width, height))):
        found.append((left, top, left + crop.width, top + crop.height))
        left, top = (left + crop.width, 0) if width >= height else (0, top + crop.height)
    return found


def boxes_by_chunks(width: int, height: int) -> list[list[int]]:
    """Torch cuts; lists for tuples are welcome."""
    number = int(numbers_in_whole_numbers(torch.tensor([width]), torch.tensor([height])))
    if not number:
        return []
    pieces = torch.arange(max(width, height)).chunk(number)
    ends = [(int(piece[0]), int(piece[-1]) + 1) for piece in pieces]
    wide = width >= height
    return [[a, 0, b, height] if wide else [0, a, width, b] for a, b in ends]


@pytest.mark.parametrize("answer", [pan_and_scan, boxes_by_package, boxes_by_chunks])
def test_right_boxes(answer):
    check_crop_boxes(answer)


def written(
    rounded: Callable[[float], int] = lambda ratio: math.floor(ratio + 0.5),
    step: Callable[[int, int], int] = lambda long, number: -(-long // number),
) -> Callable[[int, int], list[Box]]:
    """The lesson's loops with another way to round."""

    def boxes(width: int, height: int) -> list[Box]:
        if height > width:
            return [(t, a, d, c) for a, t, c, d in boxes(height, width)]
        if width / height < 1.2 or height < 256:
            return []
        number = min(max(2, min(rounded(width / height), width // 256)), 4)
        if math.ceil(width / number) < 256:
            return []
        length = step(width, number)
        return [(a, 0, min(a + length, width), height) for a in range(0, width, length)]

    return boxes


def beyond_the_edge(width: int, height: int) -> list[Box]:
    boxes = pan_and_scan(width, height)
    if not boxes:
        return []
    _, _, across, down = boxes[0]
    return [(left, top, left + across, top + down) for left, top, _, _ in boxes]


def longest_last(width: int, height: int) -> list[Box]:
    boxes, long = pan_and_scan(width, height), max(width, height)
    if not boxes:
        return []
    step = long // len(boxes)
    ends = [step * (k + 1) for k in range(len(boxes) - 1)] + [long]
    starts = [step * k for k in range(len(boxes))]
    wide = width >= height
    return [
        (a, 0, b, height) if wide else (0, a, width, b) for a, b in zip(starts, ends, strict=True)
    ]


def a_grid(width: int, height: int) -> list[Box]:
    columns, rows = math.ceil(width / 896), math.ceil(height / 896)
    return [(896 * x, 896 * y, 896, 896) for x in range(columns) for y in range(rows)]


def overlapping(width: int, height: int) -> list[Box]:
    return [(max(0, a - 1), b, c, d) for a, b, c, d in pan_and_scan(width, height)]


STEP = "a crop's length is the side over the number of crops, rounded up"
HALF = (
    "a ratio of 2.5 makes three crops, since a half goes up; round takes the even neighbour, 2:"
    " use floor(ratio + 0.5)"
)


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            f"a sliver is left over as one crop more: {STEP}",
            written(step=lambda long, number: long // number),
        ),
        (f"the last crop is the longest; it is the shortest, since {STEP}", longest_last),
        ("the last crop reaches over the picture's edge; let it end there", beyond_the_edge),
        (
            "gave width and height of a crop; give its right and bottom edge",
            lambda w, h: [(a, b, c - a, d - b) for a, b, c, d in pan_and_scan(w, h)],
        ),
        (
            "a tall picture's crops lie one below the other",
            lambda w, h: pan_and_scan(max(w, h), min(w, h)),
        ),
        (HALF, written(rounded=round)),
        ("cut the ratio off; round it, a half up", written(rounded=int)),
        ("a grid of 896-pixel tiles; crops run along one side", a_grid),
        ("no picture is cut at all", lambda w, h: []),
        (
            "tall pictures are cut too, from top to bottom",
            lambda w, h: pan_and_scan(w, h) if w >= h else [],
        ),
        (
            "counted the whole picture too; asked for are the crops",
            lambda w, h: [(0, 0, w, h), *pan_and_scan(w, h)],
        ),
        ("expected a list, got int", lambda w, h: 2),
        (
            "1600 x 896: (0, 800) is no box; give left, top, right, bottom",
            lambda w, h: [(0, w // 2), (w // 2, w)],
        ),
        # no slip of its own
        ("1600 x 896: crop 2 is (799, 0, 1600, 896), expected (800, 0, 1600, 896)", overlapping),
        ("1001 x 400: 2 crops, expected 3", lambda w, h: pan_and_scan(w, h, max_crops=2)),
    ],
)
def test_wrong_boxes(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_crop_boxes(answer)


# check_crop_numbers


def numbers_by_loops(width: Tensor, height: Tensor) -> Tensor:
    sizes = zip(width.tolist(), height.tolist(), strict=True)
    return torch.tensor([len(pan_and_scan(*size)) for size in sizes])


def fast(rounded: Callable[[Tensor], Tensor], **change: float) -> Callable[..., Tensor]:
    """The lesson's fast version with another way to round, or another number."""
    least, most = change.get("least", 2), change.get("most", 4)
    room, start = change.get("room", 256), change.get("start", 1.2)

    def numbers(width: Tensor, height: Tensor) -> Tensor:
        long, short = torch.maximum(width, height), torch.minimum(width, height)
        ratio = long / short
        number = torch.minimum(rounded(ratio).long(), long // int(room)).clamp(least, most)
        step = (long + number - 1) // number
        sides = {0: torch.full_like(long, 256), 1: step, 2: short}
        asked = sides.get(int(change.get("asked", 3)), torch.minimum(step, short))
        return number * ((ratio >= start) & (asked >= 256))

    return numbers


def half_up(ratio: Tensor) -> Tensor:
    return (ratio + 0.5).floor()


def numbers_in_whole_numbers(width: Tensor, height: Tensor) -> Tensor:
    long, short = torch.maximum(width, height), torch.minimum(width, height)
    number = torch.minimum((2 * long + short) // (2 * short), long // 256).clamp(2, 4)
    return number * ((5 * long >= 6 * short) & (short >= 256) & (-(-long // number) >= 256))


def narrow_type(width: Tensor, height: Tensor) -> Tensor:
    return numbers_by_loops(width, height).to(torch.int32)


@pytest.mark.parametrize(
    "answer", [numbers_by_loops, fast(half_up), numbers_in_whole_numbers, narrow_type]
)
def test_right_numbers(answer):
    check_crop_numbers(answer)


def strictly_more(width: Tensor, height: Tensor) -> Tensor:
    long, short = torch.maximum(width, height), torch.minimum(width, height)
    return fast(half_up)(width, height) * (5 * long > 6 * short)


def wide_only(width: Tensor, height: Tensor) -> Tensor:
    return numbers_by_loops(width, height) * (width >= height)


def in_place(width: Tensor, height: Tensor) -> Tensor:
    numbers = numbers_by_loops(width, height)
    width += 1
    return numbers


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (HALF, fast(torch.round)),
        ("cut the ratio off; round it, a half up", fast(torch.floor)),
        ("rounded the ratio up; round it to the nearest, a half up", fast(torch.ceil)),
        ("one crop is the picture again: there are two at least", fast(half_up, least=1)),
        ("at most four crops, however long the picture", fast(half_up, most=99)),
        (
            "there is room for long // 256 crops: three of 256 pixels do not fit into 767",
            fast(half_up, room=1),
        ),
        (
            "a picture whose crops would have a side under 256 pixels is not cut",
            fast(half_up, asked=0),
        ),
        (
            "asked for the crops' length only; a short side under 256 pixels forbids crops too",
            fast(half_up, asked=1),
        ),
        (
            "asked for the short side only; crops shorter than 256 pixels are forbidden too",
            fast(half_up, asked=2),
        ),
        ("a ratio of exactly 1.2 is cut: at least, not more than", strictly_more),
        ("cut from a ratio of 1.5 on; the rule here begins at 1.2", fast(half_up, start=1.5)),
        ("square pictures are not cut: the ratio must reach 1.2", fast(half_up, start=1.0)),
        ("tall pictures are cut too, from top to bottom", wide_only),
        (
            "counted the whole picture too; asked for are the crops",
            lambda w, h: numbers_by_loops(w, h) + 1,
        ),
        (
            "counted 896 pixels a crop; the ratio decides, not the size",
            lambda w, h: -(-torch.maximum(w, h) // 896),
        ),
        (
            "a grid of 896-pixel tiles; crops run along one side",
            lambda w, h: -(-w // 896) * -(-h // 896),
        ),
        (
            "dtype torch.float32: crops are counted, give whole numbers (.long())",
            lambda w, h: numbers_by_loops(w, h).float(),
        ),
        ("expected a tensor, got list", lambda w, h: numbers_by_loops(w, h).tolist()),
        ("changed width or height in place; make new tensors", in_place),
        # no slip of its own
        ("4 of 24 values differ, first at (12,): got 3, expected 4", fast(half_up, most=3)),
    ],
)
def test_wrong_numbers(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_crop_numbers(answer)


@pytest.mark.parametrize("check", [check_crop_boxes, check_crop_numbers])
def test_a_stub_is_let_through(check):
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
