"""From a picture to one vector a patch: cut, matrix, position, 27 blocks, norm."""

from svg import BLUE, INK, drawing, line, rect, words

TITLE = "SigLIP's encoder in Gemma 3"
ALT = (
    "A picture of 896 pixels a side is cut into 64 x 64 patches, row by row; each becomes 1,152"
    " numbers, gets a position vector added, and goes through 27 blocks in which it sees all 4,096."
)
LONG = (
    "Left, a square picture with a grid; the patches of its first rows are numbered 0, 1, 2 and so"
    " on from left to right, then the next row. Arrows lead to a column of boxes, one a patch, each"
    " of 14 x 14 x 3 = 588 numbers. Every box goes through the same matrix, which makes 1,152"
    " numbers of it, and a position vector, one of 4,096 that were learnt, is added. Then come 27"
    " blocks, drawn as one box: LayerNorm, attention, LayerNorm and MLP, without mask, so lines"
    " run from every patch to every other. After a last LayerNorm there are 4,096 vectors, which"
    " lesson 12 averages to 256."
)

PALE = "#E8F1F8"
ROWS = [74, 112, 150, 226]  # heights of the patches drawn; dots stand between the last two
NAMES = ["0", "1", "2", "4095"]


def draw() -> str:
    """The picture as SVG text."""
    parts = picture(16, 62)
    for y, name in zip(ROWS, NAMES, strict=True):
        parts += [
            rect(232, y - 14, 52, 28),
            words(258, y + 5, name, size=14),
            arrow(284, y, 318),
            arrow(398, y, 432),
            arrow(540, y, 574),
            arrow(760, y, 792),
            rect(792, y - 14, 92, 28, PALE),
            words(838, y + 5, "1,152", size=14),
        ]
    parts += [arrow(196, 150, 228), rect(318, 54, 80, 192), rect(432, 54, 108, 192)]
    parts += [words(x, 192, "...", size=18) for x in (258, 838)]
    parts += [words(358, 140, "the same"), words(358, 162, "matrix")]
    parts += [
        words(486, 128, "+ position"),
        words(486, 152, "a vector of"),
        words(486, 172, "its own"),
    ]
    parts += [
        rect(574, 54, 186, 192, PALE),
        *everybody(586, 720),
        words(667, 272, "27 blocks, no mask"),
    ]
    parts += [
        words(106, 34, "896 x 896 pixels"),
        words(258, 34, "4,096 patches"),
        words(358, 272, "588 to 1,152"),
        words(486, 272, "learnt: 4,096"),
        words(667, 34, "every patch sees every patch"),
        words(838, 34, "vectors"),
        words(106, 272, "in reading order"),
    ]
    return drawing(900, 300, parts)


def picture(left: int, top: int) -> list[str]:
    """A hill under a sun, cut; the first five patches and the next row's are numbered."""
    side, cells = 180, 5
    step = side / cells
    sun = f'<circle cx="{left + 132}" cy="{top + 48}" r="22" fill="#F0E442" stroke="{INK}"/>'
    hill = (
        f'<path d="M{left} {top + side} L{left} {top + 130} L{left + 70} {top + 70}'
        f' L{left + side} {top + 160} L{left + side} {top + side} Z" fill="#CDE3D8"/>'
    )
    parts = [rect(left, top, side, side), hill, sun]
    for i in range(1, cells):
        at = step * i
        parts.append(line(left + at, top, left + at, top + side, width=1))
        parts.append(line(left, top + at, left + side, top + at, width=1))
    for i, name in enumerate(["0", "1", "2", "...", "63", "64", "65", "66", "...", "127"]):
        x, y = left + (i % cells + 0.5) * step, top + (i // cells + 0.5) * step + 5
        parts.append(words(x, y, name, size=14))
    return parts


def everybody(left: int, right: int) -> list[str]:
    """A line from each patch to each other."""
    ends = [(a, b) for a in ROWS for b in ROWS]
    lines = [line(left + 6, a, right + 28, b, BLUE, 1) for a, b in ends]
    dots = [
        f'<circle cx="{x}" cy="{y}" r="5" fill="{BLUE}"/>'
        for y in ROWS
        for x in (left + 6, right + 28)
    ]
    return lines + dots


def arrow(x: float, y: float, end: float) -> str:
    """A line to the right with a head."""
    head = f'<path d="M{end:g} {y:g} l-8 -4 l0 8 Z" fill="{INK}"/>'
    return line(x, y, end - 6, y, width=1) + head
