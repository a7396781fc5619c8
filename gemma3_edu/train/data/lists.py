"""Working on what stands in the prompt: copying, sorting, reversing, counting, listing, spelling.

What is held out is the list as a whole; for spelling it is the word, which then is unseen in
pictures too.

>>> from gemma3_edu.train.data.draw import Draw
>>> sorting(Draw("any", "train")).turns[0].answer
'93, 77, 72, 52, 19, 3'
"""

import string

from .draw import Asked, Draw
from .examples import Example
from .words import ANIMALS, FOODS, NAMES, THINGS, WORDS, invented

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_POOLS = (WORDS, FOODS, ANIMALS, THINGS, NAMES)


def _items(draw: Draw, least: int, most: int) -> list[str]:
    return draw.random.sample(draw.choice(_POOLS), draw.random.randint(least, most))


def _key(kind: str, items: list[str]) -> str:
    return f"{kind}:{' '.join(items)}"


def copying(draw: Draw) -> Example:
    """Repeat words, digits, letters or a short line, exactly."""

    def ask() -> Asked:
        form = draw.random.randrange(4)
        if form == 0:
            text = " ".join(_items(draw, 1, 8))
        elif form == 1:
            text = "".join(draw.choice(string.digits) for _ in range(draw.random.randint(3, 12)))
        elif form == 2:
            text = " ".join(invented(draw.random) for _ in range(draw.random.randint(1, 4)))
        else:
            letters = string.ascii_letters + string.digits + "-+#."
            text = "".join(draw.choice(letters) for _ in range(draw.random.randint(3, 8)))
        form_of_question = (
            "Repeat: {}",
            "Copy this exactly: {}",
            "Say this again: {}",
            "{}\nRepeat.",
        )
        return Asked(draw.choice(form_of_question).format(text), text, f"copy:{text}")

    return draw.example("copying", ask)


def sorting(draw: Draw) -> Example:
    """Words by the alphabet, numbers by size, smallest or largest first."""

    def ask() -> Asked:
        if draw.chance(0.5):
            items = _items(draw, 3, 5)
            order = sorted(items, key=str.lower)
            question = draw.choice(("Sort by the alphabet: {}", "Put in alphabetical order: {}"))
        else:
            numbers = draw.random.sample(range(100), draw.random.randint(3, 6))
            down = draw.chance(0.3)
            items = [str(number) for number in numbers]
            order = [str(number) for number in sorted(numbers, reverse=down)]
            question = "Sort, largest first: {}" if down else "Sort, smallest first: {}"
        return Asked(question.format(", ".join(items)), ", ".join(order), _key("sort", items))

    return draw.example("sorting", ask)


def reversing(draw: Draw) -> Example:
    """A list of words, or a number digit by digit, from the end to the beginning."""

    def ask() -> Asked:
        if draw.chance(0.6):
            items = _items(draw, 2, 5)
            question = f"Reverse this list: {', '.join(items)}"
            return Asked(question, ", ".join(reversed(items)), _key("reverse", items))
        digits = "".join(draw.choice(string.digits) for _ in range(draw.random.randint(2, 6)))
        return Asked(f"Write {digits} backwards.", digits[::-1], f"reverse:{digits}")

    return draw.example("reversing", ask)


def counting(draw: Draw) -> Example:
    """How many items a list has, how often one occurs, or the letters of a word."""

    def ask() -> Asked:
        form = draw.random.randrange(3)
        if form == 0:
            items = _items(draw, 1, 9)
            question = f"How many words are in this list? {', '.join(items)}"
            return Asked(question, str(len(items)), _key("count", items))
        if form == 1:
            word, other, *_ = _items(draw, 2, 2)
            items = [draw.choice((word, other)) for _ in range(draw.random.randint(3, 9))]
            question = f'How often does "{word}" occur? {", ".join(items)}'
            return Asked(question, str(items.count(word)), _key("count", items))
        word = _word(draw)
        return Asked(f'How many letters has "{word}"?', str(len(word)), f"word:{word}")

    return draw.example("counting", ask)


def nth(draw: Draw) -> Example:
    """The n-th item, the last one, or the one after another."""

    def ask() -> Asked:
        items = _items(draw, 3, 7)
        at = draw.random.randrange(len(items))
        form = draw.random.randrange(3)
        if form == 2 and at > 0:
            question, answer = f'What comes after "{items[at - 1]}"?', items[at]
        elif form == 1:
            question, answer = "Which word is last?", items[-1]
        else:
            question, answer = f"Which word is {ORDINALS[at]}?", items[at]
        return Asked(f"{', '.join(items)}\n{question}", answer, _key("nth", items))

    return draw.example("nth", ask)


def listing(draw: Draw) -> Example:
    """Write a list: numbered lines, numbers in a row, or only the items of one kind."""
    return draw.example("listing", lambda: draw.choice((_numbered, _range, _of_a_kind))(draw))


def _numbered(draw: Draw) -> Asked:
    items = _items(draw, 2, 5)
    dashes = draw.chance(0.4)
    marks = ["-"] * len(items) if dashes else [f"{n}." for n in range(1, len(items) + 1)]
    question = "Write as a list with dashes: {}" if dashes else "Write as a numbered list: {}"
    lines = "\n".join(f"{mark} {item}" for mark, item in zip(marks, items, strict=True))
    return Asked(question.format(", ".join(items)), lines, _key("list", items))


def _range(draw: Draw) -> Asked:
    step = draw.choice((1, 1, 1, 2, 5, 10))
    start = draw.random.randrange(0, 60)
    numbers = [start + step * i for i in range(draw.random.randint(3, 8))]
    by = f" in steps of {step}" if step > 1 else ""
    question = f"List the numbers from {numbers[0]} to {numbers[-1]}{by}."
    return Asked(question, ", ".join(map(str, numbers)), f"range:{numbers[0]} {numbers[-1]} {step}")


def _of_a_kind(draw: Draw) -> Asked:
    kinds = {"animals": ANIMALS, "foods": FOODS, "people": NAMES}
    kind = draw.choice(tuple(kinds))
    wanted = draw.random.sample(kinds[kind], draw.random.randint(1, 3))
    other = draw.choice([pool for name, pool in kinds.items() if name != kind])
    items = wanted + draw.random.sample(other, draw.random.randint(1, 3))
    draw.random.shuffle(items)
    answer = ", ".join(item for item in items if item in wanted)
    return Asked(f"List only the {kind}: {', '.join(items)}", answer, _key("list", items))


def _word(draw: Draw) -> str:
    return draw.choice(WORDS) if draw.chance(0.5) else invented(draw.random)


def spelling(draw: Draw) -> Example:
    """From a word to its letters and back, and its first or last letter."""

    def ask() -> Asked:
        word = _word(draw)
        form, key = draw.random.randrange(4), f"word:{word}"
        if form == 0:
            return Asked(f"Which word is spelled {' '.join(word)}?", word, key)
        if form == 1:
            last = draw.chance(0.5)
            question = f'What is the {"last" if last else "first"} letter of "{word}"?'
            return Asked(question, word[-1] if last else word[0], key)
        return Asked(f'Spell "{word}".', " ".join(word), key)

    return draw.example("spelling", ask)
