"""Reading pictures by their marks alone, as a scanner would, apart from how they were drawn."""

from itertools import pairwise

from gemma3_edu.train.data.drawing import SHAPES, Mark, Picture


def box(mark: Mark) -> tuple[float, float, float, float]:
    """Left, top, right, bottom."""
    xs, ys = zip(*mark.outline, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def lines(picture: Picture) -> list[list[str]]:
    """The words of each line, top to bottom: a gap down makes a line, a gap across a word."""
    marks = sorted(picture.marks, key=lambda mark: mark.place[1])
    if not marks:
        return []
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


def words(picture: Picture) -> list[str]:
    """One piece of writing, maybe slanted, whose characters stand in the order of their marks."""
    return ["".join(mark.what for mark in picture.marks if mark.what not in SHAPES)]


def things(picture: Picture) -> list[tuple[str, str, float, float]]:
    """Colour, shape and centre (in units of the picture's sides) of what is drawn."""
    width, height = picture.image.size
    return [
        (mark.colour, mark.what, mark.place[0] / width, mark.place[1] / height)
        for mark in picture.marks
        if mark.what in SHAPES
    ]


def pairs(picture: Picture) -> list[str]:
    """Such as "red star", one a thing."""
    return [f"{colour} {shape}" for colour, shape, _, _ in things(picture)]
