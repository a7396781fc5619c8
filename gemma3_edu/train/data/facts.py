"""Facts that stand in the prompt, and questions about them: who, where, what, how many.

Nothing has to be known beforehand: names and facts are put together by chance, and what is held out
is the pair, "Mia has 7 lamps".

>>> Fact("Mia", "has", "7 lamps").sentence
'Mia has 7 lamps.'
"""

from typing import NamedTuple

from .draw import Asked, Draw
from .examples import Example, Turn
from .splits import may_show
from .words import ANIMALS, FOODS, NAMES, PLACES, THINGS


class Fact(NamedTuple):
    """A name, a relation and its other end."""

    name: str
    relation: str
    value: str

    @property
    def sentence(self) -> str:
        """The fact said."""
        return f"{self.name} {self.relation} {self.value}."

    @property
    def key(self) -> str:
        """The content that decides the split."""
        return f"fact:{self.name} {self.value}"


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


def _fact(draw: Draw, name: str, taken: set[str]) -> Fact:
    """Something about this name that is said of no other."""

    def make() -> Fact:
        relation = draw.choice(("is in the", "has", "likes", "is afraid of the"))
        if relation == "has":
            noun = draw.choice(THINGS)
            number = draw.random.randint(2, 20)
            return Fact(name, relation, f"{number} {plural(noun)}")
        values = {"is in the": PLACES, "likes": FOODS, "is afraid of the": ANIMALS}[relation]
        return Fact(name, relation, draw.choice(values))

    while True:
        fact = make()
        if may_show(fact.key, draw.split) and fact.value.split()[-1] not in taken:
            taken.add(fact.value.split()[-1])
            return fact


def _facts(draw: Draw, least: int, most: int) -> list[Fact]:
    taken: set[str] = set()
    names = draw.random.sample(NAMES, draw.random.randint(least, most))
    return [_fact(draw, name, taken) for name in names]


def _question(draw: Draw, fact: Fact) -> Asked:
    name, relation, value = fact
    if draw.chance(0.4):
        return Asked(f"Who {relation} {value}?", name, fact.key)
    if relation == "has":
        number, things = value.split()
        question = draw.choice(
            (f"How many {things} does {name} have?", f"How many {things} has {name} got?")
        )
        return Asked(question, number, fact.key)
    question = {
        "is in the": f"Where is {name}?",
        "likes": f"What does {name} like?",
        "is afraid of the": f"What is {name} afraid of?",
    }[relation]
    before = {"is in the": "in the ", "likes": "", "is afraid of the": "the "}[relation]
    return Asked(question, before + value, fact.key)


def facts(draw: Draw) -> Example:
    """Two to six facts and a question about one of them, before them or after."""

    def ask() -> Asked:
        all_facts = _facts(draw, 2, 6)
        question, answer, key = _question(draw, draw.choice(all_facts))
        told = " ".join(fact.sentence for fact in all_facts)
        before = draw.chance(0.2)
        return Asked(f"{question}\n{told}" if before else f"{told}\n{question}", answer, key)

    return draw.example("facts", ask)


def facts_page(draw: Draw) -> Example:
    """Plain text: facts, then a question about one of them and its answer."""
    told = draw.until_own(lambda: _facts(draw, 3, 6), lambda made: made[0].key)
    question, answer, key = _question(draw, told[0])
    draw.random.shuffle(told)
    sentences = [*(fact.sentence for fact in told), question]
    text = f"{' '.join(sentences)} {answer[0].upper()}{answer[1:]}.\n"
    return Example("facts_page", (Turn((), text),), (key,))
