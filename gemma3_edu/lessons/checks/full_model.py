"""Checks of the exercises on the whole model: joining, a map over a picture, a weight table.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 1", check_join, lambda words, soft, vectors: words.clone())
Exercise 1: the places of the pictures still hold words; write the vectors there (row .#, pictures
    of 1 token: got [[[-1, -2], [-3, -4]]], expected [[[-1, -2], [1, 2]]])
"""

from collections.abc import Callable, Mapping
from math import isqrt

import torch
from torch import Tensor
from torch.nn import functional as F

from .grading import Case, Check

Table = Mapping[str, tuple[str, ...]]
Join = Callable[[Tensor, Tensor, Tensor], Tensor]
PixelMap = Callable[[Tensor, int, int], Tensor]

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


check_join = Check(
    """`fn(words, soft, vectors)` writes the pictures' vectors into the row of words' vectors.

    `words` is Float[B T D] and stays as it is; `soft` is Bool[B T], True at each soft token;
    `vectors` is Float[I M D], picture by picture, in the order of their places: row by row, left
    to right.
    """,
    "words soft vectors",
    _joined,
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
)


# A map over a picture


def _pictures() -> list[Case]:
    sizes = [(1, 2, 1), (2, 2, 4), (2, 4, 6), (3, 12, 6), (4, 8, 20)]
    return [(torch.arange(1.0, side**2 + 1) ** 2 / 8, *picture) for side, *picture in sizes]


def _by_pixel(values: Tensor, height: int, width: int) -> Tensor:
    side, want = isqrt(len(values)), torch.empty(height, width)
    for y in range(height):
        for x in range(width):
            want[y, x] = values[(y * side // height) * side + x * side // width]
    return want


def _square(values: Tensor) -> Tensor:
    return values.view(isqrt(len(values)), -1)


def _from(change: Callable[[Tensor], Tensor]) -> PixelMap:
    """The right map of another square of values."""
    return lambda values, *picture: _by_pixel(change(_square(values)).flatten(), *picture)


def _blended(corners: bool) -> PixelMap:
    return lambda values, *picture: F.interpolate(
        _square(values)[None, None], picture, mode="bilinear", align_corners=corners
    )[0, 0]


check_pixel_map = Check(
    """`fn(values, height, width)` lays M values over a picture: Float[height width].

    The M = side * side soft tokens are squares of the picture in reading order, stretched with it;
    every pixel takes the value of its square. `height` and `width` are multiples of `side`.
    """,
    "values height width",
    _by_pixel,
    _pictures,
    {
        "read column by column; soft tokens come row by row": _from(lambda square: square.T),
        "upside down: the first soft tokens are the top row": _from(lambda square: square.flip(0)),
        "mirrored: the first soft token of a row is at the left": _from(
            lambda square: square.flip(1)
        ),
        "the map was repeated like tiles; each value takes one connected block of pixels": (
            lambda values, y, x: _square(values).repeat(
                y // len(_square(values)), x // len(_square(values))
            )
        ),
        "blended between squares; one value a square is all that is known": [
            _blended(corners=False),
            _blended(corners=True),
        ],
        "divided among the pixels of a square; every pixel takes the whole value": (
            lambda values, y, x: _by_pixel(values * len(values) / (y * x), y, x)
        ),
        "scaled to a largest value of 1; keep the values": _from(
            lambda square: square / square.max()
        ),
        "height and width are swapped": lambda values, y, x: _by_pixel(values, x, y),
        "one value a square; give one a pixel": lambda values, y, x: _square(values),
    },
)


# A table of names

_TABLE: Table = {
    "words.": ("text.model.", "model.text.", "model."),
    "eye.": ("sight.model.", "model.sight."),
    "eye.out.": ("model.sight.out.joint.", "joint."),
}
_NAMES = [
    "text.model.layers.0.q.weight",
    "model.layers.0.q.weight",
    "model.text.layers.11.q.weight",
    "sight.model.layers.3.q.bias",
    "model.sight.norm.weight",
    "joint.weight",
    "model.sight.out.joint.weight",
    "text.model.layers.2.model.gate",
    "model.layers.2.joint.model.gate",
    "optimizer.step",
    "old.text.model.norm.weight",
    "models.norm.weight",
]


def _pairs(table: Table) -> list[tuple[str, str]]:
    return [(ours, theirs) for ours, spellings in table.items() for theirs in spellings]


def _longest(name: str, table: Table) -> tuple[str, str] | None:
    fits = [(ours, theirs) for ours, theirs in _pairs(table) if name.startswith(theirs)]
    return max(fits, key=lambda fit: len(fit[1]), default=None)


def _our_name(name: str, table: Table) -> str | None:
    fit = _longest(name, table)
    return fit and fit[0] + name.removeprefix(fit[1])


def _first(name: str, table: Table) -> str | None:
    for ours, theirs in _pairs(table):
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return None


def _last(name: str, table: Table) -> str | None:
    return _first(name, dict(reversed([(o, s[::-1]) for o, s in table.items()])))


def _anywhere(name: str, table: Table) -> str | None:
    for ours, theirs in _pairs(table):
        if theirs in name:
            return name.replace(theirs, ours, 1)
    return None


def _everywhere(name: str, table: Table) -> str | None:
    fit = _longest(name, table)
    return fit and name.replace(fit[1], fit[0])


check_our_name = Check(
    """`fn(name, table)` is our name for a tensor in a file, or None if it is none of ours.

    `table` gives, by our prefix, the prefixes that files have in its place; what follows is the
    same on both sides. Where several fit, the longest decides, wherever in the table it stands.
    """,
    "name table",
    _our_name,
    lambda: {name: (name, _TABLE) for name in _NAMES},
    {
        "an unknown name was let through; give None, so that a loader can complain": (
            lambda name, table: _our_name(name, table) or name
        ),
        "the file's prefix was taken away and ours not put in its place": lambda name, table: (
            _our_name(name, {"": tuple(theirs for _, theirs in _pairs(table))})
        ),
        "only the first prefix of each row was tried; a row may have several": lambda name, table: (
            _our_name(name, {ours: spellings[:1] for ours, spellings in table.items()})
        ),
        "the first prefix that fits was taken; try the longest first": _first,
        "the last prefix that fits was taken; try the longest first": _last,
        "the prefix was replaced wherever it occurs; change it at the beginning": _everywhere,
        "the prefix was looked for anywhere in the name; it is at the beginning": _anywhere,
    },
)
