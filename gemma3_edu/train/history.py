"""What the logs of a training run say: steps, tokens, minutes and losses of each stage.

>>> share_of(["a", "b", "b", "c"], 0.5)
'b'
"""

import json
import statistics
from collections.abc import Sequence
from typing import Any, TypeVar

from .recipe import BEFORE, LONG, STAGES, Run, nano_config

T = TypeVar("T")
MARKS = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)  # of a stage: where the card tells the loss


def share_of(items: Sequence[T], share: float) -> T:
    """The item that lies this far in: 0 is the first, 1 the last."""
    return items[round(share * (len(items) - 1))]


def stages_until(stage: str) -> list[str]:
    """The stages that led to a checkpoint, in order.

    >>> stages_until("pretrain")
    ['encoder', 'induction', 'pretrain']
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
            "rows a step": STAGES[each].rows,
            "tokens, about": f"{len(lines) * _tokens_a_step(run, each) / 1e6:.1f} million",
            "minutes": round(lines[-1]["seconds"] / 60, 1),
            "learning rate": plan.rate,
            "of Muon": plan.muon_rate,
            "loss at": {f"{mark:.0%}": round(share_of(means, mark), 3) for mark in MARKS},
        }
    return numbers


def _tokens_a_step(run: Run, stage: str) -> float:
    """Places for tokens in a step, soft tokens among them; the last few of a row may be empty."""
    each = STAGES[stage]
    if stage == "encoder":
        return each.rows * nano_config(run.tokenizer()).mm_tokens_per_image
    short = each.rows * each.length
    return short + (LONG - short) / each.long_every if each.long_every else short
