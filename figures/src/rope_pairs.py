"""The pairs of a small head, and how far each has turned at one position."""

import math

from svg import BLUE, circle, drawing, line, rect, words

from gemma3_edu.lessons.figures.rope import wavelengths
from gemma3_edu.model.config import RopeConfig

HEAD, POSITION, ROPE = 8, 5, RopeConfig(theta=100.0)
ANGLES = [2 * math.pi * POSITION / float(tokens) for tokens in wavelengths(HEAD, ROPE)]

TITLE = "The pairs of a head and their angles"
ALT = (
    "A head of 8 numbers in 4 pairs, i with i + 4; at position 5 the pairs have turned by"
    f" {', '.join(f'{angle:.2f}' for angle in ANGLES[:-1])} and {ANGLES[-1]:.2f} radians, each less"
    " than the one before."
)
LONG = (
    "Above, eight cells in a row, numbered 0 to 7: the numbers of one head. Four arcs join 0 with"
    " 4, 1 with 5, 2 with 6 and 3 with 7. Below, four dials, one for each pair. A thin hand points"
    " to the right, where every pair stands at position 0. A thick hand shows the pair at position"
    " 5, turned against the clock: by 5.00 radians, most of a full turn, in pair 0, by 1.58, a"
    " quarter, in pair 1, by 0.50 in pair 2, and by 0.16, hardly at all, in pair 3. The angle in"
    " radians stands below each dial."
)

GREY = "#8C8C8C"
CELL, TOP, LEFT = 74, 108, 134  # size and place of the row of cells
DIAL, RADIUS = 246, 46  # height of the dials' centres, and their size


def draw() -> str:
    """The picture as SVG text."""
    half = HEAD // 2
    parts: list[str] = []
    for i in range(half):
        x1, x2 = LEFT + (i + 0.5) * CELL, LEFT + (i + half + 0.5) * CELL
        rise = 30 + 16 * (half - i)
        parts.append(
            f'<path d="M{x1} {TOP} C{x1} {TOP - rise} {x2} {TOP - rise} {x2} {TOP}"'
            f' stroke="{BLUE}" stroke-width="2" fill="none"/>'
        )
    for e in range(HEAD):
        parts += [
            rect(LEFT + e * CELL, TOP, CELL, 40),
            words(LEFT + (e + 0.5) * CELL, TOP + 26, str(e)),
        ]
    parts += [words(14, TOP + 26, "one head:", "start"), words(14, 252, "position 5:", "start")]
    parts.append(words(14, DIAL + RADIUS + 24, "radians:", "start"))
    for i, angle in enumerate(ANGLES):
        x = LEFT + (2 * i + 1) * CELL
        parts += [
            circle(x, DIAL, RADIUS, colour=GREY),
            hand(x, 0.0, GREY, 1.5),
            hand(x, angle, BLUE, 4),
            words(x, DIAL - RADIUS - 12, f"pair {i}"),
            words(x, DIAL + RADIUS + 24, f"{angle:.2f}"),
        ]
    return drawing(860, 330, parts)


def hand(x: float, angle: float, colour: str, width: float) -> str:
    """A hand of a dial; angles grow against the clock from the right."""
    tip = (x + RADIUS * math.cos(angle), DIAL - RADIUS * math.sin(angle))
    return line(x, DIAL, round(tip[0], 1), round(tip[1], 1), colour, width)
