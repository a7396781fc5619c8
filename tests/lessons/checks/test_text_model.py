"""The checks on the whole text model accept right answers, however found, and name each slip."""

import math
import re
from collections.abc import Callable

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
from gemma3_edu.study.cost import parameters

# check_text_parameters


def head_by_head(config) -> int:
    return naive.cost.parameters(Gemma3Config(text=config))


def on_meta(config) -> int:
    with torch.device("meta"):
        return sum(weight.numel() for weight in Decoder(config).parameters())


def count(c, *, table=1, norms=4, small=2, final=1, matrices=3, keys=None, width=None) -> int:
    """The formula with a place for each slip."""
    d, h, n = c.hidden_size, c.head_dim, c.num_attention_heads
    k, wide = keys or c.num_key_value_heads, width or n * h
    block = 2 * d * wide + 2 * d * k * h + matrices * d * c.intermediate_size
    block += norms * d + small * h
    return table * c.vocab_size * d + c.num_hidden_layers * block + final * d


@pytest.mark.parametrize("answer", [parameters, head_by_head, on_meta, count])
def test_right_counts(answer):
    check_text_parameters(answer)


COUNT_MUTANTS: list[tuple[Callable[..., object], str]] = [
    (
        lambda c: count(c, table=2),
        "the head was counted as a second table; it is the embedding again",
    ),
    (lambda c: count(c, table=0), "the embedding was left out"),
    (
        lambda c: count(c, norms=0, small=0, final=0),
        "the norms were left out; each holds a weight for every number it scales",
    ),
    (lambda c: count(c, final=0), "the final norm was left out"),
    (
        lambda c: count(c, small=0),
        "the norms of queries and keys were left out: H numbers each, once a layer",
    ),
    (
        lambda c: count(c, norms=2),
        "two norms of width D a layer, as in Llama; Gemma 3 has four",
    ),
    (
        lambda c: count(c, small=c.num_attention_heads + c.num_key_value_heads),
        "every head got norms of its own; all heads of a layer share one for q and one for k",
    ),
    (
        lambda c: count(c, keys=c.num_attention_heads),
        "keys and values were given as many heads as queries; there are K of them",
    ),
    (
        lambda c: count(c, width=c.hidden_size),
        "D was taken for the width of all query heads; that is N times H",
    ),
    (
        lambda c: count(c, matrices=2),
        "two matrices an MLP; Gemma's has three, gate, up and down",
    ),
    (
        lambda c: (
            count(c)
            - (count(c) - (c.vocab_size + 1) * c.hidden_size)
            * (c.num_hidden_layers - 1)
            // c.num_hidden_layers
        ),
        "one layer was counted; there are as many as `layer_types` has entries",
    ),
    (lambda c: float(count(c)), "expected an int, got float"),
    (lambda c: torch.tensor(count(c)), "expected an int, got Tensor"),
    # no slip of its own: a bias in every gate
    (
        lambda c: count(c) + c.num_hidden_layers * c.intermediate_size,
        "4 of 4 values differ, first at (0,): got 53724, expected 53444",
    ),
]


@pytest.mark.parametrize(("answer", "sentence"), COUNT_MUTANTS)
def test_wrong_counts(answer, sentence: str):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
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


def without(kind: str):
    return lambda *case: {p for p in by_walking(*case) if p[0] != kind}


def by_size(wanted, found, rename):
    """Compares how many numbers there are."""
    problems = by_walking(wanted, found, rename)
    alike = {rename(name): math.prod(shape) for name, shape in found.items()}
    turned = {("shape", n) for n, shape in wanted.items() if alike.get(n) == math.prod(shape)}
    return problems - turned


def known_prefix_is_enough(wanted, found, rename):
    return {p for p in by_walking(wanted, found, rename) if p[0] != "unknown" or not rename(p[1])}


def emptying(wanted, found, rename):
    problems = by_walking(wanted, found, rename)
    for name in list(found):
        del found[name]
    return problems


READER_MUTANTS: list[tuple[Callable[..., object], str]] = [
    (
        lambda wanted, found, rename: by_walking(wanted, found, lambda name: name),
        "names were compared without `rename`",
    ),
    (by_size, "a transposed matrix was accepted; compare shapes in order, not what they hold"),
    (without("unknown"), "a tensor that nothing asks for went unnoticed"),
    (
        known_prefix_is_enough,
        "a name that `rename` translates, and that is no parameter, went unnoticed",
    ),
    (without("missing"), "a parameter without a tensor went unnoticed"),
    (without("shape"), "a tensor of another shape went unnoticed"),
    (without("doubled"), "two tensors for one parameter went unnoticed"),
    (
        lambda *case: set(sorted(by_walking(*case))[:1]),
        "stopped at the first problem; report all at once",
    ),
    (emptying, "changed wanted or found; leave both as they are"),
    (lambda *case: sorted(by_walking(*case)), "expected a set, got list"),
    # no slips of their own
    (
        lambda wanted, found, rename: (
            by_walking(wanted, found, rename) | {("shape", "embed.weight")}
        ),
        "reported ('shape', 'embed.weight'), which is right",
    ),
    (
        lambda *case: by_walking(*case) - {("shape", "norm.weight"), ("doubled", "norm.weight")},
        "did not report ('shape', 'norm.weight')",
    ),
]


@pytest.mark.parametrize(("answer", "sentence"), READER_MUTANTS)
def test_wrong_readers(answer, sentence: str):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_problems(answer)


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


def shifted(by: int):
    def answer(*case) -> str:
        _, block, rest = by_trying(*case).split(".", 2)
        return f"layers.{(int(block) + by) % 7}.{rest}"

    return answer


def left_turned(decoder, x, layout, right) -> str:
    name = by_trying(decoder, x, layout, right)
    weight = dict(decoder.named_parameters())[name]
    weight.data = weight.data.T.contiguous()
    return name


O_PROJ = "layers.2.self_attn.o_proj.weight"  # planted first
SUSPECT_MUTANTS: list[tuple[Callable[..., object], str]] = [
    (
        shifted(-1),
        "layers.1.self_attn.o_proj.weight: its block still gives the right stream; the mistake"
        " comes later",
    ),
    (
        shifted(1),
        "layers.3.self_attn.o_proj.weight: an earlier block already gives another stream; find the"
        " first that differs",
    ),
    (
        lambda *case: by_trying(*case).replace("o_proj", "q_proj"),
        "layers.2.self_attn.q_proj.weight: the right block; turn that matrix, run it again, and the"
        " stream is still wrong",
    ),
    (
        left_turned,
        "left the model changed; turn back every matrix that you turned to try it",
    ),
    (
        lambda *case: by_trying(*case).removesuffix(".weight"),
        "gave 'layers.2.self_attn.o_proj', which is in no block; give a name like"
        " layers.3.mlp.gate_proj.weight",
    ),
    (
        lambda *case: "norm.weight",
        "gave 'norm.weight', which is in no block; give a name like layers.3.mlp.gate_proj.weight",
    ),
    (
        lambda *case: [by_trying(*case)],
        f"gave ['{O_PROJ}'], which is in no block; give a name like layers.3.mlp.gate_proj.weight",
    ),
    # right the first time only
    (
        lambda *case: O_PROJ,
        f"{O_PROJ}: an earlier block already gives another stream; find the first that differs",
    ),
]


@pytest.mark.parametrize(("answer", "sentence"), SUSPECT_MUTANTS)
def test_wrong_suspects(answer, sentence: str):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_suspect(answer)


@pytest.mark.parametrize("check", [check_text_parameters, check_problems, check_suspect])
def test_an_empty_stub_passes_through(check):
    def stub(*arguments: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
