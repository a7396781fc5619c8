"""The checks on layers accept what is right, however written; the mistakes are in test_checks."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gemma3_edu.lessons.checks.layers import (
    check_fold,
    check_fused_mlp,
    check_rmsnorm,
    check_unmasking,
)
from gemma3_edu.model.layers import GatedMLP, RMSNorm
from tests.lessons.checks.messages import message

# check_rmsnorm


def by_package(x: Tensor, w: Tensor, eps: float) -> Tensor:
    module = RMSNorm(len(w), eps).to(w.dtype)
    module.load_state_dict({"weight": w})
    return module(x)


def by_builtin(x: Tensor, w: Tensor, eps: float) -> Tensor:
    return F.rms_norm(x.float(), w.shape, 1 + w.float(), eps).to(x.dtype)


def by_length(x: Tensor, w: Tensor, eps: float) -> Tensor:
    """From the length of the vector, which is rms times the root of D."""
    length = torch.linalg.vector_norm(x.double(), dim=-1, keepdim=True)
    rms = torch.hypot(length / len(w) ** 0.5, torch.tensor(eps**0.5))
    return torch.lerp(x / rms, x / rms * (w.double() + 1), 1.0).to(x.dtype)


def by_rows(x: Tensor, w: Tensor, eps: float) -> Tensor:
    rows = [row / (row @ row / len(row) + eps) ** 0.5 for row in x.float().flatten(0, -2)]
    return torch.stack(rows).mul(w.float().add(1)).reshape(x.shape).to(x.dtype)


@pytest.mark.parametrize("answer", [by_package, by_builtin, by_length, by_rows])
def test_right_norms(answer: Callable[..., Tensor]):
    check_rmsnorm(answer)


def narrow_root(x: Tensor, w: Tensor, eps: float) -> Tensor:
    root = (x.float().square().mean(-1, keepdim=True) + eps).sqrt().to(x.dtype)
    return (x.float() / root * (1 + w.float())).to(x.dtype)


def test_a_norm_that_rounds_its_root_differs_in_a_share_of_the_values():
    words = (
        "% of the values differ; compute in float32, and cast last (x = bfloat16 of shape (41, 30)"
    )
    assert words in message(check_rmsnorm, narrow_root)


def in_the_dtype_of_w(x: Tensor, w: Tensor, eps: float) -> Tensor:
    return by_package(x, w, eps).to(w.dtype)


def test_a_norm_in_the_dtype_of_its_weights_is_told_apart_where_the_two_differ():
    sentence = "the result has the dtype of w; cast it to that of x (x = bfloat16 of shape (40, 31)"
    assert message(check_rmsnorm, in_the_dtype_of_w).startswith(sentence)


# check_fold


def by_diagonal(matrix: Tensor, w: Tensor) -> Tensor:
    return matrix @ torch.diag(1 + w)


def by_columns(matrix: Tensor, w: Tensor) -> Tensor:
    return torch.stack([column * (1 + g) for column, g in zip(matrix.T, w, strict=True)], dim=1)


def by_identity(matrix: Tensor, w: Tensor) -> Tensor:
    """What the norm's gain and the matrix do to each input alone."""
    return F.linear(torch.eye(len(w)) * (1 + w), matrix).T


@pytest.mark.parametrize("answer", [by_diagonal, by_columns, by_identity])
def test_right_folds(answer: Callable[..., Tensor]):
    check_fold(answer)


# check_unmasking


def large_second() -> Tensor:
    return torch.tensor([[[1.0] * 5, [10.0] * 5]])


def one_large_entry() -> Tensor:
    x = torch.arange(10.0).sin().reshape(5, 2).T[None]  # not contiguous
    x[0, 1, 3] = 40
    return x


def tiny_first() -> Tensor:
    return torch.cat([1e-3 * torch.ones(1, 1, 5), torch.randn(1, 1, 5)], dim=1)


@pytest.mark.parametrize("answer", [large_second, one_large_entry, tiny_first])
def test_tokens_that_unmask(answer):
    check_unmasking(answer)


def test_a_second_token_of_size_root_7_halves_the_first():
    check_unmasking(lambda: torch.stack([torch.ones(5), 7**0.5 * torch.ones(5)])[None])


UNMASKING_MUTANTS: list[tuple[Callable[[], object], str]] = [
    (
        lambda: torch.ones(1, 2, 5),
        "the suspect gets this right: both tokens have about the same rms, or are so small that"
        " only eps counts; let their sizes differ",
    ),
    (
        lambda: torch.tensor([[[1.0] * 5, [0.0] * 5]]),
        "the first token comes out 1.41 times too large, not too small; what must the second token"
        " be like?",
    ),
    (
        lambda: torch.tensor([[[1.0] * 5, [2.0] * 5]]),
        "the first token comes out 1.58 times too small; 2 or more are asked",
    ),
    (
        lambda: torch.tensor([[[1.0] * 5, [2.645] * 5]]),
        "the first token comes out 1.99 times too small; 2 or more are asked",
    ),
    (
        lambda: torch.tensor([[[1e-5] * 5, [1e-4] * 5]]),
        "the first token comes out 1.00 times too small; 2 or more are asked, and in tokens this"
        " small eps hides the rest",
    ),
    (
        lambda: large_second().flip(1) - 1,
        "the first token comes out 1.41 times too large, not too small; what must the second token"
        " be like?",
    ),
    (
        lambda: large_second() - 1,
        "the first token is zero, and any norm leaves it zero; give it a size",
    ),
    (lambda: large_second() * torch.inf, "x holds, or leads to, inf or nan"),
    (lambda: large_second() * 1e30, "x holds, or leads to, inf or nan"),
]


@pytest.mark.parametrize(("answer", "sentence"), UNMASKING_MUTANTS)
def test_tokens_that_do_not_unmask(answer, sentence: str):
    assert message(check_unmasking, answer).startswith(sentence)


# check_fused_mlp


def by_gated_mlp(x, w_gate_up, w_down):
    w_gate, w_up = w_gate_up.split(len(w_gate_up) // 2)
    module = GatedMLP(x.shape[-1], len(w_gate)).to(x.dtype)
    names = ("gate_proj.weight", "up_proj.weight", "down_proj.weight")
    module.load_state_dict(dict(zip(names, (w_gate, w_up, w_down), strict=True)))
    flat = x.reshape(1, -1, x.shape[-1])
    return module(flat).reshape(x.shape).detach()


def by_einsum(x, w_gate_up, w_down):
    both = torch.einsum("...d,gfd->g...f", x, w_gate_up.unflatten(0, (2, -1)))
    return torch.einsum("...f,df->...d", F.gelu(both[0], approximate="tanh") * both[1], w_down)


def by_one_product(x, w_gate_up, w_down):
    """One product for both readings; GELU from its formula."""
    gate, up = (x @ w_gate_up.T).chunk(2, dim=-1)
    inner = (2 / torch.pi) ** 0.5 * (gate + 0.044715 * gate.pow(3))
    return (gate * torch.sigmoid(2 * inner) * up) @ w_down.T  # tanh a = 2 sigmoid(2 a) - 1


@pytest.mark.parametrize("answer", [by_gated_mlp, by_einsum, by_one_product])
def test_right_mlps(answer: Callable[..., Tensor]):
    check_fused_mlp(answer)
