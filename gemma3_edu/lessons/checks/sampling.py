"""Checks of the exercises on sampling: top-p, drawing a token.

>>> check_draw(lambda probabilities, u: int(probabilities.argmax()))
Traceback (most recent call last):
AssertionError: always the likeliest: u decides; id v covers a stretch of [0, 1) as long as its p
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...naive.sampling import keep_top_p
from .compare import compare

Slips = Sequence[tuple[str, Tensor]]


def check_top_p(fn: Callable[[Tensor, float], Any]) -> None:
    """`fn(logits, p)` keeps, in each row of Float[B V], the fewest likeliest tokens that reach p.

    Kept logits stay as they are, all others become -inf; of equal ones the lower id goes first.

    >>> check_top_p(keep_top_p)
    """
    g = torch.Generator().manual_seed(10)
    some = torch.randint(-12, 13, (3, 11), generator=g) / 4  # quarters: ties are common
    some[1, 4] = 9.0  # alone past p
    turned = (torch.randn(7, 2, generator=g) * 2).t()  # not contiguous
    sure = torch.tensor([[0.0, 30.0, 1.0, 0.5]])
    cases = [(some, 0.6), (turned, 0.8), (some, 0.95), (sure, 0.5), (turned, 0.05)]
    cases += [(torch.zeros(1, 16), sixteenths / 16) for sixteenths in (1, 5, 12)]
    for logits, p in cases:
        given = logits.clone()
        got = fn(logits, p)
        assert logits.equal(given), "changed the logits in place; return a new tensor"
        compare(got, keep_top_p(given, p), _top_p_slips(given, p))
    compare(fn(some, 1.0), some, [("p = 1 keeps every token", torch.full_like(some, -torch.inf))])


def _top_p_slips(logits: Tensor, p: float) -> Slips:
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    share = ordered.softmax(-1)
    upto = share.cumsum(-1)
    first = torch.zeros_like(order).bool()
    first[:, 0] = True
    crossing = (
        "the token that crosses p is left out, so less than p is kept; a token stays if the mass"
        " before it is below p"
    )

    def put_back(kept: Tensor) -> Tensor:
        return logits.masked_fill(~kept.gather(-1, order.argsort(-1)), -torch.inf)

    before = upto - share
    kept = before < p
    smallest = ordered.masked_fill(~kept, torch.inf).amin(-1, keepdim=True)
    back = ordered.flip(-1).softmax(-1)
    back = (back.cumsum(-1) - back < p).flip(-1)
    earlier = torch.nn.functional.pad(before, (1, 0))[:, :-1]
    return [
        (crossing, put_back(upto <= p)),
        (crossing, put_back(upto < p)),
        (f"{crossing} (that one token always stays hides it)", put_back((upto <= p) | first)),
        (f"{crossing} (that one token always stays hides it)", put_back((upto < p) | first)),
        (
            "a token was added although the mass before it was p exactly; `< p`, not `<= p`",
            put_back(before <= p),
        ),
        (
            "one token too many: the set had reached p already when the last one was added",
            put_back((earlier < p) | first),
        ),
        (
            "the mask is in order of likelihood and was laid on logits in order of ids; put it"
            " back first",
            logits.masked_fill(~kept, -torch.inf),
        ),
        (
            "the logits came back sorted; put them back in order of ids",
            ordered.masked_fill(~kept, -torch.inf),
        ),
        ("the unlikeliest were kept: sort with the largest first", put_back(back)),
        (
            "summed in order of ids; sort first, the largest first",
            logits.masked_fill(logits.softmax(-1).cumsum(-1) - logits.softmax(-1) >= p, -torch.inf),
        ),
        (
            "tokens as likely as the last one stay too; the set has no more than it needs",
            logits.masked_fill(logits < smallest, -torch.inf),
        ),
        (
            "p was compared with single probabilities; it is their sum that must reach p",
            logits.masked_fill(logits.softmax(-1) < 1 - p, -torch.inf),
        ),
        (
            "what is dropped became 0, which is a logit like any other; it must be -inf",
            torch.where(put_back(kept).isinf(), 0.0, logits),
        ),
        (
            "gave probabilities; give logits, the kept ones unchanged",
            put_back(kept).softmax(-1),
        ),
    ]


def check_draw(fn: Callable[[Tensor, float], Any]) -> None:
    """`fn(probabilities, u)` is the id that u, from [0, 1), falls on; never one of probability 0.

    `probabilities` is Float[V]. Its ids share [0, 1) between them in order, id v taking a stretch
    as long as its probability, the lower border included. Rounding may leave the sum below 1; a u
    past it belongs to the last id that has any probability.

    >>> check_draw(_drawn)
    """
    gaps = torch.tensor([0.0, 8.0, 0.0, 4.0, 3.0, 1.0, 0.0]) / 16
    short = torch.tensor([0.5, 0.25, 0.25 - 2**-12, 0.0, 0.0])  # sums to 1 - 2**-12
    sure = torch.tensor([0.0, 0.0, 1.0, 0.0])
    cases = [(gaps, n / 32) for n in range(32)] + [(gaps, 1 - 2**-20)]
    cases += [(short, u) for u in (0.0, 0.625, 0.875, 1 - 2**-13)]
    cases += [(sure, u) for u in (0.0, 0.5, 1 - 2**-20)]
    answers = []
    for row, u in cases:
        got = fn(row, u)
        assert isinstance(got, int), f"expected an int, got {type(got).__name__}"
        told = f"of {[round(q, 4) for q in row.tolist()]} for u = {u:.6g}"
        assert 0 <= got < len(row), (
            f"drew id {got}, which does not exist, {told}; rounding left the sum below u"
        )
        answers.append(got)
    slips = [
        (sentence, torch.tensor([rule(*case) for case in cases])) for sentence, rule in _DRAW_SLIPS
    ]
    want = torch.tensor([_drawn(*case) for case in cases])
    for sentence, wrong in slips:
        assert not torch.tensor(answers).equal(wrong), sentence
    for (row, u), got in zip(cases, answers, strict=True):
        assert row[got] > 0, (
            f"drew id {got}, whose probability is 0, of {[round(q, 4) for q in row.tolist()]} for"
            f" u = {u:.6g}"
        )
    compare(torch.tensor(answers), want)


def _drawn(row: Tensor, u: float) -> int:
    reached, last = 0.0, 0
    for token, share in enumerate(row.tolist()):
        if share > 0:
            reached, last = reached + share, token
            if u < reached:
                break
    return last


def _upper_border(row: Tensor, u: float) -> int:
    upto = row.cumsum(0)
    return min(int((upto < u).sum()), len(row) - 1)


_DRAW_SLIPS: list[tuple[str, Callable[[Tensor, float], int]]] = [
    (
        "always the likeliest: u decides; id v covers a stretch of [0, 1) as long as its p",
        lambda row, u: int(row.argmax()),
    ),
    (
        "u = 0 draws id 0 even where its probability is 0: a stretch begins at its lower border,"
        " so compare with <=",
        _upper_border,
    ),
    (
        "where rounding leaves the sum below u, the last id is drawn though its probability is 0;"
        " draw the last one that has any",
        lambda row, u: min(int((row.cumsum(0) <= u).sum()), len(row) - 1),
    ),
    (
        "every kept id is drawn equally often; the stretches are as long as the probabilities",
        lambda row, u: int(row.nonzero().flatten()[int(u * int((row > 0).sum()))]),
    ),
    (
        "the ids were sorted by probability and not translated back",
        lambda row, u: _drawn(row.sort(descending=True).values, u),
    ),
]
