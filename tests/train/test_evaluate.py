"""The evaluation counts what it says, and its baselines are what they are called."""

import dataclasses
import json
import math
import random

import pytest
import torch

from gemma3_edu import Gemma3, Processor, save
from gemma3_edu.train import evaluate
from gemma3_edu.train.baselines import gzip_bits, ngram_bits
from gemma3_edu.train.data.mixture import Mixture
from gemma3_edu.train.evaluate import interval, main, prose_bits, score
from tests.tokenizers import small_config, small_tokenizer

MIXTURE = Mixture("instruct", "validation")


@pytest.fixture(scope="module")
def model_and_processor():
    torch.manual_seed(0)
    config = small_config()
    return Gemma3(config).eval(), Processor(small_tokenizer(), config)


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
    answers = [MIXTURE.of_task(task, i).turns[-1].answer for i in range(6)]
    stop = [small_tokenizer().end_of_turn_id]

    def half_right(row):
        return (answers[row], stop) if row % 2 else ("x" + answers[row], [])

    monkeypatch.setattr(evaluate, "generate", someone_who(half_right))
    found = score(*model_and_processor, task, MIXTURE, 6, batch_size=6)
    assert (found.right, found.stopped, found.accuracy) == (3, 3, 0.5)


def test_what_comes_after_the_stop_does_not_count(model_and_processor, monkeypatch):
    answers = [MIXTURE.of_task("copying", i).turns[-1].answer for i in range(3)]
    stop = small_tokenizer().end_of_turn_id
    monkeypatch.setattr(evaluate, "generate", someone_who(lambda r: (answers[r], [stop, 600, 601])))
    assert score(*model_and_processor, "copying", MIXTURE, 3, batch_size=3).right == 3


def test_prose_bits_of_a_model_that_knows_nothing(model_and_processor):
    model, processor = model_and_processor
    even = Gemma3(dataclasses.replace(model.config, vision=None)).eval()
    torch.nn.init.zeros_(even.language_model.embed_tokens.weight)  # every logit is 0
    text = "Call me Ishmael. " * 30
    tokens = len(processor.tokenizer.encode(text, add_bos=False))
    want = tokens * math.log2(model.config.text.vocab_size) / len(text)
    assert math.isclose(prose_bits(even, processor, [text], 50), want, rel_tol=1e-4)


def test_wilsons_interval_holds_the_truth_about_95_times_in_100():
    rng = random.Random(0)
    held = 0
    for _ in range(2000):
        low, high = interval(sum(rng.random() < 0.97 for _ in range(100)), 100)
        held += low <= 0.97 <= high
    assert 0.93 < held / 2000 < 0.985
    assert interval(100, 100)[1] <= 1
    assert interval(0, 100)[0] >= 0


def test_the_baselines_cannot_compress_noise_and_can_compress_what_they_know():
    rng = random.Random(0)
    noise = "".join(chr(rng.randrange(32, 96)) for _ in range(4000))
    assert 5.9 < ngram_bits([noise], [noise[::-1]]) < 7
    assert 6 < gzip_bits([noise], [noise[::-1]]) < 8
    assert gzip_bits([noise], [noise]) < 0.5
    assert math.isclose(ngram_bits(["a"], ["a"], order=1), -math.log2((1 + 1 / 256) / 2))


def test_the_command_prints_a_table_and_writes_the_numbers(model_and_processor, tmp_path, capsys):
    save(*model_and_processor, tmp_path / "model")
    numbers = tmp_path / "scores.json"
    command = [str(tmp_path / "model"), "--items", "2", "--tasks", "shape", "wide"]
    assert main([*command, "--json", str(numbers)]) == 0
    shown = capsys.readouterr().out
    assert [line.split(" | ")[0] for line in shown.splitlines()[2:5]] == [
        "| shape",
        "| wide",
        "| wide with crops",
    ]
    found = json.loads(numbers.read_text())
    assert [each["items"] for each in found["scores"]] == [2, 2, 2]
    assert set(found["prose"]) == {"model", "gzip", "n-gram"}
