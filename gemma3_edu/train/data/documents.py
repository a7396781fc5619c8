"""Wide and tall documents, which can be read by pan and scan and hardly without.

Their sides are 2.5 to 4 to 1 and long enough for the rule of `images.pan_and_scan` to cut them. The
writing is about as small as can be read in a crop of `side` pixels; squeezed into one square with
the whole document it is a third or a quarter of that. What is held out is the entry: a food with
its number.

>>> from gemma3_edu.train.data.draw import Draw
>>> picture = TASKS["wide"](Draw("any", "train")).pictures[0]
>>> picture.image.size, [crop.size for crop in pan_and_scan(picture.image)]
((796, 264), [(266, 264), (266, 264), (264, 264)])
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PIL import Image

from ...prompt.images import ImageSettings, pan_and_scan
from .draw import Asked, Draw, Question
from .drawing import Canvas, Picture, width_per_em
from .examples import Example, Turn
from .paper import font_name, ground_and_ink, photographed
from .words import FOODS

EM = 14  # pixels of the encoder's square that the font's size comes to in a crop

Entry = tuple[str, int]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Document:
    """Entries from left to right or from top to bottom, each in a box of its own."""

    size: tuple[int, int]  # of the picture, in pixels
    entries: tuple[Entry, ...]
    boxes: tuple[Box, ...]  # left, top, right, bottom; none reaches over the border of two crops
    per_crop: int

    @property
    def wide(self) -> bool:
        """Whether it is wider than high."""
        return self.size[0] > self.size[1]


def document(draw: Draw, wide: bool) -> Document:
    """One or two entries a crop if wide, two or three if tall; all foods and numbers differ."""
    aspect = draw.random.uniform(2.5, 4)
    crops = math.floor(aspect + 0.5)
    short = max(256, math.ceil(256 * crops / aspect)) + draw.random.randint(0, 48)
    size = (round(short * aspect), short) if wide else (short, round(short * aspect))
    per_crop = draw.random.randint(1, 2) if wide else draw.random.randint(2, 3)
    boxes = _boxes(size, per_crop)
    entries: dict[str, int] = {}
    while len(entries) < len(boxes):
        food, number = draw.until_shown(lambda: _entry(draw), entry_key)
        if number not in entries.values():
            entries.setdefault(food, number)
    return Document(size, tuple(entries.items()), boxes, per_crop)


def _boxes(size: tuple[int, int], rows: int) -> tuple[Box, ...]:
    """So many, one below the other, in each crop that the rule will make."""
    boxes, left, top = [], 0, 0
    for crop in pan_and_scan(Image.new("L", size)):
        step = crop.height / rows
        for row in range(rows):
            boxes.append((left, top + row * step, left + crop.width, top + (row + 1) * step))
        left, top = (left + crop.width, 0) if size[0] > size[1] else (0, top + crop.height)
    return tuple(boxes)


def _entry(draw: Draw) -> Entry:
    return draw.choice(FOODS), draw.random.randint(10, 999)


def entry_key(entry: Entry) -> str:
    """The content that decides the split of an entry."""
    return f"entry:{entry[0]} {entry[1]}"


def render(draw: Draw, document: Document) -> Picture:
    """The picture at its own size."""
    image, ink = ground_and_ink(draw, document.size)
    canvas, name = Canvas(image), font_name(draw)
    lines = [f"{food} {number}" for food, number in document.entries]
    widest = max(width_per_em(name, line) for line in lines)
    crop = min(right - left for left, _, right, _ in document.boxes)
    em = EM * min(document.size) / draw.setting.side
    size = int(min(em, 0.94 * crop / widest) * draw.random.uniform(0.93, 1))
    for line, (left, top, right, bottom) in zip(lines, document.boxes, strict=True):
        width = width_per_em(name, line) * size
        x = draw.random.uniform(left + 0.02 * crop, right - 0.02 * crop - width)
        y = draw.random.uniform(top + 0.85 * size, bottom - 0.25 * size)
        canvas.text((x, y), line, name, size, ink)
    return photographed(draw, canvas, _caption(document.entries))


def _caption(entries: tuple[Entry, ...]) -> str:
    return f"a list: {', '.join(f'{food} {number}' for food, number in entries)}"


def _number(draw: Draw, document: Document) -> Asked:
    food, number = draw.choice(document.entries)
    question = draw.choice(("What number stands beside {}?", "Find the number of {}."))
    return Asked(question.format(food), str(number), entry_key((food, number)))


def _name(draw: Draw, document: Document) -> Asked:
    food, number = draw.choice(document.entries)
    return Asked(f"What stands beside {number}?", food, entry_key((food, number)))


_OTHERS: dict[str, Question[Document]] = {"name": _name}


def _ask(draw: Draw, task: str) -> Example:
    return draw.interview(
        task,
        {task: _number, **_OTHERS},
        lambda: document(draw, wide=task == "wide"),
        lambda made: [render(draw, made)],
    )


def crop(draw: Draw) -> Example:
    """One crop of a document, as pan and scan gives it to the encoder, and what it shows."""

    def make() -> tuple[Document, int]:
        made = document(draw, wide=draw.chance(0.5))
        return made, draw.random.randrange(len(made.entries) // made.per_crop)

    made, number = draw.until_own(
        make, lambda found: entry_key(found[0].entries[found[1] * found[0].per_crop])
    )
    entries = made.entries[number * made.per_crop :][: made.per_crop]
    view = render(draw, made).views(ImageSettings())[1 + number]
    picture = Picture(view.image, view.marks, _caption(entries))
    return Example("caption", (Turn((picture,), picture.caption),), (entry_key(entries[0]),))


TASKS: dict[str, Callable[[Draw], Example]] = {
    "wide": partial(_ask, task="wide"),
    "tall": partial(_ask, task="tall"),
}
