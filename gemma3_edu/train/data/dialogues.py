"""Conversations over two turns, and instructions about how much to say.

The second answer of a conversation depends on the first. What is held out is what the conversation
is about: a sum, a list, a name with a fact.

>>> from gemma3_edu.train.data.draw import Draw
>>> for message in chat(Draw("any", "train")).messages():
...     print(f"{message.role}: {message.content[0]}")
user: I am Dan and I like salt.
model: Hello, Dan!
user: What do I like?
model: salt
"""

from .arithmetic import Problem, problem
from .draw import Asked, Draw
from .examples import Example, Turn
from .lists import ORDINALS
from .words import ANIMALS, FOODS, NAMES, THINGS, WORDS

_Talk = tuple[str, list[tuple[str, str]]]  # a key; questions and answers


def _sum(draw: Draw) -> _Talk:
    first = draw.until_shown(lambda: problem(draw), lambda each: each.key)
    start = first.result

    def more() -> Problem:
        number = draw.random.randint(1, 20)
        return Problem(start, draw.choice("+-") if number <= start else "+", number)

    second = draw.until_shown(more, lambda each: each.key)
    then = {"-": "Now take away {}.", "+": "Now add {}."}[second.operation].format(second.b)
    question = f"What is {first.a} {first.operation} {first.b}?"
    return first.key, [(question, str(first.result)), (then, str(second.result))]


def _name(draw: Draw) -> _Talk:
    name, food = draw.choice(NAMES), draw.choice(FOODS)
    asked, answer = draw.choice((("What is my name?", name), ("What do I like?", food)))
    greeting = draw.choice(
        (f"My name is {name}. I like {food}.", f"I am {name} and I like {food}.")
    )
    return f"fact:{name} {food}", [(greeting, f"Hello, {name}!"), (asked, answer)]


def _list(draw: Draw) -> _Talk:
    items = draw.random.sample(draw.choice((ANIMALS, THINGS, FOODS)), draw.random.randint(2, 4))
    new = draw.choice([item for item in ANIMALS + THINGS + FOODS if item not in items])
    at = draw.random.randrange(len(items))
    asked, answer = draw.choice(
        (
            (f"Which is {ORDINALS[at]}?", items[at]),
            (f"Add {new}.", ", ".join([*items, new])),
            ("Now backwards.", ", ".join(reversed(items))),
            ("How many are there?", str(len(items))),
        )
    )
    listed = ", ".join(items)
    opening = f"Write a list: {' and '.join(items)}."
    return f"list:{' '.join(items)}", [(opening, listed), (asked, answer)]


def _word(draw: Draw) -> _Talk:
    word = draw.choice(WORDS)
    asked, answer = draw.choice(
        (
            ("Now in capital letters.", word.upper()),
            ("How many letters has it?", str(len(word))),
            ("Spell it.", " ".join(word)),
            ("Say it twice.", f"{word} {word}"),
        )
    )
    return f"word:{word}", [(f'Say "{word}".', word), (asked, answer)]


def _remember(draw: Draw) -> _Talk:
    thing, number = draw.choice(THINGS), draw.random.randint(10, 99)
    turns = [
        (f"Remember: the {thing} costs {number}.", "I will."),
        (f"What does the {thing} cost?", str(number)),
    ]
    return f"cost:{thing} {number}", turns


def chat(draw: Draw) -> Example:
    """Two turns: the second cannot be answered without the first."""
    kinds = (_sum, _name, _list, _word, _remember)
    key, turns = draw.until_own(lambda: draw.choice(kinds)(draw), lambda talk: talk[0])
    return Example("chat", tuple(Turn((q,), a) for q, a in turns), (key,))


def stopping(draw: Draw) -> Example:
    """Say so much and no more."""

    def ask() -> Asked:
        word, other = draw.random.sample(WORDS, 2)
        number = draw.random.randint(2, 9)
        question, answer = draw.choice(
            (
                (f'Say only "{word}".', word),
                (f'Write "{word}" {number} times.', " ".join([word] * number)),
                (f"Count to {number} and stop.", ", ".join(map(str, range(1, number + 1)))),
                (
                    f'Answer with one word: "{word}" or "{other}", which is longer?',
                    _longer(word, other),
                ),
                (f'Say "{word}", then "{other}", then nothing more.', f"{word} {other}"),
            )
        )
        return Asked(question, answer, f"stop:{question}")

    return draw.example("stopping", ask)


def _longer(word: str, other: str) -> str:
    if len(word) == len(other):
        return "neither"
    return word if len(word) > len(other) else other
