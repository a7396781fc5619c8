"""The check of the exercise on the loss of a row with pictures: all text is counted, pictures not.

>>> from gemma3_edu.lessons.nb import attempt
>>> def my_loss(logits, ids, soft):
...     return F.cross_entropy(logits.mT, ids, ignore_index=soft)
>>> attempt("Exercise 3", check_text_loss, my_loss)
Exercise 3: not shifted: the logits at a place are about the next token
    (logits = float32 of shape (1, 5, 10), ids = [[1, 2, 9, 9, 2]], soft = 9: got 5.75,
    expected 3.74)
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from .grading import Case, Check

Loss = Callable[[Tensor, Tensor, int], Tensor]


def _loss_cases() -> list[Case]:
    g, cases = torch.Generator().manual_seed(12), []
    for soft, rows in [
        (9, ["tt##t"]),
        (7, ["tt###ttt", "t####ttt"]),
        (0, ["##tttt", "tt##tt", "tttt##"]),
        (4, ["tttttt", "t##ttt"]),
    ]:
        marks = torch.tensor([[mark == "#" for mark in row] for row in rows])
        text = torch.randint(1, 4, marks.shape, generator=g)
        logits = 2 * torch.randn(*marks.shape, 10, generator=g)
        cases.append((logits, torch.where(marks, soft, text), soft))
    return cases


def _nats(logits: Tensor, ids: Tensor) -> Tensor:
    """Surprise at each token; the first has no guess before it."""
    return F.cross_entropy(logits[:, :-1].mT, ids[:, 1:], reduction="none")


def _mean_of(nats: Tensor, counted: Tensor) -> Tensor:
    return (nats * counted).sum() / counted.sum()


def _by_nats(rule: Callable[[Tensor, Tensor], Tensor]) -> Loss:
    """A loss from the surprise at each token but the first, and from which of all are text."""
    return lambda logits, ids, soft: rule(_nats(logits, ids), ids != soft)


def _text_loss(logits: Tensor, ids: Tensor, soft: int) -> Tensor:
    found = []
    for row, tokens in zip(logits, ids.tolist(), strict=True):
        for place in range(1, len(tokens)):
            if tokens[place] != soft:
                found.append(-row[place - 1].log_softmax(-1)[tokens[place]])
    return torch.stack(found).mean()


check_text_loss = Check(
    """`fn(logits, ids, soft)` is the mean surprise, in nats, at every token that is text.

    `logits` is Float[B T V], `ids` Int[B T]; the logits at a place are about the next one. Tokens
    with the id `soft` are not counted; neither is the first of a row, before which nothing is said.
    """,
    "logits ids soft",
    _text_loss,
    _loss_cases,
    {
        "the soft tokens are counted; nobody can guess them, they are in no vocabulary": _by_nats(
            lambda nats, text: nats.mean()
        ),
        "took away the guesses made AT soft tokens; take away the guesses OF soft tokens": _by_nats(
            lambda nats, text: _mean_of(nats, text[:, :-1])
        ),
        "took away every guess that a soft token makes, too; the last one has a word to guess": (
            _by_nats(lambda nats, text: _mean_of(nats, text[:, 1:] & text[:, :-1]))
        ),
        "not shifted: the logits at a place are about the next token": lambda logits, ids, soft: (
            _mean_of(F.cross_entropy(logits.mT, ids, reduction="none"), ids != soft)
        ),
        "shifted the wrong way: the logits at a place are about the next token": (
            lambda logits, ids, soft: _mean_of(
                F.cross_entropy(logits[:, 1:].mT, ids[:, :-1], reduction="none"),
                ids[:, :-1] != soft,
            )
        ),
        "gave the sum; divide by the number of tokens that are counted": _by_nats(
            lambda nats, text: (nats * text[:, 1:]).sum()
        ),
        "divided by all tokens; divide by the number of those that are counted": _by_nats(
            lambda nats, text: (nats * text[:, 1:]).mean()
        ),
        "gave the mean of the rows' means; every counted token weighs the same": _by_nats(
            lambda nats, text: ((nats * text[:, 1:]).sum(1) / text[:, 1:].sum(1)).mean()
        ),
        "gave a number for each token; give their mean": _by_nats(
            lambda nats, text: nats[text[:, 1:]]
        ),
        "the sign is wrong: surprise is minus the logarithm of a probability": _by_nats(
            lambda nats, text: -_mean_of(nats, text[:, 1:])
        ),
        "gave bits; in nats the logarithm is the natural one": _by_nats(
            lambda nats, text: _mean_of(nats, text[:, 1:]) / torch.tensor(2.0).log()
        ),
        "gave the perplexity; the loss is its logarithm": _by_nats(
            lambda nats, text: _mean_of(nats, text[:, 1:]).exp()
        ),
        "softmax was taken twice: cross_entropy takes logits, not probabilities": (
            lambda logits, ids, soft: _text_loss(logits.softmax(-1), ids, soft)
        ),
        "divided by the first token of each row too; it has no guess, so it is not counted": (
            _by_nats(lambda nats, text: (nats * text[:, 1:]).sum() / text.sum())
        ),
        "counted the soft tokens and left out the text; it is the other way round": _by_nats(
            lambda nats, text: _mean_of(nats, ~text[:, 1:])
        ),
        "counted only the text after a picture; the text before it counts too": _by_nats(
            lambda nats, text: _mean_of(nats, (text & ((~text).cumsum(1) > 0))[:, 1:])
        ),
        "took the soft tokens out before the shift; the last of them guesses the word after it": (
            lambda logits, ids, soft: F.cross_entropy(
                logits[ids != soft][:-1], ids[ids != soft][1:]
            )
        ),
        "joined the rows before the shift; the end of a row guesses nothing of the next row": (
            lambda logits, ids, soft: F.cross_entropy(
                logits.flatten(0, 1)[:-1], ids.flatten()[1:], ignore_index=soft
            )
        ),
        "rolled the tokens, so that the last place guesses the first token; cut both by one": (
            lambda logits, ids, soft: F.cross_entropy(logits.mT, ids.roll(-1, 1), ignore_index=soft)
        ),
        "soft tokens were replaced by token 0 and counted; leave them out": (
            lambda logits, ids, soft: _nats(logits, ids.masked_fill(ids == soft, 0)).mean()
        ),
    },
)
