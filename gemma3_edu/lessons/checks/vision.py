"""Checks of the exercises on the vision encoder: patches, a block of pairs, a mistake unseen.

>>> check_patches(lambda image, size: image.reshape(-1, len(image) * size**2))
Traceback (most recent call last):
AssertionError: cut the numbers as they lie in memory, row by row of the whole picture; a patch is a
square
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...model.config import VisionConfig
from ...model.vision import VisionBlock, VisionEncoder
from ...naive.vision import patches
from .compare import compare

Slips = Sequence[tuple[str, Tensor]]
NONE, COLUMNS, NO_POSITIONS, CAUSAL = "none", "column by column", "no positions", "causal"


def check_patches(fn: Callable[[Tensor, int], Any]) -> None:
    """`fn(image, size)` cuts (C, Y, X) into rows of C * size * size numbers, one row a patch.

    Patches are in reading order; inside each, channels come first, then rows, then columns.
    """
    g = torch.Generator().manual_seed(11)
    for c, y, x, size, dtype in [
        (3, 6, 10, 2, torch.float32),
        (2, 10, 15, 5, torch.float32),
        (1, 9, 6, 3, torch.float32),
        (3, 4, 12, 4, torch.bfloat16),
    ]:
        image = torch.randn(y, x, c, generator=g).to(dtype).permute(2, 0, 1)  # not contiguous
        before = image.clone()
        got = fn(image, size)
        assert torch.equal(before, image), "changed the image in place; return a new tensor"
        want = _cut(image, size)
        flipped = isinstance(got, Tensor) and got.shape == want.T.shape != want.shape
        assert not flipped, f"shape {tuple(want.T.shape)}: patches come first, then their numbers"
        compare(got, want, _patch_slips(image, size), atol=0.0)


def _cut(image: Tensor, size: int) -> Tensor:
    return torch.stack([patch.flatten() for patch in patches(image, size)])


def _patch_slips(image: Tensor, size: int) -> Slips:
    c, y, _ = image.shape
    right = _cut(image, size)
    squares = right.unflatten(1, (c, size, size))  # P C rows columns
    grid = squares.unflatten(0, (y // size, -1))
    memory = image.reshape(-1, c * size**2)
    return [
        (
            "the patches run down the columns; they run along the rows, as one reads",
            grid.transpose(0, 1).flatten(0, 1).flatten(1),
        ),
        (
            "cut the numbers as they lie in memory, row by row of the whole picture; a patch is a"
            " square",
            memory,
        ),
        (
            "cut each channel as it lies in memory; give rows and columns of patches axes of their"
            " own",
            image.reshape(c, -1, size**2).transpose(0, 1).flatten(1),
        ),
        (
            "inside a patch the channels come last; the matrix of the encoder has them first",
            squares.permute(0, 2, 3, 1).flatten(1),
        ),
        (
            "the pixels of a patch run down its columns; they run along its rows",
            squares.transpose(2, 3).flatten(1),
        ),
        ("the rows of patches begin at the bottom", grid.flip(0).flatten(0, 1).flatten(1)),
    ]


def check_block_gradient(fn: Callable[[Tensor, int, int, int], Any]) -> None:
    """`fn(logits, first_picture, first_caption, batch)` is the pair loss's gradient in a block.

    `logits` (A, B) are those of pictures first_picture ... and captions first_caption ... of a
    batch; picture n and caption n belong together. The loss is summed over all pairs of the batch
    and divided by `batch`. The result has the shape of `logits`.
    """
    g = torch.Generator().manual_seed(12)
    for a, b, picture, caption, batch in [
        (5, 3, 4, 6, 12),
        (4, 4, 4, 4, 13),
        (3, 4, 0, 8, 12),
        (7, 7, 0, 0, 7),
    ]:
        z = 2 * torch.randn(b, a, generator=g).T  # not contiguous
        sign = _signs(a, b, picture, caption)
        before = z.clone()
        got = fn(z, picture, caption, batch)
        assert torch.equal(before, z), "changed logits in place; return a new tensor"
        compare(got, _gradient(z, sign, batch), _gradient_slips(z, sign, batch), atol=1e-6)
    large = torch.tensor([[-120.0, 120.0], [120.0, -120.0]])
    got = fn(large, 0, 0, 2)
    assert isinstance(got, Tensor) and bool(got.isfinite().all()), (
        "logits of 120 give a number that is not finite: exp overflows; torch.sigmoid does not"
    )
    compare(got, torch.tensor([[-0.5, 0.5], [0.5, -0.5]]), atol=1e-6)


def _signs(a: int, b: int, picture: int, caption: int) -> Tensor:
    matches = torch.arange(picture, picture + a)[:, None] == torch.arange(caption, caption + b)
    return 2.0 * matches - 1


def _gradient(z: Tensor, sign: Tensor, batch: float) -> Tensor:
    return -sign * torch.sigmoid(-sign * z) / batch


def _gradient_slips(z: Tensor, sign: Tensor, batch: int) -> Slips:
    a, b = z.shape
    right = _gradient(z, sign, batch)
    own = 2 * torch.eye(a, b) - 1
    return [
        (
            "put the matches on the block's own diagonal; picture n matches caption n of the"
            " batch, wherever the block lies",
            _gradient(z, own, batch),
        ),
        ("the block has no matches here; it may hold some", _gradient(z, -torch.ones(a, b), batch)),
        (
            "every pair is a match here; only equal numbers are",
            _gradient(z, torch.ones(a, b), batch),
        ),
        ("the sign is turned: this is the way up", -right),
        ("the labels are turned: matches are pushed apart", _gradient(z, -sign, batch)),
        ("not divided by the batch", right * batch),
        ("divided by the block's pairs; divide by the batch", right * batch / (a * b)),
        ("divided by the pairs of the batch; divide by its pictures", right / batch),
        ("divided by the block's pictures; divide by the batch", right * batch / a),
        (
            "the sign stands before the sigmoid and is missing in it: -y sigmoid(-y z)",
            -sign * torch.sigmoid(z) / batch,
        ),
        (
            "the softmax of each row minus its match is the gradient of CLIP's loss; a pair's"
            " gradient knows no other pair",
            (z.softmax(1) - (sign + 1) / 2) / batch,
        ),
        ("this is the loss of each pair; its gradient is asked", -F.logsigmoid(sign * z) / batch),
    ]


def check_mistake(fn: Callable[[Callable[[Tensor], Tensor], int, int], Any]) -> None:
    """`fn(encoder, image_size, patch_size)` names the one mistake in an encoder, or NONE.

    `encoder` takes images (I, 3, Y, Y) of `image_size` pixels a side and gives (I, P, E); what it
    holds cannot be seen. Mistakes are COLUMNS, NO_POSITIONS and CAUSAL.
    """
    for seed in range(3):
        for kind in (NO_POSITIONS, NONE, CAUSAL, COLUMNS):
            answer = fn(_unseen(kind, seed), _TOY.image_size, _TOY.patch_size)
            assert answer in _KINDS, f"gave {answer!r}; answer with {', '.join(map(repr, _KINDS))}"
            assert answer == kind, f"said {answer!r} of an encoder {_KINDS[kind]}"


_KINDS = {
    NONE: "without a mistake",
    COLUMNS: "that takes patches column by column: what lies right of the first is not its second",
    NO_POSITIONS: "without positions: all patches of an empty picture are one vector there",
    CAUSAL: "whose patches see only those before them: the first hears of no other",
}
_TOY = VisionConfig(
    hidden_size=16,
    intermediate_size=28,
    num_hidden_layers=2,
    num_attention_heads=2,
    image_size=20,
    patch_size=5,
)


def _unseen(kind: str, seed: int) -> Callable[[Tensor], Tensor]:
    g, encoder = torch.Generator().manual_seed(30 + seed), VisionEncoder(_TOY)
    with torch.no_grad():
        for name, weight in encoder.named_parameters():
            weight.normal_(0.0, weight.shape[-1] ** -0.5, generator=g)
            if "norm" in name and name.endswith("weight"):
                weight.add_(1.0)

    def run(images: Tensor) -> Tensor:
        grid = encoder.patch_embedding(images)  # I E rows columns
        grid = grid.transpose(2, 3) if kind == COLUMNS else grid
        x = grid.flatten(2).transpose(1, 2)
        if kind != NO_POSITIONS:
            x = x + encoder.position_embedding.weight
        for layer in encoder.layers:
            assert isinstance(layer, VisionBlock)
            attention, normed = layer.self_attn, layer.layer_norm1(x)
            q, k, v = (
                project(normed).unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
                for project in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            heard = F.scaled_dot_product_attention(q, k, v, is_causal=kind == CAUSAL)
            x = x + attention.out_proj(heard.transpose(1, 2).flatten(2))
            x = x + layer.mlp(layer.layer_norm2(x))
        return encoder.post_layernorm(x)

    return torch.no_grad()(run)
