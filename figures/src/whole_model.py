"""Gemma 3 from a text and a picture to the next token, each part with its lesson's number."""

from functools import partial

import svg
from svg import BLUE, INK, WHITE, box, drawing, line, rect, way

TITLE = "The whole model, and where each part is built"
ALT = (
    "Text (01) and pictures (11 to 13) become one row of vectors, which goes through 5 local layers"
    " to 1 global one (02 to 07), a cache (08) beside them, to the next token (09, 10)."
)
LONG = """Two ways enter at the left. Above, text goes through the tokenizer and the embedding,
lesson 01. Below, a picture is cut into crops, lesson 13, goes through the SigLIP encoder, lesson
11, and becomes soft tokens, lesson 12. Both ways end in one row of vectors. The row goes through
the layers: five local ones, then a global one, and so on. Below the layers stands what every one
has: norms, lessons 02 and 03, RoPE and mask, 04 and 05, heads and a feed-forward part, 06 and 07,
and its share of the KV cache, 08. Behind the layers the head, lesson 09, gives every token a score;
the next token, lesson 10, is picked by it and goes back to the embedding."""

ORANGE, GREEN = "#D55E00", "#009E73"
words = partial(svg.words, size=15)
ROW = 372  # where the row of vectors begins
LAYERS, APART = 462, 38  # where the first layer begins, and how far the next one is
TEXT, PICTURE = 62, 172  # heights of the two ways in
MIDDLE = (TEXT + PICTURE) // 2
PARTS = (("norms", "02, 03"), ("RoPE, mask", "04, 05"), ("heads, MLP", "06, 07"))


def draw() -> str:
    """The picture as SVG text."""
    parts: list[str] = []
    parts += part(12, TEXT, 70, ["text"]) + part(118, TEXT, 170, ["tokens, embedding", "01"])
    parts += part(12, PICTURE, 70, ["picture"]) + part(112, PICTURE, 62, ["crops", "13"])
    parts += part(194, PICTURE, 66, ["SigLIP", "11"], GREEN)
    parts += part(280, PICTURE, 92, ["soft tokens", "12"], GREEN)
    parts += [way((82, TEXT), (116, TEXT)), way((82, PICTURE), (110, PICTURE))]
    parts += [way((174, PICTURE), (192, PICTURE)), way((260, PICTURE), (278, PICTURE))]
    middle = ROW + 21
    parts += [way((288, TEXT), (middle, TEXT), (middle, MIDDLE - 16))]
    parts += [way((372, PICTURE), (middle, PICTURE), (middle, MIDDLE + 16))]
    for cell, fill in enumerate((WHITE, GREEN)):
        parts.append(rect(ROW + 14 * cell, MIDDLE - 14, 14, 28, fill))
    parts.append(words(ROW - 76, MIDDLE + 5, "one row of vectors"))
    parts.append(way((ROW + 42, MIDDLE), (LAYERS - 2, MIDDLE)))
    for number in range(6):
        fill, ink, name = (BLUE, WHITE, "G") if number == 5 else (ORANGE, INK, "L")
        x = LAYERS + APART * number
        parts += [rect(x, MIDDLE - 36, 30, 72, fill), words(x + 15, MIDDLE + 5, name, fill=ink)]
    end = LAYERS + 5 * APART + 30
    parts.append(words((LAYERS + end) // 2, MIDDLE - 46, "layers: 5 local (L), 1 global (G), …"))
    parts += [way((end, MIDDLE), (718, MIDDLE)), *part(720, MIDDLE, 80, ["head", "09"])]
    parts += [way((800, MIDDLE), (838, MIDDLE)), *part(840, MIDDLE, 108, ["next token", "10"])]
    parts.append(way((894, MIDDLE - 22), (894, 16), (203, 16), (203, TEXT - 24)))
    parts.append(words(ROW + 26, 250, "in every layer"))
    for number, (what, lessons) in enumerate(PARTS):
        parts += part(LAYERS + 112 * number, 245, 100, [what, lessons])
    parts += part(LAYERS + 336, 245, 100, ["KV cache", "08"])
    parts.append(line(LAYERS, 210, LAYERS + 436, 210))
    below = (LAYERS + end) // 2
    parts.append(line(below, 153, below, 210))
    return drawing(960, 290, parts)


def part(x: int, y: int, width: int, lines: list[str], fill: str = WHITE) -> list[str]:
    """A box of the height that all have."""
    return box(x, y, width, 44, lines, fill, size=15)
