"""The mask of a row with two images, on a global and on a local layer."""

from matplotlib.figure import Figure

from gemma3_edu.lessons.figures.image_tokens import mixed_masks

TITLE = "The mixed mask of words and images"
ALT = (
    "Two masks of a row with two images: on a global layer each image is a full coloured square on"
    " the diagonal, 4 by 4, and all else looks back; on a local layer, W = 5, a band."
)
LONG = """Two masks side by side over the same 17 tokens: two of text, an image, one of text, an
image, two of text. An image is a start mark, four soft tokens and an end mark; letters at the axes
name each token. Rows are queries, columns keys. Left, a global layer: the triangle below the
diagonal is dark, and each image is a coloured square of 4 by 4 cells that reaches above the
diagonal, the first green, the second light blue and hatched. Between the two squares the cells
below the diagonal are dark, those above are light: the second image sees the first, not the other
way round. Right, a local layer with a window of 5: the same two squares, and of the triangle only a
band along the diagonal."""


def draw() -> Figure:
    """Images of four soft tokens, a window of five."""
    return mixed_masks("ttItItt", window=5)
