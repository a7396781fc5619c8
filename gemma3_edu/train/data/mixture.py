"""What each stage of training reads: a stream of examples, mixed by weights.

Example number i is a function of seed, stage, split and i alone. So a run can stop anywhere and go
on, workers can share the numbers among them, and validation reads the same examples every time.

>>> Mixture("instruct", "test").example(3) == Mixture("instruct", "test").example(3)
True
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from . import documents, receipts, scenes, text_tasks, writing
from .draw import Draw, Setting
from .examples import Example

TASKS: dict[str, Callable[[Draw], Example]] = {
    **scenes.TASKS,
    **writing.TASKS,
    **receipts.TASKS,
    **documents.TASKS,
    **text_tasks.TASKS,
}
"""Every kind of example by name."""

# Shares need not add up to anything. What is hard has more.
# fmt: off
_SKILLS = {
    "colour": 1.5, "shape": 1.5, "count": 10, "place": 1, "position": 2,
    "description": 0.5, "which_has": 2, "motion": 2.5, "number": 5, "word": 12,
    "price": 3, "sum": 5, "wide": 1.5, "tall": 1.5, "crop": 0.5,
    "arithmetic": 4, "facts": 1.5, "pairs": 1, "copying": 4, "listing": 1,
    "tool": 2, "chat": 3, "needle": 1,
}
STAGES: dict[str, dict[str, float]] = {
    "encoder": {
        "colour": 3, "count": 2, "position": 1, "which_has": 1, "motion": 1, "number": 4,
        "word": 14, "price": 6, "sum": 2, "crop": 5, "wide": 0.5, "tall": 0.5,
    },
    "pretrain": {**_SKILLS, "prose": 9},
    # What takes several looks, and what is copied letter by letter, comes last.
    "instruct": {
        **_SKILLS, "facts": 1, "pairs": 0.5, "needle": 0.7, "which_has": 2, "count": 16,
        "position": 2, "motion": 4, "number": 5, "word": 12, "sum": 6, "copying": 18, "chat": 4,
        "tool": 3, "prose": 2,
    },
    "long": {"needle": 3, "prose": 1},
}
# fmt: on
"""The share of each kind in each stage; "long" is what the long rows of the last two hold."""
ASKED = tuple(task for task in _SKILLS if task not in ("place", "description", "crop", "pairs"))
"""The skills that are tested."""


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
