"""Short stories from a grammar, which keeps track of who is where and who holds what.

So the text can be long, and a question at its end still has one exact answer. What is held out is
the company: the first person together with the thing that the story is about.

>>> from gemma3_edu.train.data.draw import Draw
>>> print(Story(Draw("any", "train"), steps=3).text)
One morning, Dora found a ring in the garage. Lea was in the village. Lea came to the garage. Lea
walked to the tower. A bird was singing.
"""

from .draw import Asked, Draw
from .examples import Example, Turn
from .words import NAMES, PLACES, THINGS

_OPENINGS = ("One morning,", "Long ago,", "One day,", "Last winter,", "On a rainy day,", "At noon,")
_GO = ("walked to", "ran to", "went to", "hurried to", "came to")
_ASIDES = (
    "The sun was shining.",
    "It began to rain.",
    "A bird was singing.",
    "Nobody else was there.",
    "It was very quiet.",
    "The wind was cold.",
    "Everyone was happy.",
    "{0} laughed.",
    "{0} was tired.",
    "{0} sang a song.",
    "{0} looked at the sky.",
    "{0} had an idea.",
    "{0} thought of {1}.",
)
_ENDINGS = (
    "That was a good day.",
    "Then everyone went to sleep.",
    "And so the story ends.",
    "They never forgot it.",
    "",
)


class Story:
    """Two or three people, two or three places, one thing, and what happens to it.

    `text` is the story; `place` says where each person is at the end; `holder` has the thing, or
    is None where it lies in `lies_in`.
    """

    def __init__(self, draw: Draw, steps: int) -> None:
        self.draw = draw
        self.people = draw.random.sample(NAMES, draw.choice((2, 2, 3)))
        self.places = draw.random.sample(PLACES, draw.choice((2, 3)))
        self.thing = draw.choice(THINGS)
        self.place = {name: draw.choice(self.places) for name in self.people}
        self.holder: str | None = self.people[0]
        self.lies_in = ""
        self.sentences = self._beginning()
        for _ in range(steps):
            self._step(draw.choice(self.people))

    @property
    def text(self) -> str:
        """The story so far."""
        return " ".join(self.sentences)

    @property
    def key(self) -> str:
        """The content that decides the split."""
        return f"story:{self.people[0]} {self.thing}"

    @property
    def thing_is_in(self) -> str:
        """The place of the thing, wherever its holder took it."""
        return self.place[self.holder] if self.holder else self.lies_in

    def _beginning(self) -> list[str]:
        first, *others = self.people
        article = "an" if self.thing[0] in "aeiou" else "a"
        opening = self.draw.choice(_OPENINGS)
        found = f"{opening} {first} found {article} {self.thing} in the {self.place[first]}."
        return [found, *(f"{name} was in the {self.place[name]}." for name in others)]

    def _step(self, name: str) -> None:
        """One more thing happens: what may happen depends on who is where."""
        here = self.place[name]
        beside = [other for other in self.people if other != name and self.place[other] == here]
        can = ["go", "go", "aside"]
        if self.holder == name:
            can += ["drop"] + ["give"] * 3 * bool(beside)
        if self.holder is None and self.lies_in == here:
            can += ["take"] * 3
        if beside:
            can.append("meet")
        self.sentences.append(self._tell(self.draw.choice(can), name, beside))

    def _tell(self, what: str, name: str, beside: list[str]) -> str:
        draw, thing = self.draw, self.thing
        if what == "go":
            self.place[name] = draw.choice([p for p in self.places if p != self.place[name]])
            carrying = f" with the {thing}" if self.holder == name and draw.chance(0.3) else ""
            return f"{name} {draw.choice(_GO)} the {self.place[name]}{carrying}."
        if what == "drop":
            self.holder, self.lies_in = None, self.place[name]
            return draw.choice((f"{name} put the {thing} down.", f"{name} left the {thing} there."))
        if what == "give":
            self.holder = draw.choice(beside)
            return f"{name} gave the {thing} to {self.holder}."
        if what == "take":
            self.holder = name
            return draw.choice((f"{name} took the {thing}.", f"{name} picked up the {thing}."))
        if what == "meet":
            return f"{name} met {draw.choice(beside)} there and said hello."
        return draw.choice(_ASIDES).format(*self.draw.random.sample(self.people, 2))


def story(draw: Draw) -> Example:
    """Plain text: a story of five to fifteen sentences."""
    made = draw.until_own(lambda: Story(draw, draw.random.randint(3, 12)), lambda s: s.key)
    text = f"{made.text} {draw.choice(_ENDINGS)}".strip() + "\n"
    return Example("story", (Turn((), text),), (made.key,))


def tell(draw: Draw) -> Example:
    """A story asked for. Many would be right, so it is no task to be scored."""
    made = draw.until_own(lambda: Story(draw, draw.random.randint(2, 5)), lambda s: s.key)
    question = f"Tell me a short story about {made.people[0]} and a {made.thing}."
    return Example("tell", (Turn((question,), f"{made.text} The end."),), (made.key,))


def story_question(draw: Draw) -> Example:
    """Where is the thing, where is somebody, who has it: at the end of a story."""

    def ask() -> Asked:
        made = Story(draw, draw.random.randint(2, 8))
        name = draw.choice(made.people)
        kinds = [
            (f"Where is the {made.thing} now?", f"in the {made.thing_is_in}"),
            (f"Where is {name} now?", f"in the {made.place[name]}"),
            (f"Who has the {made.thing} now?", made.holder or "nobody"),
        ]
        question, answer = draw.choice(kinds)
        return Asked(f"{made.text}\n{question}", answer, made.key)

    return draw.example("story_question", ask)
