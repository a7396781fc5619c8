"""Parts of the drawings in figures/src: strings of SVG.

>>> rect(0, 0, 8, 4, "#FFFFFF")[:26]
'<rect x="0" y="0" width="8'
"""

INK = "#000000"


def way(*corners: tuple[int, int]) -> str:
    """A way along corners, with an arrowhead at its end."""
    (x1, y1), (x2, y2) = corners[-2:]
    dx, dy = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
    path = " L".join(f"{x} {y}" for x, y in corners)
    tip = [(x2, y2), *((x2 - 8 * dx + 5 * s * dy, y2 - 8 * dy + 5 * s * dx) for s in (1, -1))]
    points = " ".join(f"{x},{y}" for x, y in tip)
    return (
        f'<path d="M{path}" stroke="{INK}" stroke-width="2" fill="none"/>'
        f'<polygon points="{points}" fill="{INK}"/>'
    )


def rect(x: float, y: float, width: float, height: float, fill: str, corner: int = 0) -> str:
    """A rectangle by its upper left corner."""
    size = f'x="{x}" y="{y}" width="{width}" height="{height}" rx="{corner}"'
    return f'<rect {size} fill="{fill}" stroke="{INK}" stroke-width="1.5"/>'
