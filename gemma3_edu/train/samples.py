"""The pictures that lie in the package for a first question, drawn by the generators.

    python -m gemma3_edu.train.samples gemma3_edu/assets/pictures

All are of the test split: no model of ours was trained on what they show.

>>> sample("receipt").answer
'9 + 13 = 19 + 3 = 22, 22 + 18 = 32 + 8 = 40'
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .data.examples import Example
from .data.mixture import Mixture

SAMPLES = {
    "number": ("number", 1315),
    "receipt": ("sum", 4),
    "shapes": ("position", 8),
    "hearts": ("count", 91),
}
"""Each picture's task and number in the test split."""


def sample(name: str) -> Example:
    """The picture of that name, what is asked about it, and the answer."""
    task, number = SAMPLES[name]
    return Mixture("instruct", "test").of_task(task, number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every picture as PNG."""
    parser = argparse.ArgumentParser(prog="python -m gemma3_edu.train.samples")
    parser.add_argument("folder", type=Path, help="where to write NAME.png")
    folder: Path = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in SAMPLES:
        sample(name).pictures[0].image.save(folder / f"{name}.png", optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
