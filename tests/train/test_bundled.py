"""The bundled models are what their cards say: a short form of the evaluation.

Scores are asked to lie no lower than chance lets a tenth of a per cent of honest repetitions fall,
reckoned from the card's own numbers; that a model which does not look would fall lower is seen too.
"""

import json
import math
from dataclasses import replace
from functools import partial

import pytest

from gemma3_edu.hub.checkpoint import ASSETS, bundled, load
from gemma3_edu.train.baselines import gzip_bits, ngram_bits
from gemma3_edu.train.data.draw import Setting
from gemma3_edu.train.data.examples import Example
from gemma3_edu.train.data.mixture import ASKED, Mixture
from gemma3_edu.train.data.prose import passages
from gemma3_edu.train.probes import prose_bits
from gemma3_edu.train.scores import DEPTHS, needles_at, score

TEST = Mixture("instruct", "test")
ITEMS = 60
SKILLS = ("number", "count", "colour", "price", "facts", "arithmetic", "tool")
LENGTHS = (128, 256, 512, 1024, 2040)  # of a context of 2,048


def told(name: str) -> dict:
    """The numbers behind a model's card."""
    return json.loads((ASSETS / name / "training.json").read_text(encoding="utf-8"))


def least(share: float) -> int:
    """Fewer right of ITEMS would happen once in a thousand times, were this the true share."""
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
def carded() -> dict[str, float]:
    """The share that was right, by task."""
    scores = told("nano-it")["scores"]["scores"]
    return {each["task"]: each["right"] / each["items"] for each in scores}


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
        assert each["items"] >= (200 if "depth" in each["task"] else 1000)


def test_the_card_scores_every_skill_and_needles_by_length(carded):
    crops = {"wide", "tall"}
    tasks = [each for t in ASKED for each in ([t, f"{t} with crops"] if t in crops else [t])]
    needles = [f"needle, {length} tokens, depth {d}" for length in LENGTHS for d in DEPTHS]
    assert list(carded) == tasks + needles
    assert told("nano-it")["scores"]["split"] == "test"


@pytest.mark.parametrize("task", SKILLS)
def test_it_answers_as_often_as_the_card_says(nano, carded, task):
    examples = (TEST.of_task(task, number) for number in range(ITEMS))
    found = score(*nano, task, examples)
    assert found.right >= least(carded[task])
    assert found.stopped >= 0.95 * ITEMS


@pytest.mark.parametrize("task", ["wide", "tall"])
def test_long_documents_are_read_in_crops_and_hardly_without(nano, carded, task):
    assert carded[f"{task} with crops"] - carded[task] >= 0.4
    examples = [TEST.of_task(task, number) for number in range(ITEMS)]
    found = score(*nano, task, examples, pan_and_scan=True, batch_size=10)
    assert found.right >= least(carded[f"{task} with crops"])
    assert score(*nano, task, examples).right < least(carded[f"{task} with crops"])


def test_needles_are_found_as_often_as_the_card_says(nano, carded):
    """In a quarter of the context, at all depths."""
    model, processor = nano
    count = partial(processor.tokenizer.encode, add_bos=False)
    setting = Setting(count=lambda text: len(count(text)))
    hidden = [e for d in DEPTHS for e in needles_at(512, d, ITEMS // 5, "test", setting)]
    share = sum(carded[f"needle, 512 tokens, depth {depth}"] for depth in DEPTHS) / 5
    assert score(model, processor, "needle", hidden, batch_size=10).right >= least(share)
    assert least(share) > ITEMS / 3, "no better than one of the three numbers at random"


def with_what_is_given_in(other: Example, example: Example) -> Example:
    """The example's question and right answer, beside another one's picture."""
    return replace(example, given=other.given)


@pytest.mark.parametrize("task", ["number", "count", "colour"])
def test_with_another_picture_it_does_not(nano, carded, task):
    """The check above can fail: it looks at the picture."""
    examples = [TEST.of_task(task, number) for number in range(ITEMS + 1)]
    mixed = map(with_what_is_given_in, examples[1:], examples)
    assert score(*nano, task, mixed).right < least(carded[task])


def test_prose_is_read_better_than_by_counting_and_compressing():
    model, processor = load("nano-pt")
    texts, known = (passages(ASSETS / "prose", part) for part in ("test", "train"))
    bits = prose_bits(model, processor, texts[:1], 512)
    assert bits < ngram_bits(known, texts[:1]) < gzip_bits(known, texts[:1])
