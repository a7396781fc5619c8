"""The checks on the whole text model accept right answers, however found."""

import pytest
import torch

from gemma3_edu import naive
from gemma3_edu.lessons.checks.text_model import (
    check_problems,
    check_suspect,
    check_text_parameters,
)
from gemma3_edu.model.config import Gemma3Config
from gemma3_edu.model.gemma3 import Decoder
from gemma3_edu.study.capture import capture
from tests.lessons.checks.messages import message

# check_text_parameters


def head_by_head(config) -> int:
    return naive.cost.parameters(Gemma3Config(text=config))


def on_meta(config) -> int:
    with torch.device("meta"):
        return sum(weight.numel() for weight in Decoder(config).parameters())


def by_formula(c) -> int:
    d, h, f = c.hidden_size, c.head_dim, c.intermediate_size
    block = 2 * d * h * (c.num_attention_heads + c.num_key_value_heads) + 3 * d * f + 4 * d + 2 * h
    return c.vocab_size * d + c.num_hidden_layers * block + d


@pytest.mark.parametrize("answer", [head_by_head, on_meta, by_formula])
def test_right_counts(answer):
    check_text_parameters(answer)


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


# check_suspect


def first_off(decoder, x, layout, right) -> int:
    with torch.no_grad(), capture(decoder, "layers.[0-9]") as seen:
        decoder(x, layout)
    streams = [outputs[0] for outputs in seen.values()]
    off = [not torch.allclose(a, b, atol=1e-4) for a, b in zip(streams, right, strict=True)]
    return off.index(True) if any(off) else len(off)


def square(decoder, block: int) -> list[str]:
    named = decoder.layers[block].named_parameters()
    return [n for n, w in named if w.ndim == 2 and w.shape[0] == w.shape[1]]


def by_trying(decoder, x, layout, right) -> str:
    block = first_off(decoder, x, layout, right)
    for name in square(decoder, block):
        weight = dict(decoder.layers[block].named_parameters())[name]
        weight.data = weight.data.T
        later = first_off(decoder, x, layout, right) > block
        weight.data = weight.data.T
        if later:
            return f"layers.{block}.{name}"
    raise AssertionError("no suspect")


def by_state_dicts(decoder, x, layout, right) -> str:
    """All 35 suspects, each in a fresh model, and the last block alone."""
    for layer in range(len(decoder.layers)):
        for short in square(decoder, layer):
            weights = dict(decoder.state_dict())
            name = f"layers.{layer}.{short}"
            weights[name] = weights[name].T
            other = Decoder(decoder.config)
            other.load_state_dict(weights)
            if first_off(other, x, layout, right) == len(right):
                return name
    raise AssertionError("no suspect")


@pytest.mark.parametrize("answer", [by_trying, by_state_dicts])
def test_right_suspects(answer):
    check_suspect(answer)


def left_turned(decoder, x, layout, right) -> str:
    name = by_trying(decoder, x, layout, right)
    weight = dict(decoder.named_parameters())[name]
    weight.data = weight.data.T.contiguous()
    return name


O_PROJ = "layers.2.self_attn.o_proj.weight"  # of the first model
NO_NAME = "expected a name in a block, like layers.3.mlp.gate_proj.weight (model 1 of 4)"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda *case: O_PROJ.replace("2", "1"),
            "layers.1.self_attn.o_proj.weight: its block still gives the right stream; the mistake"
            " comes later (model 1 of 4)",
        ),
        (
            lambda *case: O_PROJ,  # right the first time only
            f"{O_PROJ}: an earlier block already gives another stream; find the first that differs"
            " (model 2 of 4)",
        ),
        (
            lambda *case: O_PROJ.replace("o_proj", "q_proj"),
            "layers.2.self_attn.q_proj.weight: the right block; turn that matrix, run it again, and"
            " the stream is still wrong (model 1 of 4)",
        ),
        (
            left_turned,
            "left the model changed; turn back every matrix that you turned to try it"
            " (model 1 of 4)",
        ),
        (lambda *case: "layers.2.q_proj", f"got 'layers.2.q_proj', {NO_NAME}"),
        (lambda *case: "norm.weight", f"got 'norm.weight', {NO_NAME}"),
        (lambda *case: [O_PROJ], f"got ['{O_PROJ}'], {NO_NAME}"),
    ],
)
def test_wrong_suspects(answer, words: str):
    assert message(check_suspect, answer) == words
