"""The outlines of the eight shapes, as polygons.

>>> [len(outline(shape, 0, 0, 10)) for shape in ("square", "star", "circle")]
[4, 10, 32]
"""

import math
from collections.abc import Iterable

from .drawing import SHAPES, Point

_CROSS = ((1, 3), (1, 1), (3, 1), (3, -1), (1, -1), (1, -3), (-1, -3), (-1, -1), (-3, -1), (-3, 1))


def _ring(corners: int, radius: float = 1.0, start: float = 0.0) -> list[Point]:
    """Corners of a regular polygon, the first at `start` turns clockwise from the top."""
    angles = [2 * math.pi * (start + i / corners) for i in range(corners)]
    return [(radius * math.sin(angle), -radius * math.cos(angle)) for angle in angles]


def _star() -> list[Point]:
    inner, outer = _ring(5, 0.42, 0.1), _ring(5)
    return [point for pair in zip(outer, inner, strict=True) for point in pair]


def _heart() -> list[Point]:
    turns = [2 * math.pi * i / 32 for i in range(32)]
    height = [13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) for t in turns]
    points = zip(turns, height, strict=True)
    return [(math.sin(t) ** 3, -(h + 2) / 16) for t, h in points]


def _moon() -> list[Point]:
    """A crescent: a half circle out, and back along a flatter arc."""
    out = [2 * math.pi * (0.44 + 0.62 * i / 20) for i in range(21)]
    tips = [math.sin(out[0]), math.sin(out[-1])]
    outer = [(math.sin(a), -math.cos(a)) for a in out]
    top, bottom = outer[-1][1], outer[0][1]
    back = [i / 10 for i in range(1, 10)]
    inner = [
        ((tips[0] + tips[1]) / 2 - 0.55 * math.sin(math.pi * i), top + (bottom - top) * i)
        for i in back
    ]
    return [(x + 0.3, y) for x, y in outer + inner]


_UNIT: dict[str, Iterable[Point]] = {
    "circle": _ring(32, 0.95),
    "square": _ring(4, 1.2, 0.125),
    "triangle": [(0, -0.95), (1.05, 0.85), (-1.05, 0.85)],
    "star": _star(),
    "heart": _heart(),
    "diamond": [(0, -1.1), (0.68, 0), (0, 1.1), (-0.68, 0)],
    "cross": [(x / 3, y / 3) for x, y in (*_CROSS, (-1, 1), (-1, 3))],
    "moon": _moon(),
}
assert tuple(_UNIT) == SHAPES


def outline(shape: str, x: float, y: float, radius: float, turn: float = 0.0) -> list[Point]:
    """The corners of a shape around (x, y), turned clockwise by so many degrees.

    `radius` is about half its width; nothing reaches further than 1.25 of it.
    """
    if shape not in SHAPES:
        raise ValueError(f"shape: {shape!r} is unknown; choose one of {', '.join(SHAPES)}")
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return [
        (x + radius * (cos * a - sin * b), y + radius * (sin * a + cos * b))
        for a, b in _UNIT[shape]
    ]
