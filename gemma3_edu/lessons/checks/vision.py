"""Checks of the exercises on the vision encoder: patches, a block of pairs, a mistake unseen.

>>> from gemma3_edu.lessons.nb import attempt
>>> def as_in_memory(image, size): return image.reshape(-1, len(image) * size**2)
>>> attempt("Exercise 1", check_patches, as_in_memory)
Exercise 1: cut the numbers as they come in memory, row by row of the whole picture; a patch is a
    square (image = [[[0, 1, 2, 3], [4, 5, 6, 7]]], size = 2: got [[0, 1, 2, 3], [4, 5, 6, 7]],
    expected [[0, 1, 4, 5], [2, 3, 6, 7]])
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ...model.config import VisionConfig
from ...model.vision import VisionAttention, VisionEncoder
from ...naive.vision import patches
from .difference import show
from .grading import Case, Check, CheckError, ask, standard_torch

# Patches


def _images() -> list[Case]:
    g = torch.Generator().manual_seed(11)
    small = torch.arange(8.0).view(1, 2, 4)
    return [(small, 2)] + [
        (torch.randn(y, x, c, generator=g).to(dtype).permute(2, 0, 1), size)  # not contiguous
        for c, y, x, size, dtype in [
            (3, 6, 10, 2, torch.float32),
            (2, 10, 15, 5, torch.float32),
            (1, 9, 6, 3, torch.float32),
            (3, 4, 12, 4, torch.bfloat16),
        ]
    ]


def _cut(image: Tensor, size: int) -> Tensor:
    return torch.stack([patch.flatten() for patch in patches(image, size)])


def _axes(*order: int) -> Callable[[Tensor, int], Tensor]:
    """The axes (C, rows, size, columns, size) in another order than 1, 3, 0, 2, 4."""

    def cut(image: Tensor, size: int) -> Tensor:
        squares = image.unflatten(2, (-1, size)).unflatten(1, (-1, size))
        return squares.permute(order).flatten(2).flatten(0, 1)

    return cut


def _from_below(image: Tensor, size: int) -> Tensor:
    return _cut(image.unflatten(1, (-1, size)).flip(1).flatten(1, 2), size)


check_patches = Check(
    """`fn(image, size)` cuts (C, Y, X) into rows of C * size * size numbers, one row a patch.

    Patches are in reading order; inside each, channels come first, then rows, then columns.
    """,
    "image size",
    _cut,
    _images,
    {
        "the patches run down the columns; they run along the rows, as one reads": _axes(
            3, 1, 0, 2, 4
        ),
        "cut the numbers as they come in memory, row by row of the whole picture; a patch is a"
        " square": lambda image, size: image.reshape(-1, len(image) * size**2),
        "cut each channel as it comes in memory; give rows and columns of patches axes of their"
        " own": lambda image, size: (
            image.reshape(len(image), -1, size**2).transpose(0, 1).flatten(1)
        ),
        "inside a patch the channels come last; the matrix of the encoder has them first": _axes(
            1, 3, 2, 4, 0
        ),
        "the pixels of a patch run down its columns; they run along its rows": _axes(1, 3, 0, 4, 2),
        "the rows of patches begin at the bottom": _from_below,
        "the axes are exchanged: patches come first, then their numbers": lambda image, size: (
            _cut(image, size).T
        ),
    },
    atol=0.0,
)


# The gradient of a block


def _blocks() -> list[Case]:
    g = torch.Generator().manual_seed(12)
    sizes = [(2, 3, 1, 0, 6), (5, 3, 4, 6, 12), (4, 4, 4, 4, 13), (3, 4, 0, 8, 12), (7, 7, 0, 0, 7)]
    return [(2 * torch.randn(b, a, generator=g).T, *rest) for a, b, *rest in sizes]


def _signs(z: Tensor, picture: int, caption: int) -> Tensor:
    a, b = z.shape
    matches = torch.arange(picture, picture + a)[:, None] == torch.arange(caption, caption + b)
    return 2.0 * matches - 1


def _by_sign(z: Tensor, sign: Tensor, batch: float) -> Tensor:
    return -sign * torch.sigmoid(-sign * z) / batch


def _rule(
    rule: Callable[[Tensor, Tensor, int], Tensor],
) -> Callable[[Tensor, int, int, int], Tensor]:
    """A gradient from the logits, which pairs match (1 or -1), and the batch."""
    return lambda z, picture, caption, batch: rule(z, _signs(z, picture, caption), batch)


def _overflow(got: Any, want: Tensor, *case: object) -> str | None:
    if isinstance(got, Tensor) and got.shape == want.shape and not bool(got.isfinite().all()):
        return "a number is not finite: exp overflows for large logits; torch.sigmoid does not"
    return None


check_block_gradient = Check(
    """`fn(logits, first_picture, first_caption, batch)` is the pair loss's gradient in a block.

    `logits` (A, B) are those of pictures first_picture ... and captions first_caption ... of a
    batch; picture n and caption n belong together. The loss is summed over all pairs of the batch
    and divided by `batch`. The result has the shape of `logits`.
    """,
    "logits first_picture first_caption batch",
    _rule(_by_sign),
    _blocks,
    {
        "put the matches on the block's own diagonal; picture n matches caption n of the"
        " batch, wherever the block is": lambda z, picture, caption, batch: _by_sign(
            z, _signs(z, 0, 0), batch
        ),
        "the block has no matches here; it may hold some": _rule(
            lambda z, y, r: _by_sign(z, -y.abs(), r)
        ),
        "every pair is a match here; only equal numbers are": _rule(
            lambda z, y, r: _by_sign(z, y.abs(), r)
        ),
        "the sign is turned: this is the way up": _rule(lambda z, y, r: -_by_sign(z, y, r)),
        "the labels are turned: matches are pushed apart": _rule(
            lambda z, y, r: _by_sign(z, -y, r)
        ),
        "not divided by the batch": _rule(lambda z, y, r: _by_sign(z, y, 1)),
        "divided by the block's pairs; divide by the batch": _rule(
            lambda z, y, r: _by_sign(z, y, z.numel())
        ),
        "divided by the pairs of the batch; divide by its pictures": _rule(
            lambda z, y, r: _by_sign(z, y, r**2)
        ),
        "divided by the block's pictures; divide by the batch": _rule(
            lambda z, y, r: _by_sign(z, y, len(z))
        ),
        "the sign stands before the sigmoid and is missing in it: -y sigmoid(-y z)": _rule(
            lambda z, y, r: -y * torch.sigmoid(z) / r
        ),
        "the softmax of each row minus its match is the gradient of CLIP's loss; a pair's"
        " gradient knows no other pair": _rule(lambda z, y, r: (z.softmax(1) - (y + 1) / 2) / r),
        "this is the loss of each pair; its gradient is asked": _rule(
            lambda z, y, r: -F.logsigmoid(y * z) / r
        ),
    },
    explain=_overflow,
    atol=1e-6,
).then(lambda: [(torch.tensor([[-120.0, 120.0], [120.0, -120.0]]), 0, 0, 2)], atol=1e-6)


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
