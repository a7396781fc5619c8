"""The full model's three parts, how they are joined, and the two names of each."""

from functools import partial

import svg
from svg import BLUE, INK, WHITE, drawing, rect, way

TITLE = "The parts of the full model, and their two names"
ALT = (
    "Words and pictures meet in one row: ids through the embedding, pixels through encoder and"
    " projector, then the decoder; below, a table of 6 prefixes with two names each."
)
LONG = """Above, left to right: the processor makes ids out of a conversation's text, and pixels
out of its pictures. The ids go through the embedding table, times the root of D. The pixels go
through the encoder and the projector and become soft tokens. Both ways end in one row of vectors,
in which the cells of a picture are green and those of words are white. The row goes through the
decoder's blocks and its final norm, and the same embedding table gives the logits. Below, a table
has six rows: the prefix of a weight's name in this package, and the prefix in the released files.
Four rows belong to the encoder, where vision.encoder becomes vision_tower.vision_model with
embeddings, encoder and post_layernorm below it; one belongs to the projector, multi_modal_projector
in the files; one to the language model, language_model.model in the files."""

GREEN, PALE = "#009E73", "#E8F4EF"
TEXT, PICTURE = 52, 142  # heights of the two ways in
MIDDLE = (TEXT + PICTURE) // 2
TOWER = "vision_tower.vision_model."
TABLE = (
    ("vision.encoder.patch_embedding.", TOWER + "embeddings.patch_embedding.", GREEN),
    ("vision.encoder.position_embedding.", TOWER + "embeddings.position_embedding.", GREEN),
    ("vision.encoder.layers.", TOWER + "encoder.layers.", GREEN),
    ("vision.encoder.post_layernorm.", TOWER + "post_layernorm.", GREEN),
    ("vision.projector.", "multi_modal_projector.", INK),
    ("language_model.", "language_model.model.", BLUE),
)
BOLD, MONO = ' font-weight="bold"', ' font-family="DejaVu Sans Mono, monospace"'
box, words = partial(svg.box, size=15), partial(svg.words, size=15)
ROWS = 232  # height of the table's first row


def draw() -> str:
    """The picture as SVG text."""
    height = ROWS + 26 * len(TABLE) + 4
    parts: list[str] = []
    parts += box(10, MIDDLE, 106, 134, ["processor"])
    parts += [way((116, TEXT), (170, TEXT)), words(141, TEXT - 8, "ids")]
    parts += [way((116, PICTURE), (170, PICTURE)), words(142, PICTURE - 8, "pixels")]
    parts += box(172, TEXT, 250, 44, ["embedding, times √D"], BLUE, WHITE)
    parts += box(172, PICTURE, 96, 44, ["encoder"], GREEN)
    parts += [way((268, PICTURE), (310, PICTURE))]
    parts += box(312, PICTURE, 110, 44, ["projector"], INK, WHITE)
    left = 462
    for cell in range(8):
        fill = GREEN if 2 <= cell < 6 else WHITE
        parts.append(rect(left + 15 * cell, MIDDLE - 15, 15, 30, fill))
    parts.append(words(left + 78, MIDDLE - 24, "one row"))
    parts += [way((422, TEXT), (left + 15, TEXT), (left + 15, MIDDLE - 17))]
    parts += [way((422, PICTURE), (left + 60, PICTURE), (left + 60, MIDDLE + 17))]
    parts.append(words(left + 68, PICTURE + 4, "soft tokens", anchor="start"))
    parts += [way((left + 120, MIDDLE), (left + 152, MIDDLE))]
    parts += box(left + 154, MIDDLE, 96, 44, ["blocks,", "norm"], BLUE, WHITE)
    parts += [way((left + 250, MIDDLE), (left + 278, MIDDLE))]
    parts += box(left + 280, MIDDLE, 100, 44, ["embedding", "again"], BLUE, WHITE)
    parts += [way((left + 380, MIDDLE), (left + 412, MIDDLE))]
    parts.append(words(left + 455, MIDDLE + 5, "logits"))
    parts.append(words(34, ROWS - 26, "weights here", anchor="start", more=BOLD))
    parts.append(words(440, ROWS - 26, "in the released files", anchor="start", more=BOLD))
    for number, (ours, theirs, colour) in enumerate(TABLE):
        y = ROWS + 26 * number
        if number % 2 == 0:
            parts.append(f'<rect x="8" y="{y - 18}" width="944" height="26" fill="{PALE}"/>')
        parts.append(rect(12, y - 12, 14, 14, colour))
        parts.append(words(34, y, ours, anchor="start", more=MONO))
        parts.append(words(440, y, theirs, anchor="start", more=MONO))
    return drawing(960, height, parts)
