"""The check on what a soft token looks at accepts what is right and names each slip."""

import re

import pytest
import torch
from torch import Tensor

from gemma3_edu.lessons.checks.seen_region import check_seen_region, seen_region
from gemma3_edu.naive.images import pan_and_scan


def by_solution(width: int, height: int, image: int, row: int, column: int, n: int) -> list[float]:
    left, top, right, bottom = [(0, 0, width, height), *pan_and_scan(width, height)][image]
    x, y = (right - left) / n, (bottom - top) / n
    return [left + column * x, top + row * y, left + (column + 1) * x, top + (row + 1) * y]


def by_grid(width: int, height: int, image: int, row: int, column: int, n: int) -> Tensor:
    """The borders of all cells at once, then the two on each side."""
    left, top, right, bottom = [(0, 0, width, height), *pan_and_scan(width, height)][image]
    xs, ys = torch.linspace(left, right, n + 1), torch.linspace(top, bottom, n + 1)
    return torch.stack([xs[column], ys[row], xs[column + 1], ys[row + 1]])


@pytest.mark.parametrize("answer", [seen_region, by_solution, by_grid])
def test_right_regions(answer):
    check_seen_region(answer)


def without_its_place(w: int, h: int, image: int, row: int, column: int, n: int) -> list[float]:
    left, top, _, _ = [(0, 0, w, h), *pan_and_scan(w, h)][image]
    a, b, c, d = by_solution(w, h, image, row, column, n)
    return [a - left, b - top, c - left, d - top]


def first_crops_sides(w: int, h: int, image: int, row: int, column: int, n: int) -> list[float]:
    if image == 0:
        return by_solution(w, h, image, row, column, n)
    boxes = pan_and_scan(w, h)
    (_, _, across, down), (left, top, _, _) = boxes[0], boxes[image - 1]
    x, y = across / n, down / n
    return [left + column * x, top + row * y, left + (column + 1) * x, top + (row + 1) * y]


def crops_alone(w: int, h: int, image: int, row: int, column: int, n: int) -> list[float]:
    left, top, right, bottom = (pan_and_scan(w, h) or [(0, 0, w, h)])[image - 1]
    x, y = (right - left) / n, (bottom - top) / n
    return [left + column * x, top + row * y, left + (column + 1) * x, top + (row + 1) * y]


def sides(*case: int) -> list[float]:
    a, b, c, d = by_solution(*case)
    return [a, b, c - a, d - b]


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "row and column are swapped: a row counts down, a column to the right",
            lambda w, h, image, row, column, n: by_solution(w, h, image, column, row, n),
        ),
        (
            "the crop's own place is missing: add where it begins in the picture",
            without_its_place,
        ),
        ("the last crop may be shorter than the first; take its own sides", first_crops_sides),
        (
            "took the whole picture for every image; image k is the k-th crop",
            lambda w, h, image, row, column, n: by_solution(w, h, 0, row, column, n),
        ),
        ("image 0 is the whole picture; took the last crop for it", crops_alone),
        ("gave width and height; give the right and the bottom edge", sides),
        ("2 numbers, expected left, top, right and bottom", lambda *case: by_solution(*case)[:2]),
        ("expected a tuple, got float", lambda *case: 0.5),
        # no slip of its own: the cells of a crop counted from 1
        (
            "156 of 156 values differ by more than 0.01, first at (0, 0): got 250.25, expected 0",
            lambda w, h, image, row, column, n: by_solution(w, h, image, row + 1, column + 1, n),
        ),
    ],
)
def test_wrong_regions(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_seen_region(answer)


def test_a_stub_is_let_through():
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check_seen_region(stub)
