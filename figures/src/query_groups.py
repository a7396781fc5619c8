"""Eight query heads and their keys and values: a head each, four for all, or one."""

from svg import BLUE, INK, WHITE, circle, drawing, line, rect, words

TITLE = "Multi-head, grouped-query and multi-query attention"
ALT = (
    "Eight query heads three times: with 8 key/value heads each has its own, with 4 every two"
    " neighbours share one, with 1 all eight share it; the cache shrinks from 8 parts to 4 to 1."
)
LONG = (
    "Three drawings side by side, each with eight circles in a row, the query heads, and squares"
    " below them, the key/value heads. Left, multi-head attention: eight squares, and a straight"
    " line from each circle to the square under it. Middle, grouped-query attention with G = 2:"
    " four squares, each with lines from two neighbouring circles; this is Gemma 3 4B. Right,"
    " multi-query attention: one square with lines from all eight circles. Below each drawing"
    " stands how much of the keys and values is kept: 8, 4 and 1 of 8 parts. Groups are filled in"
    " blue and white by turns."
)

HEADS, STEP, WIDTH, GAP = 8, 31, 264, 24
ABOVE, BELOW = 74, 142  # heights of the two rows


def draw() -> str:
    """The picture as SVG text."""
    parts: list[str] = []
    for place, (kv_heads, name) in enumerate(
        [(8, "multi-head"), (4, "grouped-query, G = 2"), (1, "multi-query")]
    ):
        left = 10 + place * (WIDTH + GAP)
        parts += [words(left + WIDTH / 2, 22, name), *heads(left, kv_heads)]
        parts.append(words(left + WIDTH / 2, 190, f"kept: {kv_heads} of 8 parts"))
    parts.append(words(14, 48, "query heads, 0 to 7", "start", size=14))
    return drawing(860, 204, parts)


def heads(left: float, kv_heads: int) -> list[str]:
    """Eight circles, the squares they read, and a line for each reader."""
    group = HEADS // kv_heads
    x = [left + WIDTH / 2 + (n - (HEADS - 1) / 2) * STEP for n in range(HEADS)]
    below = [sum(x[j * group : (j + 1) * group]) / group for j in range(kv_heads)]
    parts = [line(x[n], ABOVE, below[n // group], BELOW, width=1.5) for n in range(HEADS)]
    for n in range(HEADS):
        fill = BLUE if n // group % 2 == 0 else WHITE
        parts.append(circle(x[n], ABOVE, 12, fill))
        parts.append(words(x[n], ABOVE + 5, str(n), size=14, fill=WHITE if fill == BLUE else INK))
    for j, middle in enumerate(below):
        fill = BLUE if j % 2 == 0 else WHITE
        parts.append(rect(middle - 12, BELOW - 12, 24, 24, fill))
        parts.append(words(middle, BELOW + 5, str(j), size=14, fill=WHITE if fill == BLUE else INK))
    return parts
