"""The checks on norms accept what is right, however written, and tell each slip by its sentence."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gemma3_edu import naive
from gemma3_edu.lessons.checks.layers import check_rmsnorm, check_unmasking, check_weight_from_gguf
from gemma3_edu.model.layers import RMSNorm

Norm = Callable[[Tensor, Tensor, float], object]

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


@pytest.mark.parametrize(
    "answer", [by_package, naive.layers.rms_norm, by_builtin, by_length, by_rows]
)
def test_right_norms(answer: Norm):
    check_rmsnorm(answer)


def mean_square(x: Tensor) -> Tensor:
    return x.float().square().mean(-1, keepdim=True)


def scaled(x: Tensor, factor: Tensor, gain: Tensor) -> Tensor:
    return (x.float() * factor * gain.float()).to(x.dtype)


def plain_gain(x, w, eps):
    return scaled(x, (mean_square(x) + eps).rsqrt(), w)


def no_gain(x, w, eps):
    return scaled(x, (mean_square(x) + eps).rsqrt(), torch.ones(1))


def eps_outside(x, w, eps):
    return scaled(x, 1 / (mean_square(x).sqrt() + eps), 1 + w.float())


def no_eps(x, w, eps):
    return scaled(x, mean_square(x).rsqrt(), 1 + w.float())


def sum_for_mean(x, w, eps):
    return scaled(x, (x.float().square().sum(-1, keepdim=True) + eps).rsqrt(), 1 + w.float())


def no_root(x, w, eps):
    return scaled(x, 1 / (mean_square(x) + eps), 1 + w.float())


def layer_norm(x, w, eps):
    return F.layer_norm(x.float(), w.shape, 1 + w.float(), eps=eps).to(x.dtype)


def over_everything(x, w, eps):
    return scaled(x, (x.float().square().mean() + eps).rsqrt(), 1 + w.float())


def over_tokens(x, w, eps):
    return scaled(x, (x.float().square().mean(-2, keepdim=True) + eps).rsqrt(), 1 + w.float())


def in_place(x, w, eps):
    return x.copy_(by_builtin(x, w, eps))


def gain_in_place(x, w, eps):
    return by_builtin(x, w.add_(1).sub(1), eps)


def wide_result(x, w, eps):
    return by_builtin(x.float(), w.float(), eps)


def flat(x, w, eps):
    return by_builtin(x, w, eps).flatten(0, -2)


def as_list(x, w, eps):
    return by_builtin(x, w, eps).tolist()


def llama(x, w, eps):
    return no_gain(x, w, eps) * (1 + w)


def llama_with_wide_gain(x, w, eps):
    return (no_gain(x, w, eps) * (1 + w.float())).to(x.dtype)


def narrow_gain(x, w, eps):
    return scaled(x, (mean_square(x) + eps).rsqrt(), 1 + w)


def narrow(x, w, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * (1 + w)


def narrow_with_division(x, w, eps):
    return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + eps) * (1 + w)


def narrow_factor(x, w, eps):
    return scaled(x, (mean_square(x) + eps).rsqrt().to(x.dtype), 1 + w.float())


def absolute(x, w, eps):
    return scaled(x, 1 / (x.float().abs().mean(-1, keepdim=True) + eps), 1 + w.float())


EARLY = (
    "bfloat16: rounded before multiplying by the gain, as Llama does; multiply in float32 and cast"
    " last"
)
THROUGHOUT = "bfloat16: computed in the dtype of x throughout; convert x and w to float32 first"
NORM_MUTANTS: list[tuple[Norm, str]] = [
    (plain_gain, "scaled by w; Gemma scales by 1 + w"),
    (no_gain, "left out the gain; multiply by 1 + w"),
    (
        eps_outside,
        "eps was added after the root; add it to the mean square, under the root",
    ),
    (no_eps, "left out eps; add it to the mean square"),
    (sum_for_mean, "used the sum of squares; use the mean"),
    (no_root, "divided by the mean square; take its root first"),
    (layer_norm, "subtracted the mean first, as LayerNorm does; RMSNorm leaves it in"),
    (
        over_everything,
        "averaged over all tokens together; each token has a mean of its own, over the last axis",
    ),
    (over_tokens, "averaged over the tokens, not over the entries of each; use the last axis"),
    (in_place, "changed x or w in place; return a new tensor"),
    (gain_in_place, "changed x or w in place; return a new tensor"),
    (wide_result, "dtype torch.float32, expected torch.bfloat16"),
    (flat, "shape (10, 6), expected (2, 5, 6)"),
    (as_list, "expected a tensor, got list"),
    (llama, EARLY),
    (llama_with_wide_gain, EARLY),
    (narrow_gain, "bfloat16: 1 + w was rounded; convert w to float32 before adding 1"),
    (narrow, THROUGHOUT),
    (narrow_with_division, THROUGHOUT),
]


@pytest.mark.parametrize(
    ("answer", "sentence"), NORM_MUTANTS, ids=[f.__name__ for f, _ in NORM_MUTANTS]
)
def test_wrong_norms(answer: Norm, sentence: str):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_rmsnorm(answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (absolute, r"^60 of 60 values differ by more than 1e-05, first at \(0, 0, 0\)"),
        (narrow_factor, r"^bfloat16: \d+% of the values differ; compute in float32 and cast last$"),
    ],
)
def test_a_norm_that_is_wrong_in_a_way_of_its_own(answer: Norm, sentence: str):
    with pytest.raises(AssertionError, match=sentence):
        check_rmsnorm(answer)


# check_weight_from_gguf


@pytest.mark.parametrize(
    "answer",
    [
        lambda stored: (stored - 1).bfloat16(),
        lambda stored: (stored.double() - 1.0).to(torch.bfloat16),
        lambda stored: torch.stack([torch.tensor(float(v) - 1) for v in stored]).bfloat16(),
    ],
)
def test_right_readings_of_gguf(answer):
    check_weight_from_gguf(answer)


def undone_in_place(stored: Tensor) -> Tensor:
    return stored.sub_(1).bfloat16()


READING_MUTANTS: list[tuple[Callable[[Tensor], object], str]] = [
    (lambda stored: stored.bfloat16(), "left the 1 in; GGUF stores 1 + w, so subtract 1"),
    (
        lambda stored: (stored + 1).bfloat16(),
        "added 1; GGUF stores 1 + w already, so subtract 1",
    ),
    (
        lambda stored: stored.bfloat16() - 1,
        "rounded to bfloat16 before subtracting, which loses every small w; subtract in float32,"
        " then cast",
    ),
    (lambda stored: (1 - stored).bfloat16(), "subtracted from 1; the other way round"),
    (lambda stored: stored - 1, "dtype torch.float32, expected torch.bfloat16"),
    (undone_in_place, "changed the stored tensor in place; return a new one"),
]


@pytest.mark.parametrize(("answer", "sentence"), READING_MUTANTS)
def test_wrong_readings_of_gguf(answer, sentence: str):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_weight_from_gguf(answer)


def test_a_reading_that_is_wrong_in_a_way_of_its_own():
    with pytest.raises(AssertionError, match=r"^\d+ of 13 values differ by more than 0, first at"):
        check_weight_from_gguf(lambda stored: (stored / 2).bfloat16())


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


UNMASKING_MUTANTS: list[tuple[Callable[[], object], str]] = [
    (
        lambda: torch.ones(1, 2, 5),
        "the suspect gets this right: both tokens have the same rms, so the mean over both is the"
        " mean of each",
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
    (lambda: large_second()[0], "shape (2, 5), expected (1, 2, 5)"),
    (lambda: large_second().double(), "dtype torch.float64, expected torch.float32"),
    (lambda: [[1.0] * 5, [10.0] * 5], "expected a tensor, got list"),
]


@pytest.mark.parametrize(("answer", "sentence"), UNMASKING_MUTANTS)
def test_tokens_that_do_not_unmask(answer, sentence: str):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_unmasking(answer)


# all


def stub(*arguments: object) -> Tensor:
    raise NotImplementedError("your turn")


@pytest.mark.parametrize("check", [check_rmsnorm, check_weight_from_gguf, check_unmasking])
def test_an_empty_stub_passes_through(check):
    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
