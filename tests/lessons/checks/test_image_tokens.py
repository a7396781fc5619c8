"""The checks on image tokens accept what is right, however written, and name each slip."""

import dataclasses
import math
import re
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gemma3_edu import naive
from gemma3_edu.generation.generate import chunks
from gemma3_edu.lessons.checks.image_tokens import check_chunks, check_image_ids, check_pool
from gemma3_edu.model.config import Gemma3Config, VisionConfig
from gemma3_edu.model.layout import Batch, TokenLayout, _image_ids
from gemma3_edu.model.vision import VisionProjector
from tests.tiny import tiny_config

# check_pool


def across_of(x: Tensor) -> int:
    return math.isqrt(x.shape[1])


def by_loops(x: Tensor, side: int) -> Tensor:
    return torch.stack([naive.vision.average_pool(image, side) for image in x])


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


@pytest.mark.parametrize("answer", [by_package, by_loops, by_torch, by_axes, by_matrix])
def test_right_pools(answer):
    check_pool(answer)


def column_by_column(x: Tensor, side: int) -> Tensor:
    n = across_of(x) // side
    return by_loops(x, side).unflatten(1, (n, n)).transpose(1, 2).flatten(1, 2)


def largest(x: Tensor, side: int) -> Tensor:
    grid = x.transpose(1, 2).unflatten(2, (across_of(x), -1))
    return F.max_pool2d(grid, side).flatten(2).transpose(1, 2)


def every_so_many(x: Tensor, side: int) -> Tensor:
    return x.unflatten(1, (across_of(x), -1))[:, ::side, ::side].flatten(1, 2)


def far_apart(x: Tensor, side: int) -> Tensor:
    n = across_of(x) // side
    return x.unflatten(1, (side, n, side, n)).mean((1, 3)).flatten(1, 2)


def misread(x: Tensor, side: int) -> Tensor:
    across = across_of(x)
    grid = x.reshape(len(x), x.shape[2], across, across)
    return F.avg_pool2d(grid, side).flatten(2).transpose(1, 2)


def so_many_squares(x: Tensor, side: int) -> Tensor:
    grid = x.transpose(1, 2).unflatten(2, (across_of(x), -1))
    return F.adaptive_avg_pool2d(grid, side).flatten(2).transpose(1, 2)


def in_place(x: Tensor, side: int) -> Tensor:
    found = by_loops(x, side)
    x.zero_()
    return found


def last_square_late(x: Tensor, side: int) -> Tensor:
    found = by_loops(x, side)
    found[:, -1] = found[:, -2]
    return found


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "averaged patches that follow each other in the row; a square takes `side` neighbours"
            " from each of `side` rows of the grid",
            lambda x, side: x.unflatten(1, (-1, side * side)).mean(2),
        ),
        (
            "the squares come column by column; they stand row by row, as the patches do",
            column_by_column,
        ),
        (
            "added the patches up; divide by their number, side * side",
            lambda x, side: by_loops(x, side) * side**2,
        ),
        (
            "divided by side; a square holds side * side patches",
            lambda x, side: by_loops(x, side) * side,
        ),
        ("took the largest of each square; take the mean", largest),
        ("kept one patch of each square and dropped the others; take their mean", every_so_many),
        ("averaged patches that stand far apart; a square is made of neighbours", far_apart),
        (
            "cut (I, P, E) into an image without exchanging axes first, which mixes the numbers of"
            " different patches; E has to come before the rows and columns",
            misread,
        ),
        (
            "`side` is the edge of one square in patches, not the number of squares along an edge",
            so_many_squares,
        ),
        (
            "the axes are I E M; exchange the last two, so that each soft token is a row",
            lambda x, side: by_loops(x, side).transpose(1, 2),
        ),
        ("changed x in place; return a new tensor", in_place),
        ("expected a tensor, got list", lambda x, side: by_loops(x, side).tolist()),
        (
            "dtype torch.float32, expected torch.bfloat16",
            lambda x, side: by_loops(x.float(), side),
        ),
    ],
)
def test_wrong_pools(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_pool(answer)


def test_a_pool_with_no_slip_of_its_own():
    with pytest.raises(AssertionError, match=r"^10 of 90 values differ by more than 1e-05, first"):
        check_pool(last_square_late)


# check_image_ids


def ids_by_package(ids: Tensor, soft: int) -> Tensor:
    """`from_ids` wants images of one length; the function under it does not."""
    return _image_ids(ids == soft)


def ids_by_loops(ids: Tensor, soft: int) -> Tensor:
    return torch.tensor([naive.layout.image_ids(row) for row in (ids == soft).tolist()])


def ids_by_difference(ids: Tensor, soft: int) -> Tensor:
    marks = (ids == soft).long()
    return marks * F.pad(marks, (1, 0)).diff(dim=1).clamp(min=0).cumsum(1)


def ids_in_place(ids: Tensor, soft: int) -> Tensor:
    found = ids_by_loops(ids, soft)
    ids.copy_(found)
    return found


@pytest.mark.parametrize("answer", [ids_by_package, ids_by_loops, ids_by_difference])
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


def counting(rule: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, int], Tensor]:
    """An answer from the soft tokens, and from the starts of their runs."""

    def answer(ids: Tensor, soft: int) -> Tensor:
        marks = (ids == soft).long()
        return rule(marks, F.pad(marks, (1, 0)).diff(dim=1).clamp(min=0))

    return answer


def first_column_missed(marks: Tensor, starts: Tensor) -> Tensor:
    return marks * F.pad(starts[:, 1:], (1, 0)).cumsum(1)


def never_three(marks: Tensor, starts: Tensor) -> Tensor:
    return (marks * starts.cumsum(1)).clamp(max=3)


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        (
            "every soft token got 1, so two images would see each other; number the images",
            lambda marks, starts: marks,
        ),
        (
            "numbered the soft tokens one by one; all those of an image share a number",
            lambda marks, starts: marks * marks.cumsum(1),
        ),
        (
            "the text behind an image has its number too; text is 0, or it would see the image's"
            " later tokens as its own",
            lambda marks, starts: starts.cumsum(1),
        ),
        (
            "went on counting from row to row; each row is a text of its own and starts at 1",
            lambda marks, starts: marks * starts.flatten().cumsum(0).view(marks.shape),
        ),
        (
            "an image in the first column was missed; what stands before a row is text",
            first_column_missed,
        ),
        (
            "counted images from 0, but 0 stands for text",
            lambda marks, starts: marks * (starts.cumsum(1) - 1),
        ),
        (
            "text is -1; it has to be 0",
            lambda marks, starts: marks * starts.cumsum(1) - 1,
        ),
        (
            "True and False are swapped: numbered the runs of text",
            lambda marks, starts: (
                (1 - marks) * F.pad(1 - marks, (1, 0)).diff(dim=1).clamp(min=0).cumsum(1)
            ),
        ),
        ("dtype torch.bool, expected torch.int64", lambda marks, starts: marks.bool()),
        ("shape (5, 5), expected (5, 6)", lambda marks, starts: marks[:, 1:]),
        ("expected a tensor, got list", lambda marks, starts: marks.tolist()),
        # no slip of its own
        ("2 of 9 values differ, first at (0, 6): got 3, expected 4", never_three),
    ],
)
def test_wrong_image_ids(sentence, rule):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_image_ids(counting(rule))


def test_ids_changed_in_place():
    with pytest.raises(AssertionError, match="changed ids in place"):
        check_image_ids(ids_in_place)


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


@pytest.mark.parametrize("answer", [chunks_by_package, chunks_by_recursion])
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


def to_the_next_text(image_id: list[int], size: int) -> list[tuple[int, int]]:
    """Goes on past the text behind the image too."""
    found = chunks_by_recursion(image_id, size)
    first, stop = found[0]
    if cuts(image_id, first + size) and len(found) > 1:
        found = [(first, stop + 1), *chunks_by_recursion(image_id, size, stop + 1)]
    return found


def borders_moved_after(image_id: list[int], size: int) -> list[tuple[int, int]]:
    """Cuts first and moves each border then, so that two may meet."""
    borders = [0]
    for _, border in every_size(image_id, size):
        while cuts(image_id, border):
            border += 1
        borders.append(border)
    return list(pairwise(borders))


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        ("the border at 2 cuts image 1: its first tokens never see the rest", every_size),
        (
            "the chunk (0, 1) is shorter than 2: a border inside an image moves right, past it",
            moved_left,
        ),
        ("the chunk (0, 5) is longer than it has to be; it can end at 4", to_the_next_text),
        ("the chunk (4, 4) is empty", borders_moved_after),
        (
            "column 4 is in no chunk",
            lambda image_id, size: chunks_by_recursion(image_id, size)[:1],
        ),
        (
            "column 0 is in no chunk",
            lambda image_id, size: chunks_by_recursion(image_id, size)[1:],
        ),
        (
            "column 0 is in two chunks",
            lambda image_id, size: [(0, 4), *chunks_by_recursion(image_id, size)],
        ),
        (
            "a chunk ends at 7, behind the last of 6 columns",
            lambda image_id, size: [(0, 4), (4, len(image_id) + 1)],
        ),
        (
            "the chunk (0, 6) is longer than it has to be; it can end at 4",
            lambda image_id, size: [(0, len(image_id))],
        ),
    ],
)
def test_wrong_chunks(sentence, answer):
    case = " (image_id [0, 1, 1, 1, 0, 0], size 2)"
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence + case)}$"):
        check_chunks(answer)


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        ("expected a list of pairs, got NoneType", lambda image_id, size: None),
        ("expected pairs (start, stop), got 0", lambda image_id, size: [0, 4, 6]),
        ("expected pairs (start, stop), got (0, 4, 6)", lambda image_id, size: [(0, 4, 6)]),
    ],
)
def test_what_is_no_list_of_chunks(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_chunks(answer)


def test_a_prompt_changed_in_place():
    def emptied(image_id: list[int], size: int) -> list[tuple[int, int]]:
        found = chunks_by_recursion(image_id, size)
        image_id.clear()
        return found

    with pytest.raises(AssertionError, match="changed image_id in place"):
        check_chunks(emptied)


@pytest.mark.parametrize("check", [check_pool, check_image_ids, check_chunks])
def test_a_stub_is_let_through(check):
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
