"""All kinds of text examples by name.

>>> from gemma3_edu.train.data.draw import Draw
>>> example = TASKS["facts"](Draw("7", "train"))
>>> example.given[0].count("."), example.conversations[0][0].question, example.answer
(6, 'Where is Tom?', 'Tom is in the meadow.')
"""

from collections.abc import Callable

from . import arithmetic, dialogues, facts, lists, needles, tools
from .draw import Draw
from .examples import Example
from .prose import chunk


def prose(draw: Draw) -> Example:
    """Plain text: a stretch of real prose, cut at a word, as long as the setting allows."""
    setting = draw.setting
    text = chunk(setting.prose, draw.split, draw.random, 4 * setting.length)
    while (tokens := setting.count(text)) >= setting.length:
        cut = text.rfind(" ", 0, int(len(text) * (setting.length - 1) / tokens))
        text = text[: max(1, cut)]
    return Example("prose", (text,), (), f"prose:{text[:200]}")


TASKS: dict[str, Callable[[Draw], Example]] = {
    "arithmetic": arithmetic.arithmetic,
    "facts": facts.facts,
    "pairs": facts.pairs,
    "copying": lists.copying,
    "listing": lists.listing,
    "needle": needles.needles,
    "tool": tools.tool,
    "chat": dialogues.chat,
    "prose": prose,
}
