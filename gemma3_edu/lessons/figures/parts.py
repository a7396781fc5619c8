"""Parts that drawings of ideas share: a word at a place, and an arrow with a filled head."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch


def say(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    ha: str = "center",
    color: str = "black",
    weight: str = "normal",
    size: float = 10,
) -> None:
    """A text at a place, in the middle of its height.

    >>> import matplotlib.pyplot as plt
    >>> fig, ax = plt.subplots()
    >>> say(ax, 0.5, 0.5, "token")
    >>> ax.texts[0].get_text()
    'token'
    >>> plt.close(fig)
    """
    ax.text(x, y, text, ha=ha, va="center", color=color, weight=weight, fontsize=size, zorder=4)


def arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: Any,
    width: float,
    **looks: Any,
) -> None:
    """A straight arrow, plain whatever the style's line is, behind boxes of zorder 3."""
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=9 + 2 * width,
            linewidth=width,
            color=colour,
            linestyle="-",
            shrinkA=0,
            shrinkB=0,
            zorder=2,
            **looks,
        )
    )
