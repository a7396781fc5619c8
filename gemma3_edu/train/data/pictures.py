"""All kinds of picture examples by name, and the same pictures with their captions.

>>> from gemma3_edu.train.data.draw import Draw
>>> example = captioned(QUESTIONS["sum"], Draw("1", "train"))
>>> example.turns[0].answer
'a receipt: soup 10, sugar 2'
"""

from collections.abc import Callable

from . import clips, documents, receipts, scenes, writing
from .draw import Draw
from .examples import Example, Turn

Task = Callable[[Draw], Example]

QUESTIONS: dict[str, Task] = {
    **scenes.TASKS,
    **writing.TASKS,
    **receipts.TASKS,
    **documents.TASKS,
    **clips.TASKS,
}


def captioned(task: Task, draw: Draw) -> Example:
    """One picture of such an example, and what it shows in words instead of a question."""
    example = task(draw)
    picture = draw.choice(example.pictures)
    turn = Turn((picture,), picture.caption)
    return Example("caption", (turn,), example.content)
