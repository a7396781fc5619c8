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
    "At the left are the three pieces of the text, the white whale, one below the other, the second"
    " and the third with their space, written as a low bar; at the right of each piece is its id."
    " From each id an arrow leads to the row of that number in a table of V rows with D numbers"
    " each, so that the order of the three rows is that of their ids. The three rows go through a"
    " circle, times the root of D, as embeddings into the layers of the model. From the layers a"
    " way leads back below everything to the same table, and from the table an arrow to the left,"
    " to V scores, one for each row."
)

MONO = ' font-family="DejaVu Sans Mono, monospace"'
TEXT = "the white whale"
TABLE = (330, 34, 130, 210)  # x, y, width, height
ROWS = (3, 6, 9)  # of ten that are drawn, those that are picked
MIDDLE, BACK, OUT = 139, 282, 229  # heights of the way in, of the way back, and of the scores


def draw() -> str:
    """The picture as SVG text."""
    tokenizer = Tokenizer(ASSETS / "nano-it" / "tokenizer.model")
    ids = tokenizer.encode(TEXT, add_bos=False)
    x, y, width, height = TABLE
    parts = [
        words(66, 22, "piece"),
        words(176, 22, "id"),
        words(x + width // 2, 22, "table: V rows of D numbers"),
        rect(x, y, width, height, corner=6),
    ]
    for row in range(1, 10):
        at = y + row * height // 10
        parts.append(line(x, at, x + width, at, width=0.6))
    for number, index in enumerate(ids):
        at = 58 + 52 * number
        row = y + (ROWS[sorted(ids).index(index)] - 2) * height // 10
        parts += [
            rect(20, at - 17, 92, 34, corner=6),
            words(66, at + 6, tokenizer.piece(index), more=MONO),
            way((112, at), (143, at)),
            rect(146, at - 17, 60, 34, corner=6),
            words(176, at + 6, str(index)),
            rect(x, row, width, height // 10, BLUE),
            words(x + width // 2, row + 16, f"row {index}", fill=WHITE, size=14),
        ]
        bend = 240 + 20 * number
        parts.append(way((206, at), (bend, at), (bend, row + 10), (x - 3, row + 10)))
    parts += [
        way((x + width, MIDDLE), (533, MIDDLE)),
        circle(563, MIDDLE, 27, BLUE),
        words(563, MIDDLE + 6, "\N{MULTIPLICATION SIGN} √D", fill=WHITE),
        words(563, MIDDLE + 52, "embeddings"),
        way((590, MIDDLE), (647, MIDDLE)),
        rect(650, MIDDLE - 48, 110, 96, corner=6),
        words(705, MIDDLE - 4, "the model's"),
        words(705, MIDDLE + 16, "layers"),
        way((760, MIDDLE), (800, MIDDLE), (800, BACK), (395, BACK), (395, y + height + 3)),
        words(796, BACK + 20, "the same table, without √D", anchor="end"),
        way((x, OUT), (209, OUT)),
        rect(20, OUT - 19, 186, 38, corner=6),
        words(113, OUT + 6, "V scores, one a row"),
    ]
    return drawing(830, 312, parts)
