"""The checks on the whole model accept what is right, however written, and name each slip."""

import re

import pytest
import torch
from torch import Tensor

from gemma3_edu.hub.weights import IGNORED, TEXT_ONLY, WEIGHT_MAP, our_name
from gemma3_edu.lessons.checks import full_model as checks
from gemma3_edu.lessons.checks.full_model import check_join, check_our_name, check_pixel_map
from gemma3_edu.lessons.figures.full_model import to_pixels


def refused(check, sentence: str, answer) -> None:
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check(answer)


# check_join


def by_package(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    return words.masked_scatter(soft[:, :, None], vectors.flatten(0, 1))


def by_loop(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    x, following = words.clone(), iter(vectors.flatten(0, 1))
    for b, t in soft.nonzero().tolist():
        x[b, t] = next(following)
    return x


def by_index(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    x = words.clone()
    x[soft] = vectors.reshape(-1, words.shape[-1])
    return x


def by_counting(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    number = (soft.flatten().cumsum(0) - 1).clamp(min=0).view(soft.shape)
    return torch.where(soft[:, :, None], vectors.flatten(0, 1)[number], words)


@pytest.mark.parametrize("answer", [by_package, by_loop, by_index, by_counting])
def test_right_joins(answer):
    check_join(answer)


def in_place(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    words[soft] = vectors.flatten(0, 1)
    return words


def only_the_first(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    return by_counting(words, soft, vectors[:1].expand_as(vectors))


def by_column_number(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    flat = vectors.flatten(0, 1)
    places = torch.arange(soft.shape[1]) % len(flat)
    return torch.where(soft[:, :, None], flat[places][None], words)


def row_by_row_anew(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    rows = zip(words, soft, strict=True)
    return torch.cat([by_counting(x[None], s[None], vectors) for x, s in rows])


def column_by_column(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    return by_index(words.transpose(0, 1), soft.T, vectors).transpose(0, 1)


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        ("changed `words` in place; the caller still needs it: copy first", in_place),
        (
            "the places of the pictures still hold words; write the vectors there",
            lambda words, soft, vectors: words.clone(),
        ),
        (
            "the vectors were added to the words' vectors; they take their place",
            lambda w, s, v: w + by_package(torch.zeros_like(w), s, v),
        ),
        (
            "only the first picture was used, again and again; go through all of them",
            only_the_first,
        ),
        (
            "column t took vector number t; the n-th soft place takes the n-th vector, wherever"
            " it is",
            by_column_number,
        ),
        (
            "every row began with the first picture again; count on from row to row",
            row_by_row_anew,
        ),
        (
            "the places were filled column by column; fill one row, then the next",
            column_by_column,
        ),
        (
            "the vectors were used last to first; the first place takes the first vector",
            lambda w, s, v: by_package(w, s, v.flip(0, 1)),
        ),
        (
            "the vectors of the pictures were taken in turns; one picture's vectors stand together",
            lambda w, s, v: by_package(w, s, v.transpose(0, 1).contiguous()),
        ),
        (
            "words and pictures are swapped: True in `soft` marks the pictures",
            lambda w, s, v: by_counting(w, ~s, torch.cat([v] * 9)),
        ),
        (
            "the vectors were scaled by sqrt(D); only words are",
            lambda w, s, v: by_package(w, s, v * v.shape[-1] ** 0.5),
        ),
        ("expected a tensor, got list", lambda w, s, v: by_package(w, s, v).tolist()),
        (
            "shape (2, 16, 5), expected (2, 8, 5)",
            lambda w, s, v: by_package(w, s, v).repeat(1, 2, 1),
        ),
        # no slip of its own
        (
            "5 of 80 values differ by more than 1e-05, first at (0, 2, 0): got 2, expected 1",
            lambda w, s, v: by_package(w, s, torch.cat([v[:1] + torch.eye(2)[0][:, None], v[1:]])),
        ),
    ],
)
def test_wrong_joins(sentence, answer):
    refused(check_join, sentence, answer)


# check_pixel_map


def looped(values: Tensor, height: int, width: int) -> Tensor:
    side = round(len(values) ** 0.5)
    rows = [
        [values[(y * side // height) * side + x * side // width] for x in range(width)]
        for y in range(height)
    ]
    return torch.tensor(rows)


def repeated(values: Tensor, height: int, width: int) -> Tensor:
    side = round(len(values) ** 0.5)
    rows = values.view(side, side).repeat_interleave(height // side, 0)
    return rows.repeat_interleave(width // side, 1)


def by_torch(values: Tensor, height: int, width: int) -> Tensor:
    side = round(len(values) ** 0.5)
    grid = values.view(1, 1, side, side)
    return torch.nn.functional.interpolate(grid, (height, width), mode="nearest")[0, 0]


def kron(values: Tensor, height: int, width: int) -> Tensor:
    side = round(len(values) ** 0.5)
    return torch.kron(values.view(side, side), torch.ones(height // side, width // side))


@pytest.mark.parametrize("answer", [to_pixels, looped, repeated, by_torch, kron])
def test_right_maps(answer):
    check_pixel_map(answer)


def grid(values: Tensor) -> Tensor:
    side = round(len(values) ** 0.5)
    return values.view(side, side)


def blended(values: Tensor, height: int, width: int, corners: bool = False) -> Tensor:
    return torch.nn.functional.interpolate(
        grid(values)[None, None], (height, width), mode="bilinear", align_corners=corners
    )[0, 0]


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "read column by column; soft tokens stand row by row",
            lambda v, y, x: repeated(grid(v).T.flatten(), y, x),
        ),
        (
            "upside down: the first soft tokens are the top row",
            lambda v, y, x: repeated(v, y, x).flip(0),
        ),
        (
            "mirrored: the first soft token of a row is at the left",
            lambda v, y, x: repeated(v, y, x).flip(1),
        ),
        (
            "the map was repeated like tiles; each value takes one connected block of pixels",
            lambda v, y, x: grid(v).repeat(y // len(grid(v)), x // len(grid(v))),
        ),
        ("blended between squares; there is no finer knowledge than one value a square", blended),
        (
            "blended between squares; there is no finer knowledge than one value a square",
            lambda v, y, x: blended(v, y, x, corners=True),
        ),
        (
            "divided among the pixels of a square; every pixel takes the whole value",
            lambda v, y, x: repeated(v, y, x) * len(v) / (y * x),
        ),
        (
            "scaled to a largest value of 1; keep the values",
            lambda v, y, x: repeated(v / v.max(), y, x),
        ),
        (
            "height and width are swapped (side 2, picture 4 x 6)",
            lambda v, y, x: repeated(v, x, y),
        ),
        (
            "one value a square; give one a pixel (side 2, picture 4 x 6)",
            lambda v, y, x: grid(v),
        ),
        ("expected a tensor, got list", lambda v, y, x: repeated(v, y, x).tolist()),
        # no slip of its own: right for wide pictures alone
        (
            "72 of 72 values differ by more than 1e-05, first at (0, 0): got -1, expected 0.125",
            lambda v, y, x: repeated(v, y, x) if x > y else torch.full((y, x), -1.0),
        ),
    ],
)
def test_wrong_maps(sentence, answer):
    refused(check_pixel_map, sentence, answer)


# check_our_name


def longest(name: str, table: checks.Table) -> str | None:
    fits = [(t, o) for o, spellings in table.items() for t in spellings if name.startswith(t)]
    if not fits:
        return None
    theirs, ours = max(fits, key=lambda fit: len(fit[0]))
    return ours + name[len(theirs) :]


def shortening(name: str, table: checks.Table) -> str | None:
    """Takes words off the end until what is left is a prefix in the table."""
    back = {theirs: ours for ours, spellings in table.items() for theirs in spellings}
    words = name.split(".")
    for count in range(len(words) - 1, 0, -1):
        head = ".".join(words[:count]) + "."
        if head in back:
            return back[head] + ".".join(words[count:])
    return None


def by_pattern(name: str, table: checks.Table) -> str | None:
    back = {theirs: ours for ours, spellings in table.items() for theirs in spellings}
    ordered = sorted(back, key=len, reverse=True)
    found = re.match("|".join(map(re.escape, ordered)), name)
    return back[found[0]] + name[found.end() :] if found else None


@pytest.mark.parametrize("answer", [longest, shortening, by_pattern])
def test_right_names(answer):
    check_our_name(answer)


@pytest.mark.parametrize("answer", [longest, shortening, by_pattern])
def test_right_names_are_those_of_the_package(answer):
    """With its table, in which the text-only prefix comes last by hand."""
    table = {**WEIGHT_MAP, "language_model.": (*WEIGHT_MAP["language_model."], TEXT_ONLY)}
    rests = ["layers.0.mlp.up_proj.weight", "layers.11.model.weight", "weight"]
    spellings = [theirs for row in table.values() for theirs in row]
    for name in [theirs + rest for theirs in spellings for rest in rests] + ["lm_head.weight"]:
        assert name.startswith(IGNORED) or answer(name, table) == our_name(name), name


def first_that_fits(name: str, table: checks.Table) -> str | None:
    for ours, spellings in table.items():
        for theirs in spellings:
            if name.startswith(theirs):
                return ours + name.removeprefix(theirs)
    return None


def last_that_fits(name: str, table: checks.Table) -> str | None:
    found = None
    for ours, spellings in table.items():
        for theirs in spellings:
            if name.startswith(theirs):
                found = ours + name.removeprefix(theirs)
    return found


def replaced_everywhere(name: str, table: checks.Table) -> str | None:
    fits = [(t, o) for o, row in table.items() for t in row if name.startswith(t)]
    return name.replace(*max(fits, key=lambda fit: len(fit[0]))) if fits else None


def looked_for_anywhere(name: str, table: checks.Table) -> str | None:
    for ours, spellings in table.items():
        for theirs in spellings:
            if theirs in name:
                return name.replace(theirs, ours, 1)
    return None


FIRST = "text.model.layers.0.q.weight"


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "the first prefix that fits was taken; a longer one fits too, try the longest first:"
            " model.sight.norm.weight became 'words.sight.norm.weight'",
            first_that_fits,
        ),
        (
            "the last prefix that fits was taken; the longest decides:"
            " model.text.layers.11.q.weight became 'words.text.layers.11.q.weight'",
            last_that_fits,
        ),
        (
            "the prefix was replaced wherever it occurs; change it at the beginning alone:"
            " model.layers.2.joint.model.gate became 'words.layers.2.joint.words.gate'",
            replaced_everywhere,
        ),
        (
            "the prefix was looked for anywhere in the name; it stands at the beginning:"
            " sight.model.layers.3.q.bias became 'sight.words.layers.3.q.bias'",
            looked_for_anywhere,
        ),
        (
            "an unknown name was let through; give None, so that a loader can complain:"
            " optimizer.step became 'optimizer.step'",
            lambda name, table: longest(name, table) or name,
        ),
        (
            "the file's prefix was taken away and ours not put in its place:"
            f" {FIRST} became 'layers.0.q.weight'",
            lambda name, table: longest(name, {"": sum(table.values(), ())}),
        ),
        (
            "only the first prefix of each row was tried; a row may have several:"
            " model.layers.0.q.weight became None",
            lambda name, table: longest(name, {o: s[:1] for o, s in table.items()}),
        ),
        ("expected a str or None, got 0", lambda name, table: 0),
        # no slip of its own
        (
            f"9 of 12 names are wrong: {FIRST} became 'WORDS.LAYERS.0.Q.WEIGHT'",
            lambda name, table: (longest(name, table) or "").upper() or None,
        ),
    ],
)
def test_wrong_names(sentence, answer):
    refused(check_our_name, sentence, answer)


@pytest.mark.parametrize("check", [check_join, check_pixel_map, check_our_name])
def test_a_stub_is_let_through(check):
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
