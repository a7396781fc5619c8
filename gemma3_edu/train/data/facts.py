"""Facts that are given in the prompt, and questions about them: where, what, how many, how much.

Nothing has to be known beforehand: facts are put together by chance, and what is held out is all
that is given together. Answers restate what was asked, in the words of the fact.

>>> Fact("Mia", "has", "7 lamps").sentence
'Mia has 7 lamps.'
"""

from typing import NamedTuple

from .draw import Draw
from .examples import Conversation, Example, ask
from .words import ANIMALS, FOODS, NAMES, PLACES, THINGS

MOST = 5  # questions about one text


class Fact(NamedTuple):
    """A name, a relation and its other end."""

    name: str
    relation: str
    value: str

    @property
    def sentence(self) -> str:
        """The fact as a sentence."""
        return f"{self.name} {self.relation} {self.value}."

    def asked(self) -> Conversation:
        """A question about it, and its answer."""
        things = self.value.split()[-1]
        question = {
            "is in the": f"Where is {self.name}?",
            "likes": f"What does {self.name} like?",
            "is afraid of the": f"What is {self.name} afraid of?",
            "has": f"How many {things} does {self.name} have?",
        }[self.relation]
        return ask(question, self.sentence)


def plural(noun: str) -> str:
    """More than one of a thing or animal of `words`.

    >>> [plural(noun) for noun in ("box", "pony", "knife", "monkey", "sheep", "wolf", "mouse")]
    ['boxes', 'ponies', 'knives', 'monkeys', 'sheep', 'wolves', 'mice']
    """
    irregular = {"mouse": "mice", "goose": "geese", "knife": "knives", "wolf": "wolves"}
    irregular |= {"scarf": "scarves", **{same: same for same in ("sheep", "deer", "fish")}}
    if noun in irregular:
        return irregular[noun]
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def _fact(draw: Draw, name: str) -> Fact:
    relation = draw.choice(("is in the", "has", "likes", "is afraid of the"))
    if relation == "has":
        number = draw.random.randint(2, 20)
        return Fact(name, relation, f"{number} {plural(draw.choice(THINGS))}")
    values = {"is in the": PLACES, "likes": FOODS, "is afraid of the": ANIMALS}[relation]
    return Fact(name, relation, draw.choice(values))


def facts(draw: Draw) -> Example:
    """Two to six facts, each of another name."""

    def text(told: list[Fact]) -> str:
        return " ".join(fact.sentence for fact in told)

    told = draw.until_own(
        lambda: [_fact(draw, name) for name in draw.several(NAMES, 2, 6)],
        lambda made: f"facts:{text(made)}",
    )
    asked = [fact.asked() for fact in draw.shuffled(told)]
    return Example("facts", (text(told),), tuple(asked[:MOST]), f"facts:{text(told)}")


def pairs(draw: Draw) -> Example:
    """Two to eight words, each with a number: the plainest form of looking something up."""

    def make() -> str:
        keys = draw.several(draw.choice((FOODS, ANIMALS, THINGS, NAMES)), 2, 8)
        return ", ".join(f"{key} {draw.random.randint(1, 99)}" for key in keys)

    text = draw.until_own(make, "pairs:{}".format)
    found = draw.shuffled(text.split(", "))
    asked = [ask(f"{entry.split()[0]}?", entry) for entry in found]
    return Example("pairs", (text,), tuple(asked[:MOST]), f"pairs:{text}")
