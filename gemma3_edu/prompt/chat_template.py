"""A conversation as text, in the form that instruction-tuned models were trained on.

Each turn is `<start_of_turn>`, the role and a newline, the content, `<end_of_turn>` and a newline.
There are two roles, user and model. A system message has no turn: its text opens the first user
turn (technical report, Table 4, and the template of the released checkpoints). The text does not
contain `<bos>`, which the tokenizer adds as an id.

>>> text, images = render([Message.system("Be brief."), Message.user("Who wrote it?")])
>>> print(text, end="")
<start_of_turn>user
Be brief.
<BLANKLINE>
Who wrote it?<end_of_turn>
<start_of_turn>model
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .images import ImageSource
from .tokenizer import (
    CONTROL_TEXT,
    END_OF_IMAGE,
    END_OF_TURN,
    SOFT_TOKEN,
    START_OF_IMAGE,
    START_OF_TURN,
)

Part: TypeAlias = str | ImageSource
"""A part of a message: text if it is a str, else an image (a path is a `pathlib.Path`)."""

ROLES = ("system", "user", "model")


@dataclass(frozen=True)
class Message:
    """One message: a role, and texts and images in any order.

    Every text is stripped of the whitespace around it, and nothing is put between the parts. The
    role "assistant" means "model". Raises ValueError for text that spells a control token, since it
    would forge a turn or an image.

    >>> from pathlib import Path
    >>> text, images = render([Message.user("What is on ", Path("a.jpg"), "?")])
    >>> text.splitlines()[1], len(images)
    ('What is on<start_of_image>?<end_of_turn>', 1)
    """

    role: str
    content: Sequence[Part]  # kept as a tuple

    def __post_init__(self) -> None:
        if not isinstance(self.content, Sequence) or isinstance(self.content, bytes):
            kind = type(self.content).__name__
            raise ValueError(f"Message: content is a {kind}; pass a text, or a list of parts")
        parts = tuple([self.content] if isinstance(self.content, str) else self.content)
        object.__setattr__(self, "role", {"assistant": "model"}.get(self.role, self.role))
        object.__setattr__(self, "content", parts)
        if self.role not in ROLES:
            raise ValueError(f"Message: role={self.role!r} is unknown; Gemma 3 has {ROLES}")
        if not parts:
            raise ValueError("Message: content is empty; give text or an image")
        for part in parts:
            if not isinstance(part, str | ImageSource):
                raise ValueError(
                    f"Message: content contains a {type(part).__name__}; text is a str, an image a "
                    "PIL image, a pathlib.Path or bytes"
                )
        # Stripped and joined, since two harmless parts together may spell a control token.
        written = _content(parts, image="\0")
        for control in CONTROL_TEXT:
            if control in written:
                raise ValueError(
                    f"Message: text spells {control}, which would steer the model; remove it or "
                    "write it differently, for example with a space"
                )
        if self.role == "system" and [type(part) for part in parts] != [str]:
            raise ValueError("Message: a system message is one text; put images into a user turn")

    @classmethod
    def system(cls, text: str) -> "Message":
        """Instructions for the whole conversation, as its first message."""
        return cls("system", (text,))

    @classmethod
    def user(cls, *parts: Part) -> "Message":
        """The user's turn: texts and images."""
        return cls("user", parts)

    @classmethod
    def model(cls, *parts: Part) -> "Message":
        """The model's turn: an earlier reply, or a target to train on."""
        return cls("model", parts)


def _content(parts: Sequence[Part], image: str) -> str:
    return "".join(part.strip() if isinstance(part, str) else image for part in parts)


def render(
    messages: Sequence[Message], *, add_generation_prompt: bool = True
) -> tuple[str, list[ImageSource]]:
    """The text, with `<start_of_image>` in the place of each image, and the images in that order.

    With `add_generation_prompt` the text ends with the beginning of the model's turn, so the last
    message must be the user's. Without it, the text ends with the last message, as for training.

    Raises ValueError for an empty conversation and for roles that do not alternate.
    """
    _check(messages, add_generation_prompt)
    turns, prefix = messages, ""
    if messages[0].role == "system":
        prefix = f"{messages[0].content[0]!s}\n\n"  # the one text that the template does not strip
        turns = messages[1:]
    text = ""
    for turn in turns:
        content = prefix + _content(turn.content, START_OF_IMAGE)
        text += f"{START_OF_TURN}{turn.role}\n{content}{END_OF_TURN}\n"
        prefix = ""
    if add_generation_prompt:
        text += f"{START_OF_TURN}model\n"
    images = [part for turn in turns for part in turn.content if not isinstance(part, str)]
    return text, images


def _check(messages: Sequence[Message], add_generation_prompt: bool) -> None:
    if not isinstance(messages, Sequence) or not messages:
        raise ValueError(f"messages: {messages!r} is not a conversation; pass a list of Message")
    for number, message in enumerate(messages):
        if not isinstance(message, Message):
            raise ValueError(
                f"messages: item {number} is a {type(message).__name__}; make it with "
                "Message.user(...), Message.model(...) or Message.system(...)"
            )
    roles = [message.role for message in messages]
    turns = roles[1:] if roles[0] == "system" else roles
    if not turns or turns != [("user", "model")[i % 2] for i in range(len(turns))]:
        raise ValueError(
            f"messages: the roles are {roles}; user and model must alternate, beginning with user; "
            "a system message may come before them"
        )
    if add_generation_prompt and turns[-1] == "model":
        raise ValueError(
            "messages: the last turn is the model's, so it cannot answer; end with a user turn, or "
            "pass add_generation_prompt=False for a finished conversation"
        )


def image_text(crops: int, soft_tokens: int) -> str:
    """The text that replaces one `<start_of_image>` in the prompt: the image and any crops of it.

    An image is two newlines, start of image, its soft tokens, end of image, two newlines. The words
    around crops are those of transformers; the report gives none, and Google's code has others.

    >>> image_text(0, soft_tokens=1)
    '\\n\\n<start_of_image><image_soft_token><end_of_image>\\n\\n'
    """
    image = f"\n\n{START_OF_IMAGE}{SOFT_TOKEN * soft_tokens}{END_OF_IMAGE}\n\n"
    if not crops:
        return image
    words = f"Here is the original image {image} and here are some crops to help you see better "
    return words + " ".join([image] * crops)
