"""The checks on image tokens accept what is right, however written."""

import dataclasses
import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gemma3_edu.generation import chunks
from gemma3_edu.lessons.checks import CheckError
from gemma3_edu.lessons.checks.image_tokens import check_chunks, check_image_ids, check_pool
from gemma3_edu.model.config import Gemma3Config, VisionConfig
from gemma3_edu.model.layout import Batch, TokenLayout, _image_ids
from gemma3_edu.model.vision import VisionProjector
from tests.tiny import tiny_config


def told(check, answer) -> str:
    with pytest.raises(CheckError) as caught:
        check(answer)
    return str(caught.value)


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


def by_package(x: Tensor, side: int) -> Tensor:
    """The projector with a norm that does nothing and a matrix that keeps every number."""
    across, width = across_of(x), x.shape[2]
    vision = VisionConfig(
        hidden_size=width,
        intermediate_size=1,
        num_hidden_layers=1,
        num_attention_heads=1,
        image_size=across,
        patch_size=1,
    )
    text = dataclasses.replace(tiny_config().text, hidden_size=width)
    config = Gemma3Config(text=text, vision=vision, mm_tokens_per_image=(across // side) ** 2)
    projector = VisionProjector(config)
    projector.mm_soft_emb_norm = torch.nn.Identity()
    projector.mm_input_projection_weight.data = torch.eye(width, dtype=x.dtype)
    with torch.no_grad():
        return projector(x)


@pytest.mark.parametrize("answer", [by_package, by_torch, by_axes, by_matrix])
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


def every_size(image_id: list[int], size: int) -> list[tuple[int, int]]:
    return [(start, min(start + size, len(image_id))) for start in range(0, len(image_id), size)]


def moved_left(image_id: list[int], size: int) -> list[tuple[int, int]]:
    borders = [0]
    while borders[-1] < len(image_id):
        stop = min(borders[-1] + size, len(image_id))
        while cuts(image_id, stop) and stop > borders[-1] + 1:
            stop -= 1
        borders.append(stop)
    return list(pairwise(borders))


def borders_moved_after(image_id: list[int], size: int) -> list[tuple[int, int]]:
    """Cuts first and moves each border then, so that two may meet."""
    borders = [0]
    for _, border in every_size(image_id, size):
        while cuts(image_id, border):
            border += 1
        borders.append(border)
    return list(pairwise(borders))


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("the border at 2 cuts image 1: its first tokens never see the rest", every_size),
        (
            "the chunk (0, 1) is too short; a border inside an image moves right, past it",
            moved_left,
        ),
        (
            "the chunk (0, 5) is longer than it has to be; it can end at 4",
            lambda image_id, size: [(0, 5), (5, 6)],
        ),
        ("the chunk (4, 4) is empty", borders_moved_after),
        ("column 4 is in no chunk", lambda *case: chunks_by_recursion(*case)[:1]),
        ("column 0 is in no chunk", lambda *case: chunks_by_recursion(*case)[1:]),
        ("column 0 is in two chunks", lambda *case: [(0, 4), *chunks_by_recursion(*case)]),
        ("a chunk ends at 7, after the last of 6 columns", lambda *case: [(0, 4), (4, 7)]),
        ("expected pairs (start, stop), got (0, 4, 6)", lambda *case: [(0, 4, 6)]),
        ("expected pairs (start, stop), got 0", lambda *case: [0, 4, 6]),
        ("expected a list or tuple, got None", lambda *case: None),
    ],
)
def test_wrong_chunks(words: str, answer):
    said = told(check_chunks, answer)
    assert said.startswith(words)
    assert "(image_id = [0, 1, 1, 1, 0, 0], size = 2" in said
