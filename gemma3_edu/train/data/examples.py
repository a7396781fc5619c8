"""One example to learn from or to be tested on: what is given, and conversations about it.

Several conversations share what is given (a picture, a receipt, facts) and know nothing of each
other. Training reads all of them in one row (see `rows`), so that a picture is looked at once for
many questions; a test asks the first one alone.

>>> one = Example("arithmetic", (), (ask("What is 2 + 3?", "2 + 3 = 5"),), "sum:2+3")
>>> [(message.role, message.content) for message in one.messages()]
[('user', ('What is 2 + 3?',)), ('model', ('2 + 3 = 5',))]
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
    """A question and its one right answer."""

    question: str
    answer: str


Conversation: TypeAlias = tuple[Turn, ...]


def ask(question: str, answer: str) -> Conversation:
    """A conversation of one turn."""
    return (Turn(question, answer),)


@dataclass(frozen=True)
class Example:
    """Parts of text and pictures that are `given`, and the conversations that begin with them.

    `task` names what it was made for. `content` is the key (see `splits`) of the whole, which
    decides to which split it belongs. Without conversations it is a page of plain text.
    """

    task: str
    given: tuple[Part, ...]
    conversations: tuple[Conversation, ...]
    content: str

    @property
    def pictures(self) -> list[Picture]:
        """The pictures, in the order of their places."""
        return [part for part in self.given if isinstance(part, Picture)]

    @property
    def answer(self) -> str:
        """What is right at the end of the first conversation."""
        return self.conversations[0][-1].answer

    def messages(self) -> list[Message]:
        """The first conversation, finished; drop the last message to ask a model.

        Raises ValueError for a page, about which nobody asks.
        """
        if not self.conversations:
            raise ValueError(f"example: task {self.task!r} is a page of text, and asks nothing")
        first, *later = self.conversations[0]
        parts = [part.image if isinstance(part, Picture) else part for part in self.given]
        # Texts that meet are one text; a message would strip the newline between two.
        if parts and isinstance(parts[-1], str):
            parts[-1] = f"{parts[-1]}\n{first.question}"
        else:
            parts.append(first.question)
        messages = [Message.user(*parts), Message.model(first.answer)]
        for turn in later:
            messages += [Message.user(turn.question), Message.model(turn.answer)]
        return messages

    def text(self) -> tuple[str, list[Image.Image]]:
        """The same as plain text for `Processor.text`, with `<start_of_image>` for each picture.

        A base model knows questions and answers in this form. No `<eos>` is put at the end.
        """
        given = "".join(START_OF_IMAGE if isinstance(p, Picture) else f"{p}\n" for p in self.given)
        turns = self.conversations[0] if self.conversations else ()
        return given + "".join(map(plain, turns)), [picture.image for picture in self.pictures]


def plain(turn: Turn) -> str:
    """A turn as plain text, marked by words.

    >>> plain(Turn("What is 2 + 3?", "2 + 3 = 5"))
    'Question: What is 2 + 3?\\nAnswer: 2 + 3 = 5\\n'
    """
    return f"Question: {turn.question}\nAnswer: {turn.answer}\n"
