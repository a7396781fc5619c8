"""The checks on shared heads accept what is right, however written; mistakes: test_checks."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gemma3_edu import naive
from gemma3_edu.lessons.checks.gqa import check_grouped, check_pooled, check_telling_mask
from gemma3_edu.lessons.figures.gqa import layer, pooled
from gemma3_edu.model.attention import attend, attend_fused
from tests.lessons.checks.messages import message

# check_grouped


def by_package(q, k, v, mask, scale):
    return attend(q[None], k[None], v[None], mask[None], scale)[0][0]


def by_kernel(q, k, v, mask, scale):
    return attend_fused(q[None], k[None], v[None], mask[None], scale)[0]


def by_loops(q, k, v, mask, scale):
    return naive.attention.attend(q[None], k[None], v[None], mask[None], scale)[0][0]


def by_torch(q, k, v, mask, scale):
    return F.scaled_dot_product_attention(
        q[None], k[None], v[None], attn_mask=mask[None, None], scale=scale, enable_gqa=True
    )[0]


def heads_with(
    keys: Callable[[Tensor, int], Tensor], values: Callable[[Tensor, int], Tensor] | None = None
):
    """Multi-head attention on keys and values that are made to be N heads."""

    def answer(q, k, v, mask, scale):
        k, v = keys(k, len(q)), (values or keys)(v, len(q))
        scores = (q @ k.transpose(1, 2) * scale).masked_fill(~mask, -torch.inf)
        return scores.softmax(-1) @ v

    return answer


def repeat(kv: Tensor, heads: int) -> Tensor:
    return kv.repeat_interleave(heads // len(kv), dim=0)


def tile(kv: Tensor, heads: int) -> Tensor:
    return kv.repeat(heads // len(kv), 1, 1)


by_copies = heads_with(repeat)


@pytest.mark.parametrize("answer", [by_package, by_kernel, by_loops, by_torch, by_copies])
def test_right_groups(answer):
    check_grouped(answer)


def folded(rows: Callable[[Tensor, int], Tensor]):
    """The group folded into the queries, with the mask's rows made to fit."""

    def answer(q, k, v, mask, scale):
        group = len(q) // len(k)
        wide = q.unflatten(0, (len(k), group)).flatten(1, 2)
        out = by_package(wide, k, v, rows(mask, group), scale)
        return out.unflatten(1, (group, -1)).flatten(0, 1)

    return answer


def test_right_when_folded():
    check_grouped(folded(lambda mask, group: mask.repeat(group, 1)))


def test_one_head_a_group():
    answer = message(check_grouped, lambda q, k, *rest: by_copies(q[:: len(q) // len(k)], k, *rest))
    assert answer.startswith("one head a group came out; each query head has an output of its own")


# check_pooled


def pooled_by_view(w, heads, kv_heads):
    return w.reshape(kv_heads, heads // kv_heads, -1, w.shape[1]).mean(1).flatten(0, 1)


def pooled_by_loops(w, heads, kv_heads):
    parts, group = w.chunk(heads), heads // kv_heads
    means = [sum(parts[j : j + group]) / group for j in range(0, heads, group)]
    return torch.cat(means)


def pooled_by_product(w, heads, kv_heads):
    """A matrix that averages, times w."""
    h = len(w) // heads
    share = torch.eye(kv_heads).repeat_interleave(heads // kv_heads, dim=1)
    mixer = torch.kron(share * kv_heads / heads, torch.eye(h)).to(w.dtype)
    return mixer @ w


def pooled_as_in_the_figures(w, heads, kv_heads):
    weights = (w, *(w.unflatten(0, (heads, -1)) for _ in "kv"), w)
    return pooled(weights, kv_heads)[1].flatten(0, 1)


@pytest.mark.parametrize(
    "answer", [pooled_by_view, pooled_by_loops, pooled_by_product, pooled_as_in_the_figures]
)
def test_right_means(answer):
    check_pooled(answer)


# check_telling_mask

suspect = folded(lambda mask, group: mask.repeat_interleave(group, dim=0))


def mask_of(*rows: str) -> Tensor:
    return torch.tensor([[key == "#" for key in row] for row in rows])


@pytest.mark.parametrize("rows", [("#.", "##"), ("##", "#."), ("#.", ".#")])
def test_right_masks_do_expose_the_bug(rows):
    mask = mask_of(*rows)
    check_telling_mask(lambda: mask)
    q, k, v = (torch.randn(n, 2, 3) for n in (4, 2, 2))
    assert not torch.allclose(suspect(q, k, v, mask, 1.0), by_loops(q, k, v, mask, 1.0), atol=1e-3)


ONE_QUERY = "with one query both orders are the same, so no decoding step shows the bug"
ALIKE = "all {} rows are alike, so it does not matter whose row a query gets"


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (mask_of("#.#.#"), ONE_QUERY),
        (mask_of("#"), ONE_QUERY),
        (mask_of("##", "##"), ALIKE.format(2)),
        (mask_of("#", "#", "#"), ALIKE.format(3)),
        (
            torch.ones(3, 3, dtype=torch.bool).tril(),
            "it tells, with 3 queries and 3 keys; two queries and two keys are enough",
        ),
        (mask_of("#.", ".."), "query 1 sees no key at all, and its output means nothing"),
        (torch.ones(0, 2, dtype=torch.bool), "shape (0, 2): nothing is asked of anything"),
    ],
)
def test_wrong_masks(mask, sentence):
    assert message(check_telling_mask, lambda: mask).startswith(sentence)


@pytest.mark.parametrize("rows", [("#.#",), ("##", "##")])
def test_masks_that_are_refused_as_silent_are_silent(rows):
    mask = mask_of(*rows)
    t, s = mask.shape
    q, k, v = torch.randn(4, t, 3), torch.randn(2, s, 3), torch.randn(2, s, 3)
    torch.testing.assert_close(suspect(q, k, v, mask, 1.0), by_loops(q, k, v, mask, 1.0))


def test_the_figures_pool_what_the_exercise_pools():
    keys = layer(0.5)[1].float()
    got = pooled(layer(0.5), 2)[1].float().flatten(0, 1)
    torch.testing.assert_close(got, pooled_by_loops(keys.flatten(0, 1), 8, 2))
