"""From a text to its tokens, from them through the table to the model, and back through it."""

from svg import BLUE, WHITE, circle, drawing, line, rect, way, words

from gemma3_edu.hub.checkpoint import ASSETS
from gemma3_edu.prompt.tokenizer import Tokenizer

TITLE = "From a text to the model, and back"
ALT = (
    "Three pieces of a text become three ids, each id picks a row of one table, and the same table"
    " turns the model's last vector into a score for each piece."
)
LONG = (
    "At the left stands the text, the white whale. Below it the three pieces it is cut into, the"
    " second and the third with their space, written as a low bar; below each piece its id. From"
    " the ids an arrow leads to a table of V rows with D numbers each, three of whose rows are"
    " filled in. The three rows go through a circle, times the root of D, into the layers of the"
    " model. From the layers a way leads back below everything to the same table, whose rows, this"
    " time without the factor, give each of the V pieces a score."
)

MONO = ' font-family="DejaVu Sans Mono, monospace"'
TEXT = "the white whale"
LEFT, WIDE, APART = 24, 84, 94  # the columns of pieces and ids
TABLE = (372, 30, 120, 190)  # x, y, width, height
MIDDLE, BACK = 125, 262  # heights of the way in and of the way back


def draw() -> str:
    """The picture as SVG text."""
    tokenizer = Tokenizer(ASSETS / "nano-it" / "tokenizer.model")
    ids = tokenizer.encode(TEXT, add_bos=False)
    x, y, width, height = TABLE
    parts = [
        words(LEFT, 46, f"text: {TEXT}", anchor="start"),
        words(x + width // 2, 20, "table: V rows of D numbers"),
        rect(x, y, width, height, corner=6),
    ]
    for number, index in enumerate(ids):
        left = LEFT + number * APART
        parts += [
            rect(left, 70, WIDE, 34, corner=6),
            words(left + WIDE // 2, 92, tokenizer.piece(index), more=MONO),
            way((left + WIDE // 2, 104), (left + WIDE // 2, 134)),
            rect(left, 136, WIDE, 34, corner=6),
            words(left + WIDE // 2, 158, str(index)),
        ]
    parts += [words(LEFT, 196, "pieces, and below each its id", anchor="start")]
    for row in range(1, 10):
        at = y + row * height // 10
        parts.append(line(x, at, x + width, at, width=0.6))
    for row in (1, 5, 8):
        at = y + row * height // 10
        parts.append(rect(x, at, width, height // 10, BLUE))
    end = LEFT + 2 * APART + WIDE
    parts += [
        way((end, 153), (end + 30, 153), (end + 30, MIDDLE), (x - 3, MIDDLE)),
        way((x + width, MIDDLE), (560, MIDDLE)),
        circle(590, MIDDLE, 27, BLUE),
        words(590, MIDDLE + 6, "\N{MULTIPLICATION SIGN} √D", fill=WHITE),
        way((617, MIDDLE), (667, MIDDLE)),
        rect(670, MIDDLE - 48, 110, 96, corner=6),
        words(725, MIDDLE - 4, "the model's"),
        words(725, MIDDLE + 16, "layers"),
        words(590, MIDDLE + 52, "embeddings"),
        way((780, MIDDLE), (820, MIDDLE), (820, BACK), (432, BACK), (432, y + height + 3)),
        words(816, BACK + 20, "the same table, without √D: a score for each piece", anchor="end"),
    ]
    return drawing(860, 290, parts)
