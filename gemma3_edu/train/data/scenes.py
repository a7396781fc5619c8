"""Pictures of coloured shapes, and questions about them: one picture, two, or a clip of four.

What is held out is the whole scene: which things it shows, and where. What takes more than one look
is answered with what is seen at each: things are counted one by one by their places, and places
named before they are compared.

>>> from gemma3_edu.train.data.draw import Draw
>>> example = TASKS["colour"](Draw("any", "test"))
>>> example.pictures[0].caption, example.answer
('a red triangle, a blue star and a purple triangle', 'The star is blue.')
"""

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from PIL import Image

from .draw import Draw
from .drawing import COLOURS, SHAPES, Canvas, Picture
from .examples import Conversation, Example, ask
from .paper import PALETTE, pale_ground, shade
from .shapes import outline

NAMED = COLOURS[1:]
PAIRS = tuple(f"{colour} {shape}" for colour in NAMED for shape in SHAPES)
PLACES = (
    ("top left", "top", "top right"),
    ("left", "middle", "right"),
    ("bottom left", "bottom", "bottom right"),
)
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
MOST = 8  # questions about one picture


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

    @property
    def place(self) -> str:
        """Where in the picture it is, in thirds; "" near a border between two."""
        across, down = 3 * self.x, 3 * self.y
        if min(abs(at - border) for at in (across, down) for border in (1, 2)) < 0.15:
            return ""
        return PLACES[int(down)][int(across)]


Scene = tuple[Thing, ...]


def scene(draw: Draw, least: int = 1, most: int = 6) -> Scene:
    """Things in the cells of a grid of 2 x 2 or 3 x 3, so that they never touch.

    Often some are alike in colour or in shape, sometimes in both.
    """

    def make() -> Scene:
        number = draw.random.randint(least, most)
        grid = 2 if number <= 4 and draw.chance(0.4) else 3
        things = []
        cells = draw.random.sample(range(grid**2), number)
        for pair, cell in zip(_pairs(draw, number), cells, strict=True):
            radius = draw.random.uniform(0.26, 0.38) / grid
            room = 0.5 / grid - 1.2 * radius
            x = (cell % grid + 0.5) / grid + draw.random.uniform(-room, room)
            y = (cell // grid + 0.5) / grid + draw.random.uniform(-room, room)
            things.append(Thing(pair, x, y, radius))
        return tuple(things)

    return draw.until_own(make, key)


def key(things: Scene) -> str:
    """The content that decides the split of a scene."""
    return "scene:" + ", ".join(
        sorted(f"{thing.pair} {round(9 * thing.x)} {round(9 * thing.y)}" for thing in things)
    )


def _pairs(draw: Draw, number: int) -> list[str]:
    form = draw.random.random()
    if form < 0.5:  # all different
        return draw.random.sample(PAIRS, number)
    few = draw.several(PAIRS, 1, min(number, 3))
    if form < 0.75:  # a few kinds, repeated
        return [draw.choice(few) for _ in range(number)]
    alike = few[0].split()[int(form < 0.87)]  # all of one shape, or all of one colour
    fitting = [pair for pair in PAIRS if alike in pair.split()]
    return [draw.choice(fitting) for _ in range(number)]


def render(draw: Draw, things: Scene, side: int, ground: Image.Image | None = None) -> Picture:
    """The picture of a scene, drawn on `ground` where one is given."""
    canvas = Canvas(ground or pale_ground(draw, (side, side)))
    for thing in things:
        turn = 0 if thing.shape == "diamond" else draw.random.uniform(-9, 9)
        corners = outline(thing.shape, thing.x * side, thing.y * side, thing.radius * side, turn)
        canvas.polygon(corners, shade(draw, PALETTE[thing.colour], 9), thing.shape, thing.colour)
    return canvas.picture(caption(things))


def caption(things: Scene) -> str:
    """All things in reading order, those alike counted."""
    pairs = [thing.pair for thing in in_reading_order(things)]
    parts = [_some(pair, pairs.count(pair)) for pair in dict.fromkeys(pairs)]
    return " and ".join([*([", ".join(parts[:-1])] if parts[1:] else []), parts[-1]])


def in_reading_order(things: Scene) -> list[Thing]:
    """Row by row, each from left to right; rows as both grids of `scene` have them."""
    return sorted(things, key=lambda thing: (thing.y > 0.39, thing.y > 0.61, thing.x))


def _third(thing: Thing) -> str:
    """The name of its place, rows and columns as both grids of `scene` have them: never ""."""
    down, across = ((at > 0.39) + (at > 0.61) for at in (thing.y, thing.x))
    return PLACES[down][across]


def with_article(pair: str) -> str:
    """ "a red star", "an orange star"."""
    return ("an " if pair[0] == "o" else "a ") + pair


def _some(pair: str, number: int) -> str:
    return with_article(pair) if number == 1 else f"{_NUMBERS[number]} {plural(pair)}"


def plural(shape: str) -> str:
    """More than one of a shape."""
    return shape + ("es" if shape.endswith("cross") else "s")


def _once(values: Sequence[str]) -> list[str]:
    """Those that occur once."""
    return [value for value in values if values.count(value) == 1]


def _colours(draw: Draw, things: Scene) -> Iterator[Conversation]:
    single = _once([thing.shape for thing in things])
    for thing in things:
        if thing.shape in single:
            answer = f"The {thing.shape} is {thing.colour}."
            yield ask(f"What colour is the {thing.shape}?", answer)


def _shapes(draw: Draw, things: Scene) -> Iterator[Conversation]:
    single = _once([thing.colour for thing in things])
    for thing in things:
        if thing.colour in single:
            answer = f"The {thing.colour} thing is a {thing.shape}."
            yield ask(f"What shape is the {thing.colour} thing?", answer)
        if thing.place:
            answer = f"The {thing.place} thing is {with_article(thing.pair)}."
            yield ask(f"What is the {thing.place} thing?", answer)


def _places(draw: Draw, things: Scene) -> Iterator[Conversation]:
    single = _once([thing.pair for thing in things])
    for thing in things:
        if thing.pair in single and thing.place:
            yield ask(f"Where is the {thing.pair}?", f"The {thing.pair} is {thing.place}.")


def _counts(draw: Draw, things: Scene) -> Iterator[Conversation]:
    # Sorted, since a set of words has another order in every process.
    for colour, shape in sorted({(t.colour, "") for t in things} | {("", t.shape) for t in things}):
        yield _count(things, colour, shape)
    yield _count(things, "", "")
    yield _count(things, *draw.choice(things).pair.split())
    yield _count(things, draw.choice(NAMED), "")


def _count(things: Scene, colour: str, shape: str) -> Conversation:
    fitting = tuple(t for t in things if colour in ("", t.colour) and shape in ("", t.shape))
    name = f"{colour} {plural(shape) if shape else 'things'}".strip()
    counted = [f"{n} {_third(t)}" for n, t in enumerate(in_reading_order(fitting), 1)]
    return ask(f"How many {name} are there?", f"{', '.join(counted) or 'none'}: {len(counted)}")


def _positions(draw: Draw, things: Scene) -> Iterator[Conversation]:
    single = _once([thing.pair for thing in things])
    named = [thing for thing in things if thing.pair in single and thing.place]
    for one, other in itertools.permutations(named, 2):
        if int(3 * one.x) != int(3 * other.x):
            yield _position(one, other, ("left of", "right of"), other.x < one.x)
        if int(3 * one.y) != int(3 * other.y):
            yield _position(one, other, ("above", "below"), other.y < one.y)


def _position(one: Thing, other: Thing, words: tuple[str, str], second: bool) -> Conversation:
    either = f"{words[0].removesuffix(' of')} or {words[1]}"
    both = f"The {one.pair} is {one.place}, the {other.pair} is {other.place}"
    return ask(f"Is the {one.pair} {either} the {other.pair}?", f"{both}: {words[second]} it.")


def _description(draw: Draw, things: Scene) -> Iterator[Conversation]:
    yield ask("What is in the picture?", caption(things))


Questions = dict[str, Callable[[Draw, Scene], Iterator[Conversation]]]
_QUESTIONS: Questions = {
    "colour": _colours,
    "shape": _shapes,
    "place": _places,
    "count": _counts,
    "position": _positions,
    "description": _description,
}


def _about_one(draw: Draw, task: str) -> Example:
    while True:
        things = scene(draw)
        if wanted := draw.shuffled(list(_QUESTIONS[task](draw, things))):
            break
    others = [
        each for name in _QUESTIONS if name != task for each in _QUESTIONS[name](draw, things)
    ]
    asked = (*wanted[: MOST // 2], *draw.shuffled(others)[: MOST // 2])
    asked = tuple(dict.fromkeys(asked))  # none twice
    return Example(task, (render(draw, things, draw.setting.side),), asked, key(things))


def _which_has(draw: Draw) -> Example:
    """Two pictures, and which of them has a thing."""
    side = draw.setting.side
    while True:
        first, second = scene(draw, 1, 4), scene(draw, 1, 4)
        here, there = ({thing.pair for thing in things} for things in (first, second))
        asked = [
            ask(f"Which picture has {with_article(pair)}?", f"{with_article(pair)}: {word}")
            for word, pairs in (("first", here - there), ("second", there - here))
            for pair in sorted(pairs)
        ]
        if asked:
            break
    pictures = tuple(render(draw, things, side) for things in (first, second))
    return Example("which_has", pictures, tuple(draw.shuffled(asked)), key(first))


WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
FRAMES = 4


@dataclass(frozen=True)
class Clip:
    """Things that stand still, and one that moves one of four ways, a fifth of the side a frame."""

    moving: Thing  # where it begins
    way: str
    still: Scene

    def frame(self, number: int) -> Scene:
        """Everything as it is in one frame, the moving thing last, so that it is in front."""
        across, down = WAYS[self.way]
        by = 0.18 * number
        moved = dataclasses.replace(
            self.moving, x=self.moving.x + by * across, y=self.moving.y + by * down
        )
        return (*self.still, moved)


def clip(draw: Draw) -> Clip:
    """The thing crosses most of the picture; what stands still is never in its way."""

    def make() -> Clip:
        pair, *others = draw.random.sample(PAIRS, 3)
        way = draw.choice(tuple(WAYS))
        # Both ends, and the lane, are well inside a third of the picture: its place has a name.
        begin = draw.random.uniform(0.18, 0.27)
        beside = draw.random.uniform(*draw.choice(((0.15, 0.28), (0.39, 0.61), (0.72, 0.85))))
        if way in ("left", "up"):
            begin = 1 - begin
        across = way in ("left", "right")
        x, y = (begin, beside) if across else (beside, begin)
        moving = Thing(pair, x, y, draw.random.uniform(0.08, 0.11))
        still = []
        for other, along in zip(others, draw.several((0.15, 0.5, 0.85), 0, 2), strict=False):
            far = [each for each in (0.12, 0.3, 0.5, 0.7, 0.88) if abs(each - beside) > 0.27]
            place = (along, draw.choice(far)) if across else (draw.choice(far), along)
            still.append(Thing(other, *place, draw.random.uniform(0.08, 0.1)))
        return Clip(moving, way, tuple(still))

    return draw.until_own(make, lambda made: f"{key(made.frame(0))} {made.way}")


def _motion(draw: Draw) -> Example:
    """A clip: what moves, and which way."""
    made, side = clip(draw), draw.setting.side
    ground = pale_ground(draw, (side, side))
    frames = tuple(render(draw, made.frame(n), side, ground.copy()) for n in range(FRAMES))
    begin, end = made.moving.place, made.frame(FRAMES - 1)[-1].place
    answer = f"The {made.moving.pair} goes from {begin} to {end}: it moves {made.way}."
    asked = (ask("Which way does it move?", answer), ask("What moves?", answer))
    return Example("motion", frames, asked, f"{key(made.frame(0))} {made.way}")


_OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}


def backwards(example: Example) -> Example:
    """The clip of a question about motion with its last frame first, and the answer to that.

    >>> from gemma3_edu.train.data.draw import Draw
    >>> example = TASKS["motion"](Draw("any", "test"))
    >>> print(example.answer, backwards(example).answer, sep="\\n")
    The orange square goes from top right to top left: it moves left.
    The orange square goes from top left to top right: it moves right.
    """
    found = re.fullmatch(r"(.*) goes from (.*) to (.*): it moves (\w+)\.", example.answer)
    if not found:
        raise ValueError(f"example: {example.answer!r} does not say what moves, and which way")
    what, begin, end, way = found.groups()
    answer = f"{what} goes from {end} to {begin}: it moves {_OPPOSITE[way]}."
    asked = ask(example.conversations[0][0].question, answer)
    return dataclasses.replace(example, given=example.given[::-1], conversations=(asked,))


TASKS: dict[str, Callable[[Draw], Example]] = {
    **{task: partial(_about_one, task=task) for task in _QUESTIONS},
    "which_has": _which_has,
    "motion": _motion,
}
