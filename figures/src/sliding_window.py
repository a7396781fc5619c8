"""The masks of both layer types, and how far back a token hears in 1B."""

from matplotlib.figure import Figure

from gemma3_edu.lessons.figures.masks import masks_and_reach
from gemma3_edu.model.presets import PRESETS

TITLE = "Sliding-window masks and how far they reach"
ALT = (
    "Two masks and a curve: a global layer sees all earlier tokens, a local one the last W = 4,"
    " and in 1B the reach grows by 511 tokens a layer until layer 6 sees all 32,768."
)
LONG = """Left, the mask of a global layer over 12 tokens: a full lower triangle, row i holds i + 1
keys. Middle, the mask of a local layer with a window of 4: a band along the diagonal, at most 4
keys a row, the query's own included. Right, how many tokens back the last of 32,768 tokens has
heard in Gemma 3 1B (W = 512), against the layers passed. With local layers only, a straight line,
511 more a layer, 13,286 after 26 layers. With five local layers to one global, the same line up to
layer 5, 2,555 tokens, then at layer 6 the first token of the text, 32,767 back."""


def draw() -> Figure:
    """Toy masks with W = 4 and 12 tokens; the reach of 1B at its longest context."""
    text = PRESETS["1b"].text
    fig = masks_and_reach(text.layer_types, text.sliding_window, text.max_position_embeddings)
    fig.axes[2].set_title("reach in 1B, W = 512")
    return fig
