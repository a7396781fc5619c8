"""Pictures of one number or one word, to be read.

What is held out is the number or the word. In training, half of the words are invented, or pieces
of real prose, or letters by chance, so that nothing can be read by knowing words by heart. The
answer numbers the letters, so that two alike can be told apart; nano loses or doubles some anyway.

>>> from gemma3_edu.train.data.draw import Draw
>>> example = TASKS["word"](Draw("any", "test"))
>>> example.answer.split()[1::2] == [mark.what for mark in example.pictures[0].marks]
True
"""

import re
import string
from collections.abc import Callable

from .draw import Draw
from .drawing import Canvas, Picture, width_per_em
from .examples import Example, ask
from .paper import font_name, ground_and_ink
from .prose import chunk
from .words import WORDS, invented


def number(draw: Draw) -> str:
    """Two to four digits, the first of which is not 0."""

    def make() -> str:
        digits = draw.choice((2, 3, 3, 4, 4))
        return str(draw.random.randrange(10 ** (digits - 1), 10**digits))

    return draw.until_own(make, "number:{}".format)


def word(draw: Draw) -> str:
    """Three to six letters."""
    made_up = draw.split == "train" and draw.chance(0.5)
    return draw.until_own(lambda: letters(draw) if made_up else draw.choice(WORDS), key)


def key(word: str) -> str:
    """The content that decides the split of a word."""
    return f"word:{word}"


def letters(draw: Draw) -> str:
    """An invented word, a piece of a word from real prose, or letters by chance."""
    form, most = draw.random.random(), draw.random.randint(3, 6)
    if form < 0.4:
        return invented(draw.random)
    words = re.findall("[a-z]{3,}", chunk(draw.setting.prose, draw.split, draw.random, 60).lower())
    if form < 0.7 and words:
        return draw.choice(words)[:most]
    return "".join(draw.choice(string.ascii_lowercase) for _ in range(most))


def render(draw: Draw, text: str, side: int, what: str) -> Picture:
    """The picture, in one line, as large as fits or smaller."""
    name = font_name(draw)
    per_em = width_per_em(name, text)
    size = round(side * min(0.92 / per_em, 0.6) * draw.random.uniform(0.6, 1))
    width = 1.05 * per_em * size  # hinting may widen it a little
    image, ink = ground_and_ink(draw, (side, side))
    canvas = Canvas(image)
    # Room above for tall letters, below for those that go under the line.
    x = draw.random.uniform(2, max(2.0, side - width - 2))
    y = draw.random.uniform(0.78 * size, max(0.78 * size, side - 0.24 * size))
    canvas.text((x, y), text, name, size, ink)
    return canvas.picture(f"the {what} {text}")


def _number(draw: Draw) -> Example:
    text = number(draw)
    asked = (ask(draw.choice(("Which number do you see?", "Read the number.")), text),)
    picture = render(draw, text, draw.setting.side, "number")
    return Example("number", (picture,), asked, f"number:{text}")


def _word(draw: Draw) -> Example:
    text = word(draw)
    question = draw.choice(("Which word do you see? Spell it.", "Spell the word."))
    numbered = " ".join(f"{place} {letter}" for place, letter in enumerate(text, 1))
    asked = (ask(question, numbered),)
    return Example("word", (render(draw, text, draw.setting.side, "word"),), asked, key(text))


TASKS: dict[str, Callable[[Draw], Example]] = {"number": _number, "word": _word}
