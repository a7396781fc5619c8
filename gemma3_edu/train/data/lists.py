"""Working on what is given in the prompt: copying it, and writing it as a list.

What is held out is the text or the list as a whole.

>>> from gemma3_edu.train.data.draw import Draw
>>> print(listing(Draw("7", "train")).answer)
1. Mara
2. Jane
3. Tara
4. Lily
5. Simon
"""

import string
from collections.abc import Callable

from .draw import Draw
from .examples import Conversation, Example, ask
from .words import ANIMALS, FOODS, NAMES, THINGS, WORDS, invented

MOST = 4  # questions in one example, in training
_POOLS = (WORDS, FOODS, ANIMALS, THINGS, NAMES)


def _several(draw: Draw, task: str, make: Callable[[Draw], tuple[str, str, str]]) -> Example:
    """An example of several questions that have nothing to do with each other."""
    made = [draw.until_own(lambda: make(draw), lambda each: each[2]) for _ in range(MOST)]
    asked: list[Conversation] = [ask(question, answer) for question, answer, _ in made]
    return Example(task, (), tuple(asked), made[0][2])


def copying(draw: Draw) -> Example:
    """Repeat words, digits, letters or a short line, exactly."""
    return _several(draw, "copying", _copy)


def _copy(draw: Draw) -> tuple[str, str, str]:
    form = draw.random.randrange(4)
    if form == 0:
        text = " ".join(draw.several(draw.choice(_POOLS), 1, 8))
    elif form == 1:
        text = "".join(draw.choice(string.digits) for _ in range(draw.random.randint(3, 12)))
    elif form == 2:
        text = " ".join(invented(draw.random) for _ in range(draw.random.randint(1, 4)))
    else:
        letters = string.ascii_letters + string.digits + "-+#."
        text = "".join(draw.choice(letters) for _ in range(draw.random.randint(3, 8)))
    # On a line of its own, as the answer is: the first word then has the same tokens in both.
    question = draw.choice(("Repeat:\n{}", "Copy this exactly:\n{}", "Say this again:\n{}"))
    return question.format(text), text, f"copy:{text}"


def listing(draw: Draw) -> Example:
    """Write a list: numbered, with dashes, or numbers in a row."""
    return _several(draw, "listing", lambda draw: draw.choice((_lines, _lines, _range))(draw))


def _lines(draw: Draw) -> tuple[str, str, str]:
    items = draw.several(draw.choice(_POOLS), 2, 5)
    dashes = draw.chance(0.4)
    question = "Write as a list with dashes: {}" if dashes else "Write as a numbered list: {}"
    marks = ["-" if dashes else f"{number}." for number in range(1, len(items) + 1)]
    lines = "\n".join(f"{mark} {item}" for mark, item in zip(marks, items, strict=True))
    return question.format(", ".join(items)), lines, f"list:{' '.join(items)}"


def _range(draw: Draw) -> tuple[str, str, str]:
    start = draw.random.randrange(0, 90)
    numbers = range(start, start + draw.random.randint(3, 8))
    key = f"range:{numbers[0]} {numbers[-1]}"
    question = f"Count from {numbers[0]} to {numbers[-1]}."
    return question, ", ".join(map(str, numbers)), key
