"""From logits to the set of tokens that may come next, with sorted lists.

>>> keep_top_k(torch.tensor([[2.0, 1.0, 0.0, -1.0]]), 2)
tensor([[2., 1., -inf, -inf]])
>>> keep_top_p(torch.tensor([[4.0, 3.0, 1.0]]).log(), 0.6).exp()  # 4/8 is too little, 7/8 is not
tensor([[4., 3., 0.]])
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def softmax(row: list[float]) -> list[float]:
    """exp of each number over the sum of all; the largest is taken off first, which cancels.

    >>> softmax([1000.0, 1000.0])
    [0.5, 0.5]
    """
    powers = [math.exp(score - max(row)) for score in row]
    return [power / sum(powers) for power in powers]


def likeliest_first(row: list[float]) -> list[int]:
    """Token ids by falling logit; of equal ones the lower id first."""
    return sorted(range(len(row)), key=lambda token: (-row[token], token))


def _keep(row: list[float], kept: list[int]) -> list[float]:
    return [score if token in kept else -math.inf for token, score in enumerate(row)]


def keep_top_k(logits: Float[Tensor, "B V"], k: int) -> Float[Tensor, "B V"]:
    """The k likeliest tokens of each row stay, the others become -inf."""
    return torch.tensor([_keep(row, likeliest_first(row)[:k]) for row in logits.tolist()])


def keep_top_p(logits: Float[Tensor, "B V"], p: float) -> Float[Tensor, "B V"]:
    """Take tokens, likeliest first, until their probabilities reach p; 1 takes all."""
    rows = []
    for row in logits.tolist():
        probabilities, kept, total = softmax(row), [], 0.0
        for token in likeliest_first(row):
            if total >= p and p < 1:  # sums of rounded numbers may reach 1 too soon
                break
            kept.append(token)
            total += probabilities[token]
        rows.append(_keep(row, kept))
    return torch.tensor(rows)


def probabilities(
    logits: Float[Tensor, "B V"],
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Float[Tensor, "B V"]:
    """What the next token is drawn from: temperature first, then top-k, then top-p."""
    logits = logits / temperature
    if top_k is not None:
        logits = keep_top_k(logits, top_k)
    if top_p is not None:
        logits = keep_top_p(logits, top_p)
    return torch.tensor([softmax(row) for row in logits.tolist()])
