"""What the logs of a training run say: steps, tokens, minutes and losses of each stage.

>>> share_of(["a", "b", "b", "c"], 0.5)
'b'
"""

import json
import statistics
from collections.abc import Sequence
from typing import Any, TypeVar

from ..prompt.processor import Processor
from .batches import of_conversations, of_texts
from .feed import examples_of_step
from .recipe import BEFORE, STAGES, Run, nano_config

T = TypeVar("T")
MARKS = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)  # of a stage: where the card tells the loss


def share_of(items: Sequence[T], share: float) -> T:
    """The item that lies this far in: 0 is the first, 1 the last."""
    return items[round(share * (len(items) - 1))]


def stages_until(stage: str) -> list[str]:
    """The stages that led to a checkpoint, in order.

    >>> stages_until("long")
    ['encoder', 'pretrain', 'long']
    """
    found = [stage]
    while found[0] in BEFORE:
        found.insert(0, BEFORE[found[0]])
    return found


def training(run: Run, stage: str) -> dict[str, Any]:
    """What the logs of all stages up to this one say, and what the recipe told them to do."""
    numbers: dict[str, Any] = {}
    for each in stages_until(stage):
        log = run.folder / f"{each}.run" / "log.jsonl"
        if not log.is_file():
            raise ValueError(f"folder: {log} is missing; was stage {each!r} trained there?")
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        losses = [line["loss"] for line in lines]
        width = max(1, len(losses) // 20)  # a point is the mean of a twentieth of the stage
        means = [statistics.fmean(losses[i : i + width]) for i in range(len(losses) - width + 1)]
        plan = run.plan(each)
        numbers[each] = {
            "steps": len(lines),
            "rows a step": STAGES[each].batch_size,
            "tokens, about": f"{len(lines) * _tokens_a_step(run, each) / 1e6:.1f} million",
            "minutes": round(lines[-1]["seconds"] / 60, 1),
            "learning rate": plan.learning_rate,
            "loss at": {f"{mark:.0%}": round(share_of(means, mark), 3) for mark in MARKS},
        }
    return numbers


def _tokens_a_step(run: Run, stage: str, steps: int = 6) -> float:
    """Tokens that a step reads, soft tokens among them, measured on its first steps."""
    tokenizer, rows = run.tokenizer(), STAGES[stage].batch_size
    config = nano_config(tokenizer, run.size)
    if stage == "encoder":
        return rows * config.mm_tokens_per_image
    processor, mixture = Processor(tokenizer, config), run.mixture(stage, tokenizer)
    read = of_conversations if stage == "instruct" else of_texts
    found = 0
    for step in range(steps):
        lesson = read(examples_of_step(mixture, step, rows), processor, pan_and_scan=step % 2 > 0)
        found += int((lesson.batch.layout.position >= 0).sum())
    return found / steps
