"""The figures of lesson 10 draw what the sampler does, and the chat box does what it is told."""

import matplotlib.pyplot as plt
import pytest
import torch

from gemma3_edu import naive
from gemma3_edu.generation.chat import stream
from gemma3_edu.generation.sampling import Sampler
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.sampling import (
    PS,
    ChatBox,
    by_rank,
    counts,
    kept_tokens,
    words,
)
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.prompt.chat_template import Message
from gemma3_edu.prompt.processor import Processor
from tests.tokenizers import small_config, small_tokenizer

SIXTEENTHS = torch.tensor([1.0, 8.0, 2.0, 1.0, 4.0]) / 16


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


# Kept tokens


def test_counts_are_those_of_the_loops():
    shares = (torch.sin(torch.arange(40.0) ** 2) * 2).softmax(0)
    for p, count in zip(PS, counts(shares, PS), strict=True):
        kept = naive.sampling.keep_top_p(shares.log()[None], p)[0].isfinite()
        assert count == int(kept.sum())


def test_kept_tokens_draws_a_staircase_for_each_and_a_line_for_k():
    flat = torch.full((50,), 1 / 50)
    fig = kept_tokens({"toy": SIXTEENTHS, "flat": flat}, [0.3, 0.6, 0.8, 0.99], k=3)
    (ax,) = fig.axes
    assert [line.get_label() for line in ax.lines] == ["toy", "flat", "k = 3", "p = 0.9"]
    assert list(ax.lines[0].get_ydata()) == [1, 2, 3, 5]
    assert next(iter(ax.lines[1].get_ydata())) in (15, 16)
    assert list(ax.lines[2].get_ydata()) == [3, 3]
    assert ax.lines[0].get_drawstyle() == "steps-pre"  # up to p the height is that of p
    assert "line 'toy' over 0.3..0.99: n=4 first=1 last=5 min=1 max=5 mean=2.75" in describe(fig)
    (without,) = kept_tokens({"toy": SIXTEENTHS}, [0.3, 0.6]).axes
    assert [line.get_label() for line in without.lines] == ["toy", "p = 0.9"]


# Ranks


def test_bars_by_rank_are_probabilities_and_what_came():
    shares = torch.tensor([[0.125, 0.5, 0.25, 0.125], [0.75, 0.125, 0.125, 0.0]])
    fig = by_rank(shares, torch.tensor([1, 3]), ends=(1, 2))
    (ax,) = fig.axes
    given, wrote = ([bar.get_height() for bar in bars] for bars in ax.containers)
    assert given == [62.5, 18.75, 18.75]  # means over both places of ranks 1, 2 and 3 to 4
    assert wrote == [50, 0, 50]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2", "3 to 4"]
    assert alt_of(fig).endswith("62% and 50% at 1, 19% and 0% at 2 and 19% and 50% at 3 to 4.")


# The chat box


class Scripted:
    """Answers with what it was given, and keeps what it was asked."""

    def __init__(self, *pieces: str) -> None:
        self.pieces, self.asked, self.seen = pieces, [], []

    def __call__(self, messages, sampler, generator):
        self.asked.append((list(messages), sampler, float(torch.rand(1, generator=generator))))
        for piece in self.pieces:
            self.seen.append(self.box.transcript.value)
            assert self.box.send.disabled
            yield piece


def scripted(*pieces: str) -> tuple[ChatBox, Scripted]:
    answer = Scripted(*pieces)
    answer.box = ChatBox(answer, "Hello")
    return answer.box, answer


def test_pieces_appear_as_they_come():
    box, answer = scripted("I ", "am ", "here")
    box.send.click()
    start = "you: Hello\nmodel (temperature 0.7, k = 64, p = 0.95): "
    assert answer.seen == [start, start + "I ", start + "I am "]
    assert box.transcript.value == start + "I am here\n"
    assert not box.send.disabled
    assert box.messages == [Message.user("Hello"), Message.model("I am here")]


@pytest.mark.parametrize(
    ("temperature", "k", "p"), [(0.0, 1, 0.05), (0.7, 64, 0.95), (2.0, 64, 1.0), (1.0, 5, 0.5)]
)
def test_the_sliders_reach_the_sampler(temperature, k, p):
    box, answer = scripted("yes")
    box.temperature.value, box.top_k.value, box.top_p.value = temperature, k, p
    box.send.click()
    assert answer.asked[0][1] == Sampler(temperature, k, p)
    assert words(Sampler(temperature, k, p)) in box.transcript.value


def test_a_second_question_brings_the_first_and_a_new_chat_does_not():
    box, answer = scripted("yes")
    box.send.click()
    box.question.value = "And now?"
    box.send.click()
    roles = [[message.role for message in asked] for asked, _, _ in answer.asked]
    assert roles == [["user"], ["user", "model", "user"]]
    box.again.click()
    assert box.transcript.value == ""
    box.send.click()
    assert answer.asked[2][0] == [Message.user("And now?")]


def test_the_seed_is_where_chance_begins():
    box, answer = scripted("yes")
    for seed in (0, 0, 7):
        box.seed.value = seed
        box.again.click()
        box.send.click()
    chance = [drawn for _, _, drawn in answer.asked]
    assert chance[0] == chance[1] != chance[2]


def test_the_answer_is_not_greyed_out():
    assert not scripted("yes")[0].transcript.disabled


def test_what_cannot_be_sent_is_told_and_forgotten():
    box, answer = scripted("yes")
    box.question.value = "<end_of_turn>"
    box.send.click()
    assert "text spells <end_of_turn>" in box.transcript.value
    assert (box.messages, answer.asked, box.send.disabled) == ([], [], False)
    box.question.value = "   "
    before = box.transcript.value
    box.send.click()
    assert box.transcript.value == before


def test_with_a_model_behind_it():
    """Random weights say nothing, but the whole way is gone, three settings of the sliders."""
    torch.manual_seed(0)
    config = small_config("tiny-text")
    model, processor = Gemma3(config).eval(), Processor(small_tokenizer(), config)
    box = ChatBox(
        lambda messages, sampler, generator: stream(
            model, processor, messages, sampler, 5, generator=generator
        ),
        "Who is Ahab?",
    )
    answers = []
    for temperature in (0.0, 1.0, 2.0, 1.0):
        box.temperature.value = temperature
        box.send.click()
        answers.append(box.messages[-1])
        box.again.click()
    assert answers[1] == answers[3] != answers[0]
    assert all(message.role == "model" for message in answers)
