"""One layer of Gemma 3 from left to right, with its six norms filled in."""

TITLE = "The six norms of one layer"
ALT = (
    "One layer of Gemma 3, left to right: four norms of width D stand before and after attention"
    " and the MLP, and two of width H inside attention."
)
LONG = (
    "A token's vector enters at the left and takes two ways. One runs straight through two plus"
    " signs to the right: the residual stream. The other goes through a norm, attention and a"
    " second norm, and is added to the stream at the first plus sign. Behind it a second way leaves"
    " the stream, goes through a third norm, the MLP and a fourth norm, and is added at the second"
    " plus sign. Inside the attention box stand two small norms, one for queries and one for keys."
    " The four large norms have width D, the two small ones width H."
)

BLUE, INK, WHITE = "#0072B2", "#000000", "#FFFFFF"
BRANCH, STREAM = 60, 175  # heights of the two ways
NORM = 86  # width of a norm's box


def draw() -> str:
    """The picture as SVG text."""
    parts = [
        f'<rect x="0" y="0" width="860" height="215" fill="{WHITE}"/>',
        line(12, STREAM, 848, STREAM, arrow=True),
        words(14, STREAM + 31, "residual stream: D numbers for each token", anchor="start"),
        words(846, STREAM + 31, "blue: an RMSNorm and its width", anchor="end"),
        *branch(34, "attention", 150),
        *branch(470, "MLP", 70),
    ]
    for x, name in [(166, "q: H"), (238, "k: H")]:
        parts += [box(x, BRANCH + 4, 58, 28, BLUE), words(x + 29, BRANCH + 23, name, fill=WHITE)]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 215" width="860" height="215"'
        ' font-family="DejaVu Sans, Arial, sans-serif">\n' + "\n".join(parts) + "\n</svg>"
    )


def branch(left: int, name: str, width: int) -> list[str]:
    """Norm, `name`, norm, from the stream at `left` to the plus sign where it comes back."""
    first = left + 20
    middle = first + NORM + 16
    second = middle + width + 16
    plus = second + NORM + 20
    tall, rise = (90, 24) if name == "attention" else (52, -5)
    return [
        line(left, STREAM, left, BRANCH),
        line(left, BRANCH, first, BRANCH, arrow=True),
        line(first + NORM, BRANCH, middle, BRANCH, arrow=True),
        line(middle + width, BRANCH, second, BRANCH, arrow=True),
        line(second + NORM, BRANCH, plus, BRANCH),
        line(plus, BRANCH, plus, STREAM - 11, arrow=True),
        box(first, BRANCH - 18, NORM, 36, BLUE),
        words(first + NORM // 2, BRANCH + 5, "norm: D", fill=WHITE),
        box(middle, BRANCH - tall // 2, width, tall, WHITE),
        words(middle + width // 2, BRANCH - rise, name),
        box(second, BRANCH - 18, NORM, 36, BLUE),
        words(second + NORM // 2, BRANCH + 5, "norm: D", fill=WHITE),
        f'<circle cx="{plus}" cy="{STREAM}" r="11" fill="{WHITE}" stroke="{INK}"'
        ' stroke-width="2"/>',
        words(plus, STREAM + 6, "+"),
    ]


def line(x1: int, y1: int, x2: int, y2: int, arrow: bool = False) -> str:
    """A straight way, with an arrowhead at its end or without."""
    way = f'<path d="M{x1} {y1} L{x2} {y2}" stroke="{INK}" stroke-width="2" fill="none"/>'
    if not arrow:
        return way
    tip = [(0, 0), (-8, -5), (-8, 5)] if x2 > x1 else [(0, 0), (-5, -8), (5, -8)]
    corners = " ".join(f"{x2 + dx},{y2 + dy}" for dx, dy in tip)
    return f'{way}<polygon points="{corners}" fill="{INK}"/>'


def box(x: int, y: int, width: int, height: int, fill: str) -> str:
    """A rounded box."""
    size = f'x="{x}" y="{y}" width="{width}" height="{height}" rx="6"'
    return f'<rect {size} fill="{fill}" stroke="{INK}" stroke-width="1.5"/>'


def words(x: int, y: int, text: str, anchor: str = "middle", fill: str = INK) -> str:
    """A line of text."""
    place = f'x="{x}" y="{y}" font-size="16" text-anchor="{anchor}"'
    return f'<text {place} fill="{fill}">{text}</text>'
