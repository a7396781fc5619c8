"""Pictures of one number or one word, in several fonts, sizes and places.

What is held out is the number and the word; a held-out word has not been spelled in text either
(`lists.spelling`). Invented words, pieces of prose and loose letters keep a reader from knowing
words by heart.

>>> from gemma3_edu.train.data.draw import Draw
>>> example = TASKS["number"](Draw("any", "test"))
>>> example.turns[0].answer == "".join(mark.what for mark in example.pictures[0].marks)
True
"""

import math
import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from .draw import Asked, Draw, Question
from .drawing import Canvas, Picture, width_per_em
from .examples import Example
from .paper import font_name, ground_and_ink, photographed
from .prose import chunk
from .words import WORDS, invented

LEAST = 0.14  # of the side: the smallest font


@dataclass(frozen=True)
class Writing:
    """What is written, always in small letters here, and what kind of thing it is."""

    kind: str
    text: str

    @property
    def key(self) -> str:
        """The content that decides the split; loose letters count as a word."""
        return f"{'number' if self.kind == 'number' else 'word'}:{self.text}"


def number(draw: Draw) -> Writing:
    """Two to four digits, the first of which is not 0."""
    digits = draw.choice((2, 3, 3, 4, 4))
    return Writing("number", str(draw.random.randrange(10 ** (digits - 1), 10**digits)))


def word(draw: Draw) -> Writing:
    """A word of three to seven letters; in training, half of them are what `letters` writes.

    A reader who met the few hundred words of the list alone would choose among them: after 88
    thousand examples nano read numbers it had never seen (83 %), and no word.
    """
    if draw.split == "train" and draw.chance(0.5):
        return Writing("word", letters(draw).text)
    return Writing("word", draw.choice(WORDS))


def letters(draw: Draw) -> Writing:
    """An invented word, a piece of a word from real prose, or letters by chance."""
    form = draw.random.random()
    if form < 0.4:
        return Writing("letters", invented(draw.random))
    if form < 0.8 and (piece := _piece_of_prose(draw)):
        return Writing("letters", piece)
    some = (draw.choice(string.ascii_lowercase) for _ in range(draw.random.randint(3, 6)))
    return Writing("letters", "".join(some))


def _piece_of_prose(draw: Draw) -> str:
    """Three to seven letters in a row, often a whole word, "" where the text has none.

    They teach to write such pieces as are tokens in prose and nowhere else.
    """
    text = chunk(draw.setting.prose, draw.split, draw.random, 60).lower()
    words = re.findall("[a-z]{3,}", text)
    if not words:
        return ""
    word = draw.choice(words)
    start = draw.choice((0, 0, draw.random.randrange(len(word) - 2)))
    return word[start : start + draw.random.randint(3, 7)]


def render(draw: Draw, writing: Writing, side: int) -> Picture:
    """The picture; letters are small or, varied, capital, or begin with a capital."""
    varied = draw.setting.varied
    cases = (str.lower, str.lower, str.upper, str.title) if varied else (str.lower,)
    text, name = draw.choice(cases)(writing.text), font_name(draw)
    turn = draw.random.randint(-8, 8) if varied and draw.chance(0.4) else 0
    slope = math.tan(math.radians(abs(turn)))
    per_em = width_per_em(name, text)
    largest = min(0.92 / (per_em + slope), 0.8 / (1 + slope * per_em), 0.6)
    least = min(LEAST, largest) if varied else 0.6 * largest
    size = round(side * draw.random.uniform(least, largest))
    width, rise = 1.05 * per_em * size, slope * per_em * size  # hinting may widen it a little
    image, ink = ground_and_ink(draw, (side, side))
    canvas = Canvas(image)
    # Room above for capitals and, turned to the left, for the rise; below for descenders or a fall.
    above, below = 0.78 * size + rise * (turn > 0), 0.24 * size + rise * (turn < 0)
    x = draw.random.uniform(2, max(2.0, side - width - 2))
    y = draw.random.uniform(above, max(above, side - below))
    canvas.text((x, y), text, name, size, ink, turn)
    what = "the number" if writing.kind == "number" else "the word"
    return photographed(draw, canvas, f"{what} {writing.text}")


_READ = {
    "number": ("What number is this?", "Read the number.", "Which number do you see?"),
    "word": ("What word is this?", "Read the word.", "Which word do you see?"),
    "letters": ("What is written here?", "Read the letters.", "What does it say?"),
}


def _read(draw: Draw, writing: Writing) -> Asked:
    return Asked(draw.choice(_READ[writing.kind]), writing.text, writing.key)


def _end(draw: Draw, writing: Writing) -> Asked:
    last = draw.chance(0.5)
    thing = "digit" if writing.kind == "number" else "letter"
    question = f"What is the {'last' if last else 'first'} {thing}?"
    return Asked(question, writing.text[-1 if last else 0], writing.key)


def _spell(draw: Draw, writing: Writing) -> Asked:
    return Asked("Spell what you see.", " ".join(writing.text), writing.key)


_MAKE: dict[str, Callable[[Draw], Writing]] = {"number": number, "word": word, "letters": letters}


def _ask(draw: Draw, task: str) -> Example:
    side = draw.setting.side
    questions: dict[str, Question[Writing]] = {task: _read, "end": _end, "spell": _spell}
    return draw.interview(
        task, questions, lambda: _MAKE[task](draw), lambda writing: [render(draw, writing, side)]
    )


TASKS: dict[str, Callable[[Draw], Example]] = {task: partial(_ask, task=task) for task in _MAKE}
