"""Sums and differences to two digits, answered with the problem restated and its working.

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
        """The problem with its result; tens first, then ones, where both have to be done.

        >>> Problem(23, "+", 19).solved, Problem(23, "+", 20).solved
        ('23 + 19 = 33 + 9 = 42', '23 + 20 = 43')
        """
        begun = f"{self.a} {self.operation} {self.b} = "
        last = self.last
        working = "" if last == self else f"{last.a} {last.operation} {last.b} = "
        return f"{begun}{working}{self.result}"

    @property
    def last(self) -> "Problem":
        """What is left once tens are done, of which the working shows the result as well."""
        tens, ones = divmod(self.b, 10)
        if not (tens and ones):
            return self
        return Problem(Problem(self.a, self.operation, 10 * tens).result, self.operation, ones)

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

    def fair() -> Problem:
        return draw.until_shown(make, lambda each: each.last.key)

    return draw.until_own(fair, lambda each: each.key)


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
