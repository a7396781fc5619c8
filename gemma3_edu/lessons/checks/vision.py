"""Checks of the exercises on the vision encoder: the loss of pairs, and a mistake unseen.

>>> from gemma3_edu.lessons.nb import attempt
>>> def of_vectors_as_they_are(image, text, log_scale, bias):
...     z = image @ text.T * log_scale.exp() + bias
...     return F.binary_cross_entropy_with_logits(z, torch.eye(len(z)), reduction="sum") / len(z)
>>> attempt("Exercise 1", check_pair_loss, of_vectors_as_they_are)  # doctest: +ELLIPSIS
Exercise 1: the vectors keep their lengths; scale both to length 1 first (...)
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ...model.config import VisionConfig
from ...model.vision import VisionAttention, VisionEncoder
from .difference import show
from .grading import Case, Check, CheckError, ask, standard_torch

# The loss of all pairs

Loss = Callable[[Tensor], Tensor]


def _pairs() -> list[Case]:
    g = torch.Generator().manual_seed(12)
    small = (torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [3.0, 4.0]]))
    cases: list[Case] = [(*small, torch.tensor(0.0), torch.tensor(-1.0))]
    for r, e, scale, bias in [(3, 2, 0.5, -2.0), (5, 4, 1.5, -3.0), (4, 7, 1.0, 0.5)]:
        image, text = (torch.randn(e, r, generator=g).T * 2 for _ in "it")
        cases.append((image, text, torch.tensor(scale), torch.tensor(bias)))
    return cases


def _yes_or_no(z: Tensor) -> Tensor:
    return -F.logsigmoid(_signs(z) * z).sum() / len(z)


def _signs(z: Tensor) -> Tensor:
    return 2 * torch.eye(len(z)) - 1


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1)


def _loss(
    of_logits: Loss = _yes_or_no,
    unit: Callable[[Tensor], Tensor] = _unit,
    unit_text: Callable[[Tensor], Tensor] | None = None,
    logits: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda s, t, b: s * t.exp() + b,
) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    def loss(image: Tensor, text: Tensor, log_scale: Tensor, bias: Tensor) -> Tensor:
        similarity = unit(image) @ (unit_text or unit)(text).T
        return of_logits(logits(similarity, log_scale, bias))

    return loss


def _as_it_is(x: Tensor) -> Tensor:
    return x


def _one_of_all(z: Tensor) -> Tensor:
    own = torch.arange(len(z))
    return (F.cross_entropy(z, own) + F.cross_entropy(z.T, own)) / 2


def _infinite(got: Any, want: Tensor, *case: object) -> str | None:
    if isinstance(got, Tensor) and got.shape == want.shape and not bool(got.isfinite().all()):
        return (
            "not finite: sigmoid of a very negative number is 0, and its logarithm infinite;"
            " F.logsigmoid takes any number"
        )
    return None


check_pair_loss = Check(
    """`fn(image, text, log_scale, bias)` is SigLIP's loss of R pictures and R captions.

    Both are (R, E). Row n of one belongs to row n of the other. Rows have any length and are scaled
    to length 1; a logit is their product times exp(log_scale), plus bias. The result is a scalar.
    """,
    "image text log_scale bias",
    _loss(),
    _pairs,
    {
        "the vectors keep their lengths; scale both to length 1 first": _loss(unit=_as_it_is),
        "the captions' vectors keep their lengths; scale both to length 1": _loss(
            unit_text=_as_it_is
        ),
        "the pictures' vectors keep their lengths; scale both to length 1": _loss(
            unit=_as_it_is, unit_text=_unit
        ),
        "scaled down the columns; each row, one vector, gets length 1": _loss(
            unit=partial(F.normalize, dim=0)
        ),
        "multiplied by log_scale; the scale is its exponential": _loss(
            logits=lambda s, t, b: s * t + b
        ),
        "bias is missing in the logits": _loss(logits=lambda s, t, b: s * t.exp()),
        "bias is subtracted; it is added": _loss(logits=lambda s, t, b: s * t.exp() - b),
        "bias is added before the scale; scale the similarity alone": _loss(
            logits=lambda s, t, b: (s + b) * t.exp()
        ),
        "the scale is missing in the logits": _loss(logits=lambda s, t, b: s + b),
        "divided by the number of pairs, as a mean is; divide by R": _loss(
            lambda z: _yes_or_no(z) / len(z)
        ),
        "not divided; divide the sum over all pairs by R": _loss(lambda z: _yes_or_no(z) * len(z)),
        "the loss is turned: it falls as the answers get worse; minus is missing": _loss(
            lambda z: -_yes_or_no(z)
        ),
        "the labels are turned: pairs that belong together are pushed apart": _loss(
            lambda z: -F.logsigmoid(-_signs(z) * z).sum() / len(z)
        ),
        "strangers have label 0, and cost the same whatever their logit; theirs is -1": _loss(
            lambda z: -F.logsigmoid(torch.eye(len(z)) * z).sum() / len(z)
        ),
        "only the pairs that belong together are asked; ask the strangers too": _loss(
            lambda z: -F.logsigmoid(z.diagonal()).mean()
        ),
        "all pairs are asked to say yes; only picture n and caption n belong together": _loss(
            lambda z: -F.logsigmoid(z).sum() / len(z)
        ),
        "this is CLIP's loss, a softmax along rows and columns; ask each pair yes or no": _loss(
            _one_of_all
        ),
        "a softmax over the captions of each picture; ask each pair yes or no": _loss(
            lambda z: F.cross_entropy(z, torch.arange(len(z)))
        ),
        "the logarithm is missing": _loss(lambda z: -(_signs(z) * z).sigmoid().sum() / len(z)),
    },
    explain=_infinite,
).then(
    lambda: [
        (torch.eye(2), torch.eye(2).flip(0), torch.tensor(300.0).log(), torch.tensor(-10.0)),
    ],
    atol=1e-2,  # of numbers near 300, of which float32 keeps seven digits
)


# An encoder that cannot be opened

NONE, COLUMNS, NO_POSITIONS, CAUSAL = "none", "column by column", "no positions", "causal"
_KINDS = {
    NONE: "without a mistake",
    COLUMNS: "that takes patches column by column: what is right of the first is not its second",
    NO_POSITIONS: "without positions: all patches of an empty picture are one vector there",
    CAUSAL: "whose patches see only those before them: no other patch changes the first",
}
_TOY = VisionConfig(
    hidden_size=16,
    intermediate_size=28,
    num_hidden_layers=2,
    num_attention_heads=2,
    image_size=20,
    patch_size=5,
)


@standard_torch()
def check_mistake(fn: Callable[[Callable[[Tensor], Tensor], int, int], Any]) -> None:
    """`fn(encoder, image_size, patch_size)` names the one mistake in an encoder, or NONE.

    `encoder` takes images (I, 3, Y, Y) of `image_size` pixels a side and gives (I, P, E); what it
    holds cannot be seen. Mistakes are COLUMNS, NO_POSITIONS and CAUSAL.
    """
    for seed in range(3):
        for kind in (NO_POSITIONS, NONE, CAUSAL, COLUMNS):
            answer = ask(fn, _unseen(kind, seed), _TOY.image_size, _TOY.patch_size)
            if not isinstance(answer, str) or answer not in _KINDS:
                said = show(answer) or type(answer).__name__
                raise CheckError(f"got {said}, expected one of {', '.join(map(repr, _KINDS))}")
            if answer != kind:
                raise CheckError(
                    f"got {answer!r} for an encoder {_KINDS[kind]}", f"encoder {seed + 1}, {kind}"
                )


class _Causal(VisionAttention):
    def forward(self, x: Float[Tensor, "I P E"]) -> Float[Tensor, "I P E"]:
        q, k, v = (
            project(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        values = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(values.transpose(1, 2).flatten(2))


def _unseen(kind: str, seed: int) -> Callable[[Tensor], Tensor]:
    g, encoder = torch.Generator().manual_seed(30 + seed), VisionEncoder(_TOY).requires_grad_(False)
    for name, weight in encoder.named_parameters():
        weight.normal_(0.0, weight.shape[-1] ** -0.5, generator=g)
        if "norm" in name and name.endswith("weight"):
            weight.add_(1.0)
    if kind == COLUMNS:
        encoder.patch_embedding.register_forward_hook(lambda *parts: parts[-1].transpose(2, 3))
    if kind == NO_POSITIONS:
        encoder.position_embedding.weight.zero_()
    if kind == CAUSAL:
        for module in encoder.modules():
            if isinstance(module, VisionAttention):
                module.__class__ = _Causal
    return lambda images: encoder(images)
