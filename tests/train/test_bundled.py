"""The bundled models are what their cards say: a short form of the evaluation.

Scores are asked to lie no lower than chance lets a tenth of a per cent of honest repetitions fall,
reckoned from the card's own numbers; that a model which does not look would fall lower is seen too.
"""

import json
import math
from dataclasses import replace

import pytest

from gemma3_edu.hub.checkpoint import ASSETS, bundled, load
from gemma3_edu.train.baselines import gzip_bits
from gemma3_edu.train.data.drawing import Picture
from gemma3_edu.train.data.examples import Example
from gemma3_edu.train.data.mixture import Mixture
from gemma3_edu.train.data.prose import passages
from gemma3_edu.train.probes import prose_bits
from gemma3_edu.train.scores import score

TEST = Mixture("instruct", "test")
ITEMS = 60
SKILLS = ("number", "count", "colour", "facts", "copying")


def told(name: str) -> dict:
    """The numbers behind a model's card."""
    return json.loads((ASSETS / name / "training.json").read_text(encoding="utf-8"))


def least(right: int, items: int) -> int:
    """Fewer right of ITEMS would happen once in a thousand times, were the card's share true."""
    share = right / items
    below = 0.0
    for count in range(ITEMS + 1):
        below += math.comb(ITEMS, count) * share**count * (1 - share) ** (ITEMS - count)
        if below > 0.001:
            return count
    raise AssertionError("a distribution sums to 1")


@pytest.fixture(scope="module")
def nano():
    return load("nano-it")


@pytest.fixture(scope="module")
def carded() -> dict[str, tuple[int, int]]:
    scores = told("nano-it")["scores"]["scores"]
    return {each["task"]: (each["right"], each["items"]) for each in scores}


def test_both_are_there_and_small():
    assert sorted(bundled()) == ["nano-it", "nano-pt"]
    files = [path for name in bundled() for path in (ASSETS / name).iterdir()]
    assert sum(path.stat().st_size for path in files) < 24e6


@pytest.mark.parametrize("name", ["nano-it", "nano-pt"])
def test_the_card_has_the_numbers_of_its_json(name):
    text, numbers = (ASSETS / name / "README.md").read_text(encoding="utf-8"), told(name)
    assert text.startswith(f"# {name}\n")
    for stage, found in numbers["stages"].items():
        assert f"| {stage} | {found['steps']} |" in text
    for each in (numbers["scores"] or {"scores": []})["scores"]:
        assert f"| {each['task']} | {each['right'] / each['items']:.1%} |" in text
        assert each["items"] >= 1000 or "depth" in each["task"]


@pytest.mark.parametrize("task", SKILLS)
def test_it_answers_as_often_as_the_card_says(nano, carded, task):
    examples = (TEST.of_task(task, number) for number in range(ITEMS))
    found = score(*nano, task, examples)
    assert found.right >= least(*carded[task])
    assert found.stopped >= 0.9 * ITEMS


def with_the_picture_of(other: Example, example: Example) -> Example:
    """The example's question and right answer beside another one's picture."""
    (turn,), (picture,) = example.turns, other.pictures
    parts = tuple(picture if isinstance(part, Picture) else part for part in turn.question)
    return replace(example, turns=(replace(turn, question=parts),))


@pytest.mark.parametrize("task", ["number", "count"])
def test_with_another_picture_it_does_not(nano, carded, task):
    """The check above can fail: it looks at the picture."""
    examples = [TEST.of_task(task, number) for number in range(ITEMS + 1)]
    mixed = map(with_the_picture_of, examples[1:], examples)
    assert score(*nano, task, mixed).right < least(*carded[task])


def test_prose_is_read_better_than_gzip_reads_it():
    model, processor = load("nano-pt")
    texts, known = (passages(ASSETS / "prose", part) for part in ("test", "train"))
    assert prose_bits(model, processor, texts[:1], 512) < gzip_bits(known, texts[:1])
