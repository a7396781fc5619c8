"""The knob of lesson 10: a chat box with sliders, whose answers come in piece by piece.

Without a front end it is an ordinary object: set `question.value`, call `ask()`, read
`transcript.value`.

>>> box = ChatBox(lambda messages, sampler, generator: iter(["4", "2"]), "What is 17 + 25?")
>>> box.ask()
>>> print(box.transcript.value, end="")
you: What is 17 + 25?
model (temperature 0.7, k = 64, p = 0.95): 42
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from ipywidgets import (  # type: ignore[import-untyped]
    Button,
    FloatSlider,
    HBox,
    IntSlider,
    Layout,
    Text,
    Textarea,
    VBox,
)

from ...generation.sampling import Sampler
from ...prompt.chat_template import Message
from .sampling import words

Answer = Callable[[Sequence[Message], Sampler, torch.Generator], Iterator[str]]
"""Conversation, sampler and source of chance in; the pieces of the reply out."""

_DESCRIPTION = {"description_width": "90px"}


class ChatBox:
    """A line to write in, a slider each for temperature, k, p and the seed, and two buttons.

    Show `view`. Every answer draws from a generator seeded anew, so on one machine the same
    conversation with the same sliders gets the same answer.
    """

    def __init__(self, answer: Answer, question: str = "") -> None:
        self._answer = answer
        self.messages: list[Message] = []
        wide = Layout(width="95%")
        self.question = Text(question, description="you", layout=wide, style=_DESCRIPTION)
        self.temperature = _slider(FloatSlider, "temperature", 0.7, 0.0, 2.0, 0.1)
        self.top_k = _slider(IntSlider, "k", 64, 1, 64, 1)
        self.top_p = _slider(FloatSlider, "p", 0.95, 0.05, 1.0, 0.05)
        self.seed = _slider(IntSlider, "seed", 0, 0, 99, 1)
        self.send = Button(description="Send")
        self.again = Button(description="New chat")
        # Not disabled: a disabled field's grey can hardly be read.
        self.transcript = Textarea("", rows=9, placeholder="the conversation", layout=wide)
        self.send.on_click(self.ask)
        self.again.on_click(self.start_over)
        self.view = VBox(
            [
                HBox([self.temperature, self.top_k]),
                HBox([self.top_p, self.seed]),
                self.question,
                HBox([self.send, self.again]),
                self.transcript,
            ]
        )

    @property
    def sampler(self) -> Sampler:
        """What the sliders say."""
        return Sampler(self.temperature.value, self.top_k.value, self.top_p.value)

    def ask(self, _button: Button | None = None) -> None:
        """Send the question and write the answer into the transcript as it comes.

        What cannot be sent, such as text that spells a control token, is told there too.
        """
        text, sampler = self.question.value.strip(), self.sampler
        if not text or self.send.disabled:
            return
        self.send.disabled = True
        try:
            turns = [*self.messages, Message.user(text)]
            generator = torch.Generator().manual_seed(self.seed.value)
            pieces = self._answer(turns, sampler, generator)
            self._write(f"you: {text}\nmodel ({words(sampler)}): ")
            reply = ""
            for piece in pieces:
                reply += piece
                self._write(piece)
            self._write("\n")
            self.messages = [*turns, Message.model(reply)]
        except ValueError as error:
            self._write(f"[{error}]\n")
        finally:
            self.send.disabled = False

    def start_over(self, _button: Button | None = None) -> None:
        """Forget the conversation."""
        self.messages = []
        self.transcript.value = ""

    def _write(self, text: str) -> None:
        self.transcript.value += text


def _slider(
    kind: type[FloatSlider] | type[IntSlider],
    name: str,
    value: float,
    low: float,
    high: float,
    step: float,
) -> FloatSlider | IntSlider:
    return kind(
        value=value, min=low, max=high, step=step, description=name, style=dict(_DESCRIPTION)
    )
