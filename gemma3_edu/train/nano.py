"""Train nano, a Gemma 3 small enough to ship, stage by stage (see `recipe`).

    python -m gemma3_edu.train.nano --folder runs/nano

trains all stages that are not done yet and exports nano-pt and nano-it. A run that was stopped or
killed goes on with the same command and loses at most a minute. To train some stages only, name
them: `python -m gemma3_edu.train.nano encoder induction --folder runs/nano`. With --seconds a call
is a slice; call it again until it says that all is done.

>>> options = parser().parse_args(["pretrain", "--folder", "runs/nano", "--seconds", "300"])
>>> options.stages, options.device
(['pretrain'], 'cpu')
"""

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from .data.prose import ASSETS
from .recipe import STAGES, Run
from .stage import export, train_stage
from .tokenizer import train, training_text

EXPORTS = {"pretrain": "nano-pt", "instruct": "nano-it"}
ALL = ("tokenizer", *STAGES, "export")


def parser() -> argparse.ArgumentParser:
    """The command line, with its help."""
    top = argparse.ArgumentParser(
        prog="python -m gemma3_edu.train.nano",
        description=__doc__.split("\n>>>")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument(
        "stages", nargs="*", metavar="STAGE", help=f"{', '.join(ALL)}; default: all that are left"
    )
    top.add_argument("--folder", type=Path, required=True, help="the run's folder")
    top.add_argument("--device", default="cpu", help="cpu or cuda")
    top.add_argument("--seconds", type=float, help="stop after so long; the run can go on")
    top.add_argument("--scale", type=float, default=1.0, help="0.1: every stage ten times shorter")
    top.add_argument("--begin-with", type=Path, help="a checkpoint in place of the stage before")
    top.add_argument("--prose", type=Path, default=ASSETS, help="folder of *.txt (see `prose`)")
    top.add_argument("--vocabulary", type=Path, help="a tokenizer.model, in place of a new one")
    top.add_argument("--workers", type=int, default=0, help="processes that draw examples ahead")
    top.add_argument("--compiled", action="store_true", help="faster steps after a minute's start")
    top.add_argument("--threads", type=int, help="PyTorch's threads (default: its own choice)")
    top.add_argument("--seed", type=int, default=0)
    return top


class Progress:
    """A bar on stderr: share done, loss (a running mean), steps a second, time left."""

    def __init__(self, name: str, steps: int):
        self.name, self.steps = name, steps
        self.began, self.first, self.mean, self.shown = time.monotonic(), -1, float("nan"), 0.0

    def __call__(self, step: int, loss: float) -> None:
        """Called after each step with how many are done."""
        now = time.monotonic()
        if self.first < 0:
            self.first, self.mean = step - 1, loss
        self.mean += max(0.02, 1 / (step - self.first)) * (loss - self.mean)
        if now - self.shown < 1 and step < self.steps:
            return
        self.shown = now
        speed = (step - self.first) / max(now - self.began, 1e-9)
        filled = round(30 * step / self.steps)
        print(
            f"\r{self.name} [{'#' * filled:<30}] {step}/{self.steps} loss {self.mean:.3f} "
            f"{speed:.1f} steps/s, {(self.steps - step) / speed / 60:.0f} min left ",
            end="\n" if step == self.steps else "",
            file=sys.stderr,
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run stages in turn; 0 when all are done, 3 when one has to go on, 2 for a mistake."""
    options = parser().parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    names = {field.name for field in dataclasses.fields(Run)}
    run = Run(**{name: value for name, value in vars(options).items() if name in names})
    try:
        if options.seconds is not None and not options.seconds > 0:
            raise ValueError(f"--seconds: {options.seconds:g} must be more than 0")
        for stage in options.stages:
            if stage not in ALL:
                raise ValueError(f"STAGE: {stage!r} is unknown; choose one of {', '.join(ALL)}")
        for stage in options.stages or ALL:
            if not _done(run, stage, options):
                print(f"\n{stage}: not done; the same command goes on", file=sys.stderr)
                return 3
            print(f"{stage}: done", file=sys.stderr)
    except ValueError as error:
        print(f"{parser().prog}: {error}", file=sys.stderr)
        return 2
    return 0


def _done(run: Run, stage: str, options: argparse.Namespace) -> bool:
    if stage == "export":
        for finished, name in EXPORTS.items():
            export(run, finished, run.folder / name)
        return True
    if stage != "tokenizer":
        on_step = Progress(stage, run.plan(stage).steps)
        return train_stage(run, stage, seconds=options.seconds, on_step=on_step)
    target = run.folder / "tokenizer.model"
    if not target.is_file():
        run.folder.mkdir(parents=True, exist_ok=True)
        given = options.vocabulary
        if given and not given.is_file():
            raise ValueError(f"vocabulary: {given} is missing; name a tokenizer.model")
        fresh = target.with_suffix(".tmp")
        fresh.write_bytes(given.read_bytes() if given else train(training_text(run.prose)))
        os.replace(fresh, target)
    return True


if __name__ == "__main__":
    sys.exit(main())
