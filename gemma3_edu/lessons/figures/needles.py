"""Numbers hidden in long texts: what a model answers, and where it looks for one.

>>> from gemma3_edu import load
>>> nano, processor = load("nano-it", text_only=True)
>>> example = hidden_numbers(processor, depth=0.0, items=1)[0]
>>> print(example.answer)
The secret number of the shed is 2548.
>>> numbers_in(processor, example)
{'shed': ('2548', 214), 'barn': ('4354', 177), 'cellar': ('7224', 115)}
>>> tokens_back(processor, example)
214
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from ...model import Gemma3
from ...model.attention import Attention, visible_attention
from ...model.layout import Batch
from ...model.masks import Mask
from ...prompt.processor import Processor
from ...study.capture import capture
from ...train.data.draw import Setting
from ...train.data.examples import Example
from ...train.scores import answers, needles_at

Attend = Callable[[Tensor, Tensor, Tensor, Mask, float], Tensor]

DIGITS = 4  # of every number, each a token; a full stop follows


def hidden_numbers(processor: Processor, depth: float, items: int) -> list[Example]:
    """Questions for a number in a text of 256 tokens, at its beginning (`depth` 0) or end (1)."""

    def count(words: str) -> int:
        return len(processor.tokenizer.encode(words, add_bos=False))

    return list(needles_at(256, float(depth), items, "test", Setting(count=count)))


def numbers_in(processor: Processor, example: Example) -> dict[str, tuple[str, int]]:
    """Owner -> its number in the text, and how many tokens back the first digit is.

    Tokens are counted from the one after which the first digit of the answer is written.
    """
    ids, found = _until_number(processor, example), {}
    for owner, number in re.findall(r"number of the (\w+) is (\d+)", str(example.given[0])):
        digits = processor.tokenizer.encode(number, add_bos=False)
        first = next(i for i in range(len(ids)) if ids[i : i + len(digits)] == digits)
        found[owner] = (number, len(ids) - 1 - first)
    return found


def tokens_back(processor: Processor, example: Example) -> int:
    """How many tokens back the first digit of the right number is, counted as in `numbers_in`."""
    owner = example.answer.split()[-3]  # "... of the shed is 2548."
    return numbers_in(processor, example)[owner][1]


def replies(nano: Gemma3, processor: Processor, examples: Sequence[Example]) -> list[str]:
    """What nano answers to each, always with the most likely next token."""
    return [text for text, _, _ in answers(nano, processor, examples)]


@contextmanager
def other_masks(
    nano: Gemma3, change: Callable[[Mask], Mask], layers: Sequence[int] = (6, 12)
) -> Iterator[None]:
    """Within the context these layers, counted from 1, attend with `change(mask)`."""

    changed = [m for m in nano.modules() if isinstance(m, Attention) and m.layer + 1 in layers]
    before = [layer.attend for layer in changed]
    for layer, attend in zip(changed, before, strict=True):
        layer.attend = partial(_attend_with, change, attend)
    try:
        yield
    finally:
        for layer, attend in zip(changed, before, strict=True):
            layer.attend = attend


@contextmanager
def local_window(nano: Gemma3, window: int) -> Iterator[None]:
    """Within the context nano's local layers have this window instead of their own."""
    text = nano.language_model.config
    nano.language_model.config = replace(text, sliding_window=window)
    try:
        yield
    finally:
        nano.language_model.config = text


@torch.no_grad()
def last_look(
    nano: Gemma3,
    processor: Processor,
    example: Example,
    change: Callable[[Mask], Mask] = lambda mask: mask,
) -> list[Float[Tensor, "distance"]]:
    """For each layer the weights of the query that writes the number's first digit.

    They are means over heads; number d of a layer is the weight of the key d tokens back. Layers 6
    and 12 attend with `change(mask)`, as in `other_masks`.
    """
    ids = torch.tensor([_until_number(processor, example)])
    visible, changed = visible_attention(nano), other_masks(nano, change)
    with visible, changed, capture(nano, "*.attention_weights") as seen:
        nano(Batch.from_ids(ids, nano.config))
    return [outputs[0][0, :, -1].mean(0).flip(0) for outputs in seen.values()]


def _attend_with(
    change: Callable[[Mask], Mask],
    attend: Attend,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Mask,
    scale: float,
) -> Tensor:
    return attend(q, k, v, change(mask), scale)


def _until_number(processor: Processor, example: Example) -> list[int]:
    """The tokens of the question and of its answer, up to where the number begins."""
    begun = processor.tokenizer.encode(example.answer, add_bos=False)[: -DIGITS - 1]
    ids: list[int] = processor(example.messages()[:-1]).tokens[0].tolist()
    return ids + begun
