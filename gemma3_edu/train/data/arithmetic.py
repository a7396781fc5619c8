"""Sums, differences and products, in digits and in words.

What is held out is the problem, 12 + 7 and 7 + 12 alike, in whatever words it is asked. (Programs
and receipts, which also add, have contents of their own.)

>>> problem = Problem(9, "-", 4)
>>> problem.result, problem.key, Problem(12, "+", 7).key == Problem(7, "+", 12).key
(5, 'arithmetic:9-4', True)
"""

from typing import NamedTuple

from .draw import Asked, Draw
from .examples import Example, Turn
from .languages import number_word
from .words import NAMES


class Problem(NamedTuple):
    """Two numbers and what to do with them: "+", "-" or "x"."""

    a: int
    operation: str
    b: int

    @property
    def result(self) -> int:
        """What comes out."""
        return {"+": self.a + self.b, "-": self.a - self.b, "x": self.a * self.b}[self.operation]

    @property
    def key(self) -> str:
        """The same for both orders where the order does not matter."""
        a, b = (self.a, self.b) if self.operation == "-" else sorted((self.a, self.b))
        return f"arithmetic:{a}{self.operation}{b}"


def problem(draw: Draw) -> Problem:
    """Numbers to 99 for + and -, to 12 for x; no result is below zero."""
    operation = draw.choice("++--x")
    limit = 13 if operation == "x" else draw.choice((20, 100, 100))
    a, b = draw.random.randrange(limit), draw.random.randrange(limit)
    return Problem(max(a, b), "-", min(a, b)) if operation == "-" else Problem(a, operation, b)


_DIGITS = {
    "+": ("What is {a} + {b}?", "How much is {a} + {b}?", "{a} + {b} =", "Add {a} and {b}."),
    "-": ("What is {a} - {b}?", "How much is {a} - {b}?", "{a} - {b} =", "Take {b} from {a}."),
    "x": ("What is {a} x {b}?", "How much is {a} x {b}?", "{a} x {b} =", "Multiply {a} by {b}."),
}
_WORDS = {
    "+": ("What is {a} plus {b}? Answer in words.", "In words: {a} plus {b}."),
    "-": ("What is {a} minus {b}? Answer in words.", "In words: {a} minus {b}."),
    "x": ("What is {a} times {b}? Answer in words.", "In words: {a} times {b}."),
}
_STORIES = {
    "+": "{name} has {a} shells and finds {b} more. How many are there now?",
    "-": "{name} has {a} shells and gives {b} away. How many are left?",
    "x": "{name} has {a} boxes with {b} shells in each. How many shells is that?",
}


def arithmetic(draw: Draw) -> Example:
    """A sum, difference or product: in digits, in words where it fits, or as a short story."""

    def ask() -> Asked:
        a, operation, b = each = problem(draw)
        form = draw.random.random()
        if form < 0.2 and each.result < 100:
            question = draw.choice(_WORDS[operation]).format(a=number_word(a), b=number_word(b))
            return Asked(question, number_word(each.result), each.key)
        question = _STORIES[operation] if form > 0.85 else draw.choice(_DIGITS[operation])
        return Asked(question.format(a=a, b=b, name=draw.choice(NAMES)), str(each.result), each.key)

    return draw.example("arithmetic", ask)


def sums_page(draw: Draw) -> Example:
    """Plain text: a column of solved problems."""
    asked = [draw.asked(lambda: _line(draw)) for _ in range(draw.random.randint(4, 10))]
    text = "\n".join(f"{each.question} {each.answer}" for each in asked) + "\n"
    return Example("sums_page", (Turn((), text),), tuple(each.key for each in asked))


def _line(draw: Draw) -> Asked:
    each = problem(draw)
    return Asked(f"{each.a} {each.operation} {each.b} =", str(each.result), each.key)
