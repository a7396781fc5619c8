"""What the set-up cell of every notebook imports: STYLE, show, verdict, attempt.

A notebook here is believed because its outputs are compared again on every change. Numbers that
differ in the last digit from machine to machine would make that comparison worthless, so a
comparison of tensors is printed as a verdict, a line that is the same everywhere:

>>> verdict("fast equals slow", torch.tensor([0.5, 0.25]), torch.tensor([0.5, 0.25]))
fast equals slow: shape (2,), largest difference at most 1e-05: True
"""

import base64
import io
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import torch
from cycler import cycler
from IPython.display import display
from matplotlib.figure import Figure

from .figures.alt import alt_of
from .figures.digest import describe

# Global, local, image, reference. Colour and line style always change together, so that a curve is
# told apart by either; the tests measure contrast and the colours as colour-blind eyes see them.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#000000"]
STYLE: dict[str, Any] = {
    "axes.prop_cycle": cycler(color=COLOURS) + cycler(linestyle=["-", "--", ":", "-."]),
    "lines.linewidth": 2,
    "image.cmap": "cividis",
    "image.interpolation": "nearest",
    "figure.figsize": (6, 3.2),
    "figure.facecolor": "white",  # also in a dark JupyterLab
    "font.size": 10,
}


def show(fig: Figure) -> None:
    """Display a figure once, with the words that stand for it, and close it.

    The words are those the figure carries (see `figures.alt`). They are printed as the caption,
    stored as the picture's alternative text, and followed by the digest (see `figures.digest`) as
    the text form. ValueError if it carries none, or if it holds what no digest can tell.
    """
    alt, digest = alt_of(fig), describe(fig)
    png = io.BytesIO()
    fig.savefig(png, format="png", dpi=96, bbox_inches="tight", metadata={"Software": None})
    plt.close(fig)  # or the inline backend shows it a second time, without words
    picture = base64.b64encode(png.getvalue()).decode()
    bundle = {"image/png": picture, "text/plain": f"[figure] {alt}\n{digest}"}
    display(bundle, raw=True, metadata={"image/png": {"alt": alt}})
    print(f"Figure: {alt}")


def verdict(name: str, got: Any, want: Any, *, atol: float = 1e-5) -> None:
    """Print one line that is the same on every machine, or fail: AssertionError with the numbers.

    Tensors, numbers or lists. Whole numbers and booleans must be equal; floats may differ by `atol`
    anywhere. Equal infinities agree; a NaN agrees with nothing, and neither does an empty tensor.
    """
    got, want = torch.as_tensor(got).detach(), torch.as_tensor(want).detach()
    shape = tuple(got.shape)
    assert got.shape == want.shape, f"{name}: shape {shape}, expected {tuple(want.shape)}"
    assert got.numel(), f"{name}: nothing to compare, shape {shape}"
    if not (got.is_floating_point() or want.is_floating_point()):
        assert torch.equal(got, want), f"{name}: {int((got != want).sum())} of {got.numel()} differ"
        print(f"{name}: shape {shape}, all equal: True")
        return
    worst = (got.double() - want.double()).abs().masked_fill(got == want, 0.0).max().item()
    assert worst <= atol, f"{name}: largest difference {worst:.1e}, allowed {atol:g}"
    print(f"{name}: shape {shape}, largest difference at most {atol:g}: True")


def attempt(label: str, check: Callable[[Any], None], answer: Any) -> None:
    """Run a check on a learner's answer: correct, not attempted yet, or the check's own diagnosis.

    Only our stub counts as not attempted. torch raises NotImplementedError too, for a missing
    `forward` say, and that has to reach the learner.
    """
    try:
        check(answer)
    except NotImplementedError as error:
        if error.args != ("your turn",):
            raise
        print(f"{label}: not attempted yet")
    else:
        print(f"{label}: correct")
