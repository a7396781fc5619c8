"""The checks of lesson 11 accept what is right, however written, and name what went wrong."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gemma3_edu.lessons.checks.vision import check_mistake, check_pair_loss
from gemma3_edu.lessons.checks.vision_block import check_vision_block
from gemma3_edu.model.config import VisionConfig
from gemma3_edu.model.vision import VisionBlock
from gemma3_edu.naive.vision import vision_block
from gemma3_edu.train.losses import sigmoid_pair_loss
from tests.lessons.checks.messages import message

# check_pair_loss


def as_classifier(image: Tensor, text: Tensor, log_scale: Tensor, bias: Tensor) -> Tensor:
    z = F.cosine_similarity(image[:, None], text[None], dim=-1) * log_scale.exp() + bias
    return F.binary_cross_entropy_with_logits(z, torch.eye(len(z)), reduction="sum") / len(z)


def in_loops(image: Tensor, text: Tensor, log_scale: Tensor, bias: Tensor) -> Tensor:
    total = torch.tensor(0.0)
    for i, picture in enumerate(image):
        for j, caption in enumerate(text):
            similarity = picture @ caption / (picture.norm() * caption.norm())
            z = log_scale.exp() * similarity + bias
            total = total + F.softplus(-z if i == j else z)
    return total / len(image)


@pytest.mark.parametrize("answer", [sigmoid_pair_loss, as_classifier, in_loops])
def test_right_losses(answer):
    check_pair_loss(answer)


def test_a_loss_that_overflows():
    def by_sigmoid(image: Tensor, text: Tensor, log_scale: Tensor, bias: Tensor) -> Tensor:
        z = F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T * log_scale.exp() + bias
        return -torch.log(torch.sigmoid((2 * torch.eye(len(z)) - 1) * z)).sum() / len(z)

    assert message(check_pair_loss, by_sigmoid) == (
        "not finite: sigmoid of a very negative number is 0, and its logarithm infinite;"
        " F.logsigmoid takes any number (image = [[1, 0], [0, 1]], text = [[0, 1], [1, 0]],"
        " log_scale = 5.7, bias = -10: got inf, expected 300)"
    )


# check_vision_block


def config(x: Tensor, w: dict[str, Tensor], heads: int) -> VisionConfig:
    return VisionConfig(
        hidden_size=x.shape[-1],
        intermediate_size=len(w["mlp.fc1.bias"]),
        num_hidden_layers=1,
        num_attention_heads=heads,
        image_size=28,
        patch_size=14,
    )


def as_module(x: Tensor, w: dict[str, Tensor], heads: int) -> Tensor:
    block = VisionBlock(config(x, w, heads))
    block.load_state_dict(w)
    return block(x).detach()


def in_the_loops_of_naive(x: Tensor, w: dict[str, Tensor], heads: int) -> Tensor:
    return torch.stack([vision_block(each, w, config(x, w, heads)) for each in x])


def as_pytorch_has_it(x: Tensor, w: dict[str, Tensor], heads: int) -> Tensor:
    attention = nn.MultiheadAttention(x.shape[-1], heads, batch_first=True)
    state = {"out_proj.weight": w["self_attn.out_proj.weight"]}
    state["out_proj.bias"] = w["self_attn.out_proj.bias"]
    for kind in ("weight", "bias"):
        state[f"in_proj_{kind}"] = torch.cat([w[f"self_attn.{name}_proj.{kind}"] for name in "qkv"])
    attention.load_state_dict(state)
    y = F.layer_norm(x, x.shape[-1:], w["layer_norm1.weight"], w["layer_norm1.bias"], 1e-6)
    x = x + attention(y, y, y, need_weights=False)[0].detach()
    y = F.layer_norm(x, x.shape[-1:], w["layer_norm2.weight"], w["layer_norm2.bias"], 1e-6)
    y = F.gelu(F.linear(y, w["mlp.fc1.weight"], w["mlp.fc1.bias"]), approximate="tanh")
    return x + F.linear(y, w["mlp.fc2.weight"], w["mlp.fc2.bias"])


@pytest.mark.parametrize("answer", [as_module, in_the_loops_of_naive, as_pytorch_has_it])
def test_right_blocks(answer):
    check_vision_block(answer)


def test_the_bias_of_keys_changes_nothing():
    """It adds the same number to all scores of a query, so leaving it out is no mistake."""

    def without(x: Tensor, w: dict[str, Tensor], heads: int) -> Tensor:
        bias = w["self_attn.k_proj.bias"]
        return as_module(x, w | {"self_attn.k_proj.bias": torch.zeros_like(bias)}, heads)

    check_vision_block(without)


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
