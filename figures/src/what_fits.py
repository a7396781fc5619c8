"""Which card holds which size, in which format and with how many tokens."""

from matplotlib.figure import Figure

from gemma3_edu.lessons.figures.memory_cost import what_fits as grid

TITLE = "Which card holds what"
ALT = (
    "Fifteen rows of sizes and formats, eight contexts: 8 GB hold 4B in int8 up to 128K tokens,"
    " 24 GB hold 27B in int4 up to 64K, and 27B in bfloat16 needs 80 GB throughout."
)
LONG = """A table of fifteen rows and eight columns. The rows are 270M, 1B, 4B, 12B and 27B, each
with its weights in bfloat16, in int8 and in blocks of int4; the columns are contexts, 1K to 128K
tokens. A cell holds the GB of weights, vision tower and a bfloat16 cache of one row; its colour
tells the smallest of five cards that holds them: 8, 16, 24, 48 or 80 GB. 270M and 1B need 8 GB
throughout, and their cells end at 32K. 4B needs 16 GB in bfloat16, from 8.7 to 11.4, and 8 GB in
the other formats. 12B needs 48 GB in bfloat16, 16 GB in int8 up to 32K and 24 GB beyond, and in
int4 8 GB at 1K and 2K, 16 GB from 4K to 64K and 24 GB at 128K. 27B needs 80 GB in bfloat16, from
55.4 to 66.0, 48 GB in int8, and in int4 24 GB up to 64K and 48 GB at 128K."""


def draw() -> Figure:
    """By the package's formulas."""
    return grid()
