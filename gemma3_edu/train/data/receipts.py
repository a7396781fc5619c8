"""Receipts: the price of one thing, the sum of all, and all lines.

What is held out is the whole receipt, and for a sum its prices, in any order.

>>> from gemma3_edu.train.data.draw import Draw
>>> example = TASKS["sum"](Draw("any", "test"))
>>> example.pictures[0].caption
'a receipt: olive 3, flour 19, cream 10, jam 12'
>>> example.answer
'3 + 19 = 13 + 9 = 22, 22 + 10 = 32, 32 + 12 = 42 + 2 = 44'
"""

import itertools
from collections.abc import Callable
from functools import partial

from .arithmetic import Problem
from .draw import Draw
from .drawing import Canvas, Picture, width_per_em
from .examples import Conversation, Example, ask
from .paper import font_name, ground_and_ink
from .splits import part_of
from .words import FOODS

Receipt = tuple[tuple[str, int], ...]
SMALL = 20  # prices that are to be added up do not pass this


def receipt(draw: Draw, dearest: int = 99) -> Receipt:
    """Two to four foods with prices, from top to bottom; all foods and all prices differ."""

    def make() -> Receipt:
        foods = draw.several(FOODS, 2, 4)
        return tuple(zip(foods, draw.random.sample(range(1, dearest + 1), len(foods)), strict=True))

    if dearest != SMALL:
        return draw.until_own(make, key)
    while True:
        lines = draw.until_own(lambda: draw.until_own(make, key), sum_key)
        # What is added on the way is a problem of its own, which the tests of sums ask for.
        asked = (each for step in steps(lines) for each in (step, step.last))
        if all(part_of(problem.key) in ("train", draw.split) for problem in asked):
            return lines


def key(lines: Receipt) -> str:
    """The content that decides the split of a receipt."""
    return f"receipt:{text(lines)}"


def sum_key(lines: Receipt) -> str:
    """The content that decides the split where prices are added up."""
    return f"total:{'+'.join(str(price) for price in sorted(price for _, price in lines))}"


def text(lines: Receipt) -> str:
    """What stands on a receipt, on one line.

    >>> text((("milk", 3), ("tea", 12)))
    'milk 3, tea 12'
    """
    return ", ".join(f"{food} {price}" for food, price in lines)


def render(draw: Draw, lines: Receipt, side: int) -> Picture:
    """Lines of two columns, the second flush right, as large as fits or smaller."""
    name = font_name(draw)
    image, ink = ground_and_ink(draw, (side, side))
    canvas = Canvas(image)
    widest = max(width_per_em(name, f"{food}  {price}") for food, price in lines)
    size = int(side * min(0.18, 0.94 / widest) * draw.random.uniform(0.88, 1))
    width = draw.random.uniform(min(0.96 * side, widest * size), 0.96 * side)
    step = size * draw.random.uniform(1.1, min(1.5, 0.97 * side / size / len(lines)))
    x = draw.random.uniform(0.02 * side, 0.98 * side - width)
    top = draw.random.uniform(0.01 * side, 0.99 * side - step * len(lines))
    for row, (food, price) in enumerate(lines):
        y = top + step * row + 0.8 * size + (step - size) / 2
        canvas.text((x, y), food, name, size, ink)
        right = x + width - width_per_em(name, str(price)) * size
        canvas.text((right, y), str(price), name, size, ink)
    if draw.chance(0.3):
        for y in (top, top + step * len(lines)):
            canvas.line((x, y), (x + width, y), ink)
    return canvas.picture(f"a receipt: {text(lines)}")


def steps(lines: Receipt) -> list[Problem]:
    """The prices added up, two numbers at a time.

    >>> [step.solved for step in steps((("milk", 12), ("tea", 30), ("oil", 5)))]
    ['12 + 30 = 42', '42 + 5 = 47']
    """
    prices = [price for _, price in lines]
    totals = itertools.accumulate(prices)
    return [Problem(total, "+", price) for total, price in zip(totals, prices[1:], strict=False)]


def _example(draw: Draw, task: str) -> Example:
    lines = receipt(draw, SMALL if task == "sum" else 99)
    prices = [ask(f"What does {food} cost?", f"{food} {price}") for food, price in lines]
    asked: list[Conversation] = draw.shuffled(prices)
    if task == "sum":
        total = ask("What is the total?", ", ".join(step.solved for step in steps(lines)))
        asked = [total, *asked[:2]]
    asked.append(ask("Read the receipt.", text(lines)))
    content = sum_key(lines) if task == "sum" else key(lines)
    return Example(task, (render(draw, lines, draw.setting.side),), tuple(asked), content)


TASKS: dict[str, Callable[[Draw], Example]] = {
    "price": partial(_example, task="price"),
    "sum": partial(_example, task="sum"),
}
