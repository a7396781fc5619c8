"""The checks on attention accept what is right, however written, and name each slip."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gemma3_edu import naive
from gemma3_edu.lessons.checks.attention import check_head, check_leak, check_scores
from gemma3_edu.model.attention import attend, attend_fused
from gemma3_edu.model.layers import RMSNorm

# check_head


def batched(*tensors: Tensor) -> list[Tensor]:
    return [tensor[None, None] for tensor in tensors]


def by_package(q, k, v, mask, scale):
    return attend(*batched(q, k, v), mask[None], scale)[0][0, 0]


def by_kernel(q, k, v, mask, scale):
    return attend_fused(*batched(q, k, v), mask[None], scale)[0, 0]


def by_loops(q, k, v, mask, scale):
    return naive.attention.attend(*batched(q, k, v), mask[None], scale)[0][0, 0]


def by_builtin(q, k, v, mask, scale):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)


def by_powers(q, k, v, mask, scale):
    """No softmax: powers of 2, of keys that are seen, divided by their sum."""
    powers = torch.exp2((q.double() @ k.double().T) * scale * 1.4426950408889634)
    powers = powers * mask
    return ((powers @ v.double()) / powers.sum(1, keepdim=True)).to(v.dtype)


def by_rows(q, k, v, mask, scale):
    """Each query with the keys it sees, and no others."""
    rows = []
    for query, seen in zip(q, mask, strict=True):
        scores = k[seen] @ (query * scale)
        rows.append(scores.float().softmax(0).to(v.dtype) @ v[seen])
    return torch.stack(rows)


@pytest.mark.parametrize(
    "answer", [by_package, by_kernel, by_loops, by_builtin, by_powers, by_rows]
)
def test_right_heads(answer):
    check_head(answer)


def masked(scores: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, scores, -1e9)


def no_mask(q, k, v, mask, scale):
    return (q @ k.T * scale).softmax(-1) @ v


def inverted_mask(q, k, v, mask, scale):
    return by_builtin(q, k, v, ~mask, scale)


def no_scale(q, k, v, mask, scale):
    return by_builtin(q, k, v, mask, 1.0)


def inverse_scale(q, k, v, mask, scale):
    return by_builtin(q, k, v, mask, 1 / scale)


def scale_of_its_own(q, k, v, mask, scale):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def scaled_weights(q, k, v, mask, scale):
    return masked(q @ k.T, mask).softmax(-1).mul(scale) @ v


def masked_weights(q, k, v, mask, scale):
    return (q @ k.T * scale).softmax(-1).masked_fill(~mask, 0) @ v


def zeroed_scores(q, k, v, mask, scale):
    return (q @ k.T * scale).masked_fill(~mask, 0).softmax(-1) @ v


def over_queries(q, k, v, mask, scale):
    weights = (q @ k.T * scale).masked_fill(~mask, -torch.inf).softmax(-2)
    return weights.nan_to_num(0.0) @ v


def no_softmax(q, k, v, mask, scale):
    return (q @ k.T * scale).masked_fill(~mask, 0) @ v


def mean_of_keys(q, k, v, mask, scale):
    return by_builtin(q, k, k, mask, scale)


def weights_alone(q, k, v, mask, scale):
    return masked(q @ k.T * scale, mask).softmax(-1)


def wide_result(q, k, v, mask, scale):
    return by_builtin(q.float(), k.float(), v.float(), mask, scale)


def mask_in_place(q, k, v, mask, scale):
    got = by_builtin(q, k, v, mask, scale)
    mask.logical_not_()
    return got


def as_list(q, k, v, mask, scale):
    return by_builtin(q, k, v, mask, scale).tolist()


HEAD_MUTANTS: list[tuple[Callable[..., object], str]] = [
    (no_mask, "the mask was ignored: a key that may not be seen gets weight 0"),
    (inverted_mask, "True and False are swapped: True means that the query may see the key"),
    (no_scale, "left out the scale; multiply the scores by it before the softmax"),
    (inverse_scale, "divided by the scale; multiply by it"),
    (
        scale_of_its_own,
        "scaled by 1 / sqrt(H); use the scale that is given, which in 27B is another number",
    ),
    (scaled_weights, "scaled the weights after the softmax; scale the scores before it"),
    (
        masked_weights,
        "masked after the softmax, so the weights of a query no longer sum to 1; mask the scores"
        " before it",
    ),
    (
        zeroed_scores,
        "multiplied the scores by the mask: a score of 0 still gets weight; use -inf",
    ),
    (
        over_queries,
        "softmax over the queries; each query's weights sum to 1 over the keys, the last axis",
    ),
    (no_softmax, "left out the softmax"),
    (mean_of_keys, "averaged the keys; the weights are for the values"),
    (weights_alone, "shape (3, 5), expected (3, 4)"),
    (wide_result, "dtype torch.float32, expected torch.bfloat16"),
    (mask_in_place, "changed q, k, v or mask in place; return a new tensor"),
    (as_list, "expected a tensor, got list"),
]


@pytest.mark.parametrize(
    ("answer", "sentence"), HEAD_MUTANTS, ids=[f.__name__ for f, _ in HEAD_MUTANTS]
)
def test_wrong_heads(answer, sentence: str):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_head(answer)


def test_a_head_that_is_wrong_in_a_way_of_its_own():
    with pytest.raises(AssertionError, match=r"^12 of 12 values differ by more than 1e-05, first"):
        check_head(lambda q, k, v, mask, scale: by_builtin(q, k, v, mask, scale) + 1)


# check_scores


def heads_of(x: Tensor, w: Tensor, size: int) -> Tensor:
    return (x @ w.T).unflatten(-1, (-1, size)).transpose(0, 1)  # N T H


def scores_by_package(x, w_q, w_k, q_weight, k_weight, scale):
    turned = []
    for w, weight in [(w_q, q_weight), (w_k, k_weight)]:
        norm = RMSNorm(len(weight))
        norm.load_state_dict({"weight": weight})
        turned.append(norm(heads_of(x, w, len(weight))))
    return (turned[0] @ turned[1].transpose(1, 2) * scale).detach()


def scores_by_builtin(x, w_q, w_k, q_weight, k_weight, scale):
    size = len(q_weight)
    q = F.rms_norm(heads_of(x, w_q, size), (size,), 1 + q_weight, 1e-6)
    k = F.rms_norm(heads_of(x, w_k, size), (size,), 1 + k_weight, 1e-6)
    return torch.einsum("nth,nsh->nts", q * scale, k)


def scores_by_loops(x, w_q, w_k, q_weight, k_weight, scale):
    size, rms_norm = len(q_weight), naive.layers.rms_norm
    found = []
    for row in range(0, len(w_q), size):
        q = rms_norm(x @ w_q[row : row + size].T, q_weight)
        k = rms_norm(x @ w_k[row : row + size].T, k_weight)
        found.append(torch.stack([torch.stack([scale * (a @ b) for b in k]) for a in q]))
    return torch.stack(found)


def scores_by_cosine(x, w_q, w_k, q_weight, k_weight, scale):
    """The gains in one vector, the sizes divided out of the product at the end."""
    size = len(q_weight)
    q, k = heads_of(x, w_q, size), heads_of(x, w_k, size)
    gains = (1 + q_weight) * (1 + k_weight)
    lengths = q.norm(dim=-1)[:, :, None] * k.norm(dim=-1)[:, None, :]
    return scale * size * torch.einsum("nth,h,nsh->nts", q, gains, k) / lengths


def swapped_norms(x, w_q, w_k, q_weight, k_weight, scale):
    """The same numbers, as long as nothing turns between the gains and the product."""
    return scores_by_loops(x, w_q, w_k, k_weight, q_weight, scale)


@pytest.mark.parametrize(
    "answer",
    [scores_by_package, scores_by_builtin, scores_by_loops, scores_by_cosine, swapped_norms],
)
def test_right_scores(answer):
    check_scores(answer)


def norm(x: Tensor, gain: Tensor) -> Tensor:
    return F.rms_norm(x, x.shape[-1:], gain, 1e-6)


def scores_with(norm_q, norm_k=None):
    """An answer that norms by these functions of (queries or keys: N T H, weight)."""

    def answer(x, w_q, w_k, q_weight, k_weight, scale):
        q, k = heads_of(x, w_q, len(q_weight)), heads_of(x, w_k, len(k_weight))
        return norm_q(q, q_weight) @ (norm_k or norm_q)(k, k_weight).transpose(1, 2) * scale

    return answer


def right(x, w):
    return norm(x, 1 + w)


def nothing(x, w):
    return x


def whole_width(x, w):
    n, _, h = x.shape
    flat = x.transpose(0, 1).flatten(1)
    return norm(flat, (1 + w).repeat(n)).unflatten(1, (n, h)).transpose(0, 1)


def interleaved(x, w):
    n, _, h = x.shape
    return right(x.transpose(0, 1).flatten(1).unflatten(1, (h, n)).permute(2, 0, 1), w)


def unscaled(x, w_q, w_k, q_weight, k_weight, scale):
    return scores_by_loops(x, w_q, w_k, q_weight, k_weight, 1.0)


def keys_first(x, w_q, w_k, q_weight, k_weight, scale):
    return scores_by_loops(x, w_q, w_k, q_weight, k_weight, scale).transpose(1, 2)


def gain_in_place(x, w_q, w_k, q_weight, k_weight, scale):
    return scores_by_loops(x, w_q, w_k, q_weight, k_weight.add_(1).sub(1), scale)


SCORE_MUTANTS: list[tuple[Callable[..., object], str]] = [
    (scores_with(nothing), "left out both norms"),
    (scores_with(nothing, right), "left out the norm of the queries"),
    (scores_with(right, nothing), "left out the norm of the keys"),
    (
        scores_with(lambda x, w: norm(x, torch.ones_like(w))),
        "left out the gains; multiply by 1 + w",
    ),
    (scores_with(norm), "scaled by w; Gemma scales by 1 + w"),
    (
        scores_with(whole_width),
        "normed the whole width at once; each head has an rms of its own, over H entries",
    ),
    (
        scores_with(lambda x, w: F.normalize(x, dim=-1) * (1 + w)),
        "divided by the length; RMSNorm divides by the length over sqrt(H)",
    ),
    (
        scores_with(interleaved),
        "took entries of all heads for one head; head n is in H neighbouring rows",
    ),
    (unscaled, "left out the scale"),
    (keys_first, "rows and columns are swapped: a row is a query"),
    (gain_in_place, "changed an argument in place; return a new tensor"),
    (lambda *a: scores_by_loops(*a)[0], "shape (5, 5), expected (3, 5, 5)"),
]


@pytest.mark.parametrize(("answer", "sentence"), SCORE_MUTANTS)
def test_wrong_scores(answer, sentence: str):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_scores(answer)


def test_scores_that_are_wrong_in_a_way_of_their_own():
    """The mean is subtracted first, as LayerNorm does."""
    answer = scores_with(lambda x, w: right(x - x.mean(-1, keepdim=True), w))
    with pytest.raises(AssertionError, match=r"^75 of 75 values differ by more than 1e-05, first"):
        check_scores(answer)


# check_leak


@pytest.mark.parametrize(
    "scores",
    [[-1000.0] * 5, [-300.0, -400.0, -500.0, 7.0, 0.0], [-1e4, -130.0, -1e4, -2.0, 60.0]],
)
def test_scores_that_leak(scores):
    check_leak(lambda: torch.tensor(scores))


LEAK_MUTANTS: list[tuple[Callable[[], object], str]] = [
    (
        lambda: torch.zeros(5),
        "the hidden keys get 1e-22 of the weight, which no test sees: their -50 is far below the"
        " highest visible score, 0",
    ),
    (
        lambda: torch.tensor([-1000.0, -1000.0, -10.0, -1000.0, -1000.0]),
        "the hidden keys get 7e-18 of the weight, which no test sees: their -50 is far below the"
        " highest visible score, -10",
    ),
    (
        lambda: torch.full((5,), -100.0),
        "the hidden keys get 10% of the weight, and a quarter is asked; the highest visible score"
        " is -100",
    ),
    (lambda: torch.full((5,), -torch.inf), "a score is inf or nan; real scores are finite"),
    (lambda: torch.full((3,), -1e3), "shape (3,), expected (5,)"),
    (lambda: torch.full((5,), -1000), "dtype torch.int64, expected torch.float32"),
    (lambda: [-1000.0] * 5, "expected a tensor, got list"),
]


@pytest.mark.parametrize(("answer", "sentence"), LEAK_MUTANTS)
def test_scores_that_do_not_leak(answer, sentence: str):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_leak(answer)


# all


def stub(*arguments: object) -> Tensor:
    raise NotImplementedError("your turn")


@pytest.mark.parametrize("check", [check_head, check_scores, check_leak])
def test_an_empty_stub_passes_through(check):
    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
