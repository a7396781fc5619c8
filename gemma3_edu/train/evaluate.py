"""How good a trained model is, on content it has never seen: one table, one JSON.

    python -m gemma3_edu.train.evaluate runs/nano/nano-it --items 1000 --json scores.json

Answers are greedy and count when they equal the right one to the letter; of a conversation the last
is scored. `tell`, which has no one right answer, is left out; `wide` and `tall` are asked with
pan-and-scan and without it. Prose is scored in bits a byte, beside gzip and an n-gram model of the
training prose (`baselines`).

>>> low, high = interval(98, 100)  # 95 %, Wilson's: it stays inside 0 and 1
>>> round(low, 3), round(high, 3)
(0.93, 0.994)
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ..checkpoint import load
from ..generation import generate
from ..layout import Batch
from ..model import Gemma3
from ..processor import Processor
from ..sampling import Sampler
from .baselines import gzip_bits, ngram_bits
from .data.draw import Setting
from .data.examples import Example
from .data.mixture import STAGES, Mixture
from .data.prose import ASSETS, passages
from .losses import next_token_loss

SCORED = [task for task in STAGES["instruct"] if task != "tell"]


@dataclass(frozen=True)
class Score:
    """How many of the items were right, and how many answers ended by themselves."""

    task: str
    items: int
    right: int
    stopped: int

    @property
    def accuracy(self) -> float:
        """The share that was right."""
        return self.right / self.items


def interval(right: int, items: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z, share = 1.96, right / items
    middle = (share + z * z / (2 * items)) / (1 + z * z / items)
    half = z / (1 + z * z / items) * math.sqrt(share * (1 - share) / items + z * z / (4 * items**2))
    return middle - half, middle + half


def answers(
    model: Gemma3, processor: Processor, examples: Sequence[Example], pan_and_scan: bool = False
) -> Iterator[tuple[str, str, bool]]:
    """For every example: what the model says in its last turn, what is right, whether it stopped.

    Earlier turns are given with their right answers.
    """
    asked = [example.messages()[:-1] for example in examples]
    right = [example.turns[-1].answer for example in examples]
    batch = processor(asked, pan_and_scan=pan_and_scan)
    batch = batch.to(model.language_model.embed_tokens.weight.device)
    longest = max(len(processor.tokenizer.encode(text, add_bos=False)) for text in right)
    room = model.config.text.max_position_embeddings - batch.layout.length
    limit = min(longest + 8, room)  # enough to see an answer that goes on too long
    steps = generate(model, batch, Sampler(temperature=0), limit, processor.stop_tokens)
    for row, want in zip(torch.stack(list(steps), 1).tolist(), right, strict=True):
        ended = [i for i, index in enumerate(row) if index in processor.stop_tokens]
        said = row[: ended[0]] if ended else row
        yield processor.decode(said).strip(), want, bool(ended)


def score(
    model: Gemma3,
    processor: Processor,
    task: str,
    mixture: Mixture,
    items: int,
    *,
    batch_size: int = 50,
    pan_and_scan: bool = False,
) -> Score:
    """The score of one task over its items 0 to `items` - 1 of the mixture's split."""
    right = stopped = 0
    for first in range(0, items, batch_size):
        numbers = range(first, min(first + batch_size, items))
        examples = [mixture.of_task(task, number) for number in numbers]
        for said, want, ended in answers(model, processor, examples, pan_and_scan):
            right += said == want
            stopped += ended
    return Score(task + (" with crops" if pan_and_scan else ""), items, right, stopped)


def prose_bits(model: Gemma3, processor: Processor, texts: Sequence[str], length: int) -> float:
    """Bits a byte on held-out prose, in stretches of at most `length` tokens after `<bos>`.

    Each stretch is read without what stood before it, so the number is an upper bound.
    """
    nats, size = 0.0, 0
    tokenizer, device = processor.tokenizer, model.language_model.embed_tokens.weight.device
    for text in texts:
        ids = tokenizer.encode(text, add_bos=False)
        for first in range(0, len(ids), length - 1):
            row = torch.tensor([[tokenizer.bos_id, *ids[first : first + length - 1]]])
            batch = Batch.from_ids(row, model.config).to(device)
            counted = torch.ones_like(batch.tokens, dtype=torch.bool)
            with torch.no_grad():
                loss = next_token_loss(model(batch), batch.tokens, counted)
            nats += loss.item() * (row.shape[1] - 1)
        size += len(text.encode())
    return nats / math.log(2) / size


def parser() -> argparse.ArgumentParser:
    """The command line, with its help."""
    top = argparse.ArgumentParser(
        prog="python -m gemma3_edu.train.evaluate",
        description=__doc__.split("\n>>>")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("model", help="checkpoint folder of an instruction-tuned model")
    top.add_argument("--split", choices=("validation", "test"), default="validation")
    top.add_argument("--items", type=int, default=1000, help="questions a task (default: 1000)")
    top.add_argument("--tasks", nargs="+", choices=SCORED, metavar="TASK")
    top.add_argument("--prose", type=Path, default=ASSETS, help="folder of *.txt (see `prose`)")
    top.add_argument("--device", default="cpu")
    top.add_argument("--seed", type=int, default=0)
    top.add_argument("--json", type=Path, help="where to write the numbers")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Score, print a Markdown table as it grows, and write the JSON at the end."""
    options = parser().parse_args(arguments)
    model, processor = load(options.model, dtype=torch.float32, device=options.device)
    if processor is None or model.config.vision is None:
        print(f"{parser().prog}: {options.model} lacks tokenizer or vision", file=sys.stderr)
        return 2
    setting = Setting(model.config.vision.image_size, prose=options.prose)
    mixture = Mixture("instruct", options.split, options.seed, setting)
    print(
        f"| task ({options.split}) | right | 95 % interval | stopped | seconds |\n"
        + "|---" * 5
        + "|"
    )
    scores = []
    for task in options.tasks or SCORED:
        for crops in (False, True) if task in ("wide", "tall") else (False,):
            began = time.monotonic()
            each = score(model, processor, task, mixture, options.items, pan_and_scan=crops)
            scores.append(each)
            low, high = interval(each.right, each.items)
            print(
                f"| {each.task} | {each.accuracy:.1%} | {low:.1%} to {high:.1%} "
                f"| {each.stopped / each.items:.1%} | {time.monotonic() - began:.0f} |",
                flush=True,
            )
    texts, known = (passages(options.prose, part) for part in (options.split, "train"))
    length = min(256, model.config.text.max_position_embeddings)
    bits = {
        "model": prose_bits(model, processor, texts, length),
        "gzip": gzip_bits(known, texts),
        "n-gram": ngram_bits(known, texts),
    }
    print("\n| prose | bits a byte |\n|---|---|")
    print("\n".join(f"| {name} | {value:.3f} |" for name, value in bits.items()))
    if options.json:
        numbers = {"split": options.split, "scores": [asdict(s) for s in scores], "prose": bits}
        options.json.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
