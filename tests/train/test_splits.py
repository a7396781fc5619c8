"""Content belongs to one split, and training never meets what is held out."""

import subprocess
import sys
from collections import Counter

import pytest

from gemma3_edu.train.data.draw import Draw
from gemma3_edu.train.data.mixture import TASKS, Mixture
from gemma3_edu.train.data.pictures import QUESTIONS as PICTURES
from gemma3_edu.train.data.prose import ASSETS, chunk, passages, read
from gemma3_edu.train.data.scenes import together
from gemma3_edu.train.data.splits import SPLITS, may_show, members, part_of

from .reading import pairs, words


def test_shares_are_eight_one_and_one_tenth():
    count = Counter(part_of(f"word:{n}") for n in range(20_000))
    assert count["train"] / 20_000 == pytest.approx(0.8, abs=0.01)
    assert count["validation"] / 20_000 == pytest.approx(0.1, abs=0.01)
    assert count["test"] / 20_000 == pytest.approx(0.1, abs=0.01)


def test_the_split_is_the_same_in_every_process():
    """Unlike Python's own hash of a str."""
    ask = "from gemma3_edu.train.data.splits import part_of\n"
    ask += "print([part_of(f'k:{i}') for i in range(40)])"
    found = {
        subprocess.run(
            [sys.executable, "-c", ask],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {f"{[part_of(f'k:{i}') for i in range(40)]}\n"}
    assert [part_of(f"number:{n}") for n in (472, 473, 17)] == ["train", "train", "train"]


def test_what_may_be_shown():
    kinds = {part_of(f"word:{word}"): word for word in ("river", "boat", "owl")}
    assert set(kinds) == set(SPLITS)
    for split in SPLITS:
        shown = {part for part, word in kinds.items() if may_show(f"word:{word}", split)}
        assert shown == {"train", split}
        assert set(members("word", ("river", "boat", "owl"), split)) == {kinds[p] for p in shown}


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="split: 'dev' is unknown; choose one of train, valid"):
        Draw("0", "dev")
    with pytest.raises(ValueError, match=r"none of these 1 of kind 'word' may be shown in 'train'"):
        members("word", ("owl",), "train")
    with pytest.raises(ValueError, match=r"'train' came up in 10000 tries"):
        Draw("0", "train").until_shown(lambda: "owl", lambda word: f"word:{word}")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("split", SPLITS)
def test_what_is_asked_belongs_to_the_split(task, split):
    mixture = Mixture("instruct", split, seed=5)
    examples = [mixture.of_task(task, index) for index in range(8)]
    assert {part_of(key) for example in examples for key in example.content} <= {split}
    assert all(example.content for example in examples) or task == "prose"


def shown_keys(example):
    """The contents to be seen in the pictures of an example, read from their marks."""
    for picture in example.pictures:
        yield from (f"pair:{pair}" for pair in pairs(picture))
        if len(pairs(picture)) == 2:  # then the caption says how they lie
            yield together(pairs(picture))
        kind, _, rest = picture.caption.partition(": ")
        if kind in ("a receipt", "a list"):
            yield from (
                f"{'price' if kind == 'a receipt' else 'entry'}:{each}" for each in rest.split(", ")
            )
        elif kind.startswith(("the number", "the word")):
            what = "number" if "number" in kind else "word"
            yield f"{what}:{''.join(words(picture))}"


@pytest.mark.parametrize("task", PICTURES)
def test_training_pictures_show_nothing_held_out(task):
    mixture = Mixture("instruct", "train", seed=6)
    keys = [key for index in range(15) for key in shown_keys(mixture.of_task(task, index))]
    assert {part_of(key) for key in keys} <= {"train"}
    assert keys or task in ("cell", "row")


def test_prose_passages_cover_the_text_once():
    parts = {split: passages(ASSETS, split) for split in SPLITS}
    every = [text for texts in parts.values() for text in texts]
    assert len(set(every)) == len(every)
    paragraphs = sorted(line for text in every for line in text.split("\n\n") if line)
    assert paragraphs == sorted(read(ASSETS))
    assert all(len(texts) >= 3 for texts in parts.values())


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
