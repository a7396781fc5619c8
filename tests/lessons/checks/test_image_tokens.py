"""The checks on image tokens accept what is right, however written."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gemma3_edu.generation import chunks
from gemma3_edu.lessons.checks.image_tokens import check_chunks, check_image_ids, check_pool
from gemma3_edu.model.layout import Batch, TokenLayout, _image_ids
from tests.lessons.checks.messages import message
from tests.tiny import tiny_config

# check_pool


def across_of(x: Tensor) -> int:
    return math.isqrt(x.shape[1])


def by_torch(x: Tensor, side: int) -> Tensor:
    grid = x.transpose(1, 2).unflatten(2, (across_of(x), -1))
    return F.adaptive_avg_pool2d(grid, across_of(x) // side).flatten(2).transpose(1, 2)


def by_axes(x: Tensor, side: int) -> Tensor:
    n = across_of(x) // side
    return x.unflatten(1, (n, side, n, side)).mean((2, 4)).flatten(1, 2)


def by_matrix(x: Tensor, side: int) -> Tensor:
    across = across_of(x)
    place = torch.arange(across**2)
    square = place // across // side * (across // side) + place % across // side
    which = square == torch.arange((across // side) ** 2)[:, None]
    return which.to(x.dtype) @ x / side**2


@pytest.mark.parametrize("answer", [by_torch, by_axes, by_matrix])
def test_right_pools(answer):
    check_pool(answer)


# check_image_ids


def ids_by_package(ids: Tensor, soft: int) -> Tensor:
    """`from_ids` wants images of one length; the function under it does not."""
    return _image_ids(ids == soft)


def ids_by_difference(ids: Tensor, soft: int) -> Tensor:
    marks = (ids == soft).long()
    return marks * F.pad(marks, (1, 0)).diff(dim=1).clamp(min=0).cumsum(1)


def in_int32(ids: Tensor, soft: int) -> Tensor:
    return ids_by_difference(ids, soft).int()


@pytest.mark.parametrize("answer", [ids_by_package, ids_by_difference, in_int32])
def test_right_image_ids(answer):
    check_image_ids(answer)


def test_the_batch_numbers_images_so():
    """What the exercise builds is what `Batch.from_ids` does with images of full length."""
    config = tiny_config(vision=True)
    soft = [config.image_token_index] * config.mm_tokens_per_image
    ids = torch.tensor([[2, *soft, 7, *soft, 8]])
    side = config.vision.image_size
    layout = Batch.from_ids(ids, config, torch.zeros(2, 3, side, side)).layout
    assert layout.image_id.equal(ids_by_difference(ids, config.image_token_index))


# check_chunks


def cuts(image_id: list[int], column: int) -> bool:
    inside = 0 < column < len(image_id)
    return inside and 0 < image_id[column - 1] == image_id[column]


def chunks_by_package(image_id: list[int], size: int) -> list[tuple[int, int]]:
    row = torch.tensor([image_id])
    return chunks(TokenLayout.of(torch.ones_like(row, dtype=torch.bool), row), size)


def chunks_by_recursion(image_id: list[int], size: int, start: int = 0) -> list[tuple[int, int]]:
    if start == len(image_id):
        return []
    free = [c for c in range(start + 1, len(image_id) + 1) if not cuts(image_id, c)]
    stop = next(c for c in free if c >= start + size or c == len(image_id))
    return [(start, stop), *chunks_by_recursion(image_id, size, stop)]


def as_lists(image_id: list[int], size: int) -> list[list[int]]:
    return [list(pair) for pair in chunks_by_recursion(image_id, size)]


@pytest.mark.parametrize("answer", [chunks_by_package, chunks_by_recursion, as_lists])
def test_right_chunks(answer):
    check_chunks(answer)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (
            "the border at 2 cuts image 1: its first tokens never see the rest",
            [(0, 2), (2, 4), (4, 6)],
        ),
        (
            "the chunk (0, 1) is too short; a border inside an image moves right, past it",
            [(0, 1), (1, 4), (4, 6)],
        ),
        ("the chunk (0, 5) is longer than it has to be; it can end at 4", [(0, 5), (5, 6)]),
        ("the chunk (4, 4) is empty", [(0, 4), (4, 4), (4, 6)]),
        ("column 4 is in no chunk", [(0, 4)]),
        ("column 0 is in no chunk", [(4, 6)]),
        ("column 0 is in two chunks", [(0, 4), (0, 4), (4, 6)]),
        ("a chunk ends at 7, after the last of 6 columns", [(0, 4), (4, 7)]),
        ("expected pairs (start, stop), got (0, 4, 6)", [(0, 4, 6)]),
        ("expected pairs (start, stop), got 0", [0, 4, 6]),
        ("expected a list or tuple, got None", None),
    ],
)
def test_wrong_chunks(words: str, answer):
    said = message(check_chunks, lambda image_id, size: answer)
    assert said.startswith(words)
    assert "(image_id = [0, 1, 1, 1, 0, 0], size = 2" in said
