"""The checks on shared heads accept what is right, however written; mistakes: test_checks."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gemma3_edu import naive
from gemma3_edu.lessons.checks.copies import Ledger
from gemma3_edu.lessons.checks.gqa import (
    check_grouped,
    check_readers,
    check_small_groups,
    check_telling_mask,
)
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


def by_torch_with_a_queue(q, k, v, mask, scale):
    group = len(q) // len(k)
    queue, rows = q.unflatten(0, (len(k), group)).flatten(1, 2), mask.repeat(group, 1)
    out = F.scaled_dot_product_attention(queue, k, v, attn_mask=rows, scale=scale)
    return out.unflatten(1, (group, -1)).flatten(0, 1)


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


def by_groups(q, k, v, mask, scale):
    """A loop over key/value heads, each asked by its whole group."""
    out = []
    for queries, keys, values in zip(q.chunk(len(k)), k, v, strict=True):
        scores = (queries @ keys.T * scale).masked_fill(~mask, -torch.inf)
        out.append(scores.softmax(-1) @ values)
    return torch.cat(out)


by_copies = heads_with(repeat)
by_index = heads_with(lambda kv, heads: kv[torch.arange(heads) // (heads // len(kv))])


def by_stretching(q, k, v, mask, scale):
    """An axis of length 1 for the group: the product stretches it, and copies to do so."""
    q = q.unflatten(0, (len(k), -1))
    scores = (q @ k[:, None].mT * scale).masked_fill(~mask, -torch.inf)
    return (scores.softmax(-1) @ v[:, None]).flatten(0, 1)


def test_right_groups():
    check_grouped(by_groups)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (by_package, "gemma3_edu.model.attention.attend"),
        (by_kernel, "gemma3_edu.model.attention.attend_fused"),
        (by_loops, "gemma3_edu.naive.attention.attend"),
        (by_torch, "PyTorch's scaled_dot_product_attention"),
        (by_torch_with_a_queue, "PyTorch's scaled_dot_product_attention"),
    ],
)
def test_attention_that_somebody_else_wrote_is_refused(answer, name):
    check_small_groups(answer)
    assert message(check_grouped, answer) == (
        f"right, but {name} has done the work; write it all yourself: queue, scores, mask, softmax"
    )


def by_cloned_cabinets(q, k, v, mask, scale):
    """A loop over query heads, each with a copy of the one cabinet that it asks."""
    group, out = len(q) // len(k), []
    for n, queries in enumerate(q):
        scores = (queries @ k[n // group].clone().T * scale).masked_fill(~mask, -torch.inf)
        out.append(scores.softmax(-1) @ v[n // group].clone())
    return torch.stack(out)


def in_float32(q, k, v, mask, scale):
    return by_groups(q.float(), k.float(), v.float(), mask, scale).to(v.dtype)


@pytest.mark.parametrize(
    ("answer", "dtype", "size", "cure"),
    [
        (by_copies, "float32", 294_912, "leave keys and values as they are"),
        (by_index, "float32", 294_912, "leave keys and values as they are"),
        (by_stretching, "float32", 294_912, "leave keys and values as they are"),
        (by_cloned_cabinets, "float32", 294_912, "leave keys and values as they are"),
        (in_float32, "bfloat16", 98_304, "leave keys and values as they are"),
    ],
)
def test_right_groups_with_copies_are_refused(answer, dtype, size, cure):
    check_small_groups(answer)
    said = message(check_grouped, answer)
    assert said.startswith(
        f"right, but in {dtype} new tensors of {size:,} bytes are made (the keys have"
        f" {49_152 if dtype == 'float32' else 24_576:,}); {cure}"
    )


def by_query_heads(q, k, v, mask, scale):
    """The lesson's first loop: query head n asks key/value head n // G."""
    group, out = len(q) // len(k), []
    for n, queries in enumerate(q):
        scores = (queries @ k[n // group].T * scale).masked_fill(~mask, -torch.inf)
        out.append(scores.softmax(-1) @ v[n // group])
    return torch.stack(out)


def by_tokens(q, k, v, mask, scale):
    """A loop over tokens, in each of which the heads of a group queue."""
    each = zip(q.unbind(1), mask, strict=True)
    return torch.stack([by_groups(x[:, None], k, v, row, scale)[:, 0] for x, row in each], 1)


@pytest.mark.parametrize("answer", [by_query_heads, by_tokens])
def test_keys_that_are_read_again_are_refused(answer):
    check_small_groups(answer)
    said = message(check_grouped, answer)
    assert said.startswith("right, but each key and value is read 3 times; once is enough")


def by_einsum(q, k, v, mask, scale):
    q = q.unflatten(0, (len(k), -1))
    scores = torch.einsum("kgth,ksh->kgts", q, k) * scale
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    return torch.einsum("kgts,ksh->kgth", weights, v).flatten(0, 1)


def by_groups_with_tokens_first(q, k, v, mask, scale):
    """`@` stretches the keys of one head here, because the queries are not in order in memory."""
    out = []
    for m, queries in enumerate(q.transpose(0, 1).chunk(len(k), dim=1)):  # T, G, H
        scores = (queries @ k[m].T * scale).masked_fill(~mask[:, None], -torch.inf)
        out.append(scores.softmax(-1) @ v[m])
    return torch.cat(out, 1).transpose(0, 1)


@pytest.mark.parametrize("answer", [by_einsum, by_groups_with_tokens_first])
def test_right_queues(answer):
    check_grouped(answer)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (by_copies, "return kv.repeat_interleave(heads // len(kv), dim=0)"),
        (by_stretching, "scores = (q @ k[:, None].mT * scale).masked_fill(~mask, -torch.inf)"),
        (in_float32, "return by_groups(q.float(), k.float(), v.float(), mask, scale).to(v.dtype)"),
    ],
)
def test_the_line_that_copies_is_quoted(answer, line):
    assert f"(the first one comes from the line `{line}`)" in message(check_grouped, answer)


def test_a_group_that_meets_the_cabinets_is_named():
    def answer(q, k, v, mask, scale):
        return q.unflatten(0, (len(k), -1)) @ k.mT

    said = message(check_grouped, answer)
    assert said.startswith(
        "`@` matched groups with cabinets: it pairs an axis of G = 3 with one of"
    )


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda *inputs: by_groups(*inputs).transpose(0, 1), "heads and tokens are exchanged"),
        (lambda *inputs: by_groups(*inputs) * torch.nan, "NaN: a softmax saw only hidden scores"),
    ],
)
def test_what_the_shape_or_a_nan_tells(answer, sentence):
    assert message(check_grouped, answer).startswith(sentence)


def test_wrong_only_in_the_model_is_found_there():
    def answer(q, k, v, mask, scale):
        return by_groups(q, k, v, mask, scale if len(mask) < 100 else 2 * scale)

    assert message(check_grouped, answer).startswith("right in the small cases, but nano")


@pytest.mark.parametrize(("flat", "times"), [(False, 0), (True, 3)])
def test_views_are_no_copies(flat, times):
    k = torch.ones(2, 5, 8)
    with Ledger(k[0].nbytes) as ledger:
        wide = k[:, None].expand(-1, 3, -1, -1)
        _ = wide.flatten(0, 1) if flat else wide
    assert ledger.made == times * k.nbytes


# check_readers


@pytest.mark.parametrize(
    "answer",
    [
        lambda n, k, m: list(range(m * n // k, (m + 1) * n // k)),
        lambda n, k, m: [head for head in range(n) if head * k // n == m],
        lambda n, k, m: torch.arange(n).view(k, -1)[m].tolist(),
        lambda n, k, m: torch.arange(n).view(k, -1)[m],
        lambda n, k, m: range(m * n // k, (m + 1) * n // k),
    ],
)
def test_right_readers(answer):
    check_readers(answer)


def folded(rows: Callable[[Tensor, int], Tensor]):
    """The group folded into the queries, with the mask's rows made to fit."""

    def answer(q, k, v, mask, scale):
        group = len(q) // len(k)
        wide = q.unflatten(0, (len(k), group)).flatten(1, 2)
        out = by_groups(wide, k, v, rows(mask, group), scale)
        return out.unflatten(1, (group, -1)).flatten(0, 1)

    return answer


def test_right_when_folded():
    check_grouped(folded(lambda mask, group: mask.repeat(group, 1)))


def test_one_head_a_group():
    answer = message(check_grouped, lambda q, k, *rest: by_copies(q[:: len(q) // len(k)], k, *rest))
    assert answer.startswith("one head a group came out; each query head has an output of its own")


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


ONE_QUERY = "with one query, as while a model writes, both orders are the same and nothing shows"
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
        (torch.ones(1, 2, 2, dtype=torch.bool), "a mask has two axes, a row for each query"),
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
