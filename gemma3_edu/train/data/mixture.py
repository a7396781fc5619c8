"""What each stage of training reads: a stream of examples, mixed by weights.

Example number i is a function of seed, stage, split and i alone. So a run can stop anywhere and go
on (its state is the seed and the next number), workers can share the numbers among them, and
validation reads the same examples every time.

>>> stream = Mixture("pretrain", "train", seed=1).stream()
>>> first, second = next(stream), next(stream)
>>> stream.state
(1, 2)
>>> next(Mixture("pretrain", "train", seed=1).stream(step=1)) == second
True
"""

import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

from . import documents, pictures, text_tasks
from .draw import Draw, Setting
from .examples import Example

# Shares need not add up to anything. What is hard has more: a kind that is rare from the start
# stays at guessing among what is present, above all binding (colour, price).
# fmt: off
_PICTURES = {
    "colour": 8, "shape": 6, "count": 8, "position": 8, "presence": 2, "description": 1,
    "number": 8, "word": 8, "letters": 3,
    "price": 8, "which": 1, "line": 2, "dearest": 1, "sum": 7, "cell": 1, "row": 0.5,
    "which_has": 4, "which_more": 2, "which_larger": 2, "motion": 4, "what_moves": 1,
}
_DOCUMENTS = {"wide": 3, "tall": 3}
_TEXT = {
    "arithmetic": 10, "facts": 7, "story_question": 1, "dates": 1, "languages": 1, "code": 1,
    "copying": 8, "listing": 5, "sorting": 1, "reversing": 1, "counting": 1, "nth": 1,
    "spelling": 1, "needle": 5, "chat": 6, "stopping": 2, "tell": 1,
}
_PAGES = {
    "prose": 60, "story": 12, "sums_page": 6, "facts_page": 4, "calendar_page": 2,
    "numbers_page": 3, "code_page": 3,
}
# fmt: on

CAPTION = "caption of "
TASKS: dict[str, Callable[[Draw], Example]] = {
    **text_tasks.QUESTIONS,
    **text_tasks.PAGES,
    **pictures.QUESTIONS,
    **{CAPTION + name: partial(pictures.captioned, pictures.QUESTIONS[name]) for name in _PICTURES},
    "crop": documents.crop,
}
"""Every kind of example by name; a picture's caption is a kind of its own."""


def _scaled(weights: Mapping[str, float], total: float, before: str = "") -> dict[str, float]:
    """The same shares, summing to `total`."""
    return {before + name: total * w / sum(weights.values()) for name, w in weights.items()}


_PRETRAIN = {
    **_scaled(_PAGES, 0.06),
    **_scaled(_TEXT, 0.24),
    **_scaled(_PICTURES, 0.24, CAPTION),
    **_scaled(_PICTURES | _DOCUMENTS, 0.44),
    "crop": 0.02,
}
STAGES: dict[str, dict[str, float]] = {
    "encoder": {**_scaled(_PICTURES, 0.9, CAPTION), "crop": 0.1},
    "pretrain": _PRETRAIN,
    "long": {
        **{name: 0.4 * share for name, share in _PRETRAIN.items()},
        "prose": 0.2,
        "needle": 0.4,
    },
    "instruct": {**_scaled(_TEXT, 0.4), **_scaled(_PICTURES | _DOCUMENTS, 0.6)},
}
"""The share of each kind in each stage: encoder, pre-training, long context, instructions."""


@dataclass(frozen=True)
class Mixture:
    """The examples of a stage of training, in one split."""

    stage: str
    split: str
    seed: int = 0
    setting: Setting = field(default_factory=Setting)

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise ValueError(f"stage: {self.stage!r} is unknown; choose one of {', '.join(STAGES)}")

    @cached_property
    def _shares(self) -> tuple[list[str], list[float]]:
        shares = STAGES[self.stage]
        return list(shares), list(itertools.accumulate(shares.values()))

    def example(self, index: int) -> Example:
        """Example number `index`, counted from 0."""
        chance = random.Random(f"{self.seed}/{self.stage}/{self.split}/{index}")
        names, heights = self._shares
        return self.of_task(chance.choices(names, cum_weights=heights)[0], index)

    def of_task(self, task: str, index: int) -> Example:
        """Number `index` of one kind of example, whatever its share: for evaluation."""
        if task not in TASKS:
            raise ValueError(f"task: {task!r} is unknown; choose one of {', '.join(TASKS)}")
        seed = f"{self.seed}/{self.stage}/{self.split}/{index}/{task}"
        return TASKS[task](Draw(seed, self.split, self.setting))

    def stream(self, step: int = 0) -> "Stream":
        """All examples from number `step` on, without an end."""
        return Stream(self, step)


class Stream:
    """An endless iterator over a mixture; `state` says how to go on."""

    def __init__(self, mixture: Mixture, step: int) -> None:
        self._mixture, self._step = mixture, step

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> Example:
        self._step += 1
        return self._mixture.example(self._step - 1)

    @property
    def state(self) -> tuple[int, int]:
        """The seed, and the number of the next example."""
        return self._mixture.seed, self._step
