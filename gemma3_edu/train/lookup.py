"""A small task on which attention heads are tried out: look up a letter among eight, say its digit.

>>> (letters, digits, asked), answer = draw_tasks(5)
>>> bool((letters == asked[:, None]).sum(1).eq(1).all())
True
"""

from collections.abc import Callable, Collection

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn import functional as F

LETTERS, DIGITS, PAIRS = 16, 10, 8
"""How many letters and digits there are, and pairs of both in a task."""

Tasks = tuple[Int[Tensor, "B 8"], Int[Tensor, "B 8"], Int[Tensor, "B"]]


def draw_tasks(count: int) -> tuple[Tasks, Int[Tensor, "B"]]:
    """Letters, no two of a task alike, their digits, and the letter asked for; then its digit."""
    letters = torch.rand(count, LETTERS).argsort(1)[:, :PAIRS]
    digits, which = torch.randint(DIGITS, (count, PAIRS)), torch.randint(PAIRS, (count, 1))
    asked, answer = letters.gather(1, which)[:, 0], digits.gather(1, which)[:, 0]
    return (letters, digits, asked), answer


def learn_lookup(
    make: Callable[[], nn.Module], steps: Collection[int], seed: int, rate: float = 4e-3
) -> list[float]:
    """The share of right answers to 1,000 new tasks after each of some numbers of steps.

    The network that `make` makes gives 10 logits for letters, digits and the letter asked for. The
    rule is Adam, with 64 tasks a step.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network, right = make(), []
        adam = torch.optim.Adam(network.parameters(), lr=rate, fused=True)
        for step in range(1, max(steps) + 1):
            seen, answer = draw_tasks(64)
            adam.zero_grad()
            F.cross_entropy(network(*seen), answer).backward()
            adam.step()
            if step in steps:
                seen, answer = draw_tasks(1000)
                right.append((network(*seen).argmax(1) == answer).double().mean().item())
    return right
