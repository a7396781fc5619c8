"""The checks of lesson 11 accept what is right, however written, and name what went wrong."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gemma3_edu.lessons.checks.vision import check_block_gradient, check_mistake, check_patches
from gemma3_edu.train.losses import sigmoid_pair_loss
from tests.lessons.checks.messages import message

# check_patches


def by_axes(image: Tensor, size: int) -> Tensor:
    grid = image.unflatten(2, (-1, size)).unflatten(1, (-1, size))
    return grid.permute(1, 3, 0, 2, 4).flatten(2).flatten(0, 1)


def by_unfold(image: Tensor, size: int) -> Tensor:
    return F.unfold(image[None].float(), size, stride=size)[0].T.to(image.dtype)


def by_convolution(image: Tensor, size: int) -> Tensor:
    """With the unit matrix for weights, as the package's encoder would cut."""
    numbers = len(image) * size**2
    weight = torch.eye(numbers).reshape(numbers, -1, size, size)
    return F.conv2d(image.float()[None], weight, stride=size)[0].flatten(1).T.to(image.dtype)


@pytest.mark.parametrize("answer", [by_axes, by_unfold, by_convolution])
def test_right_patches(answer):
    check_patches(answer)


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


def test_a_gradient_that_overflows():
    def by_exp(logits: Tensor, picture: int, caption: int, batch: int) -> Tensor:
        y = by_formula(logits, picture, caption, batch).sign().neg()
        power = (-y * logits).exp()
        return -y * power / (1 + power) / batch

    assert message(check_block_gradient, by_exp) == (
        "a number is not finite: exp overflows for large logits; torch.sigmoid does not"
        " (logits = [[-120, 120], [120, -120]], first_picture = 0, first_caption = 0, batch = 2:"
        " got [[nan, nan], [nan, nan]], expected [[-0.5, 0.5], [0.5, -0.5]])"
    )


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


CHOICE = "expected one of 'none', 'column by column', 'no positions', 'causal'"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            blind_to("no positions", "none"),
            "got 'none' for an encoder without positions: all patches of an empty picture are one"
            " vector there",
        ),
        (
            blind_to("causal", "none"),
            "got 'none' for an encoder whose patches see only those before them: no other patch"
            " changes the first",
        ),
        (
            blind_to("column by column", "none"),
            "got 'none' for an encoder that takes patches column by column: what is right of the"
            " first is not its second",
        ),
        (blind_to("none", "causal"), "got 'causal' for an encoder without a mistake"),
        (lambda *_: "columns", f"got 'columns', {CHOICE}"),
        (lambda *_: ["causal"], f"got ['causal'], {CHOICE}"),
    ],
)
def test_wrong_diagnoses(answer, words: str):
    assert words in message(check_mistake, answer)
