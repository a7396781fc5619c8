"""Pictures that know what is in them: a canvas that writes down everything drawn on it.

A picture carries *marks*, the outline of each character and shape together with what it is. From
them come dense labels for the encoder's first lessons: what lies in each patch, and of which
colour. The marks follow the picture through every crop and resize.

>>> canvas = Canvas(Image.new("RGB", (56, 28), "white"))
>>> canvas.polygon([(0, 0), (28, 0), (28, 28), (0, 28)], (210, 30, 40), "square", "red")
>>> picture = canvas.picture("a red square")
>>> what, colour = picture.labels(side=28, patch=14)  # squeezed to 28 x 28: 2 x 2 patches
>>> [KINDS[i] for i in what], [COLOURS[i] for i in colour]
(['square', '', 'square', ''], ['red', '', 'red', ''])
"""

import functools
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...prompt.images import ImageSettings

Colour: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]

SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "cross", "moon")
KINDS = ("", *"0123456789abcdefghijklmnopqrstuvwxyz", *SHAPES)
"""What a patch can show: nothing, a character, a shape. Labels index this."""
COLOURS = ("", "red", "orange", "yellow", "green", "blue", "purple", "brown", "black")
"""The colour of a shape in a patch; "" for nothing and for text. Labels index this."""

FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif")
_SHARE = 1 / 16  # of a patch that a mark must cover to name it


class Mark(NamedTuple):
    """Something drawn: its outline in pixels, what it is and its colour ("" for text).

    `place` is its middle; that of a character is on the middle of its line, whatever its height.
    """

    outline: tuple[Point, ...]
    what: str
    colour: str
    place: Point


@dataclass(frozen=True)
class Picture:
    """An image, all that is marked in it, and what it shows in words."""

    image: Image.Image
    marks: tuple[Mark, ...]
    caption: str

    def labels(self, side: int, patch: int) -> np.ndarray:
        """What and which colour lies in each patch once the image is squeezed to `side` x `side`.

        Integers of shape (2, P): a row of indices into `KINDS`, one into `COLOURS`; patches run row
        by row. A patch bears the label that covers most of it, at least a sixteenth; else 0.
        """
        if side < patch or side % patch:
            raise ValueError(f"patch: {patch} does not divide side={side}; choose a divisor of it")
        canvas = Image.new("I", (side, side))
        draw = ImageDraw.Draw(canvas)
        across, down = side / self.image.width, side / self.image.height
        for outline, what, colour, _ in self.marks:
            label = KINDS.index(what) * len(COLOURS) + COLOURS.index(colour)
            draw.polygon([(x * across - 0.5, y * down - 0.5) for x, y in outline], fill=label)
        return _most_frequent(np.array(canvas), patch)

    def views(self, settings: ImageSettings | None = None) -> list["Picture"]:
        """The picture and, with `settings`, its pan-and-scan crops, each with its own marks.

        The caption stays that of the whole.
        """
        found, left, top = [self], 0, 0
        for crop in settings.crops(self.image) if settings else []:
            moved = (
                Mark(
                    tuple((x - left, y - top) for x, y in mark.outline),
                    mark.what,
                    mark.colour,
                    (mark.place[0] - left, mark.place[1] - top),
                )
                for mark in self.marks
            )
            inside = [m for m in moved if _touches(m.outline, crop.size)]
            found.append(Picture(crop, tuple(inside), self.caption))
            wide = self.image.width >= self.image.height
            left, top = (left + crop.width, 0) if wide else (0, top + crop.height)
        return found


def _most_frequent(labels: np.ndarray, patch: int) -> np.ndarray:
    """Per patch, the most frequent entry of each of the two parts of a label, 0 if too rare."""
    cells = len(labels) // patch
    number, rows = _patch_numbers(cells, patch), []
    for part, kinds in ((labels // len(COLOURS), KINDS), (labels % len(COLOURS), COLOURS)):
        count = np.bincount((number * len(kinds) + part).ravel(), minlength=cells**2 * len(kinds))
        count = count.reshape(cells**2, len(kinds))
        count[:, 0] = 0
        best = count.argmax(1)
        rows.append(np.where(count.max(1) >= _SHARE * patch**2, best, 0))
    return np.stack(rows)


@functools.cache
def _patch_numbers(cells: int, patch: int) -> np.ndarray:
    """For every pixel, the number of the patch it lies in."""
    return np.kron(np.arange(cells**2).reshape(cells, cells), np.ones((patch, patch), int))


def _touches(outline: Sequence[Point], size: tuple[int, int]) -> bool:
    xs, ys = zip(*outline, strict=True)
    return max(xs) > 0 and min(xs) < size[0] and max(ys) > 0 and min(ys) < size[1]


@functools.cache
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """One of `FONTS` at a size in pixels an em, read from the installed matplotlib."""
    found = importlib.util.find_spec("matplotlib")  # found, not imported: it takes half a second
    if found is None or found.origin is None:
        raise ValueError(f"font: {name} comes with matplotlib, which is not installed; install it")
    file = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / f"{name}.ttf"
    # The basic layout is the same on every machine; the other one depends on a system library.
    return ImageFont.truetype(file, size, layout_engine=ImageFont.Layout.BASIC)


@functools.lru_cache(maxsize=10_000)  # invented words never end
def width_per_em(name: str, text: str) -> float:
    """The width of a text in units of the font's size."""
    return font(name, 100).getlength(text) / 100


@functools.cache
def _glyph(name: str, size: int, character: str) -> tuple[float, float, float]:
    """How far it moves the pen, and the top and bottom of its ink, from the baseline down."""
    face = font(name, size)
    _, top, _, bottom = face.getbbox(character, anchor="ls")
    return face.getlength(character), top, bottom


class Canvas:
    """An image to draw on. Coordinates are pixels of the image, x right and y down."""

    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self.marks: list[Mark] = []

    def polygon(self, outline: Sequence[Point], fill: Colour, what: str, colour: str) -> None:
        """Fill an outline, with smooth edges."""
        xs, ys = zip(*outline, strict=True)
        left, top = math.floor(min(xs)), math.floor(min(ys))
        width, height = math.ceil(max(xs)) - left + 1, math.ceil(max(ys)) - top + 1
        fine = Image.new("L", (4 * width, 4 * height))
        inside = [(4 * (x - left) - 0.5, 4 * (y - top) - 0.5) for x, y in outline]
        ImageDraw.Draw(fine).polygon(inside, fill=255)
        self.image.paste(fill, (left, top), fine.reduce(4))
        middle = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
        self.marks.append(Mark(tuple(outline), what, colour, middle))

    def line(self, start: Point, end: Point, fill: Colour, width: int = 1) -> None:
        """A straight line, which is not marked."""
        ImageDraw.Draw(self.image).line([start, end], fill=fill, width=width)

    def text(self, at: Point, text: str, name: str, size: int, fill: Colour) -> None:
        """Write, from the left end of the baseline.

        Letters and digits are marked, each by its advance and the height of its ink.
        """
        x, y = at
        ImageDraw.Draw(self.image).text(at, text, font=font(name, size), fill=fill, anchor="ls")
        for character in text:
            advance, top, bottom = _glyph(name, size, character)
            if character in KINDS[1:37]:
                corners = ((x, y + top), (x + advance, y + top))
                below = ((x + advance, y + bottom), (x, y + bottom))
                middle = (x + advance / 2, y - 0.3 * size)  # about half of a small letter up
                self.marks.append(Mark((*corners, *below), character, "", middle))
            x += advance

    def picture(self, caption: str) -> Picture:
        """What has been drawn."""
        return Picture(self.image, tuple(self.marks), caption)
