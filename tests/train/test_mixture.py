"""The stream of examples can be stopped, shared out and continued, and reaches every task."""

import itertools
import pickle
import time
from collections import Counter

import pytest

from gemma3_edu.prompt.images import ImageSettings
from gemma3_edu.prompt.processor import Processor
from gemma3_edu.train.data.draw import Setting
from gemma3_edu.train.data.examples import Example
from gemma3_edu.train.data.mixture import STAGES, TASKS, Mixture
from gemma3_edu.train.data.pictures import QUESTIONS as PICTURES
from gemma3_edu.train.data.text_tasks import PAGES
from gemma3_edu.train.data.text_tasks import QUESTIONS as TEXT

from ..tokenizers import small_config, small_tokenizer


def summary(example):
    return example.task, example.text()[0], [p.image.tobytes() for p in example.pictures]


@pytest.mark.parametrize("stage", STAGES)
def test_an_example_depends_on_its_number_alone(stage):
    mixture = Mixture(stage, "train", seed=3)
    forwards = [summary(mixture.example(index)) for index in range(12)]
    again = pickle.loads(pickle.dumps(mixture))  # as a worker process gets it
    backwards = [summary(again.example(index)) for index in reversed(range(12))]
    assert forwards == backwards[::-1]
    assert len({text for _, text, _ in forwards}) == 12


def test_seed_stage_and_split_each_matter():
    base = ("instruct", "train", 0)
    for changed in (("pretrain", "train", 0), ("instruct", "test", 0), ("instruct", "train", 1)):
        one, other = (
            [summary(Mixture(*settings).of_task("copying", i)) for i in range(5)]
            for settings in (base, changed)
        )
        assert one != other


def test_a_stream_goes_on_from_its_state():
    mixture = Mixture("instruct", "train", seed=4)
    stream = mixture.stream()
    first = [summary(example) for example in itertools.islice(stream, 9)]
    assert stream.state == (4, 9)
    resumed = Mixture("instruct", "train", seed=4).stream(step=5)
    assert [summary(example) for example in itertools.islice(resumed, 4)] == first[5:]
    assert resumed.state == (4, 9)


def test_every_task_has_a_share_somewhere():
    assert {name for shares in STAGES.values() for name in shares} == set(TASKS)
    assert set(STAGES["instruct"]) == set(TEXT) | set(PICTURES)
    assert set(PAGES) <= set(STAGES["pretrain"])
    assert all(min(shares.values()) > 0 for shares in STAGES.values())
    # binding is to have a good part of the pictures
    assert STAGES["instruct"]["colour"] + STAGES["instruct"]["price"] > 0.15 * 0.6


@pytest.mark.parametrize("stage", STAGES)
def test_shares_are_kept(stage, monkeypatch):
    monkeypatch.setattr(Mixture, "of_task", lambda self, task, index: Example(task, (), ()))
    mixture, drawn = Mixture(stage, "train"), 6000
    count = Counter(mixture.example(index).task for index in range(drawn))
    total = sum(STAGES[stage].values())
    for name, share in STAGES[stage].items():
        wanted = share / total
        assert count[name] / drawn == pytest.approx(wanted, abs=4.5 * (wanted / drawn) ** 0.5)


def test_no_kind_of_question_stands_always_last():
    """ "Spell" is only ever an addition to reading a word, yet often asked first."""
    places = Counter()
    mixture = Mixture("instruct", "train", seed=2)
    for index in range(400):
        turns = mixture.of_task("word", index).turns
        for place, turn in enumerate(turns):
            if len(turns) > 1 and "Spell what you see." in turn.question:
                places["later" if place else "first"] += 1
    assert min(places["first"], places["later"]) > 15


def test_the_words_may_stand_before_the_picture():
    mixture = Mixture("instruct", "train", seed=2)
    first = [mixture.of_task("number", i).turns[0].question[0] for i in range(60)]
    assert 3 < sum(isinstance(part, str) for part in first) < 30


@pytest.mark.parametrize("stage", ["pretrain", "instruct", "long"])
def test_examples_fit_the_length(stage):
    """Counted with a real tokenizer, the chat format included."""
    tokenizer, length = small_tokenizer(), 2048 if stage == "long" else 512
    setting = Setting(length=length, count=lambda text: len(tokenizer.encode(text, add_bos=False)))
    mixture = Mixture(stage, "train", setting=setting)
    longest = 0
    for index in range({"long": 40, "pretrain": 120, "instruct": 600}[stage]):
        example = mixture.example(index)
        text = example.text()[0]
        longest = max(longest, setting.count(text) + 1)
    assert 0.7 * length < longest <= length
    processor = Processor(tokenizer, small_config(), ImageSettings())
    for index in range(4):
        messages = mixture.of_task("needle", index).messages()
        assert processor(messages, add_generation_prompt=False).layout.length <= length


def test_a_conversation_becomes_a_batch():
    processor = Processor(small_tokenizer(), small_config(), ImageSettings())
    mixture = Mixture("instruct", "train", setting=Setting(side=36))
    for task in ("motion", "wide", "chat"):
        example = mixture.of_task(task, 0)
        batch = processor(example.messages(), pan_and_scan=True, add_generation_prompt=False)
        views = [view for p in example.pictures for view in p.views(ImageSettings())]
        assert (0 if batch.images is None else len(batch.images)) == len(views)
        text, images = example.text()
        plain = processor.text(text, images, pan_and_scan=True)
        assert (0 if plain.images is None else len(plain.images)) == len(views)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="stage: 'warmup' is unknown; choose one of encoder"):
        Mixture("warmup", "train")
    with pytest.raises(ValueError, match="task: 'poetry' is unknown"):
        Mixture("long", "train").of_task("poetry", 0)
    with pytest.raises(ValueError, match="split: 'dev' is unknown"):
        Mixture("long", "dev").example(0)


def test_throughput(capsys):
    """Printed, not judged: machines differ."""
    lines = []
    for stage in STAGES:
        mixture, began = Mixture(stage, "train"), time.perf_counter()
        examples = [mixture.example(index) for index in range(60)]
        seconds = time.perf_counter() - began
        characters = sum(len(example.text()[0]) for example in examples)
        pictures = sum(len(example.pictures) for example in examples)
        rates = [count / seconds for count in (60, pictures, characters)]
        lines.append(
            "{}: {:.0f} examples, {:.0f} pictures, {:.0f} characters".format(stage, *rates)
        )
    with capsys.disabled():
        print("\na second", *lines, sep="\n")
