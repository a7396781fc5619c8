"""The checks on shared heads accept what is right, however written, and name each slip."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gemma3_edu import naive
from gemma3_edu.lessons.checks.gqa import check_grouped, check_pooled, check_telling_mask
from gemma3_edu.lessons.figures.gqa import layer, pooled
from gemma3_edu.model.attention import attend, attend_fused

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


def sums(q, k, v, mask, scale):
    group = len(q) // len(k)
    return by_copies(repeat(q.unflatten(0, (-1, group)).sum(1), len(q)), k, v, mask, scale)


def one_a_group(q, k, v, mask, scale):
    return by_copies(q[:: len(q) // len(k)], k, v, mask, scale)


def out_of_order(q, k, v, mask, scale):
    out = by_copies(q, k, v, mask, scale)
    return out.unflatten(0, (len(k), -1)).transpose(0, 1).flatten(0, 1)


def sees_everything(q, k, v, mask, scale):
    return by_copies(q, k, v, torch.ones_like(mask), scale)


def in_place(q, k, v, mask, scale):
    out = by_copies(q, k, v, mask, scale)
    k.zero_()
    return out


def in_float32(q, k, v, mask, scale):
    return by_copies(q.float(), k.float(), v.float(), mask, scale)


PAIRING = "query head n reads key/value head n // G"
GROUPED_MUTANTS: list[tuple[Callable[..., object], str]] = [
    (
        heads_with(tile),
        f"tiled the key/value heads, 0 1 0 1, so head n reads n % K; {PAIRING}",
    ),
    (
        heads_with(repeat, tile),
        "repeated keys rightly and tiled values; the two of a head belong together",
    ),
    (
        heads_with(tile, repeat),
        "tiled keys and repeated values rightly; the two of a head belong together",
    ),
    (heads_with(lambda kv, n: kv[:1]), f"all query heads read key/value head 0; {PAIRING}"),
    (
        heads_with(lambda kv, n: repeat(kv.flip(0), n)),
        f"the groups are in reverse; {PAIRING}",
    ),
    (
        heads_with(lambda kv, n: kv.mean(0, keepdim=True)),
        "averaged the key/value heads; each is read by its own group alone",
    ),
    (sums, "added up the queries of a group; they share keys and values, not queries"),
    (
        out_of_order,
        "the output's heads are out of order: after (K, G) comes flatten(0, 1), not (G, K)",
    ),
    (
        folded(lambda mask, group: mask.repeat_interleave(group, dim=0)),
        "repeated each row of the mask in its place; G heads of T queries in a row need the whole"
        " mask G times",
    ),
    (sees_everything, "the mask was ignored: a key that may not be seen gets weight 0"),
    (
        lambda q, k, v, mask, scale: by_copies(q, k, v, mask, 1.0),
        "left out the scale; multiply the scores by it",
    ),
    (
        lambda q, k, v, mask, scale: by_copies(q, k, v, mask, q.shape[-1] ** -0.5),
        "scaled by 1 / sqrt(H); use the scale that is given, which in 27B is another number",
    ),
    (
        one_a_group,
        "2 heads came out of 6 query heads; each query head has an output of its own",
    ),
    (in_place, "changed q, k, v or mask in place; return a new tensor"),
    (in_float32, "dtype torch.float32, expected torch.bfloat16"),
    (lambda *inputs: by_copies(*inputs).tolist(), "expected a tensor, got list"),
]


@pytest.mark.parametrize(
    ("answer", "sentence"), GROUPED_MUTANTS, ids=[s[:40] for _, s in GROUPED_MUTANTS]
)
def test_wrong_groups(answer, sentence):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_grouped(answer)


def test_a_mistake_without_a_name_gets_the_place_of_the_first_difference():
    def shifted(kv: Tensor, heads: int) -> Tensor:
        return repeat(kv, heads).roll(1, dims=0)

    with pytest.raises(AssertionError, match=r"values differ by more than 1e-05, first at \(0, 0"):
        check_grouped(heads_with(shifted))


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


def of_groups(rule: Callable[[Tensor], Tensor]):
    """From (K, G, H, D) to (K, H, D)."""

    def answer(w, heads, kv_heads):
        return rule(w.unflatten(0, (kv_heads, heads // kv_heads, -1))).flatten(0, 1)

    return answer


def means_in_place(w, heads, kv_heads):
    got = pooled_by_view(w, heads, kv_heads)
    w += 1
    return got


POOLED_MUTANTS: list[tuple[Callable[..., object], str]] = [
    (
        lambda w, n, k: w.unflatten(0, (n // k, k, -1)).mean(0).flatten(0, 1),
        "averaged heads that stand K apart; neighbours form a group, as n // G says",
    ),
    (of_groups(lambda g: g.sum(1)), "added up the group; divide by G"),
    (
        of_groups(lambda g: g[:, 0]),
        "kept the first head of each group; average all of them",
    ),
    (of_groups(lambda g: g[:, -1]), "kept the last head of each group; average all of them"),
    (lambda w, n, k: w[: len(w) // n * k], "kept the first K heads; average each group"),
    (
        lambda w, n, k: w.unflatten(0, (-1, n // k)).mean(1),
        "averaged neighbouring rows, which are entries of one head; average the same entry of G"
        " heads",
    ),
    (
        lambda w, n, k: w.unflatten(0, (n, -1)).mean(0).repeat(k, 1),
        "one average for all heads; each group has its own",
    ),
    (of_groups(lambda g: g.mean(2)), "shape (6, 5), expected (8, 5)"),
    (means_in_place, "changed w in place; return a new tensor"),
    (
        lambda w, n, k: pooled_by_view(w.float(), n, k),
        "dtype torch.float32, expected torch.bfloat16",
    ),
    (lambda *inputs: pooled_by_view(*inputs).tolist(), "expected a tensor, got list"),
]


@pytest.mark.parametrize(
    ("answer", "sentence"), POOLED_MUTANTS, ids=[s[:40] for _, s in POOLED_MUTANTS]
)
def test_wrong_means(answer, sentence):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_pooled(answer)


def test_a_mean_without_a_name_gets_the_place_of_the_first_difference():
    with pytest.raises(AssertionError, match=r"40 of 40 values differ .*, first at \(0, 0\)"):
        check_pooled(lambda w, n, k: pooled_by_view(w, n, k) + 1)


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
ALIKE = "all rows are alike, so it does not matter whose row a query gets"


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (mask_of("#.#.#"), ONE_QUERY),
        (mask_of("#"), ONE_QUERY),
        (mask_of("##", "##"), ALIKE),
        (mask_of("#", "#", "#"), ALIKE),
        (
            torch.ones(3, 3, dtype=torch.bool).tril(),
            "it tells, with 3 queries and 3 keys; two queries and two keys are enough",
        ),
        (mask_of("#.", ".."), "a query sees no key at all, and its output means nothing"),
        (torch.ones(2, 2).tril(), "dtype torch.float32, expected torch.bool"),
        (mask_of("#.", "##")[None], "shape (1, 2, 2), expected (T, S)"),
        (torch.ones(0, 2, dtype=torch.bool), "shape (0, 2): nothing is asked of anything"),
        ([[True, False], [True, True]], "expected a tensor, got list"),
    ],
)
def test_wrong_masks(mask, sentence):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_telling_mask(lambda: mask)


@pytest.mark.parametrize("rows", [("#.#",), ("##", "##")])
def test_masks_that_are_refused_as_silent_are_silent(rows):
    mask = mask_of(*rows)
    t, s = mask.shape
    q, k, v = torch.randn(4, t, 3), torch.randn(2, s, 3), torch.randn(2, s, 3)
    torch.testing.assert_close(suspect(q, k, v, mask, 1.0), by_loops(q, k, v, mask, 1.0))


@pytest.mark.parametrize("check", [check_grouped, check_pooled, check_telling_mask])
def test_a_stub_is_let_through(check):
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)


def test_the_figures_pool_what_the_exercise_pools():
    keys = layer(0.5)[1].float()
    got = pooled(layer(0.5), 2)[1].float().flatten(0, 1)
    torch.testing.assert_close(got, pooled_by_loops(keys.flatten(0, 1), 8, 2))
