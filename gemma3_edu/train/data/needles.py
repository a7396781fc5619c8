"""A number hidden in long text: whether a model finds what it read far back.

The text around it is real prose of the same split, or sentences that repeat themselves with small
changes. Its length is given in tokens and kept to from below; the depth of the needle, from 0 for
the beginning to 1 for the end, can be chosen. What is held out is the owner together with the
number.

>>> from gemma3_edu.train.data.draw import Draw
>>> text, answer, _ = needle(Draw("3", "train"), length=160, depth=0.5)
>>> print(text, "->", answer)
There is a clock in the bakery. There is a rope in the museum. Nobody saw the bat in the hall. The
secret number of the tent is 5444. There is a stamp in the shed. The sky is blue and the garden is
far.
What is the secret number of the tent? -> 5444
"""

import itertools
import re

from .draw import Asked, Draw
from .examples import Example
from .prose import chunk
from .words import ANIMALS, PLACES, THINGS

ROOM = 48  # tokens for the question, the answer and what the chat format puts around them
_FILL = (
    "The {1} is near the {0}.",
    "Nobody saw the {2} in the {0}.",
    "The {2} went to the {0} and back.",
    "There is a {1} in the {0}.",
    "The sky is blue and the {0} is far.",
    "One {2} sat by the {1}.",
)


def _filler(draw: Draw, tokens: int) -> list[tuple[str, int]]:
    """Pieces of text, between which a needle may stand, with their tokens: `tokens` in all."""
    real, left = draw.chance(0.5), tokens
    pieces: list[tuple[str, int]] = []
    while True:
        for piece in _prose(draw) if real else [_sentence(draw)]:
            size = draw.setting.count(" " + piece)
            if size <= left:
                pieces.append((piece, size))
                left -= size
            elif real:
                real = False  # short sentences fill the rest
                break
            else:
                return pieces


def _prose(draw: Draw) -> list[str]:
    text = chunk(draw.setting.prose, draw.split, draw.random, 2000)
    return re.split("(?<=[.;!?]) ", " ".join(text.split()))


def _sentence(draw: Draw) -> str:
    words = (draw.choice(PLACES), draw.choice(THINGS), draw.choice(ANIMALS))
    return draw.choice(_FILL).format(*words)


def needle(draw: Draw, length: int, depth: float, others: int = 0) -> Asked:
    """A text with the needle at a depth, then the question: `length` tokens in all, or a few less.

    That counts the turns' own tokens and the answer. `others` more needles, with other owners and
    numbers, make sure that not just any number will do.
    """
    if not 0 <= depth <= 1:
        raise ValueError(f"needle: depth={depth} must lie between 0, the beginning, and 1, the end")
    owner, number = draw.until_own(lambda: _owner_and_number(draw), _key)
    said = [_say(owner, number)]
    while len(said) <= others:
        other = draw.until_shown(lambda: _owner_and_number(draw), _key)
        if other[0] != owner and other[1] != number:
            said.append(_say(*other))
    used = ROOM + sum(draw.setting.count(" " + each) for each in said)
    if length < used:
        raise ValueError(
            f"needle: length={length} leaves no room: the needles and the question take {used}"
        )
    filler = _filler(draw, length - used)
    text = [piece for piece, _ in filler]
    borders = list(itertools.accumulate((size for _, size in filler), initial=0))
    depths = [depth, *(draw.random.random() for _ in range(others))]
    for place, sentence in sorted(zip(depths, said, strict=True), reverse=True):
        off = [abs(border - place * borders[-1]) for border in borders]
        text.insert(off.index(min(off)), sentence)
    question = f"What is the secret number of the {owner}?"
    return Asked(" ".join(text) + "\n" + question, number, _key((owner, number)))


def _owner_and_number(draw: Draw) -> tuple[str, str]:
    return draw.choice(PLACES), str(draw.random.randint(1000, 9999))


def _key(needle: tuple[str, str]) -> str:
    return f"needle:{needle[0]} {needle[1]}"


def _say(owner: str, number: str) -> str:
    return f"The secret number of the {owner} is {number}."


def needles(draw: Draw) -> Example:
    """A needle at any depth, in a text of any length up to the setting's."""

    def ask() -> Asked:
        longest = draw.setting.length
        length = round(longest * (min(120, longest) / longest) ** draw.random.random())
        return needle(draw, length, draw.random.random(), draw.choice((0, 0, 1, 2)))

    return draw.example("needle", ask)
