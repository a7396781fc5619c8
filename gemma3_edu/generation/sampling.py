"""From logits to the next token: temperature, top-k, top-p, in that order.

>>> logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
>>> keep_top_k(logits, 2)
tensor([[2., 1., -inf, -inf]])
>>> Sampler(temperature=0)(logits)
tensor([0])
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


def keep_top_k(logits: Float[Tensor, "B V"], k: int) -> Float[Tensor, "B V"]:
    """Set all but the k largest logits to -inf; among equal ones, the lower ids are kept."""
    if k < 1:
        raise ValueError(f"k={k} must be at least 1; leave top_k out to keep every token")
    order = logits.argsort(dim=-1, descending=True, stable=True)
    return logits.scatter(-1, order[:, k:], float("-inf"))


def keep_top_p(logits: Float[Tensor, "B V"], p: float) -> Float[Tensor, "B V"]:
    """Keep the smallest set of likeliest tokens whose probabilities sum to at least p.

    The token that crosses p is kept; leaving it out is the usual mistake and can empty the set.
    """
    if not 0 < p <= 1:
        raise ValueError(f"p={p} must be in (0, 1]; 1 keeps every token")
    if p == 1:
        return logits  # not by the sum: in float32 a few likely tokens may already reach 1
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    probabilities = ordered.softmax(-1, dtype=torch.float32)
    before = probabilities.cumsum(-1) - probabilities  # the mass of all likelier tokens
    return logits.masked_fill((before >= p).gather(-1, order.argsort(-1)), float("-inf"))


@dataclass(frozen=True)
class Sampler:
    """How to choose the next token; the defaults are those of the released generation configs.

    Temperature 0 takes the likeliest token and ignores the rest; `None` switches a filter off.
    """

    temperature: float = 1.0
    top_k: int | None = 64
    top_p: float | None = 0.95

    def __post_init__(self) -> None:
        if self.temperature != 0 and not 1e-6 <= self.temperature < float("inf"):
            raise ValueError(f"temperature={self.temperature} must be 0 (greedy) or 1e-6 and more")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k={self.top_k} must be at least 1; None keeps every token")
        if self.top_p is not None and not 1e-6 <= self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p} must be from 1e-6 to 1; None keeps every token")

    def probabilities(self, logits: Float[Tensor, "B V"]) -> Float[Tensor, "B V"]:
        """What the next token is drawn from, in float32; exactly 0 where a filter drops a token."""
        logits = logits.float()
        if self.temperature == 0:
            return torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
        logits = logits / self.temperature
        if self.top_k is not None:
            logits = keep_top_k(logits, self.top_k)
        if self.top_p is not None:
            logits = keep_top_p(logits, self.top_p)
        return logits.softmax(-1)

    def __call__(
        self, logits: Float[Tensor, "B V"], generator: torch.Generator | None = None
    ) -> Int[Tensor, "B"]:
        """One token id per row; the same state of the generator gives the same ids."""
        if not bool(logits.amax(-1).isfinite().all()):
            raise ValueError("logits: NaN or infinite; weights are damaged, or a sum overflowed")
        if self.temperature == 0:
            return logits.float().argmax(-1)  # in bfloat16 it takes twice as long
        return torch.multinomial(self.probabilities(logits), 1, generator=generator)[:, 0]
