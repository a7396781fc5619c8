"""The checks on sampling accept what is right, however written, and tell each slip by its name."""

import re

import pytest
import torch
from torch import Tensor

from gemma3_edu import naive
from gemma3_edu.generation.sampling import keep_top_k, keep_top_p
from gemma3_edu.lessons.checks.sampling import check_draw, check_top_p

INF = float("inf")

# check_top_p


def by_counting(logits: Tensor, p: float) -> Tensor:
    """How many tokens it takes, by torch's own search; then the package's top-k, row by row."""
    if p == 1:
        return logits.clone()
    upto = logits.softmax(-1).sort(descending=True).values.cumsum(-1)
    counts = torch.searchsorted(upto, torch.full((len(logits), 1), p))[:, 0] + 1
    rows = [keep_top_k(row[None], int(k)) for row, k in zip(logits, counts, strict=True)]
    return torch.cat(rows)


@pytest.mark.parametrize("answer", [keep_top_p, naive.sampling.keep_top_p, by_counting])
def test_right_top_p(answer):
    check_top_p(answer)


def parts(logits: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    share = ordered.softmax(-1)
    return ordered, order, share, share.cumsum(-1)


def put_back(logits: Tensor, kept: Tensor) -> Tensor:
    _, order, _, _ = parts(logits)
    return torch.where(torch.zeros_like(kept).scatter(-1, order, kept), logits, -INF)


def crossing_dropped(logits: Tensor, p: float) -> Tensor:
    return put_back(logits, parts(logits)[3] <= p)


def crossing_dropped_but_one_stays(logits: Tensor, p: float) -> Tensor:
    kept = parts(logits)[3] < p
    kept[:, 0] = True
    return put_back(logits, kept)


def one_too_many(logits: Tensor, p: float) -> Tensor:
    _, _, share, upto = parts(logits)
    kept = upto - share < p
    kept[:, 1:] |= kept[:, :-1].clone()
    return put_back(logits, kept)


def border_taken(logits: Tensor, p: float) -> Tensor:
    _, _, share, upto = parts(logits)
    return put_back(logits, upto - share <= p)


def not_put_back(logits: Tensor, p: float) -> Tensor:
    _, _, share, upto = parts(logits)
    return logits.masked_fill(upto - share >= p, -INF)


def left_sorted(logits: Tensor, p: float) -> Tensor:
    ordered, _, share, upto = parts(logits)
    return ordered.masked_fill(upto - share >= p, -INF)


def unlikeliest(logits: Tensor, p: float) -> Tensor:
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    ordered, order = ordered.flip(-1), order.flip(-1)
    share = ordered.softmax(-1)
    kept = share.cumsum(-1) - share < p
    return torch.where(torch.zeros_like(kept).scatter(-1, order, kept), logits, -INF)


def unsorted(logits: Tensor, p: float) -> Tensor:
    share = logits.softmax(-1)
    return logits.masked_fill(share.cumsum(-1) - share >= p, -INF)


def ties_kept(logits: Tensor, p: float) -> Tensor:
    right = keep_top_p(logits, p)
    smallest = right.masked_fill(right.isinf(), INF).amin(-1, keepdim=True)
    return logits.masked_fill(logits < smallest, -INF)


def each_alone(logits: Tensor, p: float) -> Tensor:
    return logits.masked_fill(logits.softmax(-1) < 1 - p, -INF)


def zeros(logits: Tensor, p: float) -> Tensor:
    right = keep_top_p(logits, p)
    return torch.where(right.isinf(), 0.0, right)


def probabilities(logits: Tensor, p: float) -> Tensor:
    return keep_top_p(logits, p).softmax(-1)


def in_place(logits: Tensor, p: float) -> Tensor:
    return logits.copy_(keep_top_p(logits, p))


def nothing_at_1(logits: Tensor, p: float) -> Tensor:
    return keep_top_p(logits, p) if p < 1 else torch.full_like(logits, -INF)


def last_row_free(logits: Tensor, p: float) -> Tensor:
    return torch.cat([keep_top_p(logits, p)[:-1], logits[-1:]])


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "the token that crosses p is left out, so less than p is kept; a token stays if the"
            " mass before it is below p",
            crossing_dropped,
        ),
        (
            "the token that crosses p is left out, so less than p is kept; a token stays if the"
            " mass before it is below p (that one token always stays hides it)",
            crossing_dropped_but_one_stays,
        ),
        (
            "one token too many: the set had reached p already when the last one was added",
            one_too_many,
        ),
        (
            "a token was added although the mass before it was p exactly; `< p`, not `<= p`",
            border_taken,
        ),
        (
            "the mask is in order of likelihood and was laid on logits in order of ids; put it"
            " back first",
            not_put_back,
        ),
        ("the logits came back sorted; put them back in order of ids", left_sorted),
        ("the unlikeliest were kept: sort with the largest first", unlikeliest),
        ("summed in order of ids; sort first, the largest first", unsorted),
        (
            "tokens as likely as the last one stay too; the set has no more than it needs",
            ties_kept,
        ),
        (
            "p was compared with single probabilities; it is their sum that must reach p",
            each_alone,
        ),
        ("what is dropped became 0, which is a logit like any other; it must be -inf", zeros),
        ("gave probabilities; give logits, the kept ones unchanged", probabilities),
        ("changed the logits in place; return a new tensor", in_place),
        ("p = 1 keeps every token", nothing_at_1),
        # no slip of its own
        ("7 of 33 values differ by more than 1e-05, first at (2, ", last_row_free),
    ],
)
def test_wrong_top_p(sentence, answer):
    end = "$" if "values differ" not in sentence else ""
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}{end}"):
        check_top_p(answer)


# check_draw


def by_search(row: Tensor, u: float) -> int:
    upto = row.double().cumsum(0)
    return min(int((upto <= u).sum()), int(row.nonzero()[-1]))


def by_torch(row: Tensor, u: float) -> int:
    upto = row.double().cumsum(0)
    found = int(torch.searchsorted(upto, torch.tensor(u).double(), right=True))
    return found if found < len(row) and row[found] > 0 else int(row.nonzero().max())


def by_dictionary(row: Tensor, u: float) -> int:
    """Only the tokens that may be drawn, from the last to the first."""
    kept = {token: share for token, share in enumerate(row.tolist()) if share}
    left = sum(kept.values())
    for token in reversed(kept):
        left -= kept[token]
        if u >= left:
            return token
    raise AssertionError("u below 0")


@pytest.mark.parametrize("answer", [by_search, by_torch, by_dictionary])
def test_right_draws(answer):
    check_draw(answer)


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "always the likeliest: u decides; id v covers a stretch of [0, 1) as long as its p",
            lambda row, u: int(row.argmax()),
        ),
        (
            "u = 0 draws id 0 even where its probability is 0: a stretch begins at its lower"
            " border, so compare with <=",
            lambda row, u: min(int((row.cumsum(0) < u).sum()), len(row) - 1),
        ),
        (
            "where rounding leaves the sum below u, the last id is drawn though its probability is"
            " 0; draw the last one that has any",
            lambda row, u: min(int((row.cumsum(0) <= u).sum()), len(row) - 1),
        ),
        (
            "drew id 5, which does not exist, of [0.5, 0.25, 0.2498, 0.0, 0.0] for u = 0.999878;"
            " rounding left the sum below u",
            lambda row, u: int((row.cumsum(0) <= u).sum()),
        ),
        (
            "every kept id is drawn equally often; the stretches are as long as the probabilities",
            lambda row, u: row.nonzero().flatten().tolist()[int(u * int((row > 0).sum()))],
        ),
        (
            "the ids were sorted by probability and not translated back",
            lambda row, u: by_search(row.sort(descending=True).values, u),
        ),
        (
            "drew id 0, whose probability is 0, of [0.0, 0.5, 0.0, 0.25, 0.1875, 0.0625, 0.0] for"
            " u = 0",
            lambda row, u: 0 if u == 0 else by_search(row, u),
        ),
        ("expected an int, got Tensor", lambda row, u: torch.tensor(by_search(row, u))),
        # no slip of its own
        (
            "1 of 40 values differ, first at (9,): got 5, expected 1",
            lambda row, u: 5 if u == 9 / 32 else by_search(row, u),
        ),
    ],
)
def test_wrong_draws(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_draw(answer)


@pytest.mark.parametrize("check", [check_top_p, check_draw])
def test_a_stub_is_let_through(check):
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
