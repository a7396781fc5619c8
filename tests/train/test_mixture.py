"""An example is a function of its number alone, and the mixture keeps its shares."""

import os
import subprocess
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from gemma3_edu.train.data.examples import Example, Turn
from gemma3_edu.train.data.mixture import ASKED, STAGES, TASKS, Mixture
from gemma3_edu.train.data.splits import SPLITS

from .reading import drawn

ROOT = Path(__file__).parents[2]


def summary(example):
    """All that an example is, its pixels too, as text."""
    given = [p if isinstance(p, str) else (p.image.tobytes(), p.marks) for p in example.given]
    return repr((example.task, given, example.conversations, example.content))


def every_task():
    """Two examples of each task in each split, the last one first."""
    for split in SPLITS[::-1]:
        mixture = Mixture("instruct", split, seed=3)
        for task in TASKS:
            for index in (1, 0):
                yield task, summary(mixture.of_task(task, index))


PRINT = """
from tests.train.test_mixture import every_task, sha256
for task, text in every_task():
    print(task, sha256(text.encode()).hexdigest())
"""


def test_an_example_is_the_same_in_every_process():
    """Sets of words have another order in each, and what depends on it would not resume."""
    other = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    there = subprocess.run(
        [sys.executable, "-c", PRINT],
        env={"PYTHONHASHSEED": other, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    here = [f"{task} {sha256(text.encode()).hexdigest()}" for task, text in every_task()]
    assert len(here) == 6 * len(TASKS)
    differing = {one.split()[0] for one, two in zip(here, there, strict=True) if one != two}
    assert differing == set()


def test_seed_stage_split_and_number_each_matter():
    base = ("instruct", "train", 0)
    for other in (("pretrain", "train", 0), ("instruct", "test", 0), ("instruct", "train", 1)):
        for index in range(3):
            one, two = (summary(Mixture(*each).of_task("copying", index)) for each in (base, other))
            assert one != two
    assert len({summary(Mixture(*base).example(index)) for index in range(20)}) == 20


@pytest.mark.parametrize("task", TASKS)
def test_examples_of_a_task_differ_and_are_well_formed(task):
    examples = drawn(task, "train")
    assert len(set(map(summary, examples))) == len(examples)
    for example in examples:
        assert example.task == task
        assert bool(example.conversations) == (task != "prose")
        for conversation in example.conversations:
            assert len(conversation) == (2 if task == "chat" else 1)
            for turn in conversation:
                assert isinstance(turn, Turn)
                assert turn.question.strip() == turn.question != ""
                assert turn.answer.strip() == turn.answer != ""


def test_every_task_has_a_share_and_every_skill_is_asked():
    assert {name for shares in STAGES.values() for name in shares} == set(TASKS)
    assert all(min(shares.values()) > 0 for shares in STAGES.values())
    assert set(STAGES["instruct"]) == set(STAGES["pretrain"]) == set(TASKS)
    assert set(TASKS) - set(ASKED) == {"place", "description", "crop", "pairs", "prose"}
    assert len(set(ASKED)) == len(ASKED)


@pytest.mark.parametrize("stage", STAGES)
def test_shares_are_kept(stage, monkeypatch):
    monkeypatch.setattr(Mixture, "of_task", lambda self, task, index: Example(task, (), (), ""))
    mixture, number = Mixture(stage, "train"), 6000
    count = Counter(mixture.example(index).task for index in range(number))
    total = sum(STAGES[stage].values())
    assert set(count) == set(STAGES[stage])
    for name, share in STAGES[stage].items():
        wanted = share / total
        assert count[name] / number == pytest.approx(wanted, abs=4.5 * (wanted / number) ** 0.5)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="stage: 'warmup' is unknown; choose one of encoder"):
        Mixture("warmup", "train")
    with pytest.raises(ValueError, match="task: 'poetry' is unknown"):
        Mixture("long", "train").of_task("poetry", 0)
    with pytest.raises(ValueError, match="split: 'dev' is unknown"):
        Mixture("long", "dev").example(0)
