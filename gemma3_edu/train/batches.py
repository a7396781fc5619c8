"""Examples to what a step of training reads: a batch, and which of its tokens count.

>>> import dataclasses
>>> from gemma3_edu.model.presets import PRESETS
>>> from gemma3_edu import Gemma3Config, Tokenizer
>>> from gemma3_edu.train.data.examples import Turn
>>> tokenizer = Tokenizer("tests/data/tokenizer.model")
>>> text = dataclasses.replace(PRESETS["tiny-text"].text, vocab_size=tokenizer.vocab_size)
>>> processor = Processor(tokenizer, Gemma3Config(text=text))
>>> lesson = of_conversations([Example("sum", (Turn(("2 + 3?",), "5"),), ())], processor)
>>> processor.decode(lesson.batch.tokens[lesson.counted], skip_special=False)
'5<end_of_turn>'
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from ..model.layout import Batch
from ..prompt.processor import Processor
from .data.examples import Example


@dataclass(frozen=True)
class Lesson:
    """A batch, and True for the tokens that the model is to guess."""

    batch: Batch
    counted: Bool[Tensor, "B T"]

    def to(self, device: torch.device | str) -> "Lesson":
        """The same on another device."""
        return Lesson(self.batch.to(device), self.counted.to(device))


def of_texts(
    examples: Sequence[Example], processor: Processor, *, pan_and_scan: bool = False
) -> Lesson:
    """Plain text for pre-training, each ended by `<eos>`: every token counts but soft tokens.

    Where somebody asks, the answers count alone, each up to the next "Question:": what is asked
    cannot be known, and surprise at that would drown what is to be learnt.
    """
    texts, images = zip(*(example.text() for example in examples), strict=True)
    places = [list(each) for each in images]
    open_end = processor.text(list(texts), places, pan_and_scan=pan_and_scan)
    # Padding stands on the left, so all rows end in the same column.
    end = torch.full_like(open_end.tokens[:, :1], processor.tokenizer.eos_id)
    layout = open_end.layout.followed_by(open_end.layout.next_column())
    batch = Batch(torch.cat([open_end.tokens, end], 1), layout, open_end.images)
    counted = (layout.position >= 0) & (layout.image_id == 0)
    # Without the newline before it, which is part of a longer one behind a picture.
    opening, closing = (
        processor.tokenizer.encode(word, add_bos=False) for word in ("Answer:", "Question:")
    )
    for row, example in enumerate(examples):
        if example.asks:
            answers = _answers(batch.tokens[row].tolist(), opening, closing)
            counted[row] &= torch.tensor(answers)
    return Lesson(batch, counted)


def of_conversations(
    examples: Sequence[Example], processor: Processor, *, pan_and_scan: bool = False
) -> Lesson:
    """Conversations in the chat format: the model's answers count, `<end_of_turn>` included.

    The newline after `<end_of_turn>` does not: a model stops before it.
    """
    conversations = [example.messages() for example in examples]
    batch = processor(conversations, add_generation_prompt=False, pan_and_scan=pan_and_scan)
    tokenizer = processor.tokenizer
    opening = [tokenizer.start_of_turn_id, *tokenizer.encode("model\n", add_bos=False)]
    closing = [tokenizer.end_of_turn_id]
    rows = [_answers(row, opening, closing) for row in batch.tokens.tolist()]
    return Lesson(batch, torch.tensor(rows))


def _answers(ids: list[int], opening: list[int], closing: list[int]) -> list[bool]:
    """True from behind each `opening` up to the end of the next `closing`, or of the row."""
    counted, answering = [False] * len(ids), False
    for i in range(len(ids)):
        counted[i] = answering
        sought = closing if answering else opening
        if ids[max(0, i + 1 - len(sought)) : i + 1] == sought:
            answering = not answering
    return counted
