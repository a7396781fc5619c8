"""Train nano, a Gemma 3 small enough to ship, stage by stage (see `recipe`).

    python -m gemma3_edu.train.nano tokenizer encoder pretrain long --folder runs/nano
    python -m gemma3_edu.train.nano instruct export --folder runs/nano

Several processes share the work where torchrun starts them; on two cores that is faster than one
process with two threads:

    torchrun --nproc-per-node 2 -m gemma3_edu.train.nano pretrain --folder runs/nano --threads 1

A stage that was stopped goes on where it was: its state lies in the folder, and the other options
must stay the same. With --seconds a call is a slice; call it again until it says that the stage is
done. To follow a teacher, train one first, with --size teacher in a folder of its own that holds
the same tokenizer.model, and then name its last stage: --teacher runs/teacher/instruct.

>>> options = parser().parse_args(["pretrain", "--folder", "runs/nano", "--seconds", "300"])
>>> options.stages, options.device
(['pretrain'], 'cpu')
"""

import argparse
import dataclasses
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist

from .data.prose import ASSETS
from .loop import process
from .recipe import SIZES, STAGES, Run
from .stage import export, train_stage
from .tokenizer import train, training_text

EXPORTS = {"long": "nano-pt", "instruct": "nano-it"}


def parser() -> argparse.ArgumentParser:
    """The command line, with its help."""
    top = argparse.ArgumentParser(
        prog="python -m gemma3_edu.train.nano",
        description=__doc__.split("\n>>>")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    stages = ["tokenizer", *STAGES, "export"]
    top.add_argument("stages", nargs="+", choices=stages, metavar="STAGE", help=", ".join(stages))
    top.add_argument("--folder", type=Path, required=True, help="where the run lies")
    top.add_argument("--size", choices=SIZES, default="nano")
    top.add_argument("--device", default="cpu", help="cpu or cuda")
    top.add_argument("--seconds", type=float, help="stop a stage after so long; it can go on")
    top.add_argument("--scale", type=float, default=1.0, help="0.1: every stage ten times shorter")
    top.add_argument("--teacher", type=Path, help="checkpoint folder that `instruct` also follows")
    top.add_argument("--begin-with", type=Path, help="a checkpoint in place of the stage before")
    top.add_argument("--prose", type=Path, default=ASSETS, help="folder of *.txt (see `prose`)")
    top.add_argument("--workers", type=int, default=0, help="processes that draw examples ahead")
    top.add_argument("--compiled", action="store_true", help="faster steps after a minute's start")
    top.add_argument("--varied", action="store_true", help="harder pictures, for long runs")
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
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("gloo")
    names = {field.name for field in dataclasses.fields(Run)}
    run = Run(**{name: value for name, value in vars(options).items() if name in names})
    try:
        return next((code for stage in options.stages if (code := _run(run, stage, options))), 0)
    except ValueError as error:
        print(f"{parser().prog}: {error}", file=sys.stderr)
        return 2


def _run(run: Run, stage: str, options: argparse.Namespace) -> int:
    if stage == "tokenizer":
        run.folder.mkdir(parents=True, exist_ok=True)
        fresh = run.folder / "tokenizer.model.tmp"
        fresh.write_bytes(train(training_text(run.prose)))
        shutil.move(fresh, run.folder / "tokenizer.model")
    elif stage == "export":
        for finished, name in EXPORTS.items():
            export(run, finished, run.folder / name)
    else:
        progress = Progress(stage, run.plan(stage).steps) if process() == 0 else None
        if not train_stage(run, stage, seconds=options.seconds, on_step=progress):
            print(f"\n{stage}: not done; the same command goes on", file=sys.stderr)
            return 3
    print(f"{stage}: done", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
