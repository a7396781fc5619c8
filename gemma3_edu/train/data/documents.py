"""Wide and tall documents, which can be read by pan and scan and hardly without.

Their sides are 2.8 to 4 to 1 and long enough for the rule of `images.pan_and_scan` to cut them. The
writing is easy to read in a crop; squeezed into one square with the whole document it is a third or
a quarter as large. What is held out is the whole document.

>>> from gemma3_edu.train.data.draw import Draw
>>> picture = TASKS["wide"](Draw("any", "train")).pictures[0]
>>> picture.image.size, [crop.size for crop in pan_and_scan(picture.image)]
((848, 264), [(283, 264), (283, 264), (282, 264)])
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PIL import Image

from ...prompt.images import ImageSettings, pan_and_scan
from .draw import Draw
from .drawing import Canvas, Picture, width_per_em
from .examples import Example, ask
from .paper import font_name, ground_and_ink
from .words import FOODS

EM = 17  # pixels of the encoder's square that the font's size comes to in a crop
MOST = 5  # questions about one document

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

    def make() -> Document:
        aspect = draw.random.uniform(2.8, 4)
        crops = math.floor(aspect + 0.5)
        short = max(256, math.ceil(256 * crops / aspect)) + draw.random.randint(0, 48)
        size = (round(short * aspect), short) if wide else (short, round(short * aspect))
        per_crop = draw.random.randint(1, 2) if wide else draw.random.randint(2, 3)
        boxes = _boxes(size, per_crop)
        foods = draw.random.sample(FOODS, len(boxes))
        numbers = draw.random.sample(range(10, 1000), len(boxes))
        return Document(size, tuple(zip(foods, numbers, strict=True)), boxes, per_crop)

    return draw.until_own(make, key)


def key(document: Document) -> str:
    """The content that decides the split of a document."""
    return f"document:{text(document.entries)}"


def text(entries: tuple[Entry, ...]) -> str:
    """Entries as they are read out."""
    return ", ".join(f"{food} {number}" for food, number in entries)


def _boxes(size: tuple[int, int], rows: int) -> tuple[Box, ...]:
    """So many, one below the other, in each crop that the rule will make."""
    boxes, left, top = [], 0, 0
    for crop in pan_and_scan(Image.new("L", size)):
        step = crop.height / rows
        for row in range(rows):
            boxes.append((left, top + row * step, left + crop.width, top + (row + 1) * step))
        left, top = (left + crop.width, 0) if size[0] > size[1] else (0, top + crop.height)
    return tuple(boxes)


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
    return canvas.picture(f"a list: {text(document.entries)}")


def _example(draw: Draw, task: str) -> Example:
    made = document(draw, wide=task == "wide")
    asked = [
        ask(f"Which number is next to {food}?", f"{food} {number}")
        for food, number in draw.shuffled(made.entries)
    ]
    return Example(task, (render(draw, made),), tuple(asked[:MOST]), key(made))


def _crop(draw: Draw) -> Example:
    """One crop of a document, as pan and scan gives it to the encoder, and what it shows."""
    made = document(draw, wide=draw.chance(0.5))
    number = draw.random.randrange(len(made.entries) // made.per_crop)
    entries = made.entries[number * made.per_crop :][: made.per_crop]
    view = render(draw, made).views(ImageSettings())[1 + number]
    picture = Picture(view.image, view.marks, f"a list: {text(entries)}")
    return Example("crop", (picture,), (ask("Read the list.", text(entries)),), key(made))


TASKS: dict[str, Callable[[Draw], Example]] = {
    "wide": partial(_example, task="wide"),
    "tall": partial(_example, task="tall"),
    "crop": _crop,
}
