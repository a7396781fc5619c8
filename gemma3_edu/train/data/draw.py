"""Random draws that know the split: what every generator of examples is given.

>>> draw = Draw("a seed", "train")
>>> draw.until_own(lambda: draw.choice(("river", "boat", "owl")), "word:{}".format)
'river'
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from .prose import ASSETS
from .splits import check_split, part_of

TRIES = 10_000
T = TypeVar("T")


def about_tokens(text: str) -> int:
    """A cautious guess at the tokens of a text, for use without a tokenizer.

    >>> about_tokens("Call me Ishmael.")
    8
    """
    return len(text) // 2


@dataclass(frozen=True)
class Setting:
    """What the model at hand can take in.

    `side` is the encoder's square in pixels: pictures are drawn to be legible there. `length` is
    the most tokens of an example's text, as `count` counts them (pictures' soft tokens apart).
    `prose` is the folder whose `*.txt` are read for real prose.
    """

    side: int = 112
    length: int = 512
    count: Callable[[str], int] = field(default=about_tokens, repr=False)
    prose: Path = ASSETS


class Draw:
    """One example's source of chance. The same seed and split give the same example."""

    def __init__(self, seed: str, split: str, setting: Setting | None = None) -> None:
        check_split(split)
        self.random = random.Random(seed)  # seeded by all of the text, the same on every machine
        self.split = split
        self.setting = setting or Setting()

    def choice(self, items: Sequence[T]) -> T:
        """One of them."""
        return items[int(self.random.random() * len(items))]

    def several(self, items: Sequence[T], least: int, most: int) -> list[T]:
        """Between `least` and `most` different items, in any order."""
        return self.random.sample(items, self.random.randint(least, most))

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All items, in any order."""
        return self.random.sample(items, len(items))

    def chance(self, probability: float) -> bool:
        """True that often."""
        return self.random.random() < probability

    def until_own(self, make: Callable[[], T], key: Callable[[T], str]) -> T:
        """What `make` gives, called until its key belongs to the split."""
        return self._until(make, key, (self.split,))

    def until_shown(self, make: Callable[[], T], key: Callable[[T], str]) -> T:
        """The same, and what training knows will do: for what stands beside what is asked."""
        return self._until(make, key, ("train", self.split))

    def _until(self, make: Callable[[], T], key: Callable[[T], str], splits: tuple[str, ...]) -> T:
        for _ in range(TRIES):
            if part_of(key(value := make())) in splits:
                return value
        raise ValueError(
            f"draw: nothing that belongs to the split {self.split!r} came up in {TRIES} tries; the "
            "generator has too few different contents"
        )
