"""Checks of the exercises on the whole model: joining, a map over a picture, a weight table.

>>> check_join(lambda words, soft, vectors: words.clone())
Traceback (most recent call last):
AssertionError: the places of the pictures still hold words; write the vectors there
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from .compare import compare

Table = Mapping[str, tuple[str, ...]]
Join = Callable[[Tensor, Tensor, Tensor], Any]


def check_join(fn: Join) -> None:
    """`fn(words, soft, vectors)` writes the pictures' vectors into the row of words' vectors.

    `words` is Float[B T D] and stays as it is; `soft` is Bool[B T], True where a soft token stands;
    `vectors` is Float[I M D], picture by picture, in the order in which their places stand: row by
    row, left to right.
    """
    for marks, size in [("..##.##. ######..", 2), ("###..###. ......... .###.....", 3)]:
        soft = torch.tensor([[mark == "#" for mark in row] for row in marks.split()])
        width, shape = 5, soft.shape
        words = -torch.arange(1.0, 1 + soft.numel() * width).view(*shape, width)
        count = int(soft.sum())
        vectors = torch.arange(1.0, 1 + count * width).view(count // size, size, width)
        given = words.clone()
        got = fn(words, soft, vectors)
        assert words.equal(given), "changed `words` in place; the caller still needs it: copy first"
        want = _joined(words, soft, vectors.flatten(0, 1))
        compare(got, want, [(told, slip(words, soft, vectors)) for told, slip in _JOIN_SLIPS])


def _joined(words: Tensor, soft: Tensor, flat: Tensor) -> Tensor:
    x, place = words.clone(), 0
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            if soft[b, t]:
                x[b, t] = flat[place % len(flat)]
                place += 1
    return x


def _by_column(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    x, places = words.clone(), soft.T.nonzero()
    x[places[:, 1], places[:, 0]] = vectors.flatten(0, 1)
    return x


def _same_index(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    flat = vectors.flatten(0, 1)
    laid = flat[torch.arange(soft.shape[1]) % len(flat)].expand_as(words)
    return torch.where(soft[:, :, None], laid, words)


def _restarting(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    rows = [
        _joined(x[None], s[None], vectors.flatten(0, 1)) for x, s in zip(words, soft, strict=True)
    ]
    return torch.cat(rows)


_JOIN_SLIPS: list[tuple[str, Join]] = [
    (
        "the places of the pictures still hold words; write the vectors there",
        lambda words, soft, vectors: words,
    ),
    (
        "the vectors were added to the words' vectors; they take their place",
        lambda w, s, v: w * s[:, :, None] + _joined(w, s, v.flatten(0, 1)),
    ),
    (
        "only the first picture was used, again and again; go through all of them",
        lambda w, s, v: _joined(w, s, v[0]),
    ),
    (
        "column t took vector number t; the n-th soft place takes the n-th vector, wherever it is",
        _same_index,
    ),
    ("every row began with the first picture again; count on from row to row", _restarting),
    ("the places were filled column by column; fill one row, then the next", _by_column),
    (
        "the vectors were used last to first; the first place takes the first vector",
        lambda w, s, v: _joined(w, s, v.flatten(0, 1).flip(0)),
    ),
    (
        "the vectors of the pictures were taken in turns; one picture's vectors stand together",
        lambda w, s, v: _joined(w, s, v.transpose(0, 1).flatten(0, 1)),
    ),
    (
        "words and pictures are swapped: True in `soft` marks the pictures",
        lambda w, s, v: _joined(w, ~s, v.flatten(0, 1)),
    ),
    (
        "the vectors were scaled by sqrt(D); only words are",
        lambda w, s, v: _joined(w, s, v.flatten(0, 1) * w.shape[-1] ** 0.5),
    ),
]


def check_pixel_map(fn: Callable[[Tensor, int, int], Any]) -> None:
    """`fn(values, height, width)` lays M values over a picture: Float[height width].

    The M = side * side soft tokens are squares of the picture in reading order, stretched with it;
    every pixel takes the value of its square. `height` and `width` are multiples of `side`.
    """
    for side, height, width in [(2, 4, 6), (3, 12, 6), (4, 8, 20)]:
        values = torch.arange(1.0, side * side + 1) ** 2 / 8
        want = torch.empty(height, width)
        for y in range(height):
            for x in range(width):
                square = (y * side // height) * side + x * side // width
                want[y, x] = values[square]
        got = fn(values, height, width)
        if isinstance(got, Tensor):
            case = f"(side {side}, picture {height} x {width})"
            assert got.shape != (width, height), f"height and width are swapped {case}"
            assert got.shape != (side, side), f"one value a square; give one a pixel {case}"
        compare(got, want, _map_slips(values, side, height, width, want))


def _map_slips(
    values: Tensor, side: int, height: int, width: int, want: Tensor
) -> list[tuple[str, Tensor]]:
    grid = values.view(side, side)

    def stretched(small: Tensor) -> Tensor:
        return small.repeat_interleave(height // side, 0).repeat_interleave(width // side, 1)

    def smooth(corners: bool) -> Tensor:
        return torch.nn.functional.interpolate(
            grid[None, None], (height, width), mode="bilinear", align_corners=corners
        )[0, 0]

    blended = "blended between squares; there is no finer knowledge than one value a square"
    return [
        ("read column by column; soft tokens stand row by row", stretched(grid.T)),
        ("upside down: the first soft tokens are the top row", stretched(grid.flip(0))),
        ("mirrored: the first soft token of a row is at the left", stretched(grid.flip(1))),
        (
            "the map was repeated like tiles; each value takes one connected block of pixels",
            grid.repeat(height // side, width // side),
        ),
        (blended, smooth(False)),
        (blended, smooth(True)),
        (
            "divided among the pixels of a square; every pixel takes the whole value",
            want / ((height // side) * (width // side)),
        ),
        ("scaled to a largest value of 1; keep the values", want / values.max()),
    ]


def check_our_name(fn: Callable[[str, Table], Any]) -> None:
    """`fn(name, table)` is our name for a tensor in a file, or None if it is none of ours.

    `table` gives, by our prefix, the prefixes that files have in its place; what follows is the
    same on both sides. Where several fit, the longest decides, wherever in the table it stands.
    """
    got = {name: fn(name, _TABLE) for name in _NAMES}
    for answer in got.values():
        assert answer is None or isinstance(answer, str), f"expected a str or None, got {answer!r}"
    wrong = [f"{name} became {got[name]!r}" for name, want in _NAMES.items() if got[name] != want]
    for told, slip in _NAME_SLIPS if wrong else []:
        assert any(slip(name, _TABLE) != got[name] for name in _NAMES), f"{told}: {wrong[0]}"
    assert not wrong, f"{len(wrong)} of {len(_NAMES)} names are wrong: {wrong[0]}"


_TABLE: Table = {
    "words.": ("text.model.", "model.text.", "model."),
    "eye.": ("sight.model.", "model.sight."),
    "eye.out.": ("model.sight.out.joint.", "joint."),
}
_NAMES = {
    "text.model.layers.0.q.weight": "words.layers.0.q.weight",
    "model.layers.0.q.weight": "words.layers.0.q.weight",
    "model.text.layers.11.q.weight": "words.layers.11.q.weight",
    "sight.model.layers.3.q.bias": "eye.layers.3.q.bias",
    "model.sight.norm.weight": "eye.norm.weight",
    "joint.weight": "eye.out.weight",
    "model.sight.out.joint.weight": "eye.out.weight",
    "text.model.layers.2.model.gate": "words.layers.2.model.gate",
    "model.layers.2.joint.model.gate": "words.layers.2.joint.model.gate",
    "optimizer.step": None,
    "old.text.model.norm.weight": None,
    "models.norm.weight": None,
}


def _pairs(table: Table) -> list[tuple[str, str]]:
    return [(ours, theirs) for ours, spellings in table.items() for theirs in spellings]


def _longest(name: str, table: Table) -> tuple[str, str] | None:
    fits = [(ours, theirs) for ours, theirs in _pairs(table) if name.startswith(theirs)]
    return max(fits, key=lambda fit: len(fit[1]), default=None)


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


def _all_places(name: str, table: Table) -> str | None:
    fit = _longest(name, table)
    return None if fit is None else name.replace(fit[1], fit[0])


def _unknown_kept(name: str, table: Table) -> str:
    fit = _longest(name, table)
    return name if fit is None else fit[0] + name.removeprefix(fit[1])


def _dropped(name: str, table: Table) -> str | None:
    fit = _longest(name, table)
    return None if fit is None else name.removeprefix(fit[1])


def _one_spelling(name: str, table: Table) -> str | None:
    return _first(name, {ours: spellings[:1] for ours, spellings in table.items()})


_NAME_SLIPS: list[tuple[str, Callable[[str, Table], str | None]]] = [
    ("an unknown name was let through; give None, so that a loader can complain", _unknown_kept),
    ("the file's prefix was taken away and ours not put in its place", _dropped),
    ("only the first prefix of each row was tried; a row may have several", _one_spelling),
    ("the first prefix that fits was taken; a longer one fits too, try the longest first", _first),
    ("the last prefix that fits was taken; the longest decides", _last),
    ("the prefix was replaced wherever it occurs; change it at the beginning alone", _all_places),
    ("the prefix was looked for anywhere in the name; it stands at the beginning", _anywhere),
]
