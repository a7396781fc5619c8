"""What pictures are drawn on: grounds, inks and grain, so that no two look alike.

>>> from gemma3_edu.train.data.draw import Draw
>>> draw = Draw("any", "train")
>>> ground, ink = ground_and_ink(draw, (112, 112))
>>> ground.size, contrast(ground.getpixel((5, 5)), ink) > 70
((112, 112), True)
"""

import functools
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .draw import Draw
from .drawing import FONTS, PLAIN_FONTS, Canvas, Colour, Picture

PALETTE: dict[str, Colour] = {
    "red": (214, 38, 40),
    "orange": (245, 140, 20),
    "yellow": (240, 215, 40),
    "green": (40, 150, 60),
    "blue": (40, 90, 210),
    "purple": (140, 60, 170),
    "brown": (120, 75, 40),
    "black": (25, 25, 28),
}


def lightness(colour: Colour) -> float:
    """How bright a colour looks, 0 to 255 (the weights of ITU-R BT.601)."""
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue


def contrast(one: Colour, other: Colour) -> float:
    """How far two colours lie apart in lightness."""
    return abs(lightness(one) - lightness(other))


def shade(draw: Draw, colour: Colour, spread: int) -> Colour:
    """A colour near this one."""
    red, green, blue = (
        min(255, max(0, part + draw.random.randint(-spread, spread))) for part in colour
    )
    return red, green, blue


def _grey(draw: Draw, low: int, high: int, tint: int) -> Colour:
    level = draw.random.randint(low, high)
    return shade(draw, (level, level, level), tint)


def ground(draw: Draw, size: tuple[int, int], colour: Colour) -> Image.Image:
    """An even ground or, varied, one that fades into another shade, a blotchy or a ruled one."""
    form = draw.random.random()
    if form < 0.4 or not draw.setting.varied:
        return Image.new("RGB", size, colour)
    other = shade(draw, colour, 22)
    if form < 0.6:
        fade = Image.linear_gradient("L").rotate(draw.choice((0, 90, 180, 270)))
        fade = fade.resize(size, Image.Resampling.BILINEAR)
        return Image.composite(Image.new("RGB", size, colour), Image.new("RGB", size, other), fade)
    if form < 0.8:
        blotches = Image.new("RGB", (5, 5))
        blotches.putdata([shade(draw, colour, 14) for _ in range(25)])
        return blotches.resize(size, Image.Resampling.BILINEAR)
    image = Image.new("RGB", size, colour)
    lines, step = ImageDraw.Draw(image), draw.random.randint(6, 20) * max(1, min(size) // 112)
    for at in range(draw.random.randrange(step), max(size), step):
        across = form < 0.9
        lines.line([(0, at), (size[0], at)] if across else [(at, 0), (at, size[1])], fill=other)
    return image


def ground_and_ink(draw: Draw, size: tuple[int, int]) -> tuple[Image.Image, Colour]:
    """Dark ink on light paper, or, varied, one time in four, the reverse."""
    light = _grey(draw, 175, 250, 18) if draw.setting.varied else _grey(draw, 230, 250, 5)
    dark = _grey(draw, 5, 75, 30)
    paper, ink = (dark, light) if draw.setting.varied and draw.chance(0.25) else (light, dark)
    return ground(draw, size, paper), ink


def pale_ground(draw: Draw, size: tuple[int, int]) -> Image.Image:
    """A ground on which every colour of the palette stands out: near white, or mid grey-blue."""
    return ground(draw, size, _grey(draw, 222, 252, 12))


def font_name(draw: Draw) -> str:
    """One of the fonts."""
    return draw.choice(FONTS if draw.setting.varied else PLAIN_FONTS)


@functools.cache
def _grain() -> Image.Image:
    """Noise, made once: to draw it anew would take longer than all the rest of a picture."""
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    return Image.fromarray(noise)


def photographed(draw: Draw, canvas: Canvas, caption: str) -> Picture:
    """The finished picture, varied ones with a little blur and grain now and then."""
    if not draw.setting.varied:
        return canvas.picture(caption)
    image = canvas.image
    factor = max(1, round(math.sqrt(image.width * image.height) / 168))  # grain of larger pictures
    if draw.chance(0.25):
        image = image.filter(ImageFilter.BoxBlur(draw.random.uniform(0.2, 0.6) * factor))
    if draw.chance(0.6):
        width, height = (min(256, math.ceil(each / factor)) for each in image.size)
        left, top = draw.random.randrange(257 - width), draw.random.randrange(257 - height)
        grain = (
            _grain()
            .crop((left, top, left + width, top + height))
            .resize(image.size, Image.Resampling.NEAREST)
        )
        image = Image.blend(image, grain, draw.random.uniform(0.02, 0.14))
    canvas.image = image
    return canvas.picture(caption)
