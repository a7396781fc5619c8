"""Talk to a model in one call.

    from functools import partial
    reply = chat(model, processor, "What is this?", on_text=partial(print, end="", flush=True))

>>> Message.user("Hello").role  # a str alone means such a message
'user'
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ..model.gemma3 import Gemma3
from ..prompt.chat_template import Message
from ..prompt.processor import Processor
from ..prompt.tokenizer import StreamDecoder
from .generate import generate
from .sampling import Sampler


def stream(
    model: Gemma3,
    processor: Processor | None,
    messages: Sequence[Message] | str,
    sampler: Sampler | None = None,
    max_new_tokens: int = 512,
    *,
    pan_and_scan: bool | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[str]:
    """Yield the reply piece by piece, as soon as each piece of text is certain.

    It ends at a stop token, after `max_new_tokens`, or when the context is full.
    """
    if processor is None:
        raise ValueError(
            "processor: None, so nothing can be read or written; the checkpoint came without "
            "tokenizer files: load it again with tokenizer=PATH of a tokenizer.model"
        )
    turns = [Message.user(messages)] if isinstance(messages, str) else messages
    batch = processor(turns, pan_and_scan=pan_and_scan)
    batch = batch.to(model.language_model.embed_tokens.weight.device)
    room = model.config.text.max_position_embeddings - batch.layout.length
    limit = max_new_tokens if room < 1 else min(max_new_tokens, room)
    stop_tokens = processor.stop_tokens
    ids = generate(model, batch, sampler, limit, stop_tokens, generator=generator)
    return _pieces(ids, StreamDecoder(processor.tokenizer))


def _pieces(ids: Iterable[Tensor], decoder: StreamDecoder) -> Iterator[str]:
    for column in ids:
        yield decoder.feed(int(column[0]))
    yield decoder.flush()


def chat(
    model: Gemma3,
    processor: Processor | None,
    messages: Sequence[Message] | str,
    sampler: Sampler | None = None,
    max_new_tokens: int = 512,
    *,
    pan_and_scan: bool | None = None,
    generator: torch.Generator | None = None,
    on_text: Callable[[str], object] | None = None,
) -> str:
    """The model's reply to a conversation, or to one question.

    `on_text` is called with each piece as it comes. Without a `sampler`, tokens are drawn with the
    settings of the released checkpoints. `Sampler(temperature=0)` always gives the same reply, and
    so does any sampler with a seeded `generator`.
    """
    pieces = []
    options: dict[str, Any] = {"pan_and_scan": pan_and_scan, "generator": generator}
    for piece in stream(model, processor, messages, sampler, max_new_tokens, **options):
        pieces.append(piece)
        if on_text is not None and piece:
            on_text(piece)
    return "".join(pieces)
