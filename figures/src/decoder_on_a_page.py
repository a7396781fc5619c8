"""The whole text model on one page: a table, the layers, a norm, and the table again."""

from svg import BLUE, INK, WHITE, drawing, line, rect, way, words

TITLE = "The text model of nano on one page, with the names of its tensors"
ALT = (
    "Left to right: embed_tokens, layers.0 to layers.11, norm and the head; 2 masks with rotations"
    " above serve 10 local and 2 global layers; a dashed way joins embed_tokens to the head."
)
LONG = """The text "It was the white" enters at the left as five cells,
the first of which is <bos>. A blue box, embed_tokens,
takes a row of D numbers from the table for each token, times the root of D. The residual stream,
one line, runs from there through twelve narrow boxes, layers.0 to layers.11, of which the sixth and
the twelfth, orange, are global and the ten others are local. Above them are two small masks: a
band, the last W tokens, with rotation base 10,000, whose line leads to the local layers; and a full
triangle with base 1,000,000 and factor 8, whose line leads to the global ones. After the layers
come a box named norm and a blue box, the head, which compares with every row of the table. A dashed
way below joins it to embed_tokens and says: the same tensor. Bars of invented length at the right
stand for V scores, one for each token."""

BOLD = ' font-weight="bold"'
ORANGE, SKY, PEACH = "#D55E00", "#D6E4F0", "#FBE3D4"
STREAM = 250  # height of the stream
FIRST, STEP, WIDE, TALL = 246, 37, 29, 96  # the layers' boxes
GLOBALS = (5, 11)
TOKENS = ("&lt;bos&gt;", "It", "was", "the", "white")


def draw() -> str:
    """The picture as SVG text."""
    return drawing(960, 400, [*_tokens(), *_table(), *_layers(), *_masks(), *_end(), *_tie()])


def _tokens() -> list[str]:
    parts = []
    for n, token in enumerate(TOKENS):
        y = STREAM - 75 + 30 * n
        parts += [rect(12, y, 62, 30), words(43, y + 20, token, size=15)]
    return [*parts, way((74, STREAM), (98, STREAM))]


def _table() -> list[str]:
    return [
        *_blue_box(100, "embed_tokens", ["a row for", "each token,", "times √D"]),
        way((216, STREAM), (FIRST - 2, STREAM)),
    ]


def _blue_box(left: float, title: str, lines: list[str]) -> list[str]:
    parts = [rect(left, STREAM - 54, 116, 108, BLUE, 6)]
    parts.append(words(left + 58, STREAM - 28, title, fill=WHITE, size=13, more=BOLD))
    for n, told in enumerate(lines):
        parts.append(words(left + 58, STREAM - 4 + 20 * n, told, fill=WHITE, size=15))
    return parts


def _layers() -> list[str]:
    parts = []
    for n in range(12):
        x = FIRST + STEP * n
        fill = PEACH if n in GLOBALS else SKY
        parts += [rect(x, STREAM - TALL / 2, WIDE, TALL, fill, 4)]
        parts += [words(x + WIDE / 2, STREAM + 6, str(n), size=15)]
        if n < 11:
            parts.append(line(x + WIDE, STREAM, x + STEP, STREAM))
    end = FIRST + 11 * STEP + WIDE
    middle = (FIRST + end) / 2
    parts.append(words(middle, STREAM + TALL / 2 + 22, "layers.0 to layers.11", size=15, more=BOLD))
    told = "each: attention and an MLP, added to the stream"
    parts.append(words(middle, STREAM + TALL / 2 + 42, told, size=15))
    parts.append(way((end, STREAM), (end + 20, STREAM)))
    return parts


def _masks() -> list[str]:
    parts, top = [], STREAM - TALL / 2
    for left, colour, window, lines, layers in [
        (262, BLUE, 3, ["local: the last W tokens,", "rotation base 10,000"], range(12)),
        (566, ORANGE, 9, ["global: all before,", "rotation base 1,000,000, factor 8"], GLOBALS),
    ]:
        parts += _mask(left, 24, window, colour)
        for n, told in enumerate(lines):
            parts.append(words(left + 76, 46 + 22 * n, told, anchor="start", size=15))
        bus = 158 if window == 3 else 128
        parts.append(line(left + 32, 88, left + 32, bus, colour))
        places = [FIRST + STEP * n + WIDE / 2 for n in layers if window == 9 or n not in GLOBALS]
        ends = [*places, left + 32]
        parts.append(line(min(ends), bus, max(ends), bus, colour))
        parts += [line(x, bus, x, top, colour) for x in places]
    return parts


def _mask(left: float, top: float, window: int, colour: str) -> list[str]:
    cell, count = 8, 8
    return [
        f'<rect x="{left + cell * key}" y="{top + cell * query}" width="{cell}" height="{cell}"'
        f' fill="{colour if 0 <= query - key < window else WHITE}" stroke="{INK}"'
        ' stroke-width="0.5"/>'
        for query in range(count)
        for key in range(count)
    ]


def _end() -> list[str]:
    left = FIRST + 11 * STEP + WIDE + 22
    parts = [
        rect(left, STREAM - 26, 54, 52, WHITE, 6),
        words(left + 27, STREAM + 5, "norm", size=15, more=BOLD),
        way((left + 54, STREAM), (left + 74, STREAM)),
        *_blue_box(left + 76, "the head", ["compared", "with all V", "rows"]),
        way((left + 192, STREAM), (left + 206, STREAM)),
    ]
    for n, wide in enumerate((14, 34, 8, 5, 19, 7)):
        parts.append(rect(left + 208, STREAM - 34 + 12 * n, wide, 8, PEACH))
    return [*parts, words(948, STREAM + 70, "V scores", "end", size=15)]


def _tie() -> list[str]:
    y, head = 372, FIRST + 11 * STEP + WIDE + 22 + 76 + 58
    path = f"M158 {STREAM + 54} L158 {y} L{head} {y} L{head} {STREAM + 54}"
    return [
        f'<path d="{path}" stroke="{BLUE}" stroke-width="2.5" fill="none" stroke-dasharray="8 5"/>',
        rect(420, y - 14, 130, 27, WHITE),
        words(485, y + 5, "the same tensor", size=15, fill=BLUE),
    ]
