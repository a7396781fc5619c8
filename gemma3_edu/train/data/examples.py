"""One example to learn from or to be tested on: questions about text or pictures, and answers.

The same example can be read in two ways: as a conversation, for instruction tuning, or as plain
text, for pre-training. A document or a captioned picture, where nobody asks, is an example whose
question has no words.

>>> example = Example("arithmetic", (Turn(("What is 2 + 3?",), "5"),), ("sum:2+3",))
>>> [(message.role, message.content) for message in example.messages()]
[('user', ('What is 2 + 3?',)), ('model', ('5',))]
>>> example.text()
('Question: What is 2 + 3?\\nAnswer: 5\\n', [])
"""

from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image

from ...prompt.chat_template import Message
from ...prompt.tokenizer import START_OF_IMAGE
from .drawing import Picture

Part: TypeAlias = str | Picture


@dataclass(frozen=True)
class Turn:
    """A question, in parts of text and pictures, and its one right answer."""

    question: tuple[Part, ...]
    answer: str


@dataclass(frozen=True)
class Example:
    """One or more turns on the same matter.

    `task` names the kind of question that it was made for. `content` holds the keys (see `splits`)
    of what is asked: all of them belong to the split that the example was made for.
    """

    task: str
    turns: tuple[Turn, ...]
    content: tuple[str, ...]

    @property
    def asks(self) -> bool:
        """Whether it is a question; a document or a captioned picture is none."""
        return any(isinstance(part, str) for turn in self.turns for part in turn.question)

    @property
    def pictures(self) -> list[Picture]:
        """All pictures, in the order of their places."""
        return [part for t in self.turns for part in t.question if isinstance(part, Picture)]

    def messages(self) -> list[Message]:
        """The finished conversation; drop the last message to ask a model.

        Raises ValueError for a document, which nobody asked for.
        """
        messages = []
        for turn in self.turns:
            if not any(isinstance(part, str) for part in turn.question):
                raise ValueError(
                    f"example: a turn of task {self.task!r} asks nothing; use text() for it"
                )
            parts = [p.image if isinstance(p, Picture) else p for p in turn.question]
            messages += [Message.user(*parts), Message.model(turn.answer)]
        return messages

    def text(self) -> tuple[str, list[Image.Image]]:
        """The plain text, with `<start_of_image>` in a picture's place, and the pictures.

        It fits `Processor.text`. Questions and answers are marked by words; a document stands as it
        is. No `<eos>` is put at the end.
        """
        text = ""
        for turn in self.turns:
            words = "".join(p if isinstance(p, str) else START_OF_IMAGE for p in turn.question)
            asks = any(isinstance(part, str) for part in turn.question)
            text += f"Question: {words}\nAnswer: {turn.answer}\n" if asks else words + turn.answer
        return text, [picture.image for picture in self.pictures]
