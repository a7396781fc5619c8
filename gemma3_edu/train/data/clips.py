"""Several pictures at once: which of two, and four frames in which something moves.

What is held out: the pair of colour and shape that is looked for, the two numbers that are
compared, and what moves which way.

>>> from gemma3_edu.train.data.draw import Draw
>>> clip = TASKS["motion"](Draw("any", "train"))
>>> len(clip.pictures), clip.turns[0].question[-1], clip.turns[0].answer
(4, 'Which way does it move?', 'left')
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from . import scenes, writing
from .draw import Asked, Draw, Question
from .drawing import Picture
from .examples import Example
from .paper import pale_ground
from .scenes import PAIRS, Scene, Thing
from .writing import Writing

WHICH = ("first", "second")
WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
FRAMES = 4


def _has(draw: Draw, pair: tuple[Scene, Scene]) -> Asked | None:
    at = draw.random.randrange(2)
    wanted, other = pair[at], pair[1 - at]
    thing = draw.choice(wanted)
    if any(each.pair == thing.pair for each in other):
        return None
    return Asked(
        f"Which picture has {scenes.with_article(thing.pair)}?", WHICH[at], f"pair:{thing.pair}"
    )


def _more(draw: Draw, pair: tuple[Scene, Scene]) -> Asked | None:
    shape = draw.choice(("", draw.choice(pair[0] + pair[1]).shape))
    counts = [sum(shape in ("", thing.shape) for thing in things) for things in pair]
    if counts[0] == counts[1]:
        return None
    name = scenes.plural(shape) if shape else "things"
    key = f"more:{name} {' '.join(sorted(t.pair for things in pair for t in things))}"
    return Asked(f"Which picture has more {name}?", WHICH[counts[1] > counts[0]], key)


def _two_numbers(draw: Draw) -> tuple[Writing, Writing]:
    one, other = (
        draw.until_shown(lambda: writing.number(draw), lambda made: made.key) for _ in WHICH
    )
    return one, other


def _larger(draw: Draw, pair: tuple[Writing, Writing]) -> Asked | None:
    first, second = (int(each.text) for each in pair)
    if first == second:
        return None
    largest = draw.chance(0.5)
    answer = WHICH[(second > first) == largest]
    question = f"Which number is {'larger' if largest else 'smaller'}, the first or the second?"
    return Asked(question, answer, f"compare:{min(first, second)} {max(first, second)}")


@dataclass(frozen=True)
class Clip:
    """Things that stand still, and one that moves one of four ways, a fifth of the side a frame."""

    moving: Thing  # where it begins
    way: str
    still: Scene

    def frame(self, number: int) -> Scene:
        """Everything as it lies in one frame, the moving thing last, so that it is in front."""
        across, down = WAYS[self.way]
        by = 0.18 * number
        moved = dataclasses.replace(
            self.moving, x=self.moving.x + by * across, y=self.moving.y + by * down
        )
        return (*self.still, moved)


def clip(draw: Draw) -> Clip:
    """The thing crosses most of the picture; what stands still is never in its way."""
    pair = draw.shown("pair", PAIRS)
    way = draw.choice(tuple(WAYS))
    begin, beside = draw.random.uniform(0.15, 0.29), draw.random.uniform(0.15, 0.85)
    if way in ("left", "up"):
        begin = 1 - begin
    across = way in ("left", "right")
    x, y = (begin, beside) if across else (beside, begin)
    moving = Thing(pair, x, y, draw.random.uniform(0.08, 0.11))
    still = []
    others = tuple(each for each in PAIRS if each != pair)
    for along in draw.random.sample((0.15, 0.5, 0.85), draw.choice((0, 1, 1, 2))):
        far = [each for each in (0.12, 0.3, 0.5, 0.7, 0.88) if abs(each - beside) > 0.27]
        place = (along, draw.choice(far)) if across else (draw.choice(far), along)
        other = draw.until_shown(
            lambda: draw.shown("pair", others), lambda each: scenes.together((pair, each))
        )
        still.append(Thing(other, *place, draw.random.uniform(0.08, 0.1)))
    return Clip(moving, way, tuple(still))


def _way(draw: Draw, clip: Clip) -> Asked:
    pair = clip.moving.pair
    question = draw.choice(("Which way does the {} move?", "Where does the {} go?"))
    if draw.chance(0.3):
        question = "Which way does it move?"
    return Asked(question.format(pair), clip.way, f"motion:{pair} {clip.way}")


def _what(draw: Draw, clip: Clip) -> Asked:
    key = f"motion:{clip.moving.pair} {clip.way}"
    return Asked("What moves?", f"the {clip.moving.pair}", key)


def _frames(draw: Draw, clip: Clip) -> list[Picture]:
    side = draw.setting.side
    ground = pale_ground(draw, (side, side))
    return [scenes.render(draw, clip.frame(n), side, ground.copy()) for n in range(FRAMES)]


_ABOUT_SCENES: dict[str, Question[tuple[Scene, Scene]]] = {"which_has": _has, "which_more": _more}
_ABOUT_CLIPS: dict[str, Question[Clip]] = {"motion": _way, "what_moves": _what}


def _ask_scenes(draw: Draw, task: str) -> Example:
    side = draw.setting.side
    return draw.interview(
        task,
        _ABOUT_SCENES,
        lambda: (scenes.scene(draw, 1, 5), scenes.scene(draw, 1, 5)),
        lambda pair: [scenes.render(draw, things, side) for things in pair],
    )


def _ask_numbers(draw: Draw) -> Example:
    side, questions = draw.setting.side, {"which_larger": _larger}
    return draw.interview(
        "which_larger",
        questions,
        lambda: _two_numbers(draw),
        lambda pair: [writing.render(draw, each, side) for each in pair],
    )


def _ask_clip(draw: Draw, task: str) -> Example:
    return draw.interview(task, _ABOUT_CLIPS, lambda: clip(draw), partial(_frames, draw))


TASKS: dict[str, Callable[[Draw], Example]] = {
    **{task: partial(_ask_scenes, task=task) for task in _ABOUT_SCENES},
    "which_larger": _ask_numbers,
    **{task: partial(_ask_clip, task=task) for task in _ABOUT_CLIPS},
}
