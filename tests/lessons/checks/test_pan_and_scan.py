"""The checks on pan and scan accept what is right, however written."""

import pytest
import torch
from torch import Tensor

from gemma3_edu.lessons.checks.pan_and_scan import (
    check_crop_boxes,
    check_crop_numbers,
    check_seen_region,
)
from gemma3_edu.naive.images import Box, pan_and_scan
from gemma3_edu.prompt.images import Image
from gemma3_edu.prompt.images import pan_and_scan as cut_image
from tests.lessons.checks.messages import message

# check_crop_numbers


def fast(width: Tensor, height: Tensor) -> Tensor:
    long, short = torch.maximum(width, height), torch.minimum(width, height)
    ratio = long / short
    number = torch.minimum((ratio + 0.5).floor().long(), long // 256).clamp(2, 4)
    step = (long + number - 1) // number
    return number * ((ratio >= 1.2) & (torch.minimum(step, short) >= 256))


def in_whole_numbers(width: Tensor, height: Tensor) -> Tensor:
    long, short = torch.maximum(width, height), torch.minimum(width, height)
    number = torch.minimum((2 * long + short) // (2 * short), long // 256).clamp(2, 4)
    return number * ((5 * long >= 6 * short) & (short >= 256) & (-(-long // number) >= 256))


def in_int32(width: Tensor, height: Tensor) -> Tensor:
    sizes = zip(width.tolist(), height.tolist(), strict=True)
    return torch.tensor([len(pan_and_scan(*size)) for size in sizes], dtype=torch.int32)


@pytest.mark.parametrize("answer", [fast, in_whole_numbers, in_int32])
def test_right_numbers(answer):
    check_crop_numbers(answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda w, h: fast(w, h).clamp(max=3),
            "at ['4000 x 500']: got 3, expected 4 (24 sizes)",
        ),
        (lambda w, h: fast(w, h).float(), "crops are counted, give whole numbers (.long())"),
        (lambda w, h: fast(w, h) > 0, "crops are counted, give whole numbers (.long())"),
        (lambda w, h: fast(w, h)[1:], "got shape (23,), expected (24,)"),
        (lambda w, h: fast(w, h).tolist(), "expected a tensor, got list"),
    ],
)
def test_wrong_numbers_without_a_name(answer, words: str):
    assert message(check_crop_numbers, answer).startswith(words)


# check_crop_boxes


def boxes_by_package(width: int, height: int) -> list[Box]:
    """Where the crops of the package are, from their sizes."""
    found, left, top = [], 0, 0
    for crop in cut_image(Image.new("1", (width, height))):
        found.append((left, top, left + crop.width, top + crop.height))
        left, top = (left + crop.width, 0) if width >= height else (0, top + crop.height)
    return found


def boxes_by_chunks(width: int, height: int) -> list[list[int]]:
    """Torch cuts; lists for tuples are welcome."""
    number = int(in_whole_numbers(torch.tensor([width]), torch.tensor([height])))
    if not number:
        return []
    pieces = torch.arange(max(width, height)).chunk(number)
    ends = [(int(piece[0]), int(piece[-1]) + 1) for piece in pieces]
    wide = width >= height
    return [[a, 0, b, height] if wide else [0, a, width, b] for a, b in ends]


@pytest.mark.parametrize("answer", [pan_and_scan, boxes_by_package, boxes_by_chunks])
def test_right_boxes(answer):
    check_crop_boxes(answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda w, h: [(max(0, a - 1), b, c, d) for a, b, c, d in pan_and_scan(w, h)],
            "got [(0, 0, 800, 896), (799, 0, 1600, 896)], expected [(0, 0, 800, 896), (800, ",
        ),
        (
            lambda w, h: [(0, w // 2), (w // 2, w)],
            "got [(0, 800), (800, 1600)], expected [(0, 0, 800, 896), (800, ",
        ),
        (lambda w, h: 2, "expected a list or tuple, got int (1600 x 896)"),
    ],
)
def test_wrong_boxes_without_a_name(answer, words: str):
    assert message(check_crop_boxes, answer).startswith(words)


# check_seen_region


def by_solution(width: int, height: int, image: int, row: int, column: int, n: int) -> list[float]:
    left, top, right, bottom = [(0, 0, width, height), *pan_and_scan(width, height)][image]
    x, y = (right - left) / n, (bottom - top) / n
    return [left + column * x, top + row * y, left + (column + 1) * x, top + (row + 1) * y]


def by_grid(width: int, height: int, image: int, row: int, column: int, n: int) -> Tensor:
    """The borders of all cells at once, then the two on each side."""
    left, top, right, bottom = [(0, 0, width, height), *pan_and_scan(width, height)][image]
    xs, ys = torch.linspace(left, right, n + 1), torch.linspace(top, bottom, n + 1)
    return torch.stack([xs[column], ys[row], xs[column + 1], ys[row + 1]])


@pytest.mark.parametrize("answer", [by_solution, by_grid])
def test_right_regions(answer):
    check_seen_region(answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *case: by_solution(*case)[:2], "got 2 entries, expected 4: go"),
        (
            lambda w, h, image, row, column, n: by_solution(w, h, image, row + 1, column + 1, n),
            "got [250.25, 100, 500.5, 200], expected (0, 0, 250.25, 100) (width = 1001, height = ",
        ),
    ],
)
def test_wrong_regions_without_a_name(answer, words: str):
    assert message(check_seen_region, answer).startswith(words)
