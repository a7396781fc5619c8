"""The checks on pan and scan accept what is right, however written."""

import math

import nbformat
import pytest
import torch
from lessons import NOTEBOOKS

from gemma3_edu.lessons.checks.pan_and_scan import (
    check_crop_number,
    check_crop_places,
    check_two_sizes,
    colleagues_crops,
)
from gemma3_edu.naive.images import Box, pan_and_scan
from gemma3_edu.prompt.images import Image
from gemma3_edu.prompt.images import pan_and_scan as cut_image
from tests.lessons.checks.messages import message

# check_crop_number


def in_steps(width: int, height: int) -> int:
    long, short = max(width, height), min(width, height)
    if long / short < 1.2:
        return 0
    number = min(4, max(2, min(math.floor(long / short + 0.5), long // 256)))
    return number if math.ceil(long / number) >= 256 and short >= 256 else 0


def in_whole_numbers(width: int, height: int) -> int:
    long, short = sorted((width, height), reverse=True)
    number = min(4, max(2, min((2 * long + short) // (2 * short), long // 256)))
    return number * (5 * long >= 6 * short and short >= 256 and -(-long // number) >= 256)


def by_package(width: int, height: int) -> int:
    return len(cut_image(Image.new("1", (width, height))))


@pytest.mark.parametrize("answer", [in_steps, in_whole_numbers, by_package])
def test_right_numbers(answer):
    check_crop_number(answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, h: min(in_steps(w, h), 3), "got 3, expected 4 (4000 x 500)"),
        (lambda w, h: float(in_steps(w, h)), "expected an int, got float (1600 x 896)"),
        (lambda w, h: None, "expected an int, got None (1600 x 896)"),
        (lambda w, h: pan_and_scan(w, h), "expected an int, got list (1600 x 896)"),
    ],
)
def test_wrong_numbers_without_a_name(answer, words: str):
    assert message(check_crop_number, answer) == words


# check_crop_places


def by_range(width: int, height: int, number: int) -> list[Box]:
    if not number:
        return []
    if height > width:
        return [(b, a, d, c) for a, b, c, d in by_range(height, width, number)]
    step = math.ceil(width / number)
    return [(n * step, 0, min((n + 1) * step, width), height) for n in range(number)]


def by_chunks(width: int, height: int, number: int) -> list[list[int]]:
    """Torch cuts; lists for tuples are welcome."""
    if not number:
        return []
    pieces = torch.arange(max(width, height)).chunk(number)
    ends = [(int(piece[0]), int(piece[-1]) + 1) for piece in pieces]
    wide = width >= height
    return [[a, 0, b, height] if wide else [0, a, width, b] for a, b in ends]


def by_rule(width: int, height: int, number: int) -> list[Box]:
    return pan_and_scan(width, height)


@pytest.mark.parametrize("answer", [by_range, by_chunks, by_rule])
def test_right_places(answer):
    check_crop_places(answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda *case: [(max(0, a - 1), b, c, d) for a, b, c, d in by_range(*case)],
            "got [(0, 0, 800, 896), (799, 0, 1600, 896)], expected [(0, 0, 800, 896), (800, ",
        ),
        (lambda *case: by_range(*case)[:1], "got 1 entries, expected 2: got [(0, 0, 800, 896)]"),
        (lambda *case: 2, "expected a list or tuple, got int (1600 x 896, 2 crops)"),
    ],
)
def test_wrong_places_without_a_name(answer, words: str):
    assert message(check_crop_places, answer).startswith(words)


# check_two_sizes


@pytest.mark.parametrize(
    "sizes",
    [
        [(2500, 1000), (1001, 400)],
        ((511, 256), (400, 1001)),
        [[1000, 2500], [769, 256]],
    ],
)
def test_right_sizes(sizes):
    check_two_sizes(lambda: sizes)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        (None, "give two sizes, one with too few crops and one with too many"),
        ([(2500, 1000)], "give two sizes, one with too few crops and one with too many"),
        ([2500, 1000], "the first size is 2500; give its width and height"),
        ([(2500, 1000), (1001, 400, 1)], "the second size is (1001, 400, 1); give its width and h"),
        (
            [(2500.0, 1000), (1001, 400)],
            "the first size is (2500.0, 1000); give its width and height as two ints",
        ),
        ([(2500, 0), (1001, 400)], "the first size is 2500 x 0; keep its sides from 1 to 5,000"),
        (
            [(1600, 896), (1001, 400)],
            "of the first size both make the same number of crops (1600 x 896: the rule makes 2,",
        ),
        (
            [(2500, 1000), (3000, 1000)],
            "of the second size both make the same number of crops (3000 x 1000: the rule makes 3",
        ),
        ([(1001, 400), (2500, 1000)], "the first size should get too few crops, not too many ("),
        ([(511, 256), (2500, 1000)], "the second size should get too many crops, not too few ("),
    ],
)
def test_wrong_sizes(sizes, words: str):
    assert message(check_two_sizes, lambda: sizes).startswith(words)


def test_the_colleague_of_the_check_is_the_one_on_the_page():
    nb = nbformat.read(NOTEBOOKS / "13_pan_and_scan.ipynb", as_version=4)
    (cell,) = [c.source for c in nb.cells if "def colleagues_crops" in c.source]
    names: dict = {}
    exec(cell.split("\n\n\n")[0], names)
    for width in range(200, 3000, 97):
        for height in range(200, 3000, 89):
            theirs = names["colleagues_crops"](width, height)
            assert theirs == colleagues_crops(width, height)
