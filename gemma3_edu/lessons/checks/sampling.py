"""Checks of the exercises on generation: top-p, and drawing a token.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 4", check_draw, lambda probabilities, u: int(probabilities.argmax()))
Exercise 4: always the likeliest: u decides; id v covers a stretch of [0, 1) as long as its p
(probabilities = [0, 0.5, 0, 0.25, 0.188, 0.0625, 0], u = 0.5: got 1, expected 3)
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...naive.sampling import keep_top_p
from .difference import show
from .grading import Case, Check

# Top-p


def _top_p_cases() -> list[Case]:
    g = torch.Generator().manual_seed(10)
    some = torch.randint(-12, 13, (3, 11), generator=g) / 4  # quarters: ties are common
    some[1, 4] = 9.0  # alone past p
    turned = (torch.randn(7, 2, generator=g) * 2).t()  # not contiguous
    cases = [(_SURE, 0.5), (some, 0.6), (turned, 0.8), (some, 0.95), (turned, 0.05)]
    return cases + [(torch.zeros(1, 16), sixteenths / 16) for sixteenths in (1, 5, 12)]


_SURE = torch.tensor([[0.0, 30.0, 1.0, 0.5]])  # in float32 the first one's probability is 1


def _keeping(rule: Callable[[Tensor, Tensor, float], Tensor]) -> Callable[..., Tensor]:
    """Keeps what this function says of the mass before a token, likeliest first, and of its own."""

    def fn(logits: Tensor, p: float) -> Tensor:
        ordered, order = logits.sort(dim=-1, descending=True, stable=True)
        share = ordered.softmax(-1)
        kept = rule(share.cumsum(-1) - share, share, p)
        return logits.masked_fill(~kept.gather(-1, order.argsort(-1)), -torch.inf)

    return fn


def _first(share: Tensor) -> Tensor:
    return torch.arange(share.shape[-1]).expand_as(share) == 0


def _one_more(before: Tensor, share: Tensor, p: float) -> Tensor:
    return (torch.nn.functional.pad(before, (1, 0))[:, :-1] < p) | _first(share)


def _not_put_back(logits: Tensor, p: float) -> Tensor:
    share = logits.sort(dim=-1, descending=True).values.softmax(-1)
    return logits.masked_fill(share.cumsum(-1) - share >= p, -torch.inf)


def _left_sorted(logits: Tensor, p: float) -> Tensor:
    return _not_put_back(logits.sort(dim=-1, descending=True).values, p)


def _unlikeliest(logits: Tensor, p: float) -> Tensor:
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    share = ordered.flip(-1).softmax(-1)
    kept = (share.cumsum(-1) - share < p).flip(-1).gather(-1, order.argsort(-1))
    return logits.masked_fill(~kept, -torch.inf)


def _by_order(logits: Tensor, p: float) -> Tensor:
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    share = ordered.softmax(-1)
    return logits.masked_fill((share.cumsum(-1) - share >= p).gather(-1, order), -torch.inf)


def _by_id(logits: Tensor, p: float) -> Tensor:
    share = logits.softmax(-1)
    return logits.masked_fill(share.cumsum(-1) - share >= p, -torch.inf)


def _with_ties(logits: Tensor, p: float) -> Tensor:
    right = keep_top_p(logits, p)
    smallest = right.masked_fill(right.isinf(), torch.inf).amin(-1, keepdim=True)
    return logits.masked_fill(logits < smallest, -torch.inf)


_CROSSING = (
    "the token that crosses p is left out, so less than p is kept; a token stays if the mass before"
    " it is below p"
)

check_top_p = Check(
    """`fn(logits, p)` keeps, in each row of Float[B V], the fewest likeliest tokens that reach p.

    Kept logits stay as they are, all others become -inf; of equal ones the lower id goes first, and
    p = 1 keeps every token.
    """,
    "logits p",
    keep_top_p,
    _top_p_cases,
    {
        _CROSSING: [
            _keeping(lambda before, share, p: share.cumsum(-1) <= p),
            _keeping(lambda before, share, p: share.cumsum(-1) < p),
        ],
        f"{_CROSSING} (that one token always stays hides it)": [
            _keeping(lambda before, share, p: (share.cumsum(-1) <= p) | _first(share)),
            _keeping(lambda before, share, p: (share.cumsum(-1) < p) | _first(share)),
        ],
        "a token was added although the mass before it was p exactly; `< p`, not `<= p`": _keeping(
            lambda before, share, p: before <= p
        ),
        "one token too many: the set had reached p already when the last one was added": (
            _keeping(_one_more)
        ),
        "the mask is in order of likelihood and was laid on logits in order of ids; put it back"
        " first": _not_put_back,
        "the mask was put back by `order`, which says which id is at each place; it takes the"
        " inverse, `order.argsort(-1)`, at which place each id is": _by_order,
        "the logits came back sorted; put them back in order of ids": _left_sorted,
        "the rows were not cut each for itself; sort, softmax and sum along dim=-1": [
            lambda logits, p: keep_top_p(logits.reshape(1, -1), p).reshape(logits.shape),
            lambda logits, p: keep_top_p(logits.t(), p).t(),
        ],
        "one row's cut was laid on all rows; each row has an order and a mask of its own": (
            lambda logits, p: logits.masked_fill(keep_top_p(logits[:1], p).isinf(), -torch.inf)
        ),
        "of equal logits the one with the higher id was kept; a sort with `descending=True,"
        " stable=True` has the lower id first": lambda logits, p: keep_top_p(
            logits.flip(-1), p
        ).flip(-1),
        "the unlikeliest were kept: sort with the largest first": _unlikeliest,
        "summed in order of ids; sort first, the largest first": _by_id,
        "tokens as likely as the last one stay too; the set has no more than it needs": _with_ties,
        "p was compared with single probabilities; it is their sum that must reach p": (
            lambda logits, p: logits.masked_fill(logits.softmax(-1) < 1 - p, -torch.inf)
        ),
        "what is dropped became 0, which is a logit like any other; it must be -inf": (
            lambda logits, p: keep_top_p(logits, p).nan_to_num(neginf=0.0)
        ),
        "gave probabilities; give logits, the kept ones unchanged": (
            lambda logits, p: keep_top_p(logits, p).softmax(-1)
        ),
    },
).then(
    lambda: [(_SURE, 1.0), (torch.tensor([[0.0, 1.0, 0.5]]), 1.0)],
    {
        "p = 1 keeps every token, also where rounding lets the sum reach 1 before the last one": [
            _keeping(lambda before, share, p: before < p),
            lambda logits, p: (
                keep_top_p(logits, p) if p < 1 else torch.full_like(logits, -torch.inf)
            ),
        ]
    },
)

# Drawing a token


_SINGLE = torch.float32


def _draw_cases() -> dict[str, Case]:
    gaps = torch.tensor([0.0, 8.0, 0.0, 4.0, 3.0, 1.0, 0.0]) / 16
    short = torch.tensor([0.5, 0.25, 0.25 - 2**-6, 0.0, 0.0])  # sums to 1 - 2**-6
    sure = torch.tensor([0.0, 0.0, 1.0, 0.0])
    rising = torch.tensor([1.0, 3.0, 0.0, 4.0, 8.0]) / 16
    rounded = torch.tensor([6.0, 1.0, 6.0, 6.0, 0.0, 0.0]) / 19  # in float32 its sum is below 1
    cases = [(gaps, n / 32) for n in range(32)] + [(gaps, 1 - 2**-7)]
    cases += [(short, u) for u in (0.0, 0.625, 0.755, 0.875, 1 - 2**-7)]
    cases += [(rising, n / 16) for n in range(16)]
    cases += [(sure, u) for u in (0.0, 0.5, 1 - 2**-7)]
    cases += [(rounded, 1 - 2**-24)]  # the largest number that torch.rand gives
    tiny = torch.tensor([0.0, 2**-33, 1.0, 0.0])
    below = 1 - 2**-24  # times a border: the float32 number just below it
    cases += [(gaps, 0.5 * below), (gaps, 0.75 * below), (tiny, 2**-33 * below)]
    # with all digits of u: three would show the border
    return {f"probabilities = {show(row)}, u = {u!r}": (row, u) for row, u in cases}


def _drawn(row: Tensor, u: float) -> int:
    reached, last = 0.0, 0
    for token, share in enumerate(row.tolist()):
        if share > 0:
            reached, last = reached + share, token
            if u < reached:
                break
    return last


def _upper_border(row: Tensor, u: float) -> int:
    reached, last = 0.0, 0
    for token, share in enumerate(row.tolist()):
        if share > 0:
            reached, last = reached + share, token
            if u <= reached:
                break
    return last


def _sorted_first(row: Tensor, u: float) -> int:
    ordered, order = row.sort(descending=True, stable=True)
    return int(order[_drawn(ordered, u)])


def _undrawable(got: Any, want: int, row: Tensor, u: float) -> str | None:
    if not isinstance(got, int) or isinstance(got, bool):
        return None
    if not 0 <= got < len(row):
        return "drew an id that does not exist; rounding left the sum below u"
    return None if row[got] > 0 else "drew an id whose probability is 0"


check_draw = Check(
    """`fn(probabilities, u)` is the id that u, from [0, 1), falls on; never one of probability 0.

    `probabilities` is Float[V]. Its ids share [0, 1) between them in order, id v taking a stretch
    as long as its probability, the lower border included. Rounding may leave the sum below 1; a u
    past it belongs to the last id that has any probability.
    """,
    "probabilities u",
    _drawn,
    _draw_cases,
    {
        "always the likeliest: u decides; id v covers a stretch of [0, 1) as long as its p": (
            lambda row, u: int(row.argmax())
        ),
        "u = 0 draws id 0 even where its probability is 0: a stretch begins at its lower border, so"
        " compare with <=": [
            lambda row, u: min(int((row.cumsum(0) < u).sum()), len(row) - 1),
            lambda row, u: int((row.cumsum(0) < u).sum()),
        ],
        "a small number was added to u, and none is right at every border; compare with <="
        " instead": [
            lambda row, u, added=added, dtype=dtype: min(
                int((row.to(dtype).cumsum(0) < u + added).sum()), int(row.nonzero()[-1])
            )
            for added, dtype in [(1e-6, _SINGLE), (1e-9, _SINGLE), (1e-9, torch.float64)]
        ],
        "at a border the id before it was drawn; the lower border belongs to a stretch and the"
        " upper one to the next, so go on while the sum is <= u": _upper_border,
        "the probabilities were divided by their sum, which moves every border and is itself"
        " rounded, so u can still be past the last; leave them and treat such a u apart": [
            lambda row, u: int(((row / row.sum()).cumsum(0) <= u).sum()),
            lambda row, u: _drawn(row / row.sum(), u),
        ],
        "the stretches were laid out from the likeliest to the least likely; here they follow one"
        " another in order of ids": _sorted_first,
        "where rounding leaves the sum below u, the last id is drawn though its probability is 0;"
        " draw the last one that has any": (
            lambda row, u: min(int((row.cumsum(0) <= u).sum()), len(row) - 1)
        ),
        "every kept id is drawn equally often; the stretches are as long as the probabilities": (
            lambda row, u: int(row.nonzero().flatten()[int(u * int((row > 0).sum()))])
        ),
        "the ids were sorted by probability and not translated back": (
            lambda row, u: _drawn(row.sort(descending=True).values, u)
        ),
    },
    explain=_undrawable,
)
