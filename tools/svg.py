"""Parts of the drawings in figures/src: strings of SVG.

>>> rect(0, 0, 8, 4)[:42]
'<rect x="0" y="0" width="8" height="4" rx='
>>> drawing(8, 4, [rect(0, 0, 8, 4)]).startswith("<svg")
True
"""

from collections.abc import Iterable

BLUE, INK, WHITE = "#0072B2", "#000000", "#FFFFFF"


def drawing(width: int, height: int, parts: Iterable[str]) -> str:
    """A whole drawing: its parts on white."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" font-family="DejaVu Sans, Arial, sans-serif">\n'
        f'<rect x="0" y="0" width="{width}" height="{height}" fill="{WHITE}"/>\n'
        + "\n".join(parts)
        + "\n</svg>"
    )


def line(x1: float, y1: float, x2: float, y2: float, colour: str = INK, width: float = 2) -> str:
    """A straight line."""
    ends = f"M{x1:g} {y1:g} L{x2:g} {y2:g}"
    return f'<path d="{ends}" stroke="{colour}" stroke-width="{width:g}"/>'


def way(*corners: tuple[float, float]) -> str:
    """A way along corners, with an arrowhead at its end."""
    (x1, y1), (x2, y2) = corners[-2:]
    dx, dy = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
    path = " L".join(f"{x:g} {y:g}" for x, y in corners)
    tip = [(x2, y2), *((x2 - 8 * dx + 5 * s * dy, y2 - 8 * dy + 5 * s * dx) for s in (1, -1))]
    points = " ".join(f"{x:g},{y:g}" for x, y in tip)
    return (
        f'<path d="M{path}" stroke="{INK}" stroke-width="2" fill="none"/>'
        f'<polygon points="{points}" fill="{INK}"/>'
    )


def rect(
    x: float, y: float, width: float, height: float, fill: str = WHITE, corner: int = 0
) -> str:
    """A rectangle by its upper left corner."""
    size = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{corner}"'
    return f'<rect {size} fill="{fill}" stroke="{INK}" stroke-width="1.5"/>'


def circle(x: float, y: float, radius: float, fill: str = WHITE, colour: str = INK) -> str:
    """A circle around a point."""
    place = f'cx="{x:g}" cy="{y:g}" r="{radius:g}"'
    return f'<circle {place} fill="{fill}" stroke="{colour}" stroke-width="1.5"/>'


def words(
    x: float,
    y: float,
    text: str,
    anchor: str = "middle",
    fill: str = INK,
    size: int = 16,
    more: str = "",
) -> str:
    """A line of text that starts, ends or has its middle at x; `more` are further attributes."""
    place = f'x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place} fill="{fill}"{more}>{text}</text>'


def box(
    x: float,
    y: float,
    width: float,
    height: float,
    lines: list[str],
    fill: str = WHITE,
    ink: str = INK,
    size: int = 16,
) -> list[str]:
    """A rounded box whose left edge is at x and whose middle is at height y, with its words."""
    first = y + 5 - 9 * (len(lines) - 1)
    told = [
        words(x + width / 2, first + 18 * n, line, fill=ink, size=size)
        for n, line in enumerate(lines)
    ]
    return [rect(x, y - height / 2, width, height, fill, 6), *told]
