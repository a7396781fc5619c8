"""Receipts and small tables: the price of one thing, a line, the sum, a cell.

What is held out: for a price the pair of food and price; for a sum the prices that are added,
in any order; for a cell its row, column and number.

>>> from gemma3_edu.train.data.draw import Draw
>>> TASKS["sum"](Draw("any", "test")).pictures[0].caption
'a receipt: milk 1, flour 16'
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from .draw import Asked, Draw, Question
from .drawing import Canvas, Colour, Picture, width_per_em
from .examples import Example
from .lists import ORDINALS
from .paper import font_name, ground_and_ink, photographed
from .words import FOODS

Line = tuple[str, int]
SMALL = 20  # prices that are to be added up do not pass this


@dataclass(frozen=True)
class Receipt:
    """Two to four foods with prices, from top to bottom."""

    lines: tuple[Line, ...]


def receipt(draw: Draw) -> Receipt:
    """All foods and all prices differ."""
    dearest = draw.choice((SMALL, 99))
    lines: dict[str, int] = {}
    wanted = draw.random.randint(2, 4)
    while len(lines) < wanted:
        food, price = draw.until_shown(
            lambda: (draw.choice(FOODS), draw.random.randint(1, dearest)), price_key
        )
        if price not in lines.values():
            lines.setdefault(food, price)
    return Receipt(tuple(lines.items()))


def price_key(line: Line) -> str:
    """The content that decides the split of a line."""
    return f"price:{line[0]} {line[1]}"


def render(draw: Draw, lines: tuple[tuple[str, str], ...], side: int, caption: str) -> Picture:
    """Lines of two columns, the second flush right, as large as fits or smaller."""
    name = font_name(draw)
    image, ink = ground_and_ink(draw, (side, side))
    canvas = Canvas(image)
    widest = max(width_per_em(name, f"{left}  {right}") for left, right in lines)
    size = int(side * min(0.17, 0.94 / widest) * draw.random.uniform(0.88, 1))
    width = draw.random.uniform(min(0.96 * side, widest * size), 0.96 * side)
    step = size * draw.random.uniform(1.1, min(1.5, 0.97 * side / size / len(lines)))
    x = draw.random.uniform(0.02 * side, 0.98 * side - width)
    top = draw.random.uniform(0.01 * side, 0.99 * side - step * len(lines))
    capital = draw.setting.varied and draw.chance(0.2)
    for row, (left, right) in enumerate(lines):
        y = top + step * row + 0.8 * size + (step - size) / 2
        canvas.text((x, y), left.title() if capital else left, name, size, ink)
        canvas.text((x + width - width_per_em(name, right) * size, y), right, name, size, ink)
    if draw.chance(0.3):
        _frame(canvas, (x, top, x + width, top + step * len(lines)), ink)
    return photographed(draw, canvas, caption)


def _frame(canvas: Canvas, box: tuple[float, float, float, float], ink: Colour) -> None:
    left, top, right, bottom = box
    canvas.line((left, top), (right, top), ink)
    canvas.line((left, bottom), (right, bottom), ink)


def _price(draw: Draw, receipt: Receipt) -> Asked:
    food, price = draw.choice(receipt.lines)
    question = draw.choice(("What is the price of {}?", "How much for {}?", "What does {} cost?"))
    return Asked(question.format(food), str(price), price_key((food, price)))


def _which(draw: Draw, receipt: Receipt) -> Asked:
    food, price = draw.choice(receipt.lines)
    return Asked(f"What costs {price}?", food, price_key((food, price)))


def _line(draw: Draw, receipt: Receipt) -> Asked:
    row = draw.random.randrange(len(receipt.lines))
    food, price = receipt.lines[row]
    where = "last" if row == len(receipt.lines) - 1 and draw.chance(0.5) else ORDINALS[row]
    return Asked(f"Read the {where} line.", f"{food} {price}", price_key((food, price)))


def _dearest(draw: Draw, receipt: Receipt) -> Asked:
    food, price = max(receipt.lines, key=lambda line: line[1])
    return Asked("What costs most?", food, price_key((food, price)))


def _sum(draw: Draw, receipt: Receipt) -> Asked | None:
    prices = sorted(price for _, price in receipt.lines)
    if prices[-1] > SMALL:
        return None
    question = draw.choice(("What is the total?", "What is the sum?", "How much is it in all?"))
    return Asked(question, str(sum(prices)), f"total:{'+'.join(map(str, prices))}")


_ABOUT_RECEIPTS: dict[str, Question[Receipt]] = {
    "price": _price,
    "which": _which,
    "line": _line,
    "dearest": _dearest,
    "sum": _sum,
}


@dataclass(frozen=True)
class Table:
    """Numbers in two or three columns, named by letters, and one to three rows, named by foods."""

    columns: tuple[str, ...]
    rows: tuple[str, ...]
    numbers: dict[tuple[str, str], int]


def table(draw: Draw) -> Table:
    """All names and all numbers differ."""
    columns = tuple("ABC"[: draw.random.randint(2, 3)])
    short = tuple(food for food in FOODS if len(food) <= 4)
    rows = tuple(draw.random.sample(short, draw.random.randint(1, 3)))
    numbers: dict[tuple[str, str], int] = {}
    for cell in ((row, column) for row in rows for column in columns):
        while cell not in numbers:
            key = partial(_cell_key, cell)
            number = draw.until_shown(lambda: draw.random.randint(10, 99), key)
            if number not in numbers.values():
                numbers[cell] = number
    return Table(columns, rows, numbers)


def _cell_key(cell: tuple[str, str], number: int) -> str:
    return f"cell:{cell[0]} {cell[1]} {number}"


def render_table(draw: Draw, table: Table, side: int) -> Picture:
    """Column names above, row names at the left, everything in columns of equal width."""
    name = font_name(draw)
    image, ink = ground_and_ink(draw, (side, side))
    canvas = Canvas(image)
    first = max(width_per_em(name, row) for row in table.rows) + 0.5
    other = width_per_em(name, "88") + 0.5
    size = int(side * min(0.17, 0.96 / (first + other * len(table.columns))))
    step = size * draw.random.uniform(1.15, min(1.6, 0.97 * side / size / (1 + len(table.rows))))
    x = draw.random.uniform(1, side - size * (first + other * len(table.columns)))
    top = draw.random.uniform(1, 0.99 * side - step * (1 + len(table.rows)))
    for at, line in enumerate(("", *table.rows)):
        y = top + step * at + 0.85 * size
        canvas.text((x, y), line, name, size, ink)
        for place, column in enumerate(table.columns):
            text = str(table.numbers[line, column]) if line else column
            canvas.text((x + size * (first + other * place), y), text, name, size, ink)
    if draw.chance(0.5):
        canvas.line((x, top + step), (side - x, top + step), ink)
    cells = ", ".join(f"{row} {column} {n}" for (row, column), n in table.numbers.items())
    return photographed(draw, canvas, f"a table: {cells}")


def _cell(draw: Draw, table: Table) -> Asked:
    (row, column), number = draw.choice(tuple(table.numbers.items()))
    question = draw.choice(
        (f"What is {column} of {row}?", f"What stands in row {row}, column {column}?")
    )
    return Asked(question, str(number), _cell_key((row, column), number))


def _row(draw: Draw, table: Table) -> Asked:
    row = draw.choice(table.rows)
    numbers = [table.numbers[row, column] for column in table.columns]
    key = _cell_key((row, "A"), numbers[0])
    return Asked(f"Read the numbers of {row}.", " ".join(map(str, numbers)), key)


_ABOUT_TABLES: dict[str, Question[Table]] = {"cell": _cell, "row": _row}


def _show(draw: Draw, receipt: Receipt) -> list[Picture]:
    lines = tuple((food, str(price)) for food, price in receipt.lines)
    caption = f"a receipt: {', '.join(' '.join(line) for line in lines)}"
    return [render(draw, lines, draw.setting.side, caption)]


def _ask_receipt(draw: Draw, task: str) -> Example:
    return draw.interview(task, _ABOUT_RECEIPTS, lambda: receipt(draw), partial(_show, draw))


def _ask_table(draw: Draw, task: str) -> Example:
    side = draw.setting.side
    return draw.interview(
        task, _ABOUT_TABLES, lambda: table(draw), lambda made: [render_table(draw, made, side)]
    )


TASKS: dict[str, Callable[[Draw], Example]] = {
    **{task: partial(_ask_receipt, task=task) for task in _ABOUT_RECEIPTS},
    **{task: partial(_ask_table, task=task) for task in _ABOUT_TABLES},
}
