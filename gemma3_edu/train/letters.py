"""A small task on which layers are tried out: read three letters of Moby-Dick, guess the next one.

>>> from torch import nn
>>> (loss,) = learn_letters(nn.Identity, rate=0.01, draws=1)
>>> loss < frequencies_alone() < 4
True
"""

import math
from collections.abc import Callable
from functools import cache

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn import functional as F

from ..hub.checkpoint import ASSETS
from ..model.layers import RMSNorm

READ, EACH, WIDTH = 3, 16, 48
"""Letters that are read, numbers that stand for each, and how many that makes."""


@cache
def letter_rows() -> Int[Tensor, "R 4"]:
    """All stretches of four letters, as indices into the letters of the text."""
    novel = (ASSETS / "prose" / "moby-dick.txt").read_text(encoding="utf-8")[:60_000]
    letters = sorted(set(novel))
    return torch.tensor([letters.index(letter) for letter in novel]).unfold(0, READ + 1, 1)


def frequencies_alone() -> float:
    """The loss of reading nothing and knowing how often each letter occurs."""
    often = letter_rows()[:, -1].bincount().double() / len(letter_rows())
    return -often.xlogy(often).sum().item()


def learn_letters(
    make: Callable[[], nn.Module],
    rate: float,
    layers: int = 6,
    draws: int = 3,
    steps: int = 80,
    times: float = 1.0,
) -> list[float]:
    """The losses of stacks of `layers` layers that `make` makes, each trained from its own draw.

    A layer goes from 48 numbers to 48. Before the first one each letter becomes 16 numbers, drawn
    with size `times`; after the last come a norm and a matrix of scores. The matrices are drawn so
    that they keep the size of a vector on average. The rule is Adam, with 64 places of the text a
    step; the loss is the mean of the last quarter of the steps, NaN if it was not finite at one of
    them.
    """
    with torch.random.fork_rng(devices=[]):
        return [_learn(make, rate, layers, draw, steps, times) for draw in range(draws)]


def _drawn(
    make: Callable[[], nn.Module], layers: int, draw: int
) -> tuple[nn.Embedding, nn.Sequential, nn.Sequential]:
    torch.manual_seed(draw)
    count = int(letter_rows().max()) + 1
    embed = nn.Embedding(count, EACH)
    body = nn.Sequential(*(make() for _ in range(layers)))
    head = nn.Sequential(RMSNorm(WIDTH), nn.Linear(WIDTH, count, bias=False))
    for matrix in (*body.parameters(), *head.parameters()):
        if matrix.dim() == 2:
            nn.init.normal_(matrix, std=matrix.shape[1] ** -0.5)
    return embed, body, head


def _learn(
    make: Callable[[], nn.Module], rate: float, layers: int, draw: int, steps: int, times: float
) -> float:
    rows, losses = letter_rows(), []
    embed, body, head = _drawn(make, layers, draw)
    with torch.no_grad():
        embed.weight.mul_(times)
    network = nn.Sequential(embed, nn.Flatten(), body, head)
    adam = torch.optim.Adam(network.parameters(), lr=rate, fused=True)
    for _ in range(steps):
        drawn = rows[torch.randint(len(rows), (64,))]
        loss = F.cross_entropy(network(drawn[:, :READ]), drawn[:, READ])
        if not loss.isfinite():
            return math.nan
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    last = losses[-max(1, steps // 4) :]
    return sum(last) / len(last)
