"""Checks of the exercises on planted mistakes: the module to blame, and a patient to diagnose.

>>> check_culprit(lambda healthy, patient, batch: "language_model.layers.3")
Traceback (most recent call last):
AssertionError: accused 'language_model.layers.3' in a pair whose weights and outputs are equal
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ...model.attention import Attention
from ...model.gemma3 import Block, Gemma3
from ...model.layers import GatedMLP
from ...model.layout import Batch
from ...model.presets import PRESETS


def check_culprit(fn: Callable[[Gemma3, Gemma3, Batch], Any]) -> None:
    """`fn(healthy, patient, batch)` names the module where two models part, or gives None.

    That is the first one, innermost where one holds another, whose input (its first argument) is
    the same in both models and whose output is not; named as in `named_modules`.
    """
    healthy = _model()
    batch = Batch.from_ids((torch.arange(19) ** 2 % 97 + 100)[None], healthy.config)
    well = _recorded(healthy, batch)
    for planted in _CULPRITS:
        patient = copy.deepcopy(healthy)
        for name in planted:
            _break(patient.get_submodule(name))
        want, got = (planted[0] if planted else None), fn(healthy, patient, batch)
        if got == want:
            continue
        assert got is None or isinstance(got, str), f"expected a name, got {type(got).__name__}"
        assert want is not None, f"accused {got!r} in a pair whose weights and outputs are equal"
        assert got is not None, f"found nothing, although {want} gives another output"
        assert got in well, f"{got!r} is no module that runs; named_modules() gives the names"
        assert not (want.startswith(f"{got}.") or got == ""), (
            f"{got!r} holds the mistake, and so does a smaller module: go inside"
        )
        ill = _recorded(patient, batch)
        assert not torch.equal(well[got][1], ill[got][1]), f"{got} gives the same in both models"
        raise AssertionError(
            f"{got} has another input already: compare inputs too; the models part at {want}"
        )


def _recorded(model: Gemma3, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
    """First input and output of every module that runs; of the whole, tokens for the input."""
    found = {}

    def keep(name: str, module: nn.Module, given: tuple[Any, ...], output: Tensor) -> None:
        found[name] = (given[0] if name else batch.tokens, output)

    hooks = [m.register_forward_hook(partial(keep, name)) for name, m in model.named_modules()]
    model(batch)
    for hook in hooks:
        hook.remove()
    return found


# The modules that are wrong, the answer first; an empty row is a healthy pair.
_CULPRITS = [
    [],
    ["language_model.layers.3.self_attn.q_norm"],
    ["language_model.layers.5.mlp.up_proj"],
    ["language_model.layers.2.self_attn"],
    ["language_model.embed_tokens"],
    ["language_model.layers.6.post_feedforward_layernorm"],
    ["language_model.layers.1.mlp"],
    ["language_model.norm"],
    ["language_model.layers.1.self_attn.o_proj", "language_model.layers.4.self_attn"],
]


def _model() -> Gemma3:
    """Seven layers, weights that hide nothing."""
    model = Gemma3(PRESETS["tiny-text"]).eval().requires_grad_(False)
    g = torch.Generator().manual_seed(16)
    for name, weight in model.named_parameters():
        std = 0.2 if weight.ndim == 1 else weight.shape[-1] ** -0.5
        weight.normal_(-0.5 if "post_" in name else 0.0, std, generator=g)
    return model


class _SiluMLP(GatedMLP):
    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


def _break(module: nn.Module) -> None:
    """Make a module wrong, and none of its parts."""
    if isinstance(module, Attention):
        module.scale *= 1.5
    elif isinstance(module, GatedMLP):
        module.__class__ = _SiluMLP
    else:
        weight = module.get_parameter("weight") * 1.25 + 0.125
        module.weight = nn.Parameter(weight, requires_grad=False)


PATIENT_BLOCK = 8


def patient(model: Gemma3) -> Gemma3:
    """A copy of nano with one mistake, for texts read without a cache; the lesson asks which.

    >>> check_finding(lambda: ("logits", 0, "a guess"))
    Traceback (most recent call last):
    AssertionError: stage 'logits': it differs, but only since an earlier one does; find the first
    """
    sick = copy.deepcopy(model)
    block = sick.language_model.layers[PATIENT_BLOCK]
    window = sick.config.text.sliding_window

    def wider(block: Block, given: tuple[Any, ...]) -> tuple[Any, ...]:
        x, mask, *rest = given
        edge = torch.ones(mask.shape[1:], dtype=torch.bool).tril(-window).triu(-window)
        return x, mask | edge, *rest

    block.register_forward_pre_hook(wider)
    return sick


def check_finding(fn: Callable[[], Any], window: int = 64) -> None:
    """`fn()` is (stage, position, mistake): where the patient parts from its model, and why."""
    finding = fn()
    assert isinstance(finding, tuple) and len(finding) == 3, (
        f"expected (stage, position, mistake), got {finding!r}"
    )
    stage, position, mistake = finding
    stages = ["embeddings", *(f"block {n}" for n in range(12)), "final norm", "logits"]
    assert stage in stages, f"stage {stage!r}: expected one of {', '.join(stages)}"
    right = stages.index(f"block {PATIENT_BLOCK}")
    assert stages.index(stage) >= right, f"stage {stage!r}: both models agree there"
    assert stages.index(stage) <= right, (
        f"stage {stage!r}: it differs, but only since an earlier one does; find the first"
    )
    assert position != window - 1, (
        f"position {position}: both agree there; a text as long as the window is not enough"
    )
    assert position == window, f"position {position}: not the first that differs in that stage"
    assert mistake != "W - 1", (
        "W - 1 would show one position earlier: the query that has W keys would miss one"
    )
    assert mistake != "window ignored", (
        "window ignored begins at the same position, but then query 100 would see 101 keys;"
        " count the keys of its weights"
    )
    assert mistake == "W + 1", f"mistake {mistake!r}: it does not begin at position {window}"
