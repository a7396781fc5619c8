"""The checks of lesson 11 pass right answers and name the mistakes they know."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gemma3_edu.lessons.checks.vision import check_block_gradient, check_mistake, check_patches
from gemma3_edu.naive.vision import patches
from gemma3_edu.train.losses import sigmoid_pair_loss

# check_patches


def by_loops(image: Tensor, size: int) -> Tensor:
    return torch.stack([patch.flatten() for patch in patches(image, size)])


def by_axes(image: Tensor, size: int) -> Tensor:
    grid = image.unflatten(2, (-1, size)).unflatten(1, (-1, size))
    return grid.permute(1, 3, 0, 2, 4).flatten(2).flatten(0, 1)


def by_unfold(image: Tensor, size: int) -> Tensor:
    return F.unfold(image[None].float(), size, stride=size)[0].T.to(image.dtype)


def by_windows(image: Tensor, size: int) -> Tensor:
    windows = image.unfold(1, size, size).unfold(2, size, size)  # C rows columns size size
    return windows.movedim(0, 2).flatten(0, 1).flatten(1)


def by_convolution(image: Tensor, size: int) -> Tensor:
    """With the unit matrix for weights, as the package's encoder would cut."""
    numbers = len(image) * size**2
    weight = torch.eye(numbers).reshape(numbers, -1, size, size)
    return F.conv2d(image.float()[None], weight, stride=size)[0].flatten(1).T.to(image.dtype)


@pytest.mark.parametrize("answer", [by_loops, by_axes, by_unfold, by_windows, by_convolution])
def test_right_patches(answer):
    check_patches(answer)


def permuted(*axes: int) -> Callable[[Tensor, int], Tensor]:
    def answer(image: Tensor, size: int) -> Tensor:
        grid = image.unflatten(2, (-1, size)).unflatten(1, (-1, size))
        return grid.permute(*axes).flatten(2).flatten(0, 1)

    return answer


def in_place(image: Tensor, size: int) -> Tensor:
    got = by_axes(image, size).clone()
    image += 1
    return got


PATCH_MUTANTS: list[tuple[Callable[..., object], str]] = [
    (
        permuted(3, 1, 0, 2, 4),
        "the patches run down the columns; they run along the rows, as one reads",
    ),
    (
        lambda image, size: image.reshape(-1, len(image) * size**2),
        "cut the numbers as they lie in memory, row by row of the whole picture; a patch is a"
        " square",
    ),
    (
        lambda image, size: image.reshape(len(image), -1, size**2).transpose(0, 1).flatten(1),
        "cut each channel as it lies in memory; give rows and columns of patches axes of their own",
    ),
    (
        permuted(1, 3, 2, 4, 0),
        "inside a patch the channels come last; the matrix of the encoder has them first",
    ),
    (
        permuted(1, 3, 0, 4, 2),
        "the pixels of a patch run down its columns; they run along its rows",
    ),
    (
        lambda image, size: (
            by_axes(image, size).unflatten(0, (image.shape[1] // size, -1)).flip(0).flatten(0, 1)
        ),
        "the rows of patches begin at the bottom",
    ),
    (
        lambda image, size: by_axes(image, size).T,
        "shape (12, 15): patches come first, then their numbers",
    ),
    (in_place, "changed the image in place; return a new tensor"),
    (lambda image, size: patches(image, size), "expected a tensor, got list"),
    (
        lambda image, size: by_axes(image.float(), size),
        "dtype torch.float32, expected torch.bfloat16",
    ),
]


@pytest.mark.parametrize(
    ("answer", "sentence"), PATCH_MUTANTS, ids=[s[:40] for _, s in PATCH_MUTANTS]
)
def test_wrong_patches(answer, sentence):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_patches(answer)


def test_patches_without_a_name_get_the_place_of_the_first_difference():
    with pytest.raises(AssertionError, match=r"values differ by more than 0, first at \(0, 0"):
        check_patches(lambda image, size: by_axes(image, size).roll(1, 0))


# check_block_gradient


def by_formula(logits: Tensor, picture: int, caption: int, batch: int) -> Tensor:
    a, b = logits.shape
    y = torch.where(torch.arange(a)[:, None] + picture == torch.arange(b) + caption, 1.0, -1.0)
    return -y * torch.sigmoid(-y * logits) / batch


def by_autograd(logits: Tensor, picture: int, caption: int, batch: int) -> Tensor:
    z = logits.clone().requires_grad_()
    match = torch.eye(batch)[picture : picture + len(z), caption : caption + z.shape[1]]
    F.binary_cross_entropy_with_logits(z, match, reduction="sum").div(batch).backward()
    return z.grad


def by_guess_minus_match(logits: Tensor, picture: int, caption: int, batch: int) -> Tensor:
    match = torch.eye(batch)[picture:, caption:][: logits.shape[0], : logits.shape[1]]
    return (logits.sigmoid() - match) / batch


@pytest.mark.parametrize("answer", [by_formula, by_autograd, by_guess_minus_match])
def test_right_gradients(answer):
    check_block_gradient(answer)


def test_the_blocks_gradients_are_those_of_the_loss_that_ships():
    """b is added to every logit, so its gradient is the sum of all blocks'."""
    g = torch.Generator().manual_seed(4)
    image, text = (F.normalize(torch.randn(7, 3, generator=g), dim=1) for _ in "it")
    log_scale, bias = torch.tensor(1.5), torch.tensor(-2.0, requires_grad=True)
    sigmoid_pair_loss(image, text, log_scale, bias).backward()
    z = image @ text.T * log_scale.exp() + bias.detach()
    cuts = [(0, 3), (3, 5), (5, 7)]
    parts = [by_formula(z[a:c, b:d], a, b, 7).sum() for a, c in cuts for b, d in cuts]
    torch.testing.assert_close(torch.stack(parts).sum(), bias.grad)


def with_signs(rule: Callable[[Tensor, Tensor, int], Tensor]):
    """An answer from (logits, y, batch), with the right y."""

    def answer(logits: Tensor, picture: int, caption: int, batch: int) -> Tensor:
        a, b = logits.shape
        y = 2.0 * (torch.arange(a)[:, None] + picture == torch.arange(b) + caption) - 1
        return rule(logits, y, batch)

    return answer


def gradient(z: Tensor, y: Tensor, batch: float) -> Tensor:
    return -y * torch.sigmoid(-y * z) / batch


def by_exp(z: Tensor, y: Tensor, batch: int) -> Tensor:
    power = (-y * z).exp()
    return -y * power / (1 + power) / batch


def gradient_in_place(logits: Tensor, picture: int, caption: int, batch: int) -> Tensor:
    got = by_formula(logits, picture, caption, batch)
    logits.neg_()
    return got


GRADIENT_MUTANTS: list[tuple[Callable[..., object], str]] = [
    (
        lambda z, picture, caption, batch: gradient(z, 2 * torch.eye(*z.shape) - 1, batch),
        "put the matches on the block's own diagonal; picture n matches caption n of the batch,"
        " wherever the block lies",
    ),
    (
        with_signs(lambda z, y, batch: gradient(z, -torch.ones_like(y), batch)),
        "the block has no matches here; it may hold some",
    ),
    (
        with_signs(lambda z, y, batch: gradient(z, torch.ones_like(y), batch)),
        "every pair is a match here; only equal numbers are",
    ),
    (
        with_signs(lambda z, y, batch: -gradient(z, y, batch)),
        "the sign is turned: this is the way up",
    ),
    (
        with_signs(lambda z, y, batch: gradient(z, -y, batch)),
        "the labels are turned: matches are pushed apart",
    ),
    (with_signs(lambda z, y, batch: gradient(z, y, 1)), "not divided by the batch"),
    (
        with_signs(lambda z, y, batch: gradient(z, y, z.numel())),
        "divided by the block's pairs; divide by the batch",
    ),
    (
        with_signs(lambda z, y, batch: gradient(z, y, batch**2)),
        "divided by the pairs of the batch; divide by its pictures",
    ),
    (
        with_signs(lambda z, y, batch: gradient(z, y, len(z))),
        "divided by the block's pictures; divide by the batch",
    ),
    (
        with_signs(lambda z, y, batch: -y * torch.sigmoid(z) / batch),
        "the sign stands before the sigmoid and is missing in it: -y sigmoid(-y z)",
    ),
    (
        with_signs(lambda z, y, batch: (z.softmax(1) - (y > 0).float()) / batch),
        "the softmax of each row minus its match is the gradient of CLIP's loss; a pair's gradient"
        " knows no other pair",
    ),
    (
        with_signs(lambda z, y, batch: -F.logsigmoid(y * z) / batch),
        "this is the loss of each pair; its gradient is asked",
    ),
    (
        with_signs(by_exp),
        "logits of 120 give a number that is not finite: exp overflows; torch.sigmoid does not",
    ),
    (gradient_in_place, "changed logits in place; return a new tensor"),
    (lambda *inputs: by_formula(*inputs).tolist(), "expected a tensor, got list"),
    (lambda *inputs: by_formula(*inputs).sum(), "shape (), expected (5, 3)"),
]


@pytest.mark.parametrize(
    ("answer", "sentence"), GRADIENT_MUTANTS, ids=[s[:40] for _, s in GRADIENT_MUTANTS]
)
def test_wrong_gradients(answer, sentence):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_block_gradient(answer)


def test_a_gradient_without_a_name_gets_the_place_of_the_first_difference():
    with pytest.raises(AssertionError, match=r"15 of 15 values differ .*, first at \(0, 0\)"):
        check_block_gradient(lambda *inputs: by_formula(*inputs) + 1)


# check_mistake

Encoder = Callable[[Tensor], Tensor]


def moved(encoder: Encoder, image_size: int, patch_size: int, row: int, column: int) -> Tensor:
    """How far each vector moves when one patch of an empty picture lights up."""
    empty = torch.zeros(1, 3, image_size, image_size)
    lit = empty.clone()
    down, right = (slice(n * patch_size, (n + 1) * patch_size) for n in (row, column))
    lit[..., down, right] = 1
    return (encoder(lit) - encoder(empty))[0].norm(dim=1)


def has_no_positions(encoder: Encoder, image_size: int) -> bool:
    x = encoder(torch.zeros(1, 3, image_size, image_size))[0]
    return bool((x - x[0]).abs().max() < 1e-4)


def by_experiments(encoder: Encoder, image_size: int, patch_size: int) -> str:
    across = image_size // patch_size
    if has_no_positions(encoder, image_size):
        return "no positions"
    if moved(encoder, image_size, patch_size, across - 1, across - 1)[0] < 1e-6:
        return "causal"
    first = moved(encoder, image_size, patch_size, 0, 1).argmax()
    return "none" if first == 1 else "column by column"


def by_mirrors(encoder: Encoder, image_size: int, patch_size: int) -> str:
    """Another way: which vectors light up when the lower left patch does."""
    across = image_size // patch_size
    if has_no_positions(encoder, image_size):
        return "no positions"
    steps = moved(encoder, image_size, patch_size, across - 1, 0)
    if steps[0] == 0 or steps[across - 2] == 0:
        return "causal"
    return {across - 1: "column by column", across * (across - 1): "none"}[int(steps.argmax())]


@pytest.mark.parametrize("answer", [by_experiments, by_mirrors])
def test_right_diagnoses(answer):
    check_mistake(answer)


def blind_to(kind: str, instead: str) -> Callable[..., str]:
    def answer(*inputs: object) -> str:
        found = by_experiments(*inputs)
        return instead if found == kind else found

    return answer


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            lambda *_: "none",
            "said 'none' of an encoder without positions: all patches of an empty picture are one"
            " vector there",
        ),
        (
            blind_to("causal", "none"),
            "said 'none' of an encoder whose patches see only those before them: the first hears of"
            " no other",
        ),
        (
            blind_to("column by column", "none"),
            "said 'none' of an encoder that takes patches column by column: what lies right of the"
            " first is not its second",
        ),
        (
            blind_to("none", "causal"),
            "said 'causal' of an encoder without a mistake",
        ),
        (
            lambda *_: "columns",
            "gave 'columns'; answer with 'none', 'column by column', 'no positions', 'causal'",
        ),
    ],
)
def test_wrong_diagnoses(answer, sentence):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_mistake(answer)


@pytest.mark.parametrize("check", [check_patches, check_block_gradient, check_mistake])
def test_a_stub_is_let_through(check):
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
