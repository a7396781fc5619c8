"""Scenes of coloured shapes, and questions about them.

What is held out: for colour, shape and presence the pair, such as red star; for counting, where
the counted ones lie; for position and description, which things are together. Training shows no
held-out pair and no held-out company.

>>> from gemma3_edu.train.data.draw import Draw
>>> example = TASKS["colour"](Draw("any", "train"))
>>> example.pictures[0].caption, [turn.answer for turn in example.turns]
('a yellow diamond, an orange moon and a black star', ['no', 'orange'])
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from PIL import Image

from .draw import Asked, Draw, Question
from .drawing import COLOURS, SHAPES, Canvas, Picture
from .examples import Example
from .paper import PALETTE, pale_ground, photographed, shade
from .shapes import outline

NAMED = COLOURS[1:]
PAIRS = tuple(f"{colour} {shape}" for colour in NAMED for shape in SHAPES)
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_APART = 0.2  # of the side: nearer ones are neither left nor right of each other


@dataclass(frozen=True)
class Thing:
    """A shape of a colour; centre and radius in units of the picture's side, y down."""

    pair: str
    x: float
    y: float
    radius: float

    @property
    def colour(self) -> str:
        """Its colour's name."""
        return self.pair.split()[0]

    @property
    def shape(self) -> str:
        """Its shape's name."""
        return self.pair.split()[1]


Scene = tuple[Thing, ...]


def scene(draw: Draw, least: int = 1, most: int = 6) -> Scene:
    """Things in the cells of a grid of 2 x 2 or 3 x 3, so that they never touch.

    Often some are alike in colour or in shape, sometimes in both.
    """
    number = draw.random.randint(least, most)
    grid = 2 if number <= 4 and draw.chance(0.4) else 3
    pairs = draw.until_shown(lambda: _pairs(draw, number), together)
    things = []
    for pair, cell in zip(pairs, draw.random.sample(range(grid**2), number), strict=True):
        radius = draw.random.uniform(0.26, 0.38) / grid
        room = 0.5 / grid - 1.2 * radius
        x = (cell % grid + 0.5) / grid + draw.random.uniform(-room, room)
        y = (cell // grid + 0.5) / grid + draw.random.uniform(-room, room)
        things.append(Thing(pair, x, y, radius))
    return tuple(things)


def together(pairs: Iterable[str]) -> str:
    """The key of things that are in one picture, or are compared."""
    return f"together:{' '.join(sorted(pairs))}"


def _pairs(draw: Draw, number: int) -> list[str]:
    form = draw.random.random()
    if form < 0.35:  # all different
        return draw.several("pair", PAIRS, number)
    few = draw.several("pair", PAIRS, min(number, draw.random.randint(1, 3)))
    if form < 0.7:  # a few kinds, repeated
        return [draw.choice(few) for _ in range(number)]
    alike = few[0].split()[int(form < 0.85)]  # all of one shape, or all of one colour
    fitting = tuple(pair for pair in PAIRS if alike in pair.split())
    return [draw.shown("pair", fitting) for _ in range(number)]


def render(draw: Draw, things: Scene, side: int, ground: Image.Image | None = None) -> Picture:
    """The picture of a scene, drawn on `ground` where one is given."""
    canvas = Canvas(ground or pale_ground(draw, (side, side)))
    for thing in things:
        turn = 0 if thing.shape == "diamond" else draw.random.uniform(-9, 9)
        corners = outline(thing.shape, thing.x * side, thing.y * side, thing.radius * side, turn)
        colour = shade(draw, PALETTE[thing.colour], 9)
        canvas.polygon(corners, colour, thing.shape, thing.colour)
    return photographed(draw, canvas, caption(things))


def caption(things: Scene) -> str:
    """All things, those alike counted, from left to right; of two single ones, how they lie."""
    ordered = sorted(things, key=lambda thing: thing.x)
    pairs = list(dict.fromkeys(thing.pair for thing in ordered))
    if len(things) == len(pairs) == 2 and ordered[1].x - ordered[0].x >= _APART:
        return f"{with_article(pairs[0])} left of {with_article(pairs[1])}"
    if len(things) == len(pairs) == 2:
        high, low = sorted(things, key=lambda thing: thing.y)
        return f"{with_article(high.pair)} above {with_article(low.pair)}"
    parts = [_some(pair, sum(thing.pair == pair for thing in things)) for pair in pairs]
    return " and ".join([*([", ".join(parts[:-1])] if parts[1:] else []), parts[-1]])


def with_article(pair: str) -> str:
    """ "a red star", "an orange star"."""
    return ("an " if pair[0] == "o" else "a ") + pair


def _some(pair: str, number: int) -> str:
    return with_article(pair) if number == 1 else f"{_NUMBERS[number]} {plural(pair)}"


def plural(shape: str) -> str:
    """More than one of a shape."""
    return shape + ("es" if shape.endswith("cross") else "s")


def _colour(draw: Draw, things: Scene) -> Asked | None:
    thing = draw.choice(things)
    if sum(other.shape == thing.shape for other in things) > 1:
        return None
    question = draw.choice(("What colour is the {}?", "Which colour does the {} have?"))
    return Asked(question.format(thing.shape), thing.colour, f"pair:{thing.pair}")


def _shape(draw: Draw, things: Scene) -> Asked | None:
    thing = draw.choice(things)
    if sum(other.colour == thing.colour for other in things) > 1:
        return None
    question = draw.choice(("What shape is the {} thing?", "Which shape is {}?"))
    if len(things) == 1 and draw.chance(0.5):
        question = "What shape is this?"
    return Asked(question.format(thing.colour), thing.shape, f"pair:{thing.pair}")


def _count(draw: Draw, things: Scene) -> Asked | None:
    colour, shape = draw.choice((*NAMED, "")), draw.choice((*SHAPES, ""))
    if things and draw.chance(0.9):  # of what is there, or else mostly none
        colour, shape = draw.choice(things).pair.split()
        colour, shape = draw.choice(((colour, ""), ("", shape), (colour, shape), ("", "")))
    counted = [t for t in things if colour in ("", t.colour) and shape in ("", t.shape)]
    if len(counted) > 6:
        return None
    name = f"{colour} {plural(shape) if shape else 'things'}".strip()
    where = " ".join(f"{round(9 * t.x)},{round(9 * t.y)}" for t in counted)
    question = draw.choice(("How many {} are there?", "How many {} do you see?", "Count the {}."))
    return Asked(question.format(name), str(len(counted)), f"count:{name} at {where}")


def _position(draw: Draw, things: Scene) -> Asked | None:
    if len({thing.pair for thing in things}) < 2:
        return None
    one, other = draw.random.sample(things, 2)
    if one.pair == other.pair or sum(t.pair in (one.pair, other.pair) for t in things) > 2:
        return None
    across = draw.chance(0.5)
    apart = other.x - one.x if across else other.y - one.y
    if abs(apart) < _APART:
        return None
    words = ("left of", "right of") if across else ("above", "below")
    relation = words[apart < 0]
    key = together((one.pair, other.pair))
    form = draw.random.randrange(3)
    if form == 0:
        asked = draw.choice(words)
        question = f"Is the {one.pair} {asked} the {other.pair}?"
        return Asked(question, "yes" if asked == relation else "no", key)
    if form == 1 and len(things) == 2:
        question = f"What is {relation} the {other.pair}?"
        return Asked(question, f"the {one.pair}", key)
    either = "left or right of" if across else "above or below"
    return Asked(f"Is the {one.pair} {either} the {other.pair}?", relation.removesuffix(" of"), key)


def _presence(draw: Draw, things: Scene) -> Asked | None:
    """Half the time of what is there; else of a colour and a shape which are there, but apart."""
    colour, shape = draw.choice(things).colour, draw.choice(things).shape
    pair = f"{colour} {shape}"
    answer = "yes" if any(thing.pair == pair for thing in things) else "no"
    question = draw.choice(("Is there {}?", "Do you see {}?"))
    return Asked(question.format(with_article(pair)), answer, f"pair:{pair}")


def _description(draw: Draw, things: Scene) -> Asked | None:
    key = together(thing.pair for thing in things)
    question = draw.choice(("Describe the picture.", "What is in the picture?"))
    return Asked(question, caption(things), key)


_QUESTIONS: dict[str, Question[Scene]] = {
    "colour": _colour,
    "shape": _shape,
    "count": _count,
    "position": _position,
    "presence": _presence,
    "description": _description,
}


def _ask(draw: Draw, task: str) -> Example:
    side = draw.setting.side
    return draw.interview(
        task, _QUESTIONS, lambda: scene(draw), lambda things: [render(draw, things, side)]
    )


TASKS: dict[str, Callable[[Draw], Example]] = {
    task: partial(_ask, task=task) for task in _QUESTIONS
}
