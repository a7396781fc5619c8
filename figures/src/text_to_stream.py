"""From a text to its tokens, from them through the table to the model, and back through it."""

from gemma3_edu.checkpoint import ASSETS
from gemma3_edu.tokenizer import Tokenizer

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

TEXT = "the white whale"
BLUE, INK, WHITE = "#0072B2", "#000000", "#FFFFFF"
LEFT, WIDE, APART = 24, 84, 94  # the columns of pieces and ids
TABLE = (372, 30, 120, 190)  # x, y, width, height
MIDDLE, BACK = 125, 262  # heights of the way in and of the way back


def draw() -> str:
    """The picture as SVG text."""
    tokenizer = Tokenizer(ASSETS / "nano-it" / "tokenizer.model")
    ids = tokenizer.encode(TEXT, add_bos=False)
    x, y, width, height = TABLE
    parts = [
        f'<rect x="0" y="0" width="860" height="290" fill="{WHITE}"/>',
        words(LEFT, 46, f"text: {TEXT}", anchor="start"),
        words(x + width // 2, 20, "table: V rows of D numbers"),
        box(x, y, width, height, WHITE),
    ]
    for number, index in enumerate(ids):
        left = LEFT + number * APART
        parts += [
            box(left, 70, WIDE, 34, WHITE),
            words(left + WIDE // 2, 92, tokenizer.piece(index), mono=True),
            line([(left + WIDE // 2, 104), (left + WIDE // 2, 134)]),
            box(left, 136, WIDE, 34, WHITE),
            words(left + WIDE // 2, 158, str(index)),
        ]
    parts += [words(LEFT, 196, "pieces, and below each its id", anchor="start")]
    for row in range(1, 10):
        at = y + row * height // 10
        parts.append(f'<path d="M{x} {at} L{x + width} {at}" stroke="{INK}" stroke-width="0.6"/>')
    for row in (1, 5, 8):
        at = y + row * height // 10
        parts.append(box(x, at, width, height // 10, BLUE, corner=0))
    end = LEFT + 2 * APART + WIDE
    parts += [
        line([(end, 153), (end + 30, 153), (end + 30, MIDDLE), (x - 3, MIDDLE)]),
        line([(x + width, MIDDLE), (560, MIDDLE)]),
        f'<circle cx="590" cy="{MIDDLE}" r="27" fill="{BLUE}" stroke="{INK}" stroke-width="1.5"/>',
        words(590, MIDDLE + 6, "\N{MULTIPLICATION SIGN} √D", fill=WHITE),
        line([(617, MIDDLE), (667, MIDDLE)]),
        box(670, MIDDLE - 48, 110, 96, WHITE),
        words(725, MIDDLE - 4, "the model's"),
        words(725, MIDDLE + 16, "layers"),
        words(626, MIDDLE + 52, "embeddings"),
        line([(780, MIDDLE), (820, MIDDLE), (820, BACK), (432, BACK), (432, y + height + 3)]),
        words(816, BACK + 20, "the same table, without √D: a score for each piece", anchor="end"),
    ]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 290" width="860" height="290"'
        ' font-family="DejaVu Sans, Arial, sans-serif">\n' + "\n".join(parts) + "\n</svg>"
    )


def line(corners: list[tuple[int, int]]) -> str:
    """A way along corners, with an arrowhead at its end."""
    (x1, y1), (x2, y2) = corners[-2:]
    dx, dy = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
    way = " L".join(f"{x} {y}" for x, y in corners)
    tip = [(x2, y2), *((x2 - 8 * dx + 5 * s * dy, y2 - 8 * dy + 5 * s * dx) for s in (1, -1))]
    points = " ".join(f"{x},{y}" for x, y in tip)
    return (
        f'<path d="M{way}" stroke="{INK}" stroke-width="2" fill="none"/>'
        f'<polygon points="{points}" fill="{INK}"/>'
    )


def box(x: int, y: int, width: int, height: int, fill: str, corner: int = 6) -> str:
    """A box, rounded or not."""
    size = f'x="{x}" y="{y}" width="{width}" height="{height}" rx="{corner}"'
    return f'<rect {size} fill="{fill}" stroke="{INK}" stroke-width="1.5"/>'


def words(
    x: int, y: int, text: str, anchor: str = "middle", fill: str = INK, mono: bool = False
) -> str:
    """A line of text."""
    family = ' font-family="DejaVu Sans Mono, monospace"' if mono else ""
    place = f'x="{x}" y="{y}" font-size="16" text-anchor="{anchor}"{family}'
    return f'<text {place} fill="{fill}">{text}</text>'
