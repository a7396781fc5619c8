"""Sums and differences to two digits, answered with the problem restated.

What is held out is the problem, 12 + 7 and 7 + 12 alike.

>>> problem = Problem(9, "-", 4)
>>> problem.solved, problem.key, Problem(12, "+", 7).key == Problem(7, "+", 12).key
('9 - 4 = 5', 'arithmetic:9-4', True)
"""

from typing import NamedTuple

from .draw import Draw
from .examples import Example, ask

MOST = 8  # problems in one example, in training


class Problem(NamedTuple):
    """Two numbers and what to do with them: "+" or "-"."""

    a: int
    operation: str
    b: int

    @property
    def result(self) -> int:
        """What comes out."""
        return self.a + self.b if self.operation == "+" else self.a - self.b

    @property
    def solved(self) -> str:
        """The problem with its result."""
        return f"{self.a} {self.operation} {self.b} = {self.result}"

    @property
    def key(self) -> str:
        """The same for both orders where the order does not matter."""
        a, b = (self.a, self.b) if self.operation == "-" else sorted((self.a, self.b))
        return f"arithmetic:{a}{self.operation}{b}"


def problem(draw: Draw) -> Problem:
    """Numbers to 99; no result is below zero."""

    def make() -> Problem:
        limit = draw.choice((20, 100, 100))
        a, b = draw.random.randrange(limit), draw.random.randrange(limit)
        operation = draw.choice("+-")
        return Problem(max(a, b), "-", min(a, b)) if operation == "-" else Problem(a, operation, b)

    return draw.until_own(make, lambda each: each.key)


_QUESTIONS = {
    "+": ("What is {a} + {b}?", "Add {a} and {b}.", "{a} + {b}?"),
    "-": ("What is {a} - {b}?", "Take {b} from {a}.", "{a} - {b}?"),
}


def arithmetic(draw: Draw) -> Example:
    """Problems that have nothing to do with each other."""
    problems = [problem(draw) for _ in range(MOST)]
    asked = [
        ask(draw.choice(_QUESTIONS[each.operation]).format(a=each.a, b=each.b), each.solved)
        for each in problems
    ]
    return Example("arithmetic", (), tuple(asked), problems[0].key)
