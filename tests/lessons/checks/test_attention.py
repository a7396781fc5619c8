"""The checks on attention accept what is right, however written; mistakes: test_checks."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gemma3_edu import naive
from gemma3_edu.lessons.checks.attention import (
    KEYS,
    WORDS,
    check_head,
    check_query,
    check_scores,
)
from gemma3_edu.lessons.figures import attention as figures
from gemma3_edu.model.attention import attend, attend_fused
from gemma3_edu.model.layers import RMSNorm
from tests.lessons.checks.messages import message

# check_query


@pytest.mark.parametrize("query", [[1.0, 0.0], [30.0, 0.0], [2.0, 0.05], [1.5, -0.03]])
def test_queries_that_ask_for_both(query):
    check_query(lambda: torch.tensor(query))


QUERY_MUTANTS: list[tuple[list[float], str]] = [
    ([0.0, 0.0], "Anna gets 0.25 and Rex 0.25, and 'walks' 0.25: turn the query"),
    ([-1.0, 0.0], "Anna gets 0.01 and Rex 0.01, and 'walks' 0.71: turn the query"),
    ([0.0, 2.0], "Anna gets 0.46 and Rex 0.01, and 'She' 0.46: turn the query"),
    ([1.0, 1.0], "Anna gets 0.84 and Rex 0.11: the query prefers one of them"),
    ([1.0, -1.0], "Anna gets 0.12 and Rex 0.87: the query prefers one of them"),
    ([0.5, 0.0], "Anna gets 0.42 and Rex 0.42, and 0.45 is asked for each: the direction is right"),
    ([float("nan"), 0.0], "a number is inf or nan"),
]


@pytest.mark.parametrize(("query", "sentence"), QUERY_MUTANTS)
def test_queries_that_do_not(query, sentence: str):
    assert message(check_query, lambda: torch.tensor(query)).startswith(sentence)


def test_the_keys_are_those_of_the_drawings():
    assert (KEYS, WORDS) == (figures.KEYS, figures.WORDS)


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
    scores = (q.double() @ k.double().T) * scale * 1.4426950408889634
    highest = scores.masked_fill(~mask, -torch.inf).amax(1, keepdim=True)
    powers = torch.exp2((scores - highest).clamp(max=0)) * mask
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


def masked_with(number):
    def head(q, k, v, mask, scale):
        return (q @ k.T * scale).masked_fill(~mask, number).softmax(-1) @ v

    return head


def bare_powers(q, k, v, mask, scale):
    powers = (q @ k.T * scale).exp() * mask
    return powers / powers.sum(-1, keepdim=True) @ v


def bare_masked_powers(q, k, v, mask, scale):
    powers = (q @ k.T * scale).masked_fill(~mask, -torch.inf).exp()
    return powers / powers.sum(-1, keepdim=True) @ v


def over_queries(q, k, v, mask, scale):
    return (q @ k.T * scale).masked_fill(~mask, -torch.inf).softmax(0) @ v


def zero_times_infinity(q, k, v, mask, scale):
    return (q @ k.T * scale - torch.inf * ~mask).softmax(-1) @ v


def renormalised(q, k, v, mask, scale):
    weights = (q @ k.T * scale).softmax(-1) * mask
    return weights / weights.sum(-1, keepdim=True) @ v


def one_maximum(q, k, v, mask, scale):
    scores = q @ k.T * scale
    powers = (scores - scores.masked_fill(~mask, -torch.inf).max()).exp() * mask
    return powers / powers.sum(-1, keepdim=True) @ v


FINITE = "masked with a finite number, and a visible score can be lower than that: use -inf"
BARE = "raised e to the scores as they are, and large ones become inf or 0"
HEAD_MUTANTS: list[tuple[Callable[..., Tensor], str]] = [
    *((masked_with(number), FINITE) for number in (-20.0, -50.0, -100.0, -1e5, -1e9, -1e12)),
    (bare_powers, BARE),
    (bare_masked_powers, BARE),
    (renormalised, "the softmax, or the maximum in it, was taken over hidden keys too"),
    (one_maximum, "subtracted one maximum from the scores of all queries"),
    (over_queries, "nan: either the softmax is over the queries"),
    (zero_times_infinity, "nan: either the softmax is over the queries"),
]


@pytest.mark.parametrize(("answer", "sentence"), HEAD_MUTANTS)
def test_heads_that_fail_on_large_scores_or_with_nan(answer, sentence: str):
    assert message(check_head, answer).startswith(sentence)


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
    rms_q, rms_k = ((x.pow(2).mean(-1) + 1e-6).sqrt() for x in (q, k))
    lengths = rms_q[:, :, None] * rms_k[:, None, :]
    return scale * torch.einsum("nth,h,nsh->nts", q, gains, k) / lengths


def swapped_norms(x, w_q, w_k, q_weight, k_weight, scale):
    """The same numbers, as long as nothing turns between the gains and the product."""
    return scores_by_loops(x, w_q, w_k, k_weight, q_weight, scale)


@pytest.mark.parametrize(
    "answer",
    [scores_by_package, scores_by_builtin, scores_by_loops, scores_by_cosine, swapped_norms],
)
def test_right_scores(answer):
    check_scores(answer)


def scores_with(norm):
    """The scores with another function of queries or keys (N T H) and a weight."""

    def answer(x, w_q, w_k, q_weight, k_weight, scale):
        q, k = (heads_of(x, w, len(q_weight)) for w in (w_q, w_k))
        return norm(q, q_weight) @ norm(k, k_weight).transpose(1, 2) * scale

    return answer


def scores_of_views(x, w_q, w_k, q_weight, k_weight, scale):
    size = len(q_weight)
    q, k = ((x @ w.T).view(-1, len(x), size) for w in (w_q, w_k))
    q = F.rms_norm(q, (size,), 1 + q_weight, 1e-6)
    return q @ F.rms_norm(k, (size,), 1 + k_weight, 1e-6).transpose(1, 2) * scale


def scores_of_normed_x(x, w_q, w_k, q_weight, k_weight, scale):
    x = F.rms_norm(x, x.shape[-1:], eps=1e-6)
    size = len(q_weight)
    return heads_of(x, w_q, size) @ heads_of(x, w_k, size).transpose(1, 2) * scale


SCORE_MUTANTS: list[tuple[Callable[..., Tensor], str]] = [
    (scores_with(lambda x, w: F.rms_norm(x, w.shape, 1 + w, 0.0)), "left out eps"),
    (scores_with(lambda x, w: F.rms_norm(x, w.shape, 1 + w)), "another eps"),
    (scores_with(lambda x, w: F.rms_norm(x, w.shape, 1 + w, 1e-5)), "another eps"),
    (scores_with(lambda x, w: F.layer_norm(x, w.shape, 1 + w)), "subtracted the mean first"),
    (scores_with(lambda x, w: F.normalize(x, dim=-1) * (1 + w)), "divided by the length"),
    (scores_of_views, "reshaped to (N, T, H)"),
    (scores_of_normed_x, "normed x; QK-norm norms the queries and keys"),
    (
        lambda x, *given: scores_by_builtin(F.rms_norm(x, x.shape[-1:], eps=1e-6), *given),
        "normed x; QK-norm norms the queries and keys",
    ),
    (lambda x, a, b, *given: scores_by_builtin(x, a, a, *given), "used one matrix"),
    (lambda x, a, b, w, v, s: scores_by_builtin(x, a, b, w, 0 * v, s), "left out the gain of one"),
    (lambda *given: scores_by_builtin(*given[:5], len(given[3]) ** -0.5), "scaled by 1 / sqrt(H)"),
    (
        lambda x, a, b, w, v, scale: scores_by_builtin(x, a, b, w, w, scale),
        "used one weight for both norms",
    ),
    (lambda *given: scores_by_builtin(*given).softmax(-1), "these are weights"),
]


@pytest.mark.parametrize(("answer", "sentence"), SCORE_MUTANTS)
def test_wrong_scores_have_a_cause(answer, sentence: str):
    assert message(check_scores, answer).startswith(sentence)
