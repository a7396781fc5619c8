"""Examples for all tests, and pictures read by their marks alone, as a scanner would."""

import functools
import re
from itertools import pairwise

from gemma3_edu.train.data.draw import Setting
from gemma3_edu.train.data.drawing import SHAPES, Mark, Picture
from gemma3_edu.train.data.examples import Example
from gemma3_edu.train.data.mixture import Mixture

Box = tuple[float, float, float, float]


@functools.cache
def drawn(task: str, split: str, number: int = 12, side: int = 112) -> list[Example]:
    """The same examples of a task for every test that asks for so many."""
    mixture = Mixture("instruct", split, seed=9, setting=Setting(side))
    return [mixture.of_task(task, index) for index in range(number)]


def asked(example: Example) -> list[tuple[str, str]]:
    """Question and answer of every turn of every conversation."""
    return [(turn.question, turn.answer) for each in example.conversations for turn in each]


def box(mark: Mark) -> Box:
    """Left, top, right, bottom."""
    xs, ys = zip(*mark.outline, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def overlap(one: Mark, other: Mark) -> bool:
    """Whether the boxes of two marks do, by more than half a pixel."""
    (a, b, c, d), (e, f, g, h) = box(one), box(other)
    return min(c, g) - max(a, e) > 0.5 and min(d, h) - max(b, f) > 0.5


def lines(picture: Picture) -> list[list[str]]:
    """The words of each line, top to bottom: a gap down makes a line, a gap across a word."""
    marks = sorted(picture.marks, key=lambda mark: mark.place[1])
    em = max(box(mark)[3] - box(mark)[1] for mark in marks)
    rows = [[marks[0]]]
    for before, mark in pairwise(marks):
        if mark.place[1] - before.place[1] > 0.35 * em:
            rows.append([])
        rows[-1].append(mark)
    found = []
    for row in rows:
        row.sort(key=lambda mark: mark.place[0])
        text = row[0].what
        for before, mark in pairwise(row):
            text += (" " if box(mark)[0] - box(before)[2] > 0.15 * em else "") + mark.what
        found.append(text.split())
    return found


def entries(picture: Picture) -> dict[str, int]:
    """Foods and their numbers, from top to bottom."""
    return {food: int(number) for food, number in lines(picture)}


def things(picture: Picture) -> list[tuple[str, str, float, float]]:
    """Colour, shape and centre (in units of the picture's sides) of what is drawn."""
    width, height = picture.image.size
    return [
        (mark.colour, mark.what, mark.place[0] / width, mark.place[1] / height)
        for mark in picture.marks
        if mark.what in SHAPES
    ]


def row_by_row(seen: list[tuple[str, str, float, float]]) -> list[tuple[str, str, float, float]]:
    """Things in reading order: what is more than a fifth of the side lower is in another row."""
    rows: list[list[tuple[str, str, float, float]]] = []
    for thing in sorted(seen, key=lambda thing: thing[3]):
        if not rows or thing[3] - rows[-1][0][3] > 1 / 5:
            rows.append([])
        rows[-1].append(thing)
    return [thing for row in rows for thing in sorted(row, key=lambda thing: thing[2])]


def working(answer: str) -> tuple[int, str, int, int]:
    """What "23 + 19 = 33 + 9 = 42" asks and gives, once every step of it was found right."""
    first, *between, last = re.split(" = ", answer)
    a, sign, b = first.split()
    asked = int(a), sign, int(b)
    value = asked[0] + asked[2] if sign == "+" else asked[0] - asked[2]
    if int(b) > 10 and int(b) % 10:
        (step,) = between
        done, again, ones = step.split()
        moved = int(done) - asked[0] if sign == "+" else asked[0] - int(done)
        assert (moved, again, int(ones)) == (int(b) // 10 * 10, sign, int(b) % 10)
    else:
        assert not between
    assert int(last) == value
    return *asked, value


def pairs(picture: Picture) -> list[str]:
    """Such as "red star", one a thing."""
    return [f"{colour} {shape}" for colour, shape, _, _ in things(picture)]
