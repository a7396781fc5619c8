"""Use the installed package from outside the checkout: `make wheel-test` and `test_wheel` run this.

A script, not a test: it must not see the checkout, so it knows only what the wheel brought.
"""

from pathlib import Path

import torch

import gemma3_edu
from gemma3_edu import PRESETS, Batch, Gemma3, load_image


def main() -> None:
    """Read a photograph, run a tiny model."""
    folder = Path(gemma3_edu.__file__).parent
    assert not (folder.parent / "pyproject.toml").exists(), f"{folder} is the checkout"
    assert (folder / "py.typed").is_file()

    photo = load_image(folder / "assets" / "photos" / "nagasaki-boats.jpg")
    assert photo.size == (1024, 819), photo.size

    model = Gemma3(PRESETS["tiny-text"])
    with torch.no_grad():
        logits = model(Batch.from_ids(torch.tensor([[2, 7, 8, 9]]), PRESETS["tiny-text"]))
    assert logits.shape == (1, 4, 512), logits.shape
    assert logits.isfinite().all()
    print(f"the package in {folder} works")


if __name__ == "__main__":
    main()
