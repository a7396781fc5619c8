"""Gemma 3 from a picture and a text to the next token, each part with its lesson's number."""

from collections.abc import Sequence
from functools import partial
from math import cos, pi, sin

import svg
from svg import INK, WHITE, circle, drawing, line, way

TITLE = "The map: from a question to the next token, and the lesson that builds each part"
ALT = (
    "A picture (13, 11, 12) and a text (01) become one row of tokens. It goes through layers, five"
    " local to one global (02 to 08), to scores (09); the chosen token (10) joins the row."
)
LONG = """Above, a picture of coloured shapes goes through crops if needed, lesson 13, the encoder,
lesson 11, and the projector, lesson 12, and becomes sixteen green cells. To its right the text
"What colour is the star?" goes through the tokenizer and the embedding, lesson 01, and becomes a
white cell for each piece. In the middle all cells stand in one row of tokens: the picture, the
question, and in orange the answer so far, "The star is", with an empty place at its end. Below,
the whole row goes through the layers, five local ones and a global one, and again. Each has norms,
lessons 02 and 03, positions, 04, a mask, 05, heads, 06, a feed-forward part, 07, and the cache, 08.
Then the head, lesson 09, gives each possible next token a score, with bars of invented length. The
sampler, lesson 10, picks one, here "brown", and an arrow takes it up into the empty place of the
row. A last line names lessons 14, the full model, 15, parity, and 16, memory and cost."""

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
SKY, PEACH, MINT, MIST, STONE = "#D6E4F0", "#FBE3D4", "#CFE8DE", "#F4F7FA", "#5A6672"
BROWN, YELLOW, RED = "#78502D", "#F0D728", "#D62628"
words = partial(svg.words, size=15)
BOLD = ' font-weight="bold"'
# Heights: the middle of the ways in, where they turn, the top of the row, and of the layers.
TOP, BEND, ROW, LAYERS = 72, 152, 196, 300
CELL = 34  # height of a cell
QUESTION = (("What", 48), ("colour", 60), ("is", 26), ("the", 38), ("star", 44), ("?", 24))
ANSWER = (("The", 42), ("star", 44), ("is", 26))
PARTS = (
    ("norms", "02", "03"),
    ("positions", "04"),
    ("mask", "05"),
    ("heads", "06"),
    ("feed-forward", "07"),
    ("cache", "08"),
)
SCORES = (("brown", 92, ORANGE), ("blue", 30, SKY), ("red", 22, SKY), ("yellow", 16, SKY))


def draw() -> str:
    """The picture as SVG text."""
    return drawing(960, 540, [*_ways_in(), *_row(), *_layers(), *_next_token(), *_whole()])


def _ways_in() -> list[str]:
    parts = [_panel(16, 12, 120, 120, MIST), *_shapes(16, 12)]
    left = end = 136
    for name, width, number in [
        ("crops", 76, "13"),
        ("encoder", 92, "11"),
        ("projector", 100, "12"),
    ]:
        parts += [way((left, TOP), (left + 22, TOP)), *_part(left + 24, TOP, width, name, [number])]
        left = end = left + 24 + width
    parts.append(words(198, TOP - 38, "if needed", fill=STONE))
    parts.append(way((end, TOP), (end + 24, TOP), (end + 24, BEND), (236, BEND), (236, ROW - 2)))
    parts += [_panel(542, TOP - 26, 196, 52, MIST), words(640, TOP + 5, "What colour is the star?")]
    parts += [way((738, TOP), (760, TOP))]
    parts += _part(762, TOP, 182, "tokenizer, embedding", ["01"])
    parts.append(way((853, TOP + 28), (853, BEND), (562, BEND), (562, ROW - 2)))
    return parts


def _shapes(x: float, y: float) -> list[str]:
    def polygon(points: Sequence[tuple[float, float]], fill: str) -> str:
        corners = " ".join(f"{x + across:g},{y + down:g}" for across, down in points)
        return f'<polygon points="{corners}" fill="{fill}" stroke="{INK}" stroke-width="1"/>'

    turns = [(pi * n / 5, 17 if n % 2 == 0 else 7) for n in range(10)]
    star = [(60 + r * sin(turn), 25 - r * cos(turn)) for turn, r in turns]
    return [
        circle(x + 24, y + 25, 15, BLUE),
        polygon(star, BROWN),
        circle(x + 97, y + 26, 15, YELLOW),
        polygon([(83, 48), (109, 46), (111, 72), (85, 74)], BROWN),
        polygon([(64, 80), (79, 106), (49, 106)], BROWN),
        polygon([(98, 78), (114, 107), (82, 107)], RED),
    ]


def _row() -> list[str]:
    parts = [words(16, ROW - 16, "one row of tokens", anchor="start", more=BOLD)]
    x = 16.0
    for _ in range(2):
        parts.append(_cell(x, 14, WHITE))
        x += 14
    for _ in range(16):
        parts.append(_cell(x, 24, GREEN))
        x += 24
    for cells, fill in ((QUESTION, WHITE), (ANSWER, PEACH)):
        parts.append(_cell(x, 14, WHITE))  # the marks between the turns of a conversation
        x += 14
        for text, width in cells:
            parts += [_cell(x, width, fill), words(x + width / 2, ROW + 22, text)]
            x += width
    parts.append(_cell(x, 64, WHITE, ' stroke-dasharray="5 4"'))
    under = ROW + CELL + 7  # a bracket: it is the whole row that goes on
    parts += [line(16, under, x, under), line(16, under, 16, under - 4)]
    parts.append(line(x, under, x, under - 4))
    below = ROW + CELL + 24
    parts.append(words(44 + 12 * 16, below, "the picture: 16 tokens", fill=STONE))
    parts.append(words(562, below, "the question", fill=STONE))
    parts.append(words(748, below, "the answer so far", fill=STONE))
    return parts


def _layers() -> list[str]:
    parts = [_panel(16, LAYERS, 540, 176, MIST)]
    parts.append(way((400, ROW + CELL + 7), (400, LAYERS - 2)))
    parts.append(words(32, LAYERS + 24, "layers, one after another", anchor="start", more=BOLD))
    parts.append(words(540, LAYERS + 24, "… and again", anchor="end", fill=STONE))
    for number in range(6):
        last = number == 5
        fill, ink, name = (BLUE, WHITE, "global") if last else (SKY, INK, "local")
        x = 32 + 87 * number
        parts += [_panel(x, LAYERS + 38, 73, 38, fill), words(x + 36, LAYERS + 62, name, fill=ink)]
        if not last:
            parts.append(way((x + 73, LAYERS + 57), (x + 86, LAYERS + 57)))
    parts.append(words(32, LAYERS + 104, "in each of them", anchor="start", fill=STONE))
    widths, x = (92, 88, 78, 70, 108, 64), 28.0
    for (name, *numbers), width in zip(PARTS, widths, strict=True):
        parts.append(words(x + width / 2, LAYERS + 130, name))
        parts += _badges(x + width / 2, LAYERS + 150, numbers)
        x += width + 3
    return parts


def _next_token() -> list[str]:
    middle = LAYERS + 62
    parts = [way((556, middle), (584, middle)), *_part(586, middle, 74, "head", ["09"])]
    parts.append(way((660, middle), (684, middle)))
    for number, (token, length, fill) in enumerate(SCORES):
        y = LAYERS + 20 + 24 * number
        parts.append(words(742, y + 14, token, anchor="end"))
        bar = f'x="750" y="{y}" width="{length}" height="18" fill="{fill}"'
        parts.append(f'<rect {bar} stroke="{INK}" stroke-width="1"/>')
    parts.append(words(750, LAYERS + 132, "scores for the next token", fill=STONE))
    parts.append(words(750, LAYERS + 152, "(a sketch: lengths invented)", fill=STONE))
    parts.append(line(842, LAYERS + 29, 900, LAYERS + 29))
    end = ROW + CELL / 2
    parts.append(way((900, LAYERS + 29), (900, end), (856, end)))
    parts += _part(900, LAYERS - 36, 96, "sampler", ["10"], left=False)
    return parts


def _whole() -> list[str]:
    parts, y = [line(16, 496, 944, 496, SKY)], 521
    for x, name, number in [
        (16, "everything joined: the full model", "14"),
        (372, "checked against other code: parity", "15"),
        (742, "memory and cost", "16"),
    ]:
        parts += [*_badges(x + 14, y - 5, [number]), words(x + 34, y, name, anchor="start")]
    return parts


def _part(
    x: float, y: float, width: float, name: str, numbers: list[str], left: bool = True
) -> list[str]:
    """A box with a name and the lessons that build it; `x` is its left edge, or its middle."""
    x = x if left else x - width / 2
    middle = x + width / 2
    name_line = words(middle, y - 6, name)
    return [_panel(x, y - 28, width, 56, WHITE), name_line, *_badges(middle, y + 12, numbers)]


def _badges(x: float, y: float, numbers: list[str]) -> list[str]:
    """Numbers of lessons, white on dark, around x."""
    parts, left = [], x - 15 * len(numbers)
    for number in numbers:
        place = f'x="{left + 2:g}" y="{y - 10:g}" width="26" height="20" rx="10"'
        parts.append(f'<rect {place} fill="{INK}"/>')
        parts.append(svg.words(left + 15, y + 5, number, fill=WHITE, size=13, more=BOLD))
        left += 30
    return parts


def _panel(x: float, y: float, width: float, height: float, fill: str) -> str:
    return svg.rect(x, y, width, height, fill, corner=8)


def _cell(x: float, width: float, fill: str, more: str = "") -> str:
    place = f'x="{x:g}" y="{ROW}" width="{width:g}" height="{CELL}"'
    return f'<rect {place} fill="{fill}" stroke="{INK}" stroke-width="1.5"{more}/>'
