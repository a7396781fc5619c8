"""The model card of a trained nano: what it is, how it was made, how good it is, what it cannot do.

    python -m gemma3_edu.train.card instruct --folder runs/nano --target runs/nano/nano-it \\
        --scores scores.json --device "2 cores of an AMD EPYC"

Everything that is a number is read: from the recipe, the log of each stage and the evaluation.

>>> share_of(["a", "b", "b", "c"], 0.5)
'b'
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..config import Gemma3Config
from ..cost import parameters
from ..processor import Processor
from .batches import of_conversations, of_texts
from .data.mixture import STAGES as SHARES
from .data.prose import ASSETS
from .feed import examples_of_step
from .recipe import BEFORE, STAGES, Run, nano_config
from .scores import interval

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


def card(name: str, run: Run, stage: str, device: str, scores: dict[str, Any] | None) -> str:
    """The card in Markdown; `scores` is the JSON of `evaluate`, or None."""
    told = training(run, stage)
    config = nano_config(run.tokenizer(), run.size)
    prose = "the novel's first chapters" if run.prose == ASSETS else "the whole novel"
    parts = [
        f"# {name}",
        f"A Gemma 3 of {parameters(config) / 1e6:.1f} million parameters, made to teach with: the "
        "released architecture with nothing left out, trained from nothing by this project's own "
        "code on data that this project makes. No weight and no vocabulary of Google's is in it.",
        "It answers short questions about made-up pictures, receipts, scenes and texts. It knows "
        "nothing of the world."
        if stage == "instruct"
        else "It goes on with texts of the kinds below; it has not learnt to hold a conversation.",
        "## Architecture",
        _table(("part", "size"), _architecture(config)),
        "## Training",
        f"On {device}, with seed {run.seed}, in {sum(n['minutes'] for n in told.values()):.0f} "
        "minutes of wall time. Each stage begins with the checkpoint of the one before "
        "(`gemma3_edu/train/recipe.py`); "
        + ("the last one followed a teacher." if run.teacher else "there was no teacher."),
        _table(
            ("stage", *_COLUMNS),
            [(each, *(n[name] for name in _COLUMNS)) for each, n in told.items()],
        ),
        "Loss in nats a counted token (of the encoder: the sum of its losses), a mean over a "
        "twentieth of the stage, by how much of the stage was done:",
        _table(
            ("stage", *(f"{mark:.0%}" for mark in MARKS)),
            [(each, *(f"{v:.2f}" for v in n["loss at"].values())) for each, n in told.items()],
        ),
        "## Data",
        f"Prose: *Moby-Dick*, {prose} (public domain, contents CC0 1.0). All else is generated by "
        "`gemma3_edu/train/data` from seeds: "
        + ("varied" if run.varied else "plain")
        + " pictures drawn with Pillow and the DejaVu fonts, and texts with exact answers. "
        f"The kinds of the stage `{stage}`, by their share:",
        ", ".join(
            f"{kind} {share:.1%}"
            for kind, share in sorted(SHARES[stage].items(), key=lambda pair: -pair[1])
        )
        + ".",
        "Whatever is asked in validation or test (a number, a word, a sum, a pair of colour and "
        "shape, a price of a food) was never asked or shown in training.",
    ]
    if scores is not None:
        parts += _results(scores)
    parts += ["## Limits", *LIMITS]
    return "\n\n".join(parts) + "\n"


_COLUMNS = ("steps", "rows a step", "tokens, about", "learning rate", "minutes")


def _architecture(config: Gemma3Config) -> list[tuple[str, str]]:
    text, vision = config.text, config.vision
    assert vision is not None
    heads = text.num_attention_heads, text.num_key_value_heads, text.head_dim
    pixels = f"{vision.image_size} x {vision.image_size} pixels"
    return [
        ("layers", f"{text.num_hidden_layers}, of which 5 in 6 are local"),
        ("window; context", f"{text.sliding_window}; {text.max_position_embeddings}"),
        ("hidden; feed-forward", f"{text.hidden_size}; {text.intermediate_size}"),
        ("query heads; key/value heads; head size", "; ".join(map(str, heads))),
        ("rotary base, local; global", "10,000; 1,000,000 with factor 8"),
        ("vocabulary", f"{text.vocab_size - 64} pieces and 64 rows of padding"),
        ("a picture", f"{pixels}, in {config.mm_tokens_per_image} soft tokens"),
    ]


LIMITS = (
    "- It was made for notebooks, not for use. What it has not seen in training it gets wrong, "
    "fluently: other fonts, photographs, longer words, other questions, other languages.",
    "- It saw thousands of times fewer examples than any model of practical use; the scores above "
    "say which skills that was enough for.",
    "- Prose sounds like its one novel and means little.",
)


def _results(scores: dict[str, Any]) -> list[str]:
    rows = []
    for each in scores["scores"]:
        low, high = interval(each["right"], each["items"])
        rows.append(
            (
                each["task"],
                f"{each['right'] / each['items']:.1%}",
                f"{low:.1%} to {high:.1%}",
                f"{each['stopped'] / each['items']:.1%}",
                each["items"],
            )
        )
    parts = [
        f"## Scores on the {scores['split']} split",
        "Greedy answers that equal the right one to the letter; Wilson's 95 % intervals. "
        "`python -m gemma3_edu.train.evaluate` prints them.",
    ]
    if rows:
        names = ("task", "right", "95 % interval", "stopped by itself", "questions")
        parts.append(_table(names, rows))
    if prose := scores.get("prose"):
        bits = prose["bits a byte"]
        parts += [
            "Bits a byte on held-out prose: "
            + ", ".join(f"{who} {value:.2f}" for who, value in bits.items())
            + ".",
            _table(
                ("tokens before it", "nats a token"),
                [(where, f"{value:.2f}") for where, value in prose["nats by position"].items()],
            ),
        ]
    if speed := scores.get("speed"):
        first, rate = speed["seconds to the first token"], speed["tokens a second"]
        parts.append(
            f"Speed with {speed['threads']} threads: {first:.3f} s to the first token of an answer "
            f"about a picture, then {rate:.0f} tokens a second."
        )
    return parts


def _table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def parser() -> argparse.ArgumentParser:
    """The command line, with its help."""
    top = argparse.ArgumentParser(
        prog="python -m gemma3_edu.train.card",
        description=__doc__.split("\n>>>")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("stage", choices=("long", "instruct"), help="the last stage of the model")
    top.add_argument("--folder", type=Path, required=True, help="where the run lies")
    top.add_argument("--target", type=Path, required=True, help="the exported model's folder")
    top.add_argument("--scores", type=Path, help="the JSON that `evaluate` wrote")
    top.add_argument("--device", default="a CPU", help="what it was trained on, in words")
    top.add_argument("--prose", type=Path, default=ASSETS, help="as in training")
    top.add_argument("--varied", action="store_true", help="as in training")
    top.add_argument("--seed", type=int, default=0, help="as in training")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Write README.md, and training.json with the same numbers, beside the weights."""
    options = parser().parse_args(arguments)
    run = Run(options.folder, seed=options.seed, prose=options.prose, varied=options.varied)
    scores = json.loads(options.scores.read_text(encoding="utf-8")) if options.scores else None
    try:
        written = card(options.target.name, run, options.stage, options.device, scores)
        numbers = {"device": options.device, "stages": training(run, options.stage)}
    except ValueError as error:
        print(f"{parser().prog}: {error}", file=sys.stderr)
        return 2
    (options.target / "README.md").write_text(written, encoding="utf-8")
    text = json.dumps({**numbers, "scores": scores}, indent=1) + "\n"
    (options.target / "training.json").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
