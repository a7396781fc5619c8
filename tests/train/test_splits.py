"""Content belongs to one split, and training never meets what is held out."""

import re
from collections import Counter

import pytest

from gemma3_edu.train.data.draw import Draw
from gemma3_edu.train.data.mixture import TASKS
from gemma3_edu.train.data.prose import ASSETS, chunk, passages, read
from gemma3_edu.train.data.splits import SPLITS, part_of

from .reading import asked, drawn, entries, working


def test_shares_are_eight_one_and_one_tenth():
    count = Counter(part_of(f"word:{n}") for n in range(20_000))
    for split, share in zip(SPLITS, (0.8, 0.1, 0.1), strict=True):
        assert count[split] / 20_000 == pytest.approx(share, abs=0.01)


def test_the_split_is_the_same_everywhere():
    """Unlike Python's own hash of a str, by which these three would move from run to run."""
    assert [part_of(f"word:{w}") for w in ("river", "boat", "owl")] == list(SPLITS)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="split: 'dev' is unknown; choose one of train, valid"):
        Draw("0", "dev")
    with pytest.raises(ValueError, match=r"'train' came up in 10000 tries"):
        Draw("0", "train").until_own(lambda: "owl", lambda word: f"word:{word}")
    assert Draw("0", "test").until_shown(lambda: "river", lambda word: f"word:{word}") == "river"


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("task", [task for task in TASKS if task != "prose"])
def test_an_example_belongs_to_its_split(task, split):
    """Of prose, the passage decides; see its own test."""
    assert {part_of(example.content) for example in drawn(task, split)} == {split}


def receipt_keys(example):
    (picture,) = example.pictures
    yield "receipt:" + ", ".join(f"{food} {price}" for food, price in entries(picture).items())
    if asked(example)[0][0] == "What is the total?":
        yield f"total:{'+'.join(map(str, sorted(entries(picture).values())))}"


def problem_keys(example):
    for turns in example.conversations:
        if re.match(r"\d+ [+-]", turns[0].answer):
            a, sign, b, _ = working(turns[0].answer)
            a, b = (a, b) if sign == "-" else sorted((a, b))
            yield f"arithmetic:{a}{sign}{b}"


def text_keys(kind):
    return lambda example: [f"{kind}:{example.given[0]}"]


KEYS = {
    "number": lambda example: [f"number:{example.answer}"],
    "word": lambda example: ["word:" + "".join(example.answer.split()[1::2])],
    "price": receipt_keys,
    "sum": receipt_keys,
    "arithmetic": problem_keys,
    "chat": problem_keys,
    "facts": text_keys("facts"),
    "pairs": text_keys("pairs"),
    "wide": lambda example: ["document:" + example.pictures[0].caption.removeprefix("a list: ")],
    "copying": lambda example: [f"copy:{answer}" for _, answer in asked(example)],
    "needle": lambda example: [
        "needle:{} {}".format(*re.search(r"the (\w+) is (\d+)", answer).groups())
        for _, answer in asked(example)
    ],
}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("task", KEYS)
def test_all_that_is_asked_belongs_to_the_split(task, split):
    """Read from the questions, the answers and the marks of all conversations of an example."""
    keys = [key for example in drawn(task, split, 60) for key in KEYS[task](example)]
    assert len(keys) > 15
    assert {part_of(key) for key in keys} == {split}


@pytest.mark.parametrize("task", ["arithmetic", "chat", "sum"])
def test_no_step_of_a_working_is_a_problem_that_is_held_out(task):
    steps = 0
    for example in drawn(task, "train", 60):
        for _, answer in asked(example):
            for a, sign, b in re.findall(r"(\d+) ([+-]) (\d+)", answer):
                a, b = (int(a), int(b)) if sign == "-" else sorted((int(a), int(b)))
                assert part_of(f"arithmetic:{a}{sign}{b}") == "train"
                steps += 1
    assert steps > 100


def test_prose_passages_cover_the_text_once():
    every = [text for split in SPLITS for text in passages(ASSETS, split)]
    assert len(set(every)) == len(every)
    paragraphs = sorted(line for text in every for line in text.split("\n\n") if line)
    assert paragraphs == sorted(read(ASSETS))
    assert all(len(passages(ASSETS, split)) >= 3 for split in SPLITS)


def test_a_chunk_lies_in_a_passage_of_its_split(tmp_path):
    for seed in range(30):
        draw = Draw(str(seed), "test")
        text = chunk(ASSETS, "test", draw.random, 300)
        assert 0 < len(text) <= 300
        (home,) = [p for p in passages(ASSETS, "test") if text in p]
        end = home.index(text) + len(text)
        assert not (home[end - 1].isalpha() and home[end : end + 1].isalpha())  # no word is cut
    with pytest.raises(ValueError, match=r"prose: no text in \*\.txt"):
        read(tmp_path)
    (tmp_path / "a.txt").write_text("Too short.\n")
    with pytest.raises(ValueError, match=r"holds 1 passages, none of which is for"):
        [passages(tmp_path, split) for split in SPLITS]
