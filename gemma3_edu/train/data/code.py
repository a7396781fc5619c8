"""Small Python programs and what they print.

What is held out is the program as a whole.

>>> from gemma3_edu.train.data.draw import Draw
>>> source, printed = program(Draw("18", "train"))
>>> print(source)
print("pony"[0])
>>> printed
'p'
"""

from .draw import Asked, Draw
from .examples import Example, Turn
from .words import ANIMALS, FOODS, THINGS

_WORDS = ANIMALS + FOODS + THINGS


def _arithmetic(draw: Draw) -> tuple[str, object]:
    a, b = draw.random.randint(2, 20), draw.random.randint(2, 12)
    sign = draw.choice("+-*")
    value = {"+": a + b, "-": a - b, "*": a * b}[sign]
    if draw.chance(0.5):
        return f"x = {a}\ny = {b}\nprint(x {sign} y)", value
    return f"print({a} {sign} {b})", value


def _change(draw: Draw) -> tuple[str, object]:
    a, b, c = (draw.random.randint(1, 12) for _ in range(3))
    return f"x = {a}\nx = x + {b}\nx = x - {c}\nprint(x)", a + b - c


def _string(draw: Draw) -> tuple[str, object]:
    word, times = draw.choice(_WORDS), draw.random.randint(2, 3)
    calls: dict[str, object] = {
        f'len("{word}")': len(word),
        f'"{word}" * {times}': word * times,
        f'"{word}".upper()': word.upper(),
        f'"{word}"[0]': word[0],
        f'"{word}"[-1]': word[-1],
        f'"{word}"[::-1]': word[::-1],
        f'"{word[0]}" in "{word}"': True,
        f'"{word}" + "s"': word + "s",
    }
    call = draw.choice(tuple(calls))
    return f"print({call})", calls[call]


def _list(draw: Draw) -> tuple[str, object]:
    items = draw.random.sample(range(1, 30), draw.random.randint(3, 5))
    at = draw.random.randrange(len(items))
    calls: dict[str, object] = {
        f"a[{at}]": items[at],
        "a[-1]": items[-1],
        "len(a)": len(items),
        "max(a)": max(items),
        "min(a)": min(items),
        "sorted(a)": sorted(items),
        "a[1:]": items[1:],
    }
    call = draw.choice(tuple(calls))
    return f"a = {items}\nprint({call})", calls[call]


def _loop(draw: Draw) -> tuple[str, object]:
    times, step = draw.random.randint(2, 9), draw.random.randint(1, 9)
    if draw.chance(0.5):
        source = f"n = 0\nfor i in range({times}):\n    n = n + {step}\nprint(n)"
        return source, times * step
    start = draw.random.randint(0, 20)
    numbers = range(start, start + times)
    source = f"for i in range({start}, {start + times}):\n    print(i)"
    return source, "\n".join(map(str, numbers))


def _branch(draw: Draw) -> tuple[str, object]:
    x, limit = draw.random.randint(0, 30), draw.random.randint(0, 30)
    yes, no = draw.random.sample(_WORDS, 2)
    source = f'x = {x}\nif x > {limit}:\n    print("{yes}")\nelse:\n    print("{no}")'
    return source, yes if x > limit else no


def _function(draw: Draw) -> tuple[str, object]:
    factor, x = draw.random.randint(2, 9), draw.random.randint(1, 10)
    return f"def f(x):\n    return {factor} * x\n\nprint(f({x}))", factor * x


_KINDS = (_arithmetic, _change, _string, _list, _loop, _branch, _function)


def program(draw: Draw) -> tuple[str, str]:
    """The source, and what it prints without the newline at its end."""
    source, printed = draw.choice(_KINDS)(draw)
    return source, str(printed)


def code(draw: Draw) -> Example:
    """What does this print?"""

    def ask() -> Asked:
        source, printed = program(draw)
        question = draw.choice(("What does this print?\n{}", "{}\nWhat is printed?"))
        return Asked(question.format(source), printed, f"code:{source}")

    return draw.example("code", ask)


def code_page(draw: Draw) -> Example:
    """Plain text: programs, each with its output in comments."""
    wanted, outputs = draw.random.randint(2, 4), dict[str, str]()
    while len(outputs) < wanted:
        source, printed = draw.until_own(lambda: program(draw), lambda made: f"code:{made[0]}")
        outputs[source] = printed.replace("\n", "\n# ")
    text = "\n".join(f"{source}\n# {output}\n" for source, output in outputs.items())
    keys = tuple(f"code:{source}" for source in outputs)
    return Example("code_page", (Turn((), text),), keys)
