"""A model on a card: which bytes lie in its memory, and how long a token must take at least.

>>> plan = Plan("27b", "int4-32", 32_768, "RTX 4090")
>>> plan.fits, round(plan.total / 1e9, 2), round(1 / plan.seconds)
(True, 19.16, 55)
"""

from dataclasses import dataclass

from ...model.config import TextConfig
from ...model.presets import PRESETS
from ...study import cost


@dataclass(frozen=True)
class Card:
    """What a card is sold with: 10^9 bytes of memory, bytes and operations a second."""

    memory: int
    bandwidth: float
    operations: float


CARDS = {
    "RTX 4060": Card(8, 272e9, 30e12),
    "T4": Card(16, 320e9, 8.1e12),  # in float32: it has no bfloat16, and float16 is too narrow
    "RTX 4090": Card(24, 1008e9, 165e12),
    "L40S": Card(48, 864e9, 362e12),
    "H100": Card(80, 3350e9, 989e12),
}
"""Smallest memory first. Operations are those of dense bfloat16 products, without sparsity."""


@dataclass(frozen=True)
class Plan:
    """One size in one format, with `context` tokens in each row's cache, on one card."""

    size: str = "27b"
    weights: str = "int4-32"
    context: int = 32_768
    card: str = "RTX 4090"
    batch: int = 1

    @property
    def text(self) -> TextConfig:
        """The language model's part of the config."""
        return PRESETS[self.size].text

    @property
    def text_bytes(self) -> int:
        """Weights that every decoding step reads."""
        return cost.weight_bytes(self.text, self.weights)

    @property
    def vision_bytes(self) -> int:
        """Weights that only images need."""
        return cost.weight_bytes(PRESETS[self.size], self.weights) - self.text_bytes

    @property
    def cache_bytes(self) -> int:
        """Keys and values of all rows, in bfloat16."""
        return cost.cache_bytes(self.text, self.context, self.batch)

    @property
    def total(self) -> int:
        """All bytes that have to lie in the card's memory; activations are not counted."""
        return self.text_bytes + self.vision_bytes + self.cache_bytes

    @property
    def fits(self) -> bool:
        """Whether the card holds them."""
        return self.total <= CARDS[self.card].memory * 10**9

    @property
    def known(self) -> bool:
        """Whether the size is made for so long a context."""
        return self.context <= self.text.max_position_embeddings

    @property
    def reading(self) -> float:
        """Seconds to read weights and caches once."""
        return (self.text_bytes + self.cache_bytes) / CARDS[self.card].bandwidth

    @property
    def computing(self) -> float:
        """Seconds of arithmetic for one new token in each row."""
        work = cost.flops(self.text, 1, self.context - 1, self.batch)
        return work / CARDS[self.card].operations

    @property
    def seconds(self) -> float:
        """No step is shorter: the longer of the two, as if they overlapped perfectly."""
        return max(self.reading, self.computing)


def smallest_card(total: int) -> int:
    """Index into CARDS of the first that holds so many bytes; their number if none does.

    >>> [smallest_card(n * 10**9) for n in (7, 8, 9, 81)]
    [0, 0, 1, 5]
    """
    return sum(card.memory * 10**9 < total for card in CARDS.values())
