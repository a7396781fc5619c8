"""Numbers hidden in long text: whether a model finds what it read far back.

The text around them is real prose of the same split, or sentences that repeat themselves with small
changes. Its length is given in tokens and kept to from below; the depth of the needle that is asked
for, from 0 for the beginning to 1 for the end, can be chosen. What is held out is the owner
together with the number.

>>> from gemma3_edu.train.data.draw import Draw
>>> example = needle(Draw("3", "train"), length=160, depth=0.5, others=1)
>>> example.given[0].count("The secret number of the ")
2
>>> print(example.conversations[0][0].question, example.answer, sep="\\n")
What is the secret number of the park?
The secret number of the park is 5061.
"""

import itertools
import re
from collections.abc import Callable

from .draw import Draw
from .examples import Example, ask
from .prose import chunk
from .words import ANIMALS, PLACES, THINGS

ROOM = 56  # tokens for the question, the answer and what the chat format puts around them
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


def needle(draw: Draw, length: int, depth: float, others: int) -> Example:
    """A text with a needle at a depth and `others` elsewhere: `length` tokens, or a few less.

    That counts the turns' own tokens and the answer. The other needles, with other owners and
    numbers, make sure that not just any number will do. The first conversation asks for the needle
    at that depth, the later ones for the others.
    """
    if not 0 <= depth <= 1:
        raise ValueError(f"needle: depth={depth} must be between 0, the beginning, and 1, the end")
    owners = draw.random.sample(PLACES, 1 + others)
    found = [
        (owner, draw.until_own(lambda: draw.random.randint(1000, 9999), key_of(owner)))
        for owner in owners
    ]
    said = [f"The secret number of the {owner} is {number}." for owner, number in found]
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
    asked = tuple(
        ask(f"What is the secret number of the {owner}?", sentence)
        for (owner, _), sentence in zip(found, said, strict=True)
    )
    return Example("needle", (" ".join(text),), asked, key_of(owners[0])(found[0][1]))


def key_of(owner: str) -> Callable[[int], str]:
    """The content that decides the split, as a function of the owner's number."""
    return f"needle:{owner} {{}}".format


def needles(draw: Draw) -> Example:
    """A needle at any depth, among others, in a text of any length up to the setting's."""
    longest, shortest = draw.setting.length, min(draw.setting.length, 176)
    length = round(longest * (shortest / longest) ** draw.random.random())
    others = draw.random.randint(2, 3 if length < 300 else 5)
    return needle(draw, length, draw.random.random(), others)
