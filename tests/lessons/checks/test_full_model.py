"""The checks on the whole model accept what is right, however written."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gemma3_edu.lessons.checks.full_model import (
    check_batch,
    check_join,
    check_row,
    colleagues_join,
)
from gemma3_edu.lessons.checks.needed import check_needed
from tests.lessons.checks.messages import message

# check_row


def by_parts(pictures: int, frames: int, words: int) -> tuple[int, int]:
    soft = 16 * 16 * (pictures + frames)
    return soft + 4 * (pictures + frames) + words, soft


@pytest.mark.parametrize("answer", [by_parts, lambda *case: list(by_parts(*case))])
def test_right_lengths(answer):
    check_row(answer)


# check_join


def refuse_misfits(soft: Tensor, vectors: Tensor) -> None:
    if soft.sum() != vectors.shape[0] * vectors.shape[1]:
        raise ValueError(f"{len(vectors)} pictures for {int(soft.sum())} places")


def by_package(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    refuse_misfits(soft, vectors)
    return words.masked_scatter(soft[:, :, None], vectors.flatten(0, 1))


def by_index(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    refuse_misfits(soft, vectors)
    x = words.clone()
    x[soft] = vectors.reshape(-1, words.shape[-1])
    return x


def by_counting(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    refuse_misfits(soft, vectors)
    number = (soft.flatten().cumsum(0) - 1).clamp(min=0).view(soft.shape)
    return torch.where(soft[:, :, None], vectors.flatten(0, 1)[number], words)


def by_walking(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    x, waiting = words.clone(), iter(vectors.flatten(0, 1))
    places = soft.nonzero()
    if len(places) != vectors.shape[:2].numel():
        raise ValueError
    for b, t in places:
        x[b, t] = next(waiting)
    return x


def by_strict_zip(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    x = words.clone()
    for (b, t), vector in zip(soft.nonzero(), vectors.flatten(0, 1), strict=True):
        x[b, t] = vector
    return x


@pytest.mark.parametrize("answer", [by_package, by_index, by_counting, by_walking, by_strict_zip])
def test_right_joins(answer):
    check_join(answer)


def test_a_join_in_place_is_refused():
    def in_place(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
        words[soft] = vectors.flatten(0, 1)
        return words

    assert message(check_join, in_place).startswith("changed words in place")


def test_a_join_without_a_name_comes_with_its_case():
    def first_row_off(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
        return by_package(words, soft, vectors) + (torch.arange(len(words)) == 1)[:, None, None]

    assert message(check_join, first_row_off) == (
        "at (1, 0, 0): got 22, expected 21; 40 of 80 values differ"
        " (rows ..##.##. ######.., pictures of 2 tokens)"
    )


def test_an_error_of_torch_where_they_do_not_fit_is_refused():
    def indexed(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
        x = words.clone()
        x[soft] = vectors.flatten(0, 1)
        return x

    assert message(check_join, indexed) == (
        "vectors were left over: that ended in RuntimeError; raise a ValueError instead"
        " (row .##.., 2 pictures of 2 tokens)"
    )


def test_a_count_in_each_row_is_told_to_count_over_the_batch():
    def by_rows(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
        for row in soft:
            if row.sum() != vectors.shape[0] * vectors.shape[1]:
                raise ValueError("too few places")
        return by_package(words, soft, vectors)

    assert message(check_join, by_rows) == (
        "places and vectors fit here; count both over the whole batch (it raised ValueError: too"
        " few places) (rows ..##.##. ######.., pictures of 2 tokens)"
    )


def test_a_count_of_whole_pictures_is_refused():
    def by_pictures(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
        if soft.sum() // vectors.shape[1] != len(vectors):
            raise ValueError("pictures and places")
        number = (soft.flatten().cumsum(0) - 1).clamp(min=0).view(soft.shape)
        flat = vectors.flatten(0, 1)
        return torch.where(soft[:, :, None], flat[number % len(flat)], words)

    assert message(check_join, by_pictures) == (
        "there were too few vectors, and nothing was raised; raise a ValueError"
        " (row .###., 1 picture of 2 tokens)"
    )


# check_batch


@pytest.mark.parametrize(
    "rows",
    [
        [".##.", ".##."],
        ["##", "##"],
        (".##.##.", "....##."),
        ["....", ".##.", "##.."],
        [".##.##.##", "##......."],
    ],
)
def test_batches_that_show_the_mistake(rows):
    check_batch(lambda: rows)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([".##.##."], "the colleague is right here, as in every single conversation (.##.##.)"),
        ([".##.", "...."], "the colleague is right here: only one conversation has pictures"),
        (["....", ".##.", "...."], "only one conversation has pictures (.... .##. ....)"),
        ([".##.", ".##"], "the conversations differ in length; pad the short ones with '.'"),
        ([".####.", ".##..."], "4 places in a run; a picture takes two places, and text"),
        ([".#..", ".##."], "1 place in a run; a picture takes two places"),
        (["....", "...."], "there is no picture in it (.... ....)"),
        ([".xx.", ".xx."], "['x'] is neither '.' nor '#'; return a list of texts"),
        ([".##." * 30] * 2, "this is a large batch; a small one is enough"),
        ([], "got list; return a list of texts, one a conversation"),
        (".##.", "got str; return a list of texts, one a conversation"),
        ([[0, 1, 1, 0]], "got list; return a list of texts, one a conversation"),
        (None, "returned nothing; end the function with `return`"),
    ],
)
def test_batches_that_do_not(rows, sentence):
    assert sentence in message(check_batch, lambda: rows)


def test_the_colleague_is_right_about_one_conversation():
    image_id = torch.tensor([[0, 1, 1, 0, 2, 2, 0]])
    words, vectors = -torch.ones(1, 7, 3), torch.arange(12.0).view(2, 2, 3)
    joined = colleagues_join(words, image_id, vectors)
    assert joined.equal(by_package(words, image_id > 0, vectors))


# check_needed

Answer = Callable[[Tensor], str]


def in_a_loop(answer: Answer, images: Tensor, others: Tensor) -> list[bool]:
    found = []
    for n in range(len(images)):
        changed = images.clone()
        changed[n] = others[n]
        found.append(answer(changed) != answer(images))
    return found


def by_concatenation(answer: Answer, images: Tensor, others: Tensor) -> list[bool]:
    said = answer(images)
    return [
        answer(torch.cat([images[:n], others[n : n + 1], images[n + 1 :]])) != said
        for n in range(images.shape[0])
    ]


def and_back_again(answer: Answer, images: Tensor, others: Tensor) -> list[bool]:
    work, said, found = images.clone(), answer(images), []
    for n, other in enumerate(others):
        work[n] = other
        found.append(said != answer(work))
        work[n] = images[n]
    return found


@pytest.mark.parametrize("answer", [in_a_loop, by_concatenation, and_back_again])
def test_right_experiments(answer):
    check_needed(answer)


def test_an_experiment_in_the_callers_pictures_is_refused():
    def in_place(answer: Answer, images: Tensor, others: Tensor) -> list[bool]:
        said, found = answer(images), []
        for n in range(len(images)):
            images[n] = others[n]
            found.append(answer(images) != said)
        return found

    assert message(check_needed, in_place).startswith("changed images in place")
