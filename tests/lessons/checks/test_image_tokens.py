"""The checks on image tokens accept what is right, however written."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gemma3_edu.generation import chunks
from gemma3_edu.lessons.checks.image_tokens import (
    check_chunks,
    check_mixed_mask,
    check_small_mixed_masks,
)
from gemma3_edu.lessons.checks.text_loss import check_text_loss
from gemma3_edu.model.layout import TokenLayout
from gemma3_edu.model.masks import attention_mask, causal, same_image, within_window
from tests.lessons.checks.messages import message

# check_mixed_mask


def layout_of(image_id: Tensor) -> TokenLayout:
    return TokenLayout.of(torch.ones_like(image_id[None]) > 0, image_id[None])


def mask_by_package(image_id: Tensor, window: int | None) -> Tensor:
    layout = layout_of(image_id)
    return attention_mask(layout, layout, window)[0]


def mask_by_predicates(image_id: Tensor, window: int | None) -> Tensor:
    layout = layout_of(image_id)
    mask = causal(layout, layout) | same_image(layout, layout)
    return (mask if window is None else mask & within_window(layout, layout, window))[0]


def mask_by_triangles(image_id: Tensor, window: int | None) -> Tensor:
    own = (image_id[:, None] == image_id) * image_id.clamp(max=1)
    mask = torch.ones_like(own).tril() + own > 0
    return mask if window is None else mask.triu(1 - window)


def mask_by_block_diagonal(image_id: Tensor, window: int | None) -> Tensor:
    runs, lengths = image_id.unique_consecutive(return_counts=True)
    blocks = [
        torch.ones(n, n) if run else torch.zeros(n, n)
        for run, n in zip(runs.tolist(), lengths.tolist(), strict=True)
    ]
    place = torch.arange(len(image_id))
    mask = torch.block_diag(*blocks).bool() | (place[None, :] <= place[:, None])
    return mask & (place[:, None] - place < (window or math.inf))


@pytest.mark.parametrize("answer", [mask_by_package, mask_by_triangles])
def test_right_masks(answer):
    check_mixed_mask(answer)


@pytest.mark.parametrize("answer", [mask_by_predicates, mask_by_block_diagonal])
def test_right_small_masks(answer):
    check_small_mixed_masks(answer)


def mask_of_short_rows(image_id: Tensor, window: int | None) -> Tensor:
    return mask_by_package(image_id, None if len(image_id) > 60 else window)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("right in the small cases, but nano, which read a row of ", mask_of_short_rows),
        ("gave numbers to add to scores", lambda i, w: mask_by_package(i, w).float().log()),
        ("`and`, `or` and `if` want", lambda i, w: i[:, None] == i[None, :] and i[:, None] > 0),
        ("got shape (1, 4, 4), expected (4, 4)", lambda i, w: mask_by_package(i, w)[None]),
        ("got dtype int64, expected bool", lambda i, w: mask_by_package(i, w).long()),
    ],
)
def test_wrong_masks(words: str, answer):
    assert message(check_mixed_mask, answer).startswith(words)


# check_text_loss


def loss_by_selection(logits: Tensor, ids: Tensor, soft: int) -> Tensor:
    wanted = ids[:, 1:]
    return F.cross_entropy(logits[:, :-1][wanted != soft], wanted[wanted != soft])


def loss_by_ignored_index(logits: Tensor, ids: Tensor, soft: int) -> Tensor:
    wanted = ids.masked_fill(ids == soft, -100)[:, 1:]
    return nn.CrossEntropyLoss()(logits[:, :-1].mT, wanted)


def loss_by_ignoring_soft(logits: Tensor, ids: Tensor, soft: int) -> Tensor:
    flat = logits[:, :-1].flatten(0, 1)
    return F.cross_entropy(flat, ids[:, 1:].flatten(), ignore_index=soft)


def loss_by_weights(logits: Tensor, ids: Tensor, soft: int) -> Tensor:
    said = logits.log_softmax(-1)[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    weights = (ids[:, 1:] != soft).float()
    return -(said * weights).sum() / weights.sum()


LOSSES = [loss_by_selection, loss_by_ignored_index, loss_by_ignoring_soft, loss_by_weights]


@pytest.mark.parametrize("answer", LOSSES)
def test_right_losses(answer):
    check_text_loss(answer)


def test_a_loss_that_is_a_number_of_python_is_told_what_is_expected():
    said = message(check_text_loss, lambda *case: loss_by_weights(*case).item())
    assert said.startswith("expected a tensor, got float")


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
