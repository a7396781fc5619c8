"""The checks on the whole model accept what is right, however written."""

import re

import pytest
import torch
from torch import Tensor

from gemma3_edu.hub.weights import IGNORED, TEXT_ONLY, WEIGHT_MAP, our_name
from gemma3_edu.lessons.checks.full_model import Table, check_join, check_our_name, check_pixel_map
from gemma3_edu.lessons.figures.full_model import to_pixels
from tests.lessons.checks.messages import message

# check_join


def by_package(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    return words.masked_scatter(soft[:, :, None], vectors.flatten(0, 1))


def by_index(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    x = words.clone()
    x[soft] = vectors.reshape(-1, words.shape[-1])
    return x


def by_counting(words: Tensor, soft: Tensor, vectors: Tensor) -> Tensor:
    number = (soft.flatten().cumsum(0) - 1).clamp(min=0).view(soft.shape)
    return torch.where(soft[:, :, None], vectors.flatten(0, 1)[number], words)


@pytest.mark.parametrize("answer", [by_package, by_index, by_counting])
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


# check_pixel_map


def side_of(values: Tensor) -> int:
    return round(len(values) ** 0.5)


def repeated(values: Tensor, height: int, width: int) -> Tensor:
    side = side_of(values)
    rows = values.view(side, side).repeat_interleave(height // side, 0)
    return rows.repeat_interleave(width // side, 1)


def by_torch(values: Tensor, height: int, width: int) -> Tensor:
    grid = values.view(1, 1, side_of(values), -1)
    return torch.nn.functional.interpolate(grid, (height, width), mode="nearest")[0, 0]


def kron(values: Tensor, height: int, width: int) -> Tensor:
    side = side_of(values)
    return torch.kron(values.view(side, side), torch.ones(height // side, width // side))


@pytest.mark.parametrize("answer", [to_pixels, repeated, by_torch, kron])
def test_right_maps(answer):
    check_pixel_map(answer)


# check_our_name


def longest(name: str, table: Table) -> str | None:
    fits = [(t, o) for o, spellings in table.items() for t in spellings if name.startswith(t)]
    if not fits:
        return None
    theirs, ours = max(fits, key=lambda fit: len(fit[0]))
    return ours + name[len(theirs) :]


def shortening(name: str, table: Table) -> str | None:
    """Takes words off the end until what is left is a prefix in the table."""
    back = {theirs: ours for ours, spellings in table.items() for theirs in spellings}
    words = name.split(".")
    for count in range(len(words) - 1, 0, -1):
        head = ".".join(words[:count]) + "."
        if head in back:
            return back[head] + ".".join(words[count:])
    return None


def by_pattern(name: str, table: Table) -> str | None:
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
