"""One layer of Gemma 3 from left to right, with its six norms filled in."""

from svg import BLUE, WHITE, circle, drawing, line, rect, way, words

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

BRANCH, STREAM = 60, 175  # heights of the two ways
NORM = 86  # width of a norm's box


def draw() -> str:
    """The picture as SVG text."""
    parts = [
        way((12, STREAM), (848, STREAM)),
        words(14, STREAM + 31, "residual stream: D numbers for each token", anchor="start"),
        words(846, STREAM + 31, "blue: an RMSNorm and its width", anchor="end"),
        *branch(34, "attention", 150),
        *branch(470, "MLP", 70),
    ]
    for x, name in [(166, "q: H"), (238, "k: H")]:
        parts += [
            rect(x, BRANCH + 4, 58, 28, BLUE, 6),
            words(x + 29, BRANCH + 23, name, fill=WHITE),
        ]
    return drawing(860, 215, parts)


def branch(left: int, name: str, width: int) -> list[str]:
    """Norm, `name`, norm, from the stream at `left` to the plus sign where it comes back."""
    first = left + 20
    middle = first + NORM + 16
    second = middle + width + 16
    plus = second + NORM + 20
    tall, rise = (90, 24) if name == "attention" else (52, -5)
    return [
        line(left, STREAM, left, BRANCH),
        way((left, BRANCH), (first, BRANCH)),
        way((first + NORM, BRANCH), (middle, BRANCH)),
        way((middle + width, BRANCH), (second, BRANCH)),
        line(second + NORM, BRANCH, plus, BRANCH),
        way((plus, BRANCH), (plus, STREAM - 11)),
        rect(first, BRANCH - 18, NORM, 36, BLUE, 6),
        words(first + NORM // 2, BRANCH + 5, "norm: D", fill=WHITE),
        rect(middle, BRANCH - tall // 2, width, tall, corner=6),
        words(middle + width // 2, BRANCH - rise, name),
        rect(second, BRANCH - 18, NORM, 36, BLUE, 6),
        words(second + NORM // 2, BRANCH + 5, "norm: D", fill=WHITE),
        circle(plus, STREAM, 11),
        words(plus, STREAM + 6, "+"),
    ]
