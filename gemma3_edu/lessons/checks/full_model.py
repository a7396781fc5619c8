"""Checks of the exercises on the whole model: a row's length, joining, a batch joined wrongly.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 1", check_row, lambda pictures, frames, words: (260 * pictures, 0))
Exercise 1: got (260, 0), expected (263, 256) (pictures = 1, frames = 0, words = 3)
>>> attempt("Exercise 2", check_join, lambda words, soft, vectors: words.clone())
Exercise 2: the places of the pictures still hold words; write the vectors there (row .#, pictures
    of 1 token: got [[[-1, -2], [-3, -4]]], expected [[[-1, -2], [1, 2]]])
>>> attempt("Exercise 3", check_batch, lambda: [".##.", "...."])
Exercise 3: the colleague is right here: only one conversation has pictures (.##. ....)
"""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .grading import Case, Check, CheckError, Function, ask, require, standard_torch

Join = Callable[[Tensor, Tensor, Tensor], Tensor]

# How long the row is


def _row(
    place: int = 260,
    soft: int = 256,
    clip: Callable[[int], int] = lambda frames: frames,
    add: Callable[[int], int] = lambda words: words,
) -> Callable[[int, int, int], tuple[int, int]]:
    def row(pictures: int, frames: int, words: int) -> tuple[int, int]:
        seen = pictures + clip(frames)
        return place * seen + add(words), soft * seen

    return row


check_row = Check(
    """`fn(pictures, frames, words)` is how many tokens 4B's row has, and how many the tower fills.

    A conversation shows some pictures and a clip of so many frames, 0 for none, with `words` tokens
    of text besides.
    """,
    "pictures frames words",
    _row(),
    lambda: [(1, 0, 3), (0, 5, 7), (2, 16, 40), (3, 8, 0), (0, 0, 11)],
    {
        "a picture takes 260 places: 256 soft tokens, its start and end, and newlines around": [
            _row(256),
            _row(258),
            _row(259),
        ],
        "its start, its end and the newlines come from the table; the tower fills 256": _row(
            soft=260
        ),
        "4,096 patches become 256 soft tokens before they reach the row": [
            _row(4100, 4096),
            _row(4096, 4096),
            _row(260, 4096),
        ],
        "the clip is one picture here; each of its frames is a picture": _row(
            clip=lambda frames: int(frames > 0)
        ),
        "the clip is missing; each of its frames is a picture": _row(clip=lambda frames: 0),
        "the tokens of text are missing in the row": _row(add=lambda words: 0),
        "the tokens of text come from the table; the tower fills only those of pictures": (
            lambda pictures, frames, words: (
                260 * (pictures + frames) + words,
                256 * (pictures + frames) + words,
            )
        ),
        "the second number counts pictures; each of them brings 256 vectors": _row(soft=1),
        "the two numbers are exchanged; the whole row comes first": (
            lambda pictures, frames, words: _row()(pictures, frames, words)[::-1]
        ),
    },
)


# Joining


def _rows() -> dict[str, Case]:
    cases = {}
    for rows, size, width in [
        (".#", 1, 2),
        ("..##.##. ######..", 2, 5),
        ("###..###. ......... .###.....", 3, 5),
    ]:
        soft = torch.tensor([[mark == "#" for mark in row] for row in rows.split()])
        words = -torch.arange(1.0, 1 + soft.numel() * width).view(*soft.shape, width)
        vectors = torch.arange(1.0, 1 + int(soft.sum()) * width).view(-1, size, width)
        plural = "s" * (size > 1)
        cases[f"row{plural} {rows}, pictures of {size} token{plural}"] = (words, soft, vectors)
    return cases


def _fits(soft: Tensor, vectors: Tensor) -> bool:
    return int(soft.sum()) == vectors.shape[0] * vectors.shape[1]


def _ask(fn: Function, words: Tensor, soft: Tensor, vectors: Tensor) -> Any:
    """The answer; where vectors and places do not fit, whether it was a ValueError."""
    if _fits(soft, vectors):
        try:
            return ask(fn, words, soft, vectors)
        except ValueError as error:
            fit = "places and vectors fit here; count both over the whole batch"
            raise CheckError(f"{fit} (it raised ValueError: {error})") from error
    many = vectors.shape[0] * vectors.shape[1] > int(soft.sum())
    which = "vectors were left over" if many else "there were too few vectors"
    try:
        ask(fn, words, soft, vectors)
    except ValueError:
        return "ValueError"
    except (CheckError, NotImplementedError):
        raise
    except Exception as error:
        kind = type(error).__name__
        raise CheckError(f"{which}: that ended in {kind}; raise a ValueError instead") from error
    raise CheckError(f"{which}, and nothing was raised; raise a ValueError")


def _right(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    if not _fits(soft, vectors):
        raise ValueError("vectors and places")
    return _joined(words, soft, vectors)


def _misfits() -> dict[str, Case]:
    cases = {}
    for row, pictures in [(".##..", 2), (".##.##.", 1), (".....", 1), (".###.", 1)]:
        soft = torch.tensor([[mark == "#" for mark in row]])
        words = -torch.arange(1.0, 1 + 3 * len(row)).view(1, -1, 3)
        name = f"row {row}, {pictures} picture{'s' * (pictures > 1)} of 2 tokens"
        cases[name] = (words, soft, torch.arange(1.0, 1 + 6 * pictures).view(pictures, 2, 3))
    return cases


def _joined(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    x, flat, place = words.clone(), vectors.reshape(-1, words.shape[-1]), 0
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            if soft[b, t]:
                x[b, t] = flat[place % len(flat)]
                place += 1
    return x


def _by_column(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    return _joined(words.transpose(0, 1), soft.T, vectors).transpose(0, 1)


def _same_index(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    flat = vectors.flatten(0, 1)
    repeated = flat[torch.arange(soft.shape[1]) % len(flat)].expand_as(words)
    return torch.where(soft[:, :, None], repeated, words)


def _restarting(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    rows = zip(words, soft, strict=True)
    return torch.cat([_joined(x[None], s[None], vectors) for x, s in rows])


def _turned_in_rows(soft: Tensor, vectors: Tensor) -> Tensor:
    pictures = (soft.sum(1) // vectors.shape[1]).tolist()
    return torch.cat([part.flip(0) for part in vectors.split(pictures)])


def _after_the_first(soft: Tensor, vectors: Tensor) -> Tensor:
    return soft & (soft.cumsum(1) > vectors.shape[1])


def _only_left_over(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    if vectors.shape[0] * vectors.shape[1] > int(soft.sum()):
        raise ValueError("vectors are left over")
    return _joined(words, soft, vectors)


def _scattered(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    if vectors.shape[0] * vectors.shape[1] > int(soft.sum()):
        raise ValueError("vectors are left over")
    return words.masked_scatter(soft[:, :, None], vectors)


def _popped(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    places, x = [tuple(place) for place in soft.nonzero().tolist()], words.clone()
    for vector in vectors.flatten(0, 1):
        x[places.pop(0)] = vector
    return x


check_join = Check(
    """`fn(words, soft, vectors)` writes the pictures' vectors into the row of words' vectors.

    `words` is Float[B T D] and stays as it is; `soft` is Bool[B T], True at each soft token;
    `vectors` is Float[I M D], picture by picture, in the order of their places: row by row, left
    to right. Where vectors and places do not fit in number, it raises a ValueError.
    """,
    "words soft vectors",
    _right,
    _rows,
    {
        "the places of the pictures still hold words; write the vectors there": (
            lambda words, soft, vectors: words
        ),
        "the vectors were added to the words' vectors; they take their place": lambda w, s, v: (
            w * s[:, :, None] + _joined(w, s, v)
        ),
        "only the first picture was used, again and again; go through all of them": (
            lambda w, s, v: _joined(w, s, v[0])
        ),
        "column t took vector number t; the n-th soft place takes the n-th vector": _same_index,
        "every row began with the first picture again; count on from row to row": _restarting,
        "the places were filled column by column; fill one row, then the next": _by_column,
        "the vectors were used last to first; the first place takes the first vector": (
            lambda w, s, v: _joined(w, s, v.flip(0, 1))
        ),
        "the pictures were used last to first; the first places take the first picture": (
            lambda w, s, v: _joined(w, s, v.flip(0))
        ),
        "within each row the last picture came first; go from left to right": (
            lambda w, s, v: _joined(w, s, _turned_in_rows(s, v))
        ),
        "only the first picture of each row was written": lambda w, s, v: _joined(w, s, v).where(
            _after_the_first(s, v)[:, :, None].logical_not(), w
        ),
        "the vectors of the pictures were taken in turns; one picture's belong together": (
            lambda w, s, v: _joined(w, s, v.transpose(0, 1))
        ),
        "words and pictures are swapped: True in `soft` marks the pictures": lambda w, s, v: (
            _joined(w, ~s, v)
        ),
        "the vectors were scaled by sqrt(D); only words are": lambda w, s, v: _joined(
            w, s, v * w.shape[-1] ** 0.5
        ),
    },
    call=_ask,
).then(
    _misfits,
    {
        "vectors were left over, and nothing was raised; raise a ValueError": _joined,
        "there were too few vectors, and nothing was raised; raise a ValueError": _only_left_over,
        "there were too few vectors: that ended in RuntimeError; raise a ValueError instead": (
            _scattered
        ),
        "vectors were left over: that ended in IndexError; raise a ValueError instead": _popped,
    },
)


# A batch that shows a mistake


def colleagues_join(words: Tensor, image_id: Tensor, vectors: Tensor) -> Tensor:
    """Picture n of each row gets vectors[n - 1], although n begins anew in each row."""
    joined = words.clone()
    for row, ids in zip(joined, image_id, strict=True):
        for n in range(1, int(ids.max()) + 1):
            row[ids == n] = vectors[n - 1]
    return joined


_LIKE = "return a list of texts, one a conversation, such as ['.##.##.']"


@standard_torch()
def check_batch(fn: Function) -> None:
    """`fn()` is a batch in which the colleague's joining takes a wrong vector.

    A text for each conversation, all of one length: `.` is a token of text or padding, and each
    picture takes two places, `##`, with text between two pictures.
    """
    rows = ask(fn)
    require(rows is not None, "returned nothing; end the function with `return`")
    texts = isinstance(rows, list | tuple) and all(isinstance(row, str) for row in rows)
    require(texts and rows, f"got {type(rows).__name__}; {_LIKE}")
    require(sum(map(len, rows)) <= 200, "this is a large batch; a small one is enough")
    told = repr(" ".join(rows))[1:-1]
    strange = sorted(set("".join(rows)) - {".", "#"})
    require(not strange, f"{strange[:1]} is neither '.' nor '#'; {_LIKE}")
    if len({len(row) for row in rows}) > 1:
        raise CheckError("the conversations differ in length; pad the short ones with '.'", told)
    for run in re.findall("#+", " ".join(rows)):
        if len(run) != 2:
            why = "a picture takes two places, and text stands between two pictures"
            plural = "s" * (len(run) > 1)
            raise CheckError(f"{len(run)} place{plural} in a run; {why}", told)
    if not any("#" in row for row in rows):
        raise CheckError("there is no picture in it", told)
    if len(rows) == 1:
        raise CheckError("the colleague is right here, as in every single conversation", told)
    image_id = torch.zeros(len(rows), len(rows[0]), dtype=torch.long)
    for row, text in zip(image_id, rows, strict=True):
        for n, found in enumerate(re.finditer("##", text), 1):
            row[found.start() : found.end()] = n
    words = torch.zeros(*image_id.shape, 1)
    vectors = torch.arange(1.0, 1 + int((image_id > 0).sum())).view(-1, 2, 1)
    if colleagues_join(words, image_id, vectors).equal(_joined(words, image_id > 0, vectors)):
        raise CheckError("the colleague is right here: only one conversation has pictures", told)
