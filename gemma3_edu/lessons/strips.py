"""Numbers on other papers, and crops that cut where one likes: what lesson 13 asks nano about.

>>> from gemma3_edu.train.data.mixture import Mixture
>>> one = Mixture("instruct", "test").of_task("number", 0)
>>> strip = on_strip(one, (1120, 280))
>>> (other,) = about([one], [strip])
>>> other.pictures[0].image.size, other.conversations == one.conversations
((1120, 280), True)
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from PIL import Image

from ..prompt.images import ImageSettings
from ..prompt.processor import Processor
from ..train.data.drawing import Picture
from ..train.data.examples import Example

Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels


def about(examples: Sequence[Example], pictures: Iterable[Image.Image]) -> list[Example]:
    """The same questions and answers, each about another picture."""
    pairs = zip(examples, pictures, strict=True)
    return [replace(one, given=(Picture(picture, (), ""),)) for one, picture in pairs]


def on_strip(example: Example, size: tuple[int, int]) -> Image.Image:
    """Its number, trimmed to the ink, in the middle of a strip in the colour of its own paper."""
    (picture,) = example.pictures
    xs = [x for mark in picture.marks for x, _ in mark.outline]  # of the digits' outlines
    left, right = max(0, int(min(xs)) - 4), min(picture.image.width, int(max(xs)) + 5)
    ink = picture.image.crop((left, 0, right, picture.image.height))
    strip = Image.new("RGB", size, picture.image.getpixel((0, 0)))
    strip.paste(ink, (size[0] // 2 - ink.width // 2, 0))
    return strip


def cut_by(
    processor: Processor,
    boxes_of: Callable[[int, int], Sequence[Box]],
    first: Callable[[Image.Image], Image.Image] = lambda image: image,
) -> Processor:
    """The same processor, whose crops are the boxes that a picture's sides give.

    `first` changes the picture before it is cut.
    """

    class Ours(ImageSettings):
        def crops(self, image: Image.Image) -> list[Image.Image]:
            return [first(image).crop(box) for box in boxes_of(*image.size)]

    return replace(processor, image_settings=Ours())
