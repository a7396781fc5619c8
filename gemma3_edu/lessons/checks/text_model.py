"""Checks of the exercises on the whole text model: its count, a strict reader, a turned matrix.

>>> from gemma3_edu.study.cost import parameters
>>> check_text_parameters(parameters)
>>> check_text_parameters(lambda config: parameters(config) + config.vocab_size)
Traceback (most recent call last):
AssertionError: 4 of 4 values differ, first at (0,): got 53956, expected 53444
"""

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
from .compare import compare

Shapes = Mapping[str, tuple[int, ...]]
Rename = Callable[[str], str | None]
Problems = set[tuple[str, str]]


def check_text_parameters(fn: Callable[[TextConfig], Any]) -> None:
    """`fn(config)` is how many numbers a text model holds, its head tied to the embedding."""
    cases = [PRESETS["tiny-text"].text, *(PRESETS[name].text for name in ("270m", "1b", "27b"))]
    answers = [fn(config) for config in cases]
    for answer in answers:
        assert isinstance(answer, int) and not isinstance(answer, bool), (
            f"expected an int, got {type(answer).__name__}"
        )
    slips = [(told, torch.tensor([rule(config) for config in cases])) for told, rule in _SLIPS]
    compare(torch.tensor(answers), torch.tensor([parameters(c) for c in cases]), slips)


def _without(part: str) -> Callable[[TextConfig], int]:
    return lambda c: parameters(c) - parameters_by_part(c)[part]


_SLIPS: list[tuple[str, Callable[[TextConfig], int]]] = [
    (
        "the head was counted as a second table; it is the embedding again",
        lambda c: parameters(c) + c.vocab_size * c.hidden_size,
    ),
    ("the embedding was left out", _without("embedding")),
    ("the norms were left out; each holds a weight for every number it scales", _without("norms")),
    ("the final norm was left out", lambda c: parameters(c) - c.hidden_size),
    (
        "the norms of queries and keys were left out: H numbers each, once a layer",
        lambda c: parameters(c) - c.num_hidden_layers * 2 * c.head_dim,
    ),
    (
        "two norms of width D a layer, as in Llama; Gemma 3 has four",
        lambda c: parameters(c) - c.num_hidden_layers * 2 * c.hidden_size,
    ),
    (
        "every head got norms of its own; all heads of a layer share one for q and one for k",
        lambda c: (
            parameters(c)
            + c.num_hidden_layers * c.head_dim * (c.num_attention_heads + c.num_key_value_heads - 2)
        ),
    ),
    (
        "keys and values were given as many heads as queries; there are K of them",
        lambda c: parameters(replace(c, num_key_value_heads=c.num_attention_heads)),
    ),
    (
        "D was taken for the width of all query heads; that is N times H",
        lambda c: (
            parameters(c)
            + c.num_hidden_layers
            * 2
            * c.hidden_size
            * (c.hidden_size - c.num_attention_heads * c.head_dim)
        ),
    ),
    (
        "two matrices an MLP; Gemma's has three, gate, up and down",
        lambda c: parameters(c) - c.num_hidden_layers * c.hidden_size * c.intermediate_size,
    ),
    (
        "one layer was counted; there are as many as `layer_types` has entries",
        lambda c: parameters(replace(c, layer_types=layer_pattern(1))),
    ),
]


def check_problems(fn: Callable[[Shapes, Shapes, Rename], Any]) -> None:
    """`fn(wanted, found, rename)` is the set of all that is wrong with a file, as (kind, name).

    `wanted` and `found` give each tensor's shape, by our name and by the file's; `rename` turns
    the second into the first, or None. Kinds: "missing", "shape" and "doubled" go with our name,
    "unknown" with the file's.
    """
    wanted: dict[str, tuple[int, ...]] = {
        "embed.weight": (11, 6),
        "layers.0.q.weight": (8, 6),
        "layers.0.o.weight": (6, 8),
        "layers.0.norm.weight": (6,),
        "norm.weight": (6,),
    }
    right = {f"model.{name}": shape for name, shape in wanted.items()}
    broken = {
        "model.embed.weight": (11, 6),
        "model.layers.0.q.weight": (6, 8),
        "old.layers.0.o.weight": (6, 8),
        "model.layers.0.o.weight": (6, 8),
        "model.layers.0.k.weight": (4, 6),
        "model.norm.weight": (7,),
        "optimizer.step": (1,),
    }
    for found in (right, broken):
        before = dict(wanted), dict(found)
        got = fn(wanted, found, _rename)
        assert (wanted, found) == before, "changed wanted or found; leave both as they are"
        assert isinstance(got, set), f"expected a set, got {type(got).__name__}"
        want = _problems(wanted, found)
        for sentence, slip in _problem_slips(wanted, found, want) if got != want else ():
            assert got != slip, sentence
        assert not got - want, f"reported {min(got - want)}, which is right"
        assert not want - got, f"did not report {min(want - got)}"


def _rename(name: str) -> str | None:
    for prefix in ("model.", "old."):
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return None


def _problems(wanted: Shapes, found: Shapes) -> Problems:
    out: Problems = set()
    known: set[str] = set()
    for theirs, shape in found.items():
        ours = _rename(theirs)
        if ours is None or ours not in wanted:
            out.add(("unknown", theirs))
        elif ours in known:
            out.add(("doubled", ours))
        else:
            known.add(ours)
            if shape != wanted[ours]:
                out.add(("shape", ours))
    return out | {("missing", name) for name in wanted if name not in known}


def _problem_slips(wanted: Shapes, found: Shapes, want: Problems) -> list[tuple[str, Problems]]:
    def only(keep: Callable[[tuple[str, str]], bool]) -> Problems:
        return {problem for problem in want if keep(problem)}

    raw = {("missing", name) for name in wanted} | {("unknown", name) for name in found}
    turned = {("shape", n) for n in wanted if len(wanted[n]) == 2}
    slips = [
        ("names were compared without `rename`", raw),
        (
            "a transposed matrix was accepted; compare shapes in order, not what they hold",
            want - turned,
        ),
        ("a tensor that nothing asks for went unnoticed", only(lambda p: p[0] != "unknown")),
        (
            "a name that `rename` translates, and that is no parameter, went unnoticed",
            only(lambda p: p[0] != "unknown" or _rename(p[1]) is None),
        ),
        ("a parameter without a tensor went unnoticed", only(lambda p: p[0] != "missing")),
        ("a tensor of another shape went unnoticed", only(lambda p: p[0] != "shape")),
        ("two tensors for one parameter went unnoticed", only(lambda p: p[0] != "doubled")),
    ]
    slips += [("stopped at the first problem; report all at once", {one}) for one in want]
    return slips


def check_suspect(fn: Callable[[Decoder, Tensor, TokenLayout, list[Tensor]], Any]) -> None:
    """`fn(decoder, x, layout, right)` names the one parameter that was stored transposed.

    `right` is the stream after each block of the same model before the mistake, for `x`. All
    matrices of the blocks but those of keys and values are square here.
    """
    for seed, name in enumerate(_PLANTED):
        decoder, x, layout = _square(seed)
        right = _streams(decoder, x, layout)
        weights = dict(decoder.named_parameters())
        weights[name].data = weights[name].data.T.contiguous()
        before = [weight.clone() for weight in weights.values()]
        answer = fn(decoder, x, layout, [stream.clone() for stream in right])
        same = zip(before, decoder.parameters(), strict=True)
        assert all(torch.equal(old, new) for old, new in same), (
            "left the model changed; turn back every matrix that you turned to try it"
        )
        _judge(answer, name, {other for other in weights if other.startswith("layers.")})


_PLANTED = (
    "layers.2.self_attn.o_proj.weight",
    "layers.0.mlp.up_proj.weight",
    "layers.5.self_attn.q_proj.weight",
    "layers.6.mlp.down_proj.weight",
)


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


def _judge(answer: Any, name: str, known: set[str]) -> None:
    assert isinstance(answer, str) and answer in known, (
        f"gave {answer!r}, which is in no block; give a name like layers.3.mlp.gate_proj.weight"
    )
    if answer == name:
        return
    at, there = (int(n.split(".")[1]) for n in (answer, name))
    assert at >= there, f"{answer}: its block still gives the right stream; the mistake comes later"
    assert at == there, (
        f"{answer}: an earlier block already gives another stream; find the first that differs"
    )
    raise AssertionError(
        f"{answer}: the right block; turn that matrix, run it again, and the stream is still wrong"
    )
