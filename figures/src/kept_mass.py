"""Kept mass and number of kept tokens against p, for three kinds of next-token probabilities."""

import torch
from matplotlib.figure import Figure

from gemma3_edu.lessons.figures.sampling import kept_mass

TITLE = "What top-p keeps"
ALT = (
    "Kept mass against p for three distributions over 1,000 tokens: each curve is a staircase on or"
    " above the diagonal; for p = 0.9 a sure one keeps 2 tokens, a flat one 900."
)
LONG = """Left, the mass of the kept tokens against p, with the diagonal in grey. The curves of
three distributions over 1,000 tokens never fall below it: a sure one, whose likeliest token has
five sixths of the mass, goes up in a few large steps; one that falls off as 1 over the rank goes up
in small ones; a flat one cannot be told from the diagonal. Right, how many tokens that takes, on a
logarithmic axis: the sure one needs one or two up to p = 0.9, the middle one some hundreds for p
near 1, and the flat one 1,000 times p."""


def draw() -> Figure:
    """Three shapes by formula, each over 1,000 tokens."""
    rank = torch.arange(1.0, 1001.0)
    shapes = {"sure": rank**-3, "1 / rank": rank**-1, "flat": rank**0}
    return kept_mass({name: shape / shape.sum() for name, shape in shapes.items()})
