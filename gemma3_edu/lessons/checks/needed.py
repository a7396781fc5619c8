"""The check of the exercise on what an answer needs: exchange one picture, and see if it changes.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 4", check_needed, lambda answer, images, others: [True] * len(images))
Exercise 4: got [True, True, True], expected [False, True, False]
    (an answer that reads the second picture)
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .grading import Case, Check

Answer = Callable[[Tensor], str]
Needs = Callable[[Answer, Tensor, Tensor], list[bool]]


def _answers() -> dict[str, Case]:
    """Answers that read the mean of some pictures; no two pictures have the same."""
    images = torch.arange(3.0)[:, None, None, None] + torch.zeros(3, 3, 2, 2)
    images[:, :, 0, 0] += 3  # none is of one colour
    others = images.flip(0) + 10

    def second(images: Tensor) -> str:
        return f"{images[1].mean():.2f}"

    def first_and_last(images: Tensor) -> str:
        return f"{images[0].mean():.2f}, {images[2].mean():.2f}"

    def one_bright(images: Tensor) -> str:
        return "yes" if bool((images.mean((1, 2, 3)) > 9).any()) else "no"

    def mostly_bright(images: Tensor) -> str:
        return "yes" if int((images.mean((1, 2, 3)) > 9).sum()) > 1 else "no"

    def first_is_brighter(images: Tensor) -> str:
        return "yes" if bool(images[0].mean() > images[1].mean()) else "no"

    def last_exceeds(images: Tensor) -> str:
        return "yes" if bool(images[2].mean() > 12) else "no"

    def first_exceeds(images: Tensor) -> str:
        return "yes" if bool(images[0].mean() > 12) else "no"

    def patterned(images: Tensor) -> str:
        return f"{int((images.amax((1, 2, 3)) > images.amin((1, 2, 3))).sum())}"

    def always(images: Tensor) -> str:
        return "a star"

    return {
        "an answer that reads the second picture": (second, images, others),
        "an answer that reads the first and the third": (first_and_last, images, others),
        "an answer that needs two bright pictures": (mostly_bright, images, others),
        "an answer that finds a bright picture": (one_bright, images, others),
        "an answer that compares the first with the second": (first_is_brighter, images, others),
        "an answer that asks whether the third is very bright": (last_exceeds, images, others),
        "an answer that asks whether the first is very bright": (first_exceeds, images, others),
        "an answer that counts pictures of more than one colour": (patterned, images, others),
        "an answer that is always the same": (always, images, others),
    }


def _needed(
    changed: Callable[[Tensor, Tensor, int], Tensor],
    judged: Callable[[str, str], bool] = lambda before, after: before != after,
) -> Needs:
    def needed(answer: Answer, images: Tensor, others: Tensor) -> list[bool]:
        before = answer(images)
        return [judged(before, answer(changed(images, others, n))) for n in range(len(images))]

    return needed


def _with(images: Tensor, others: Tensor, n: int) -> Tensor:
    numbers = torch.arange(len(images))[:, None, None, None]
    return images.where(numbers != n, others)


def _rows_like(images: Tensor, row: Tensor, n: int) -> Tensor:
    return _with(images, row.expand_as(images), n)


def _step_by_step(answer: Answer, images: Tensor, others: Tensor) -> list[bool]:
    before, found = answer(images), []
    for n in range(len(images)):
        after = answer(others.where(torch.arange(len(images))[:, None, None, None] <= n, images))
        found.append(after != before)
        before = after
    return found


check_needed = Check(
    """`fn(answer, images, others)` says of each picture whether the answer needs it.

    `answer` makes a text of pictures (I, 3, Y, X). A picture is needed if the answer changes when
    this picture alone is exchanged for the one of `others` with the same number. The result is a
    list of I booleans.
    """,
    "answer images others",
    _needed(_with),
    _answers,
    {
        "a picture stays exchanged when the next one is; begin again from `images` each time": [
            _needed(lambda a, b, n: b.where(torch.arange(len(a))[:, None, None, None] <= n, a)),
            _step_by_step,
        ],
        "all but one picture were exchanged; exchange one alone": _needed(
            lambda a, b, n: _with(b, a, n)
        ),
        "all pictures were exchanged at once; exchange one alone": _needed(lambda a, b, n: b),
        "True where the answer stays; a picture is needed if the answer changes": _needed(
            _with, lambda before, after: before == after
        ),
        "each picture was exchanged for the first of `others`; take the one of its own number": (
            _needed(lambda a, b, n: _rows_like(a, b[:1], n))
        ),
        "`others` was read from its end; take the one of the picture's own number": (
            _needed(lambda a, b, n: _rows_like(a, b[len(b) - 1 - n][None], n))
        ),
        "the picture was covered with one colour; put the one of `others` in its place": [
            _needed(lambda a, b, n: _rows_like(a, a[n].mean((1, 2), keepdim=True)[None], n)),
            _needed(lambda a, b, n: _rows_like(a, torch.zeros(1, 3, 1, 1), n)),
        ],
        "the picture was taken out, so that those after it moved up; put another in its place": (
            _needed(lambda a, b, n: torch.cat([a[:n], a[n + 1 :], a[-1:]]))
        ),
        "nothing was exchanged": _needed(lambda a, b, n: a),
    },
)
