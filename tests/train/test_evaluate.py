"""The evaluation counts what it says, and its baselines are what they are called."""

import dataclasses
import json
import math
import random
import re

import pytest
import torch

from gemma3_edu import Gemma3, Processor, Tokenizer, load, save
from gemma3_edu.train import scores
from gemma3_edu.train.baselines import counting_nats, gzip_bits, ngram_bits
from gemma3_edu.train.data.draw import Setting
from gemma3_edu.train.data.drawing import COLOURS, SHAPES
from gemma3_edu.train.data.examples import ask
from gemma3_edu.train.data.mixture import Mixture
from gemma3_edu.train.data.paper import PALETTE
from gemma3_edu.train.evaluate import PARTS, main
from gemma3_edu.train.probes import (
    labelled_scenes,
    place_accuracy,
    prose_bits,
    speed,
    surprise_by_position,
    surprises,
)
from gemma3_edu.train.scores import (
    DEPTHS,
    interval,
    margin,
    needles_at,
    right_at_once,
    score,
)
from tests.tokenizers import small_config, small_tokenizer

MIXTURE = Mixture("instruct", "validation")


@pytest.fixture(scope="module")
def model_and_processor():
    torch.manual_seed(0)
    config = small_config()
    return Gemma3(config).eval(), Processor(small_tokenizer(), config)


def examples(task, items):
    return (MIXTURE.of_task(task, number) for number in range(items))


def someone_who(says):
    """In the place of `generate`: answers each row of a batch with what `says` gives in turn."""

    def generate(model, batch, sampler, limit, stops):
        tokenizer = small_tokenizer()
        rows = [says(row) for row in range(len(batch.tokens))]
        ids = [tokenizer.encode(text, add_bos=False) + end for text, end in rows]
        for column in range(min(limit, max(map(len, ids)))):
            yield torch.tensor([row[column] if column < len(row) else 0 for row in ids])

    return generate


@pytest.mark.parametrize("task", ["arithmetic", "chat", "number"])
def test_right_answers_count_and_wrong_ones_do_not(task, model_and_processor, monkeypatch):
    answers = [MIXTURE.of_task(task, i).answer for i in range(6)]
    stop = [small_tokenizer().end_of_turn_id]

    def half_right(row):
        return (answers[row], stop) if row % 2 else ("x" + answers[row], [])

    monkeypatch.setattr(scores, "generate", someone_who(half_right))
    found = score(*model_and_processor, task, examples(task, 6), batch_size=6)
    assert (found.right, found.stopped, found.accuracy) == (3, 3, 0.5)


def test_what_comes_after_the_stop_does_not_count(model_and_processor, monkeypatch):
    answers = [MIXTURE.of_task("copying", i).answer for i in range(3)]
    stop = small_tokenizer().end_of_turn_id
    monkeypatch.setattr(scores, "generate", someone_who(lambda r: (answers[r], [stop, 600, 601])))
    assert score(*model_and_processor, "copying", examples("copying", 3)).right == 3


def test_right_at_once_counts_as_writing_the_answers_does():
    nano, processor = load("nano-it", text_only=True)
    asked = [Mixture("instruct", "test").of_task("arithmetic", number) for number in range(24)]
    by_length = sorted(asked, key=lambda one: len(one.answer))
    some = [*by_length[:6], *by_length[-6:]]  # padded, some of them wrong
    found = score(nano, processor, "arithmetic", some).right
    assert right_at_once(nano, processor, some, batch_size=5) == found
    assert found > 0
    wrong = [replace_answer(one) for one in some]
    assert right_at_once(nano, processor, wrong) == 0


def test_right_at_once_gives_crops_when_it_is_asked_to():
    nano, processor = load("nano-it")
    some = [Mixture("instruct", "test").of_task("wide", number) for number in range(4)]
    found = score(nano, processor, "wide", some, pan_and_scan=True).right
    assert right_at_once(nano, processor, some, pan_and_scan=True) == found
    assert found > right_at_once(nano, processor, some)


def replace_answer(one):
    ((question, answer),) = ((turn.question, turn.answer) for turn in one.conversations[0])
    return dataclasses.replace(one, conversations=(ask(question, answer + "0"),))


def test_prose_bits_of_a_model_that_knows_nothing(model_and_processor):
    model, processor = model_and_processor
    even = Gemma3(dataclasses.replace(model.config, vision=None)).eval()
    torch.nn.init.zeros_(even.language_model.embed_tokens.weight)  # every logit is 0
    text = "Call me Ishmael. " * 30
    tokens = len(processor.tokenizer.encode(text, add_bos=False))
    want = tokens * math.log2(model.config.text.vocab_size) / len(text)
    assert math.isclose(prose_bits(even, processor, [text], 50), want, rel_tol=1e-4)


def test_surprise_is_told_by_position(model_and_processor):
    model, processor = model_and_processor
    texts = ["Call me Ishmael. " * 30, "Some years ago " * 9]
    found = surprise_by_position(model, processor, texts, 100)
    assert list(found) == ["0 to 15", "16 to 63", "64 to 255"]  # the last one up to 99
    with torch.no_grad():
        rows = torch.cat([surprises(model, processor, text, 100) for text in texts])
        batch = processor.text(texts[1])
        logits = model(batch)[0, :-1].log_softmax(-1)
    want = -logits[torch.arange(len(logits)), batch.tokens[0, 1:]]
    torch.testing.assert_close(rows[-1][: len(want)], want)
    assert rows[-1][len(want) :].isnan().all()
    inside = [nats for row in rows.tolist() for nats in row[16:64] if not math.isnan(nats)]
    assert found["16 to 63"] == pytest.approx(sum(inside) / len(inside), rel=1e-4)


def test_a_needle_lies_at_its_depth_in_a_text_of_its_length(model_and_processor):
    _, processor = model_and_processor
    count = lambda text: len(processor.tokenizer.encode(text, add_bos=False))  # noqa: E731
    setting = Setting(length=400, count=count)
    for depth in DEPTHS:
        for example in needles_at(400, depth, 3, "validation", setting):
            (text,) = example.given
            said = re.findall(r"The secret number of the \w+ is \d+\.", text)
            assert len(said) == 3  # among two others
            before, after = (count(part) for part in text.split(example.answer))
            # among the filling alone: the others may both stand on one side
            assert abs(before / (before + after) - depth) < 0.25
            length = processor(example.messages(), add_generation_prompt=False).layout.length
            assert 350 < length <= 400
    again, other = (list(needles_at(300, 0.5, 2, split, setting)) for split in ("test", "test"))
    assert again == other != list(needles_at(300, 0.5, 2, "validation", setting))


def test_speed_counts_tokens_and_time(model_and_processor, monkeypatch):
    asked = MIXTURE.of_task("number", 0).messages()[:-1]
    clock = iter(range(1000))
    monkeypatch.setattr("gemma3_edu.train.probes.time.perf_counter", lambda: next(clock))
    found = speed(*model_and_processor, asked, tokens=6, repeats=2)
    assert found == {"seconds to the first token": 1, "tokens a second": 5}


def test_a_place_is_read_where_a_vector_tells_it(model_and_processor, monkeypatch):
    """Vectors that tell the row, among noise, and nothing of the column."""
    model, _ = model_and_processor
    generator = torch.Generator().manual_seed(0)

    def encoder(images):
        vectors = torch.randn(len(images), 36, 16, generator=generator)
        vectors[..., :6] += 9 * torch.eye(6).repeat_interleave(6, 0)  # patches run row by row
        return vectors

    monkeypatch.setattr(model.vision.encoder, "forward", encoder)
    found = place_accuracy(model, torch.zeros(40, 3, 36, 36), torch.zeros(30, 3, 36, 36))
    assert found["row"] > 0.99
    assert found["column"] == pytest.approx(1 / 6, abs=0.05)


def test_labelled_scenes_say_what_is_in_a_patch():
    pictures, answers = labelled_scenes(30, "test", side=112, patch=14)
    assert {name: tuple(labels.shape) for name, labels in answers.items()} == dict.fromkeys(
        ("shape", "colour", "row", "column"), (30, 64)
    )
    assert answers["shape"].max() <= len(SHAPES)
    assert torch.equal(answers["shape"] > 0, answers["colour"] > 0)
    assert (answers["row"][0, 17], answers["column"][0, 17]) == (2, 1)
    pixels = pictures.unflatten(3, (8, 14)).unflatten(2, (8, 14)).permute(0, 2, 4, 3, 5, 1)
    pixels = pixels.flatten(3, 4).flatten(1, 2)  # I P 196 3
    even = (pixels.std(2) < 0.01).all(-1) & (answers["colour"] > 0)
    assert even.sum() > 4
    palette = torch.tensor([PALETTE[name] for name in COLOURS[1:]]) / 127.5 - 1
    nearest = torch.cdist(pixels.mean(2)[even], palette).argmin(1) + 1
    assert torch.equal(nearest, answers["colour"][even])
    again, _ = labelled_scenes(30, "test", side=112, patch=14)
    other, _ = labelled_scenes(30, "train", side=112, patch=14)
    assert torch.equal(pictures, again)
    assert not torch.equal(pictures, other)


def test_wilsons_interval_holds_the_truth_about_95_times_in_100():
    rng = random.Random(0)
    held = 0
    for _ in range(2000):
        low, high = interval(sum(rng.random() < 0.97 for _ in range(100)), 100)
        held += low <= 0.97 <= high
    assert 0.93 < held / 2000 < 0.985
    assert interval(100, 100)[1] <= 1
    assert all(interval(0, items)[0] >= 0 for items in range(1, 200))


@pytest.mark.parametrize(("items", "factor"), [(4, 3.182), (8, 2.365), (20, 2.093), (67, 1.997)])
def test_the_margin_of_a_mean_has_the_factor_of_students_table(items, factor):
    values = torch.arange(items, dtype=torch.float64)
    assert margin(values) == pytest.approx(factor * float(values.std()) / items**0.5, rel=0.01)


def test_a_margin_needs_four_values():
    with pytest.raises(ValueError, match="values: 3, fewest allowed 4"):
        margin(torch.ones(3))


def test_the_baselines_cannot_compress_noise_and_can_compress_what_they_know():
    rng = random.Random(0)
    noise = "".join(chr(rng.randrange(32, 96)) for _ in range(4000))
    assert 5.9 < ngram_bits([noise], [noise[::-1]]) < 7
    assert 6 < gzip_bits([noise], [noise[::-1]]) < 8
    assert gzip_bits([noise], [noise]) < 0.5
    assert math.isclose(ngram_bits(["a"], ["a"], order=1), -math.log2((1 + 1 / 256) / 2))


def test_the_command_prints_tables_and_writes_the_numbers(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("gemma3_edu.train.evaluate.DEPTHS", (0.0, 1.0))
    config = small_config()
    # Two layers are enough: what is tested here is the tables.
    kinds = config.text.layer_types[-2:]
    text = dataclasses.replace(config.text, max_position_embeddings=2048, layer_types=kinds)
    config = dataclasses.replace(config, text=text)
    save(Gemma3(config), Processor(small_tokenizer(), config), tmp_path / "model")
    numbers = tmp_path / "scores.json"
    command = [str(tmp_path / "model"), "--items", "2", "--json", str(numbers)]
    assert main([*command, "--tasks", "shape", "wide", "tall", "prose", "needle by length"]) == 0
    shown = capsys.readouterr().out
    found = json.loads(numbers.read_text())
    names = ["shape", "wide", "wide with crops", "tall", "tall with crops"]
    names += [
        f"needle, {length} tokens, depth {depth}"
        for length in (128, 256, 512, 1024, 2040)  # of a context of 2,048
        for depth in (0.0, 1.0)
    ]
    assert [each["task"] for each in found["scores"]] == names
    assert [line.split(" | ")[0] for line in shown.splitlines()[2:17]] == [f"| {n}" for n in names]
    assert [each["items"] for each in found["scores"]] == [2] * 5 + [1] * 10
    assert set(found["prose"]["bits a byte"]) == {"model", "gzip", "n-gram"}
    assert "speed" not in found
    assert "speed" in PARTS


def test_a_number_of_items_that_scores_nothing_is_refused(capsys):
    assert main(["anything", "--items", "0"]) == 2
    assert "--items 0 must be at least 1" in capsys.readouterr().err


def test_counting_knows_nothing_but_shares():
    tokenizer = Tokenizer("tests/data/tokenizer.model")
    known, text = ["a a a a", "b"], "a b"
    alike = math.log(tokenizer.vocab_size)
    rare = counting_nats(tokenizer, [], text)
    assert rare == pytest.approx(alike)  # nothing was counted
    assert counting_nats(tokenizer, known, "a a") < counting_nats(tokenizer, known, text) < alike
