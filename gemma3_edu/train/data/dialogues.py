"""Conversations over two turns: the second answer depends on the first turn.

What is held out is what the conversation is about: a sum, a list, a name with a food.

>>> from gemma3_edu.train.data.draw import Draw
>>> for message in chat(Draw("any", "train")).messages():
...     print(f"{message.role}: {message.content[0]}")
user: My name is Dan. I like soup.
model: Hello, Dan!
user: What do I like?
model: You like soup.
"""

from .arithmetic import Problem, problem
from .draw import Draw
from .examples import Example, Turn
from .words import ANIMALS, FOODS, NAMES, THINGS

MOST = 3  # conversations in one example, in training
_Talk = tuple[str, tuple[Turn, Turn]]  # a key; two turns


def _sum(draw: Draw) -> _Talk:
    first = problem(draw)

    def more() -> Problem:
        number, start = draw.random.randint(1, 20), first.result
        return Problem(start, draw.choice("+-") if number <= start else "+", number)

    def fair() -> Problem:
        return draw.until_shown(more, lambda each: each.last.key)

    second = draw.until_shown(fair, lambda each: each.key)
    then = {"-": "Now take away {}.", "+": "Now add {}."}[second.operation].format(second.b)
    question = f"What is {first.a} {first.operation} {first.b}?"
    return first.key, (Turn(question, first.solved), Turn(then, second.solved))


def _name(draw: Draw) -> _Talk:
    name, food = draw.choice(NAMES), draw.choice(FOODS)
    asked, answer = draw.choice(
        (("What is my name?", f"Your name is {name}."), ("What do I like?", f"You like {food}."))
    )
    greeting = f"My name is {name}. I like {food}."
    return f"name:{name} {food}", (Turn(greeting, f"Hello, {name}!"), Turn(asked, answer))


def _list(draw: Draw) -> _Talk:
    *items, new = draw.several(draw.choice((ANIMALS, THINGS, FOODS)), 3, 5)
    opening = Turn(f"Write a list: {' and '.join(items)}.", ", ".join(items))
    return f"list:{' '.join(items)}", (opening, Turn(f"Add {new}.", ", ".join([*items, new])))


def _remember(draw: Draw) -> _Talk:
    thing, number = draw.choice(THINGS), draw.random.randint(10, 99)
    opening = Turn(f"Remember: the {thing} costs {number}.", "I will remember it.")
    asked = Turn(f"What does the {thing} cost?", f"The {thing} costs {number}.")
    return f"cost:{thing} {number}", (opening, asked)


def chat(draw: Draw) -> Example:
    """Two turns: the second cannot be answered without the first."""

    def make() -> _Talk:
        return draw.choice((_sum, _name, _list, _remember))(draw)

    talks = [draw.until_own(make, lambda talk: talk[0]) for _ in range(MOST)]
    return Example("chat", (), tuple(turns for _, turns in talks), talks[0][0])
