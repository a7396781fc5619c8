"""The checks on reading a file strictly accept right answers, however found."""

import pytest

from gemma3_edu.lessons.checks.strict_reader import check_problems, check_unseen
from tests.lessons.checks.messages import message

# check_unseen

RIGHT = {"model.norm.weight": (6,), "model.layers.0.mlp.up_proj.weight": (8, 6)}


@pytest.mark.parametrize(
    "found",
    [
        {"model.norm.weight": (6,)},
        {**RIGHT, "optimizer.step": (1,)},
        {"model.norms.weight": (6,), "model.layers.0.mlp.up_proj.weight": (8, 6)},
        {**RIGHT, "language_model.model.norm.weight": (6,)},
        {"model.norm.weight": (7,), "language_model.model.norm.weight": (6,), **RIGHT},
        {"model.language_model.norm.weight": (7,), **RIGHT},
    ],
)
def test_files_with_a_fault_that_the_colleague_does_not_see(found):
    check_unseen(lambda: found)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (RIGHT, "nothing is wrong with this file; change one thing"),
        ({}, "a file without tensors; change one thing and leave the others"),
        (
            {**RIGHT, "model.norm.weight": (7,)},
            "the colleague sees it: model.norm.weight is (7), and (6) is wanted",
        ),
        (
            {**RIGHT, "model.language_model.norm.weight": (7,)},
            "the colleague sees it: model.language_model.norm.weight is (7), and (6) is wanted",
        ),
        ([6], "expected a dict of shapes by name, got [6]"),
    ],
)
def test_files_without_a_fault_or_with_one_that_is_seen(found, words: str):
    assert message(check_unseen, lambda: found) == words


# check_problems


def by_walking(wanted, found, rename):
    problems, met = set(), set()
    for theirs, shape in found.items():
        ours = rename(theirs)
        if ours not in wanted:
            problems.add(("unknown", theirs))
        elif ours in met:
            problems.add(("doubled", ours))
        elif shape != wanted[ours]:
            problems.add(("shape", ours))
        met.add(ours)
    return problems | {("missing", ours) for ours in wanted if ours not in met}


def by_sets(wanted, found, rename):
    spellings: dict = {}
    for theirs in found:
        spellings.setdefault(rename(theirs), []).append(theirs)
    mine = {ours: names for ours, names in spellings.items() if ours in wanted}
    unknown = set(found) - {name for names in mine.values() for name in names}
    return {
        *(("unknown", name) for name in unknown),
        *(("missing", ours) for ours in wanted.keys() - mine.keys()),
        *(("doubled", ours) for ours, names in mine.items() if len(names) > 1),
        *(("shape", ours) for ours, names in mine.items() if found[names[0]] != wanted[ours]),
    }


@pytest.mark.parametrize("answer", [by_walking, by_sets])
def test_right_readers(answer):
    check_problems(answer)


@pytest.mark.parametrize("place", range(5))
def test_a_reader_that_stops_at_one_problem(place: int):
    words = message(check_problems, lambda *case: set(sorted(by_walking(*case))[place : place + 1]))
    assert words.startswith("stopped at one problem; report all at once (a file with five problems")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda problems: problems | {("shape", "embed.weight")},
            "('shape', 'embed.weight') is too much (a file in which all is right)",
        ),
        (
            lambda problems: problems - {("shape", "norm.weight"), ("doubled", "norm.weight")},
            "('shape', 'norm.weight') is missing (a file with five problems)",
        ),
    ],
)
def test_readers_without_a_name(change, words: str):
    assert message(check_problems, lambda *case: change(by_walking(*case))) == words
