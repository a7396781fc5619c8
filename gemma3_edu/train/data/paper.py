"""What pictures are drawn on, and with which colours: papers and inks, no two quite alike.

>>> from gemma3_edu.train.data.draw import Draw
>>> draw = Draw("any", "train")
>>> ground, ink = ground_and_ink(draw, (112, 112))
>>> ground.size, contrast(ground.getpixel((5, 5)), ink) > 70
((112, 112), True)
"""

from PIL import Image

from .draw import Draw
from .drawing import FONTS, Colour

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


def ground_and_ink(draw: Draw, size: tuple[int, int]) -> tuple[Image.Image, Colour]:
    """Dark ink on light paper."""
    paper, ink = _grey(draw, 230, 250, 5), _grey(draw, 5, 75, 30)
    return Image.new("RGB", size, paper), ink


def pale_ground(draw: Draw, size: tuple[int, int]) -> Image.Image:
    """A ground on which every colour of the palette stands out."""
    return Image.new("RGB", size, _grey(draw, 222, 252, 12))


def font_name(draw: Draw) -> str:
    """One of the fonts."""
    return draw.choice(FONTS)
