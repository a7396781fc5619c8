"""One attention head from left to right, with the two norms of QK-norm filled in."""

from svg import BLUE, WHITE, box, drawing, line, way, words

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

Q, K, V = 42, 106, 170  # heights of the three ways


def draw() -> str:
    """The picture as SVG text."""
    parts: list[str] = []
    parts += [*box(12, K, 52, 36, ["x: D"]), line(64, K, 92, K)]
    parts += [line(92, Q, 92, V), *(way((92, y), (116, y)) for y in (Q, K, V))]
    for y, name in [(Q, "q"), (K, "k"), (V, "v")]:
        parts += box(116, y, 58, 36, [f"W_{name}"])
    for y in (Q, K):
        parts += [way((174, y), (206, y)), *box(206, y, 84, 36, ["norm: H"], BLUE, WHITE)]
        parts += [way((290, y), (320, y)), *box(320, y, 62, 36, ["turn"])]
        parts += [way((382, y), (414, y))]
    middle = (Q + K) / 2
    parts += box(414, middle, 78, 100, ["score"])
    parts += [way((492, middle), (522, middle)), *box(522, middle, 66, 36, ["mask"])]
    parts += [way((588, middle), (618, middle)), *box(618, middle, 84, 36, ["softmax"])]
    mean = (middle + V) / 2
    parts += [way((702, middle), (732, middle)), way((174, V), (732, V))]
    parts += [
        *box(732, mean, 64, V - middle + 44, ["mean"]),
        way((796, mean), (848, mean)),
    ]
    for x, y, text in [(190, Q - 16, "q"), (190, K - 16, "k"), (190, V - 10, "v")]:
        parts.append(words(x, y, text))
    parts += [words(717, middle - 12, "p"), words(822, mean - 10, "out: H")]
    parts.append(
        words(12, 216, "blue: this lesson's norms; turn: lesson 04; mask: lesson 05", "start")
    )
    return drawing(860, 225, parts)
