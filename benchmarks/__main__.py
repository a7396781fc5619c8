"""Time gemma3_edu beside transformers on the same random weights.

    python -m benchmarks --list                    the rows there are
    python -m benchmarks --quick                   nano and 270M, short prompts
    python -m benchmarks                           every row but the long one: hours
    python -m benchmarks 'decode-270m-*' --rounds 9 --name decode
    python -m benchmarks 'long-*'                  131,072 tokens, ours alone

Results go to benchmarks/results, once all rows are measured: NAME.json, NAME.md and a picture of
each shape. Run it on a machine that does nothing else.

>>> parser().parse_args(["decode-*", "--rounds", "3"]).rows
['decode-*']
"""

import argparse
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # before anything draws
from . import report
from .chart import Bar, alt_of, bars_of, draw, png
from .machine import cores, describe
from .measure import Settings, measure
from .rows import choose, every_row, quick, without

RESULTS = Path(__file__).parent / "results"


def parser() -> argparse.ArgumentParser:
    """The command line, with its help."""
    top = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(__doc__ or "").split("\n>>>")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("rows", nargs="*", metavar="ROW", help="a row's name; * stands for anything")
    top.add_argument("--list", action="store_true", help="print the rows and measure nothing")
    top.add_argument("--quick", action="store_true", help="small rows, three rounds")
    top.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="NAME",
        help="leave a contestant out, such as 'transformers eager' or '* int*'; repeat for more",
    )
    top.add_argument("--rounds", type=int, help="repetitions a contestant (default: 7; quick: 3)")
    top.add_argument(
        "--seconds", type=float, default=600, help="a row ends after so long and three rounds"
    )
    top.add_argument("--threads", type=int, help="of each contestant (default: one a core)")
    top.add_argument("--name", help="of the results (default: full, quick or chosen)")
    top.add_argument("--folder", type=Path, default=RESULTS, help="where the results go")
    top.add_argument(
        "--scratch", type=Path, help="where weights lie meanwhile (default: temporary)"
    )
    return top


class Progress:
    """A line on stderr that says what goes on, and since when."""

    def __init__(self) -> None:
        self.began, self.width, self.live = time.monotonic(), 0, sys.stderr.isatty()
        self.last = ""

    def __call__(self, text: str) -> None:
        """Replace the line; where stderr is no terminal, only a new row is told."""
        told = text if self.live else text.split(" round ")[0]
        if told == self.last:
            return
        self.last = told
        line = f"{(time.monotonic() - self.began) / 60:4.0f} min  {told}"
        print(
            f"\r{line:<{self.width}}" if self.live else line,
            end="" if self.live else "\n",
            file=sys.stderr,
            flush=True,
        )
        self.width = len(line)

    def end(self) -> None:
        """Leave the last line standing."""
        if self.live and self.width:
            print(file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; 0, or 1 where a contestant failed, or 2 for a mistake of the caller's."""
    options = parser().parse_args(arguments)
    try:
        if options.list:
            print("\n".join(row.name for row in choose(options.rows or ["*"], every_row())))
            return 0
        return _run(options)
    except ValueError as error:
        print(f"{parser().prog}: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    rows = choose(options.rows, every_row())
    rows = without(options.without, quick(rows) if options.quick else rows)
    if not rows:
        raise ValueError("rows: none of those chosen is quick; leave --quick out")
    name = options.name or ("quick" if options.quick else "chosen" if options.rows else "full")
    if not re.fullmatch(r"[\w.-]*\w[\w.-]*", name):
        raise ValueError(f"name={name!r} is to be a file's name; use letters, digits, - and _")
    settings = _settings(options)
    report.check_folder(options.folder)
    machine = describe(settings.threads)
    if (machine["load"] or 0) > 0.5:
        busy = f"{parser().prog}: this machine is busy (load {machine['load']}); times will be poor"
        print(busy, file=sys.stderr)
    progress = Progress()
    try:
        found = measure(rows, settings, progress)
    finally:
        progress.end()
    told = {key: value for key, value in asdict(settings).items() if key in ("rounds", "seconds")}
    results = report.document(name, found, machine, told)
    pictures = _pictures(results)
    for path in report.write(results, options.folder, pictures):
        print(os.path.relpath(path))
    failed = [
        f"{each.row.name}, {who}: {why}" for each in found for who, why in each.failed.items()
    ]
    print("\n".join(failed), end="\n" if failed else "", file=sys.stderr)
    return 1 if failed else 0


def _settings(options: argparse.Namespace) -> Settings:
    rounds = options.rounds if options.rounds is not None else 3 if options.quick else 7
    threads = options.threads if options.threads is not None else cores()
    if rounds < 1:
        raise ValueError(f"rounds={rounds} must be at least 1; 7 give a fair interval")
    if not 1 <= threads <= cores():
        raise ValueError(f"threads={threads} must be 1 to {cores()}, the cores of this machine")
    if options.seconds <= 0:
        raise ValueError(f"seconds={options.seconds:g} must be above 0; 600 is the default")
    return Settings(rounds, options.seconds, threads, options.scratch)


def _pictures(results: dict[str, Any]) -> dict[str, bytes]:
    """A picture of each shape's comparisons, by file name; the words for them go into `results`."""
    shapes: dict[str, list[Bar]] = {}
    for bar in bars_of(results):
        shapes.setdefault(bar.size, []).append(bar)
    files = {size: f"{results['name']}-{size}.png" for size in shapes}
    results["pictures"] = [
        {"file": files[size], "alt": alt_of(bars)} for size, bars in shapes.items()
    ]
    return {
        files[size]: png(draw(bars, f"gemma3_edu beside transformers: {size}"))
        for size, bars in shapes.items()
    }


if __name__ == "__main__":
    # As with Ctrl-C, or else weights and processes would stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
