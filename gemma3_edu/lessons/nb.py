"""What the set-up cell of every notebook imports: STYLE, show, verdict, attempt.

A notebook here is believed because its outputs are compared again on every change. Numbers that
differ in the last digit from machine to machine would make that comparison worthless, so a
comparison of tensors is printed as a verdict, a line that is the same everywhere:

>>> verdict("fast equals slow", torch.tensor([0.5, 0.25]), torch.tensor([0.5, 0.25]))
fast equals slow, the same to 1e-05: True
>>> verdict("bytes by hand and by the package", 2 * 3360, 6720)
bytes by hand and by the package: 6720, equal: True
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

from .checks.grading import require
from .checks.judging import CORRECT, NOT_ATTEMPTED, judge
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
    """Print one line that is the same on every machine, or fail: CheckError with the numbers.

    Tensors, numbers or lists. Whole numbers and booleans must be equal; floats may differ by `atol`
    anywhere. Equal infinities agree; a NaN agrees with nothing, and neither does an empty tensor.
    A number is printed, to three digits if it is a float.
    """
    got, want = torch.as_tensor(got).detach(), torch.as_tensor(want).detach()
    shape = tuple(got.shape)
    require(got.shape == want.shape, f"{name}: shape {shape}, expected {tuple(want.shape)}")
    require(got.numel(), f"{name}: nothing to compare, shape {shape}")
    exact = not (got.is_floating_point() or want.is_floating_point())
    if exact:
        count = int((got != want).sum())
        require(not count, f"{name}: {count} of {got.numel()} differ")
    else:
        worst = (got.double() - want.double()).abs().masked_fill(got == want, 0.0).max().item()
        require(worst <= atol, f"{name}: largest difference {worst:.1e}, allowed {atol:g}")
    same = "equal" if exact else f"the same to {atol:g}"
    if got.dim():
        print(f"{name}, all {same}: True" if exact else f"{name}, {same}: True")
    elif want.dtype == torch.bool:
        print(f"{name}: {want.item()}")
    else:
        value = want.item() if exact else _three_digits(want.item(), atol)
        print(f"{name}: {value}, {same}: True")


def _three_digits(value: float, atol: float) -> str:
    return "0" if abs(value) <= atol else f"{value:.3g}"


def attempt(label: str, check: Callable[[Any], object], answer: Any, debug: bool = False) -> None:
    """Run a check on a learner's answer and print one line: correct, not attempted yet, or why not.

    The line holds the verdict's sentence (see `checks.judging`); below `correct` comes what the
    check shows, if it does. With `debug` the error itself is raised, with its traceback.
    """
    said = judge(check, answer)
    if said.word == CORRECT:
        print(f"{label}: correct", *filter(None, [said.shown]), sep="\n")
    elif said.word == NOT_ATTEMPTED:
        print(f"{label}: not attempted yet")
    elif debug and said.error:
        raise said.error
    else:
        print(f"{label}: {said.sentence}{f' ({said.case})' if said.case else ''}")
