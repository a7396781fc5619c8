"""How good a trained model is, on content it has never seen: one table, one JSON.

    python -m gemma3_edu.train.evaluate runs/nano/nano-it --items 1000 --json scores.json

Questions of every task, needles at every depth in texts of five lengths, surprise at held-out prose
compared with gzip and an n-gram model of the training prose, and speed. `wide` and `tall` are asked
with pan-and-scan and without it. Items, texts and seeds are the same every time; choose on
`validation`, report `test` once.

>>> options = parser().parse_args(["nano-it", "--split", "test", "--tasks", "shape"])
>>> options.model, options.items
('nano-it', 1000)
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from ..hub.checkpoint import load
from ..model import Gemma3
from ..prompt.images import resize_and_normalize
from ..prompt.processor import Processor
from .baselines import gzip_bits, ngram_bits
from .data.draw import Setting
from .data.mixture import ASKED, Mixture
from .data.prose import ASSETS, passages
from .probes import place_accuracy, prose_bits, speed, surprise_by_position
from .scores import DEPTHS, Score, interval, needles_at, score

PARTS = [*ASKED, "needle by length", "place", "prose", "speed"]


def parser() -> argparse.ArgumentParser:
    """The command line, with its help."""
    top = argparse.ArgumentParser(
        prog="python -m gemma3_edu.train.evaluate",
        description=__doc__.split("\n>>>")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("model", help="an instruction-tuned model: checkpoint folder or bundled name")
    top.add_argument("--split", choices=("validation", "test"), default="validation")
    top.add_argument("--items", type=int, default=1000, help="questions a task (default: 1000)")
    top.add_argument(
        "--tasks", nargs="+", choices=PARTS, metavar="TASK", default=PARTS, help=", ".join(PARTS)
    )
    top.add_argument("--prose", type=Path, default=ASSETS, help="folder of *.txt (see `prose`)")
    top.add_argument("--device", default="cpu")
    top.add_argument("--threads", type=int, help="PyTorch's threads (default: its own choice)")
    top.add_argument("--seed", type=int, default=0)
    top.add_argument("--json", type=Path, help="where to write the numbers")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Score, print Markdown tables as they grow, and write the JSON at the end."""
    options = parser().parse_args(arguments)
    if options.items < 1:
        print(f"{parser().prog}: --items {options.items} must be at least 1", file=sys.stderr)
        return 2
    if options.threads:
        torch.set_num_threads(options.threads)
    model, processor = load(options.model, dtype=torch.float32, device=options.device)
    if processor is None or model.config.vision is None:
        print(f"{parser().prog}: {options.model} lacks tokenizer or vision", file=sys.stderr)
        return 2
    count = partial(_tokens, processor)
    longest = model.config.text.max_position_embeddings
    side = model.config.vision.image_size
    setting = Setting(side, longest - 128, count, options.prose)
    numbers: dict[str, object] = {
        "split": options.split,
        "items": options.items,
        "scores": _score_tasks(model, processor, setting, options),
    }
    if "place" in options.tasks:
        numbers["place"] = _place(model, setting, options)
    if "prose" in options.tasks:
        numbers["prose"] = _prose(model, processor, options)
    if "speed" in options.tasks:
        mixture = Mixture("instruct", options.split, options.seed, setting)
        asked = mixture.of_task("number", 0).messages()[:-1]
        numbers["speed"] = {"threads": torch.get_num_threads(), **speed(model, processor, asked)}
        print(f"\nspeed: {json.dumps(numbers['speed'])}")
    if options.json:
        fresh = options.json.with_suffix(".tmp")
        fresh.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
        os.replace(fresh, options.json)
    return 0


def _tokens(processor: Processor, text: str) -> int:
    return len(processor.tokenizer.encode(text, add_bos=False))


def _score_tasks(
    model: Gemma3, processor: Processor, setting: Setting, options: argparse.Namespace
) -> list[dict[str, object]]:
    print(f"| task ({options.split}) | right | 95 % interval | stopped | items | seconds |")
    print("|---" * 6 + "|")
    mixture = Mixture("instruct", options.split, options.seed, setting)
    found: list[Score] = []

    def add(name: str, **how: object) -> None:
        began = time.monotonic()
        each = score(model, processor, name, **how)  # type: ignore[arg-type]
        found.append(each)
        low, high = interval(each.right, each.items)
        print(
            f"| {name} | {each.accuracy:.1%} | {low:.1%} to {high:.1%} | "
            f"{each.stopped / each.items:.1%} | {each.items} | {time.monotonic() - began:.0f} |",
            flush=True,
        )

    for task in (name for name in ASKED if name in options.tasks):
        for crops in (False, True) if task in ("wide", "tall") else (False,):
            examples = (mixture.of_task(task, number) for number in range(options.items))
            name = task + (" with crops" if crops else "")
            add(name, examples=examples, pan_and_scan=crops, batch_size=10 if crops else 50)
    if "needle by length" in options.tasks:
        longest = model.config.text.max_position_embeddings
        a_cell = -(-options.items // len(DEPTHS))
        for length in (longest // 16, longest // 8, longest // 4, longest // 2, longest - 8):
            for depth in DEPTHS:
                hidden = needles_at(length, depth, a_cell, options.split, setting, options.seed)
                add(f"needle, {length} tokens, depth {depth}", examples=hidden, batch_size=10)
    return [asdict(each) for each in found]


def _place(model: Gemma3, setting: Setting, options: argparse.Namespace) -> dict[str, float]:
    side, pixels = setting.side, []
    for split in ("train", options.split):
        mixture = Mixture("encoder", split, options.seed, setting)
        shown = [mixture.of_task("price", number).pictures[0].image for number in range(100)]
        pixels.append(torch.stack([resize_and_normalize(image, side) for image in shown]))
    found = place_accuracy(model, *pixels)
    print("\n| a patch's place, by a linear probe | right |\n|---|---|")
    print("\n".join(f"| {name} | {value:.1%} |" for name, value in found.items()))
    return found


def _prose(model: Gemma3, processor: Processor, options: argparse.Namespace) -> dict[str, object]:
    texts, known = (passages(options.prose, part) for part in (options.split, "train"))
    longest = model.config.text.max_position_embeddings
    bits = {
        "model": prose_bits(model, processor, texts, min(512, longest)),
        "gzip": gzip_bits(known, texts),
        "n-gram": ngram_bits(known, texts),
    }
    print("\n| prose | bits a byte |\n|---|---|")
    print("\n".join(f"| {name} | {value:.3f} |" for name, value in bits.items()))
    nats = surprise_by_position(model, processor, texts, longest - 1)
    print("\n| tokens before it | nats a token |\n|---|---|")
    print("\n".join(f"| {where} | {value:.3f} |" for where, value in nats.items()))
    return {"bits a byte": bits, "nats by position": nats}


if __name__ == "__main__":
    sys.exit(main())
