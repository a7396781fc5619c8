"""One attention head from left to right, with the two norms of QK-norm filled in."""

TITLE = "One attention head with QK-norm"
ALT = (
    "One head, left to right: x becomes query, key and value; 2 norms, one on the query and one on"
    " the key, stand before the score; mask and softmax make it a weight of the value."
)
LONG = (
    "A token's vector x of D numbers enters at the left and takes three ways, through the matrices"
    " W_q, W_k and W_v. The upper way, the query, and the middle way, the key, each go through a"
    " norm of width H, drawn in blue, and then through a box named turn. Both end in the box named"
    " score. From there one way leads through a mask and a softmax into the box named mean. The"
    " lower way, the value, leads from W_v to that box without a norm. What leaves it is the head's"
    " output, H numbers for each token."
)

BLUE, INK, WHITE = "#0072B2", "#000000", "#FFFFFF"
Q, K, V = 42, 106, 170  # heights of the three ways


def draw() -> str:
    """The picture as SVG text."""
    parts = [f'<rect x="0" y="0" width="860" height="225" fill="{WHITE}"/>']
    parts += [box(12, K, 52, 36, "x: D"), way((64, K), (92, K))]
    parts += [way((92, Q), (92, V)), *(way((92, y), (116, y), tip=True) for y in (Q, K, V))]
    for y, name in [(Q, "q"), (K, "k"), (V, "v")]:
        parts.append(box(116, y, 58, 36, f"W_{name}"))
    for y in (Q, K):
        parts += [way((174, y), (206, y), tip=True), box(206, y, 84, 36, "norm: H", BLUE)]
        parts += [way((290, y), (320, y), tip=True), box(320, y, 62, 36, "turn")]
        parts += [way((382, y), (414, y), tip=True)]
    middle = (Q + K) / 2
    parts += [box(414, middle, 78, 100, "score")]
    parts += [way((492, middle), (522, middle), tip=True), box(522, middle, 66, 36, "mask")]
    parts += [way((588, middle), (618, middle), tip=True), box(618, middle, 84, 36, "softmax")]
    mean = (middle + V) / 2
    parts += [way((702, middle), (732, middle), tip=True), way((174, V), (732, V), tip=True)]
    parts += [box(732, mean, 64, V - middle + 44, "mean"), way((796, mean), (848, mean), tip=True)]
    for x, y, text in [(190, Q - 16, "q"), (190, K - 16, "k"), (190, V - 10, "v")]:
        parts.append(words(x, y, text))
    parts += [words(717, middle - 12, "p"), words(822, mean - 10, "out: H")]
    parts.append(
        words(12, 216, "blue: this lesson's norms; turn: lesson 04; mask: lesson 05", "start")
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 225" width="860" height="225"'
        ' font-family="DejaVu Sans, Arial, sans-serif">\n' + "\n".join(parts) + "\n</svg>"
    )


def way(start: tuple[float, float], end: tuple[float, float], tip: bool = False) -> str:
    """A straight way, with an arrowhead to the right at its end or without."""
    (x1, y1), (x2, y2) = start, end
    path = f'<path d="M{x1} {y1} L{x2} {y2}" stroke="{INK}" stroke-width="2" fill="none"/>'
    corners = f"{x2},{y2} {x2 - 8},{y2 - 5} {x2 - 8},{y2 + 5}"
    return path + (f'<polygon points="{corners}" fill="{INK}"/>' if tip else "")


def box(x: float, y: float, width: float, height: float, text: str, fill: str = WHITE) -> str:
    """A rounded box whose left edge is at x and whose middle is at height y, with its name."""
    size = f'x="{x}" y="{y - height / 2}" width="{width}" height="{height}" rx="6"'
    ink = INK if fill == WHITE else WHITE
    frame = f'<rect {size} fill="{fill}" stroke="{INK}" stroke-width="1.5"/>'
    return frame + words(x + width / 2, y + 5, text, fill=ink)


def words(x: float, y: float, text: str, anchor: str = "middle", fill: str = INK) -> str:
    """A line of text."""
    place = f'x="{x}" y="{y}" font-size="16" text-anchor="{anchor}"'
    return f'<text {place} fill="{fill}">{text}</text>'
