"""Checks of the exercises on the whole text model: its count, a strict reader, a turned matrix.

>>> from gemma3_edu.study.cost import parameters
>>> check_text_parameters(parameters)
>>> check_text_parameters(lambda config: parameters(config) + config.vocab_size)
Traceback (most recent call last):
gemma3_edu.lessons.checks.grading.CheckError: got 53956, expected 53444 (tiny-text)
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...model.config import TextConfig, layer_pattern
from ...model.gemma3 import Decoder
from ...model.layout import TokenLayout
from ...model.presets import PRESETS
from ...study.capture import capture
from ...study.cost import parameters, parameters_by_part
from .difference import show
from .grading import Case, Check, CheckError, ask, standard_torch

Shapes = Mapping[str, Any]
Rename = Callable[[str], str | None]
Problems = set[tuple[str, str]]

# Counting parameters


def _without(part: str) -> Callable[[TextConfig], int]:
    return lambda c: parameters(c) - parameters_by_part(c)[part]


def _more(numbers: Callable[[TextConfig], int]) -> Callable[[TextConfig], int]:
    """So many numbers too many in each layer."""
    return lambda c: parameters(c) + c.num_hidden_layers * numbers(c)


check_text_parameters = Check(
    "`fn(config)` is how many numbers a text model holds, its head tied to the embedding.",
    "config",
    parameters,
    lambda: {name: (PRESETS[name].text,) for name in ("tiny-text", "270m", "1b", "27b")},
    {
        "the head was counted as a second table; it is the embedding again": lambda c: (
            parameters(c) + c.vocab_size * c.hidden_size
        ),
        "the embedding was left out": _without("embedding"),
        "the norms were left out; each holds a weight for every number it scales": _without(
            "norms"
        ),
        "the final norm was left out": lambda c: parameters(c) - c.hidden_size,
        "the norms of queries and keys were left out: H numbers each, once a layer": _more(
            lambda c: -2 * c.head_dim
        ),
        "two norms of width D a layer, as in Llama; Gemma 3 has four": _more(
            lambda c: -2 * c.hidden_size
        ),
        "each head got norms of its own; a layer has one for all q and one for all k": _more(
            lambda c: c.head_dim * (c.num_attention_heads + c.num_key_value_heads - 2)
        ),
        "keys and values were given as many heads as queries; there are K of them": lambda c: (
            parameters(replace(c, num_key_value_heads=c.num_attention_heads))
        ),
        "D was taken for the width of all query heads; that is N times H": _more(
            lambda c: 2 * c.hidden_size * (c.hidden_size - c.num_attention_heads * c.head_dim)
        ),
        "two matrices an MLP; Gemma's has three, gate, up and down": _more(
            lambda c: -c.hidden_size * c.intermediate_size
        ),
        "one layer was counted; there are as many as `layer_types` has entries": lambda c: (
            parameters(replace(c, layer_types=layer_pattern(1)))
        ),
    },
)


# The strict reader


def _file_cases() -> dict[str, Case]:
    wanted = {
        "embed.weight": (11, 6),
        "layers.0.q.weight": (8, 6),
        "layers.0.o.weight": (6, 8),
        "layers.0.norm.weight": (6,),
        "norm.weight": (6,),
    }
    broken = {
        "model.embed.weight": (11, 6),
        "model.layers.0.q.weight": (6, 8),
        "old.layers.0.o.weight": (6, 8),
        "model.layers.0.o.weight": (6, 8),
        "model.layers.0.k.weight": (4, 6),
        "model.norm.weight": (7,),
        "optimizer.step": (1,),
    }
    right = {f"model.{name}": shape for name, shape in wanted.items()}
    return {
        "a file in which all is right": (wanted, right, _rename),
        "a file with five problems": (wanted, broken, _rename),
    }


def _rename(name: str) -> str | None:
    prefix, _, rest = name.partition(".")
    return rest if prefix in ("model", "old") else None


def _problems(wanted: Shapes, found: Shapes, rename: Rename) -> Problems:
    out: Problems = set()
    known: set[str] = set()
    for theirs, shape in found.items():
        ours = rename(theirs)
        if ours is None or ours not in wanted:
            out.add(("unknown", theirs))
        elif ours in known:
            out.add(("doubled", ours))
        else:
            known.add(ours)
            if shape != wanted[ours]:
                out.add(("shape", ours))
    return out | {("missing", name) for name in wanted if name not in known}


def _unnoticed(kind: str) -> Callable[[Shapes, Shapes, Rename], Problems]:
    return lambda *case: {problem for problem in _problems(*case) if problem[0] != kind}


def _known_name(wanted: Shapes, found: Shapes, rename: Rename) -> Problems:
    problems = _problems(wanted, found, rename)
    return {p for p in problems if p[0] != "unknown" or rename(p[1]) is None}


def _in_any_order(wanted: Shapes, found: Shapes, rename: Rename) -> Problems:
    ours, theirs = ({k: sorted(shape) for k, shape in x.items()} for x in (wanted, found))
    return _problems(ours, theirs, rename)


def _only_one(got: Any, want: Problems, *case: object) -> str | None:
    alone = isinstance(got, set) and len(got) == 1 < len(want) and got <= want
    return "stopped at one problem; report all at once" if alone else None


check_problems = Check(
    """`fn(wanted, found, rename)` is the set of all that is wrong with a file, as (kind, name).

    `wanted` and `found` give each tensor's shape, by our name and by the file's; `rename` turns
    the second into the first, or None. Kinds: "missing", "shape" and "doubled" go with our name,
    "unknown" with the file's.
    """,
    "wanted found rename",
    _problems,
    _file_cases,
    {
        "names were compared without `rename`": lambda wanted, found, rename: _problems(
            wanted, found, lambda name: name
        ),
        "a transposed matrix was accepted; compare shapes in order": _in_any_order,
        "a tensor that nothing asks for went unnoticed": _unnoticed("unknown"),
        "a tensor went unnoticed whose name `rename` knows, and which is no parameter": _known_name,
        "a parameter without a tensor went unnoticed": _unnoticed("missing"),
        "a tensor of another shape went unnoticed": _unnoticed("shape"),
        "two tensors for one parameter went unnoticed": _unnoticed("doubled"),
    },
    explain=_only_one,
)


# The transposed matrix

_TRANSPOSED = (
    "layers.2.self_attn.o_proj.weight",
    "layers.0.mlp.up_proj.weight",
    "layers.5.self_attn.q_proj.weight",
    "layers.6.mlp.down_proj.weight",
)


@standard_torch()
def check_suspect(fn: Callable[[Decoder, Tensor, TokenLayout, list[Tensor]], Any]) -> None:
    """`fn(decoder, x, layout, right)` names the one parameter that was stored transposed.

    `right` is the stream after each block of the same model before the mistake, for `x`. All
    matrices of the blocks but those of keys and values are square here.
    """
    for seed, name in enumerate(_TRANSPOSED):
        decoder, x, layout = _square(seed)
        right = _streams(decoder, x, layout)
        weights = dict(decoder.named_parameters())
        weights[name].data = weights[name].data.T.contiguous()
        before = copy.deepcopy(decoder.state_dict())
        sentence = _verdict(ask(fn, decoder, x.clone(), layout, right), name, weights)
        after = decoder.state_dict()
        if any(not torch.equal(old, after[key]) for key, old in before.items()):
            sentence = "left the model changed; turn back every matrix that you turned to try it"
        if sentence:
            raise CheckError(sentence, f"model {seed + 1} of {len(_TRANSPOSED)}")


def _square(seed: int) -> tuple[Decoder, Tensor, TokenLayout]:
    text = replace(PRESETS["tiny-text"].text, head_dim=6, intermediate_size=24)  # N H = F = D = 24
    g = torch.Generator().manual_seed(90 + seed)
    decoder = Decoder(text).eval().requires_grad_(False)
    for weight in decoder.parameters():
        weight.normal_(0.0, 0.2 if weight.ndim == 1 else weight.shape[-1] ** -0.5, generator=g)
    x = torch.randn(1, 17, text.hidden_size, generator=g)
    return decoder, x, TokenLayout.of_text(torch.ones(1, 17, dtype=torch.bool))


def _streams(decoder: Decoder, x: Tensor, layout: TokenLayout) -> list[Tensor]:
    with capture(decoder, "layers.[0-9]") as seen:
        decoder(x, layout)
    return [outputs[0] for outputs in seen.values()]


def _verdict(answer: Any, name: str, weights: Mapping[str, Tensor]) -> str | None:
    if not (isinstance(answer, str) and answer in weights and answer.startswith("layers.")):
        said = show(answer) or type(answer).__name__
        return f"got {said}, expected a name in a block, like layers.3.mlp.gate_proj.weight"
    if answer == name:
        return None
    at, there = (int(n.split(".")[1]) for n in (answer, name))
    if at < there:
        return f"{answer}: its block still gives the right stream; the mistake comes later"
    if at > there:
        return (
            f"{answer}: an earlier block already gives another stream; find the first that differs"
        )
    return (
        f"{answer}: the right block; turn that matrix, run it again, and the stream is still wrong"
    )
