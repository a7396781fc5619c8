"""Checks of the exercises of appendix A2: a mistake to plant, and three ports with one to name.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 3", check_names, lambda: (13, 0, 0))
Exercise 3: port A: plant each form of 13 that you suspect; none gives the logits of A
"""

from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from ...model import (
    PRESETS,
    Attention,
    Gemma3,
    Gemma3Config,
    RopeConfig,
    TokenLayout,
    causal,
    masks,
    rope_table,
)
from ...model.rope import Rope
from ..mistakes import Plant, while_it_runs
from .difference import show
from .grading import Case, Check, ask, require, standard_torch


def _filled(model: nn.Module, seed: int) -> Any:
    """A model with random weights, whose gains are not all alike."""
    g = torch.Generator().manual_seed(seed)
    for weight in model.requires_grad_(False).parameters():
        weight.normal_(0, 0.2 if weight.ndim == 1 else weight.shape[-1] ** -0.5, generator=g)
    return model.eval()


def like_27b() -> Gemma3:
    """A small random model with the settings of 27B: its scale is not 1 / sqrt(head_dim)."""
    text = replace(
        PRESETS["27b"].text,
        vocab_size=512,
        hidden_size=60,
        intermediate_size=100,
        head_dim=14,
        num_attention_heads=4,
        num_key_value_heads=2,
        query_pre_attn_scalar=15,
        sliding_window=8,
        layer_types=PRESETS["27b"].text.layer_types[:7],
    )
    return _filled(Gemma3(Gemma3Config(text=text)), seed=2)


# A mistake to plant


def _attended(fn: Callable[[Attention], Any], attention: Attention, rope: Rope) -> Tensor:
    """What attention gives for random states, after the learner's function has changed it."""
    ask(fn, attention)
    length, width = rope[0].shape[1], attention.q_proj.in_features
    x = torch.randn(1, length, width, generator=torch.Generator().manual_seed(5))
    layout = TokenLayout.of_text(torch.ones(1, length) > 0)
    with torch.no_grad():
        return attention(x, causal(layout, layout), rope)


def _cases() -> dict[str, Case]:
    config = PRESETS["tiny-text"].text
    attention = _filled(Attention(config, 0), seed=4)

    def case(length: int) -> Case:
        return attention, rope_table(torch.arange(length)[None], config.head_dim, config.rope_local)

    return {"two tokens": case(2), "seven tokens": case(7)}


def _late(
    queries: bool = True, keys: bool = True, before: bool = False
) -> Callable[[Attention], None]:
    """Norms inside `attend`, for queries, keys or both; `before` also leaves them where they were.

    A norm that is not late is gone.
    """

    def plant(attention: Attention) -> None:
        right, q_norm, k_norm = attention.attend, attention.q_norm, attention.k_norm
        late_q = q_norm if queries else nn.Identity()
        late_k = k_norm if keys else nn.Identity()
        attention.attend = lambda q, k, *rest: right(late_q(q), late_k(k), *rest)
        if not before:
            attention.q_norm = attention.k_norm = nn.Identity()  # type: ignore[assignment]

    return plant


def _one_late(name: str) -> Callable[[Attention], None]:
    """One of the two norms is late, the other stays where it was."""

    def plant(attention: Attention) -> None:
        other = "k_norm" if name == "q_norm" else "q_norm"
        stays = getattr(attention, other)
        _late(queries=name == "q_norm", keys=name == "k_norm")(attention)
        setattr(attention, other, stays)

    return plant


def _gone(*names: str) -> Callable[[Attention], None]:
    def plant(attention: Attention) -> None:
        for name in names:
            setattr(attention, name, nn.Identity())

    return plant


def _nothing(attention: Attention) -> None:
    pass


check_late_norms = Check(
    "`fn(attention)` changes an Attention in place: its QK-norms act after the rotation.",
    "attention rope",
    _late(),
    _cases,
    {
        "attention gives what it gave before; replace `attention.attend`, in place": _nothing,
        "both norms are gone; keep them and `attend` in variables before you replace them": (
            _gone("q_norm", "k_norm")
        ),
        "the norm of the queries is gone; call it on q in the new `attend`": [
            _gone("q_norm"),
            _late(queries=False),
        ],
        "the norm of the keys is gone; call it on k in the new `attend`": [
            _gone("k_norm"),
            _late(keys=False),
        ],
        "normalized twice; put `nn.Identity()` where the norms were": _late(before=True),
        "the keys are still normalized before the rotation": _one_late("q_norm"),
        "the queries are still normalized before the rotation": _one_late("k_norm"),
    },
    call=_attended,
    may_change="attention",
)


# Three ports, each with one mistake


def _other_size(model: Gemma3) -> None:
    if model.vision is not None:
        model.vision.register_forward_hook(lambda tower, given, out: 2 * out)


_window = masks.within_window
PORTS: dict[str, Plant] = {
    "port A": while_it_runs("masks.within_window", lambda q, k, w: _window(q, k, w + 1)),
    "port B": _other_size,
    "port C": while_it_runs(
        "gemma3.rope_table",
        lambda position, head_dim, rope: rope_table(
            position, head_dim, RopeConfig(1e4, rope.factor)
        ),
    ),
}
"""Functions that plant a mistake in nano, for the exercise that asks which."""

_RIGHT = {"port A": 12, "port B": 17, "port C": 10}
_WRONG = {
    "port A": {13: "plant each form of 13 that you suspect; none gives the logits of A"},
    "port B": {
        16: "16 changes who sees a picture, not what comes in; compare `embed(number)` of port and"
        " nano"
    },
    "port C": {
        1: "1 changes what every block reads; here the first five blocks are right",
        7: "7 is wrong in every block; here the first five are right",
        8: "the scale of the global layers alone can be planted, too; it gives other logits than C",
        9: "9 is wrong in every block; here the first five are right",
        11: "it is an angle, but no form of 11 gives these logits; plant one and compare",
        12: "W - 1 shows at the token that has W keys; here the second token is wrong",
        13: "a window everywhere hides the factor too; plant it and compare",
        14: "14 is wrong in every block; here the first five are right",
    },
}


@standard_torch()
def check_names(fn: Callable[[], Any]) -> None:
    """`fn()` is the number of the exhibit that each of the ports A, B and C has."""
    names = ask(fn)
    triple = isinstance(names, tuple | list) and len(names) == 3
    said = show(names) or type(names).__name__
    require(triple, f"got {said}, expected three numbers of exhibits, for A, B and C")
    for (port, right), name in zip(_RIGHT.items(), names, strict=True):
        whole = isinstance(name, Integral) and not isinstance(name, bool)
        given = whole and int(name) in range(1, 20)
        said = show(name) or type(name).__name__
        require(given, f"{port}: got {said}, expected the number of an exhibit, from 1 to 19")
        why = f"not {name}; look which test catches that one, and what it costs"
        require(name == right, f"{port}: {_WRONG[port].get(int(name), why)}")
