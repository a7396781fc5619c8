"""What the slots of a ring and of a growing store hold, column by column."""

from matplotlib.figure import Figure

from gemma3_edu.lessons.figures.cache import slots_over_time
from gemma3_edu.naive.cache import ring

TITLE = "A ring of five slots beside a store that keeps everything"
ALT = (
    "Slots by steps: a ring of 5 slots is full after 5 columns and the newest walks round it, while"
    " the global store below adds a slot for each column and keeps all 13."
)
LONG = """Two tables. A column of each is a moment, after 1 to 13 columns were written; a row is a
slot, and the number in a cell is the column it holds. Above, a ring of five slots: 0 to 4 fill it
from top to bottom, then 5 is written over 0, 6 over 1, and so on, so that every moment shows the
last five columns, at the end 10, 11, 12, 8, 9. The newest is dark blue, the oldest still held
yellow. Below, a global layer's store: slot c holds column c from the moment it is written, a
staircase of 13 rows; what is five or more columns old, out of sight for a local layer, is grey."""


def draw() -> Figure:
    """Thirteen columns, W = 5; an empty slot is -1."""
    held = {
        f"{name}: {slots} slots": [
            [-1 if column is None else column for column in ring(length, slots)]
            for length in range(1, 14)
        ]
        for name, slots in [("local layer, a ring", 5), ("global layer", 13)]
    }
    return slots_over_time(held, window=5)
