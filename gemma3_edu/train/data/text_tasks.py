"""All kinds of text examples by name: questions with exact answers, and plain pages.

>>> from gemma3_edu.train.data.draw import Draw
>>> for name in ("dates", "sorting"):
...     turn = QUESTIONS[name](Draw("7", "train")).turns[0]
...     print(turn.question[0], "->", turn.answer)
Today is 6 October 2028. What date is it in 2 days? -> 8 October 2028
Sort, smallest first: 38, 99, 25, 58 -> 25, 38, 58, 99
"""

from collections.abc import Callable

from . import arithmetic, code, dates, dialogues, facts, languages, lists, needles, stories
from .draw import Draw
from .examples import Example, Turn
from .prose import chunk


def prose(draw: Draw) -> Example:
    """Plain text: a stretch of real prose, cut at a word, as long as the setting allows."""
    setting = draw.setting
    text = chunk(setting.prose, draw.split, draw.random, 4 * setting.length)
    while (tokens := setting.count(text)) >= setting.length:
        cut = text.rfind(" ", 0, int(len(text) * (setting.length - 1) / tokens))
        text = text[: max(1, cut)]
    return Example("prose", (Turn((), text),), ())


Task = Callable[[Draw], Example]

QUESTIONS: dict[str, Task] = {
    "arithmetic": arithmetic.arithmetic,
    "facts": facts.facts,
    "story_question": stories.story_question,
    "dates": dates.dates,
    "copying": lists.copying,
    "listing": lists.listing,
    "sorting": lists.sorting,
    "reversing": lists.reversing,
    "counting": lists.counting,
    "nth": lists.nth,
    "spelling": lists.spelling,
    "code": code.code,
    "languages": languages.languages,
    "needle": needles.needles,
    "chat": dialogues.chat,
    "stopping": dialogues.stopping,
    "tell": stories.tell,
}
"""Asked and answered. All but `tell` have one right answer."""

PAGES: dict[str, Task] = {
    "prose": prose,
    "story": stories.story,
    "sums_page": arithmetic.sums_page,
    "facts_page": facts.facts_page,
    "calendar_page": dates.calendar_page,
    "numbers_page": languages.numbers_page,
    "code_page": code.code_page,
}
"""Documents, for pre-training: nobody asks."""
