"""Random draws that know the split: what every generator of examples is given.

>>> draw = Draw("a seed", "train")
>>> sorted({draw.shown("word", ("river", "boat", "owl")) for _ in range(9)})  # two are held out
['river']
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

from .drawing import Picture
from .examples import Example, Part, Turn
from .prose import ASSETS
from .splits import check_split, may_show, members, part_of

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
    `prose` is the folder whose `*.txt` are read for real prose. `varied` pictures differ in ground,
    grain, slant, capitals and nine fonts; a small encoder learnt little from 150,000 of them, so
    plain ones are the default: dark, upright, small letters in four fonts on even light paper.
    """

    side: int = 112
    length: int = 512
    count: Callable[[str], int] = field(default=about_tokens, repr=False)
    prose: Path = ASSETS
    varied: bool = False


class Asked(NamedTuple):
    """A question, its answer, the key of the content that decides its split, and a task's name."""

    question: str
    answer: str
    key: str


Question: TypeAlias = Callable[["Draw", T], Asked | None]
"""Asks about a thing; None where it has no answer or more than one."""


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

    def chance(self, probability: float) -> bool:
        """True that often."""
        return self.random.random() < probability

    def shown(self, kind: str, items: tuple[str, ...]) -> str:
        """One of the items that may be shown in this split."""
        return self.choice(members(kind, items, self.split))

    def several(self, kind: str, items: tuple[str, ...], number: int) -> list[str]:
        """Different items that may be shown in this split."""
        return self.random.sample(members(kind, items, self.split), number)

    def until_shown(self, make: Callable[[], T], key: Callable[[T], str]) -> T:
        """What `make` gives, called until its key may be shown."""
        return self._until(make, lambda value: may_show(key(value), self.split))

    def until_own(self, make: Callable[[], T], key: Callable[[T], str]) -> T:
        """What `make` gives, called until its key belongs to the split itself."""
        return self._until(make, lambda value: part_of(key(value)) == self.split)

    def asked(self, make: Callable[[], Asked]) -> Asked:
        """The same for a question, which brings its key."""
        return self.until_own(make, lambda asked: asked.key)

    def example(self, task: str, make: Callable[[], Asked]) -> Example:
        """One question in words."""
        question, answer, key = self.asked(make)
        return Example(task, (Turn((question,), answer),), (key,))

    def interview(
        self,
        task: str,
        questions: Mapping[str, Question[T]],
        make: Callable[[], T],
        show: Callable[[T], Sequence[Picture]],
    ) -> Example:
        """Questions about what `make` gives, and the pictures that `show` draws of it.

        The question named `task` is always among them. In training there may be more, half of them
        of the same kind: the same picture with another answer, so that a guess from what is
        usual does not pay. Their order is shuffled, since a kind of question that always stood last
        would not be understood first. What is held out is asked one question at a time.
        """
        asked, spec = self._first_question(questions[task], make)
        if self.split == "train":
            for _ in range(self.choice((0, 1, 2, 3))):
                ask = questions[task if self.chance(0.5) else self.choice(tuple(questions))]
                other = ask(self, spec)
                before = [each.question for each in asked]
                if other and other.question not in before and part_of(other.key) == "train":
                    asked.append(other)
        self.random.shuffle(asked)
        turns = [Turn((each.question,), each.answer) for each in asked]
        parts: list[Part] = [*show(spec), asked[0].question]
        if self.chance(0.2):
            parts = [parts[-1], *parts[:-1]]
        turns[0] = Turn(tuple(parts), asked[0].answer)
        return Example(task, tuple(turns), tuple(each.key for each in asked))

    def _first_question(self, ask: Question[T], make: Callable[[], T]) -> tuple[list[Asked], T]:
        """A thing about which something of the split can be asked, and the question."""
        for _ in range(TRIES):
            spec = make()
            asked = ask(self, spec)
            if asked and part_of(asked.key) == self.split:
                return [asked], spec
        raise self._nothing()

    def _until(self, make: Callable[[], T], good: Callable[[T], bool]) -> T:
        for _ in range(TRIES):
            if good(value := make()):
                return value
        raise self._nothing()

    def _nothing(self) -> ValueError:
        return ValueError(
            f"draw: nothing that belongs to the split {self.split!r} came up in {TRIES} tries; the "
            "generator has too few different contents"
        )
