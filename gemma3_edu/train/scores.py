"""Greedy answers to questions of known answer, and how many of them are right.

An answer counts when it equals the right one to the letter, working and all; of a conversation the
last is scored.

>>> low, high = interval(98, 100)  # 95 %, Wilson's: it stays inside 0 and 1
>>> round(low, 3), round(high, 3)
(0.93, 0.994)
>>> changes = torch.tensor([0.1, 0.3, 0.2, 0.5, 0.4])
>>> print(f"{changes.mean():.2f} +- {margin(changes):.2f}")
0.30 +- 0.20
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..generation import generate
from ..generation.sampling import Sampler
from ..model import Gemma3
from ..model.layout import Batch
from ..prompt.processor import Processor
from .data.draw import Draw, Setting
from .data.examples import Example
from .data.needles import needle

DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Where a needle lies: 0 is the beginning of the text, 1 its end."""


@dataclass(frozen=True)
class Score:
    """How many of the items were right, and how many answers ended by themselves."""

    task: str
    items: int
    right: int
    stopped: int

    @property
    def accuracy(self) -> float:
        """The share that was right."""
        return self.right / self.items


def interval(right: int, items: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z, share = 1.96, right / items
    middle = (share + z * z / (2 * items)) / (1 + z * z / items)
    half = z / (1 + z * z / items) * math.sqrt(share * (1 - share) / items + z * z / (4 * items**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def margin(values: Tensor) -> float:
    """Half of the 95 % interval of a mean, by Student's t: `values` are few, four at least.

    The factor comes from a series in 1 / (number of values - 1), Abramowitz and Stegun 26.7.5.
    """
    if len(values) < 4:
        raise ValueError(f"values: {len(values)}, fewest allowed 4: the series is poor below")
    z, free = 1.96, len(values) - 1
    factor = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    factor += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * free**3)
    return factor * float(values.std()) / math.sqrt(len(values))


def answers(
    model: Gemma3, processor: Processor, examples: Sequence[Example], pan_and_scan: bool = False
) -> Iterator[tuple[str, str, bool]]:
    """For every example: what the model says in its last turn, what is right, whether it stopped.

    Earlier turns are given with their right answers.
    """
    asked = [example.messages()[:-1] for example in examples]
    right = [example.answer for example in examples]
    batch = processor(asked, pan_and_scan=pan_and_scan)
    batch = batch.to(model.language_model.embed_tokens.weight.device)
    longest = max(len(processor.tokenizer.encode(text, add_bos=False)) for text in right)
    room = model.config.text.max_position_embeddings - batch.layout.length
    limit = min(longest + 8, room)  # enough to see an answer that goes on too long
    steps = generate(model, batch, Sampler(temperature=0), limit, processor.stop_tokens)
    for row, want in zip(torch.stack(list(steps), 1).tolist(), right, strict=True):
        ended = [i for i, index in enumerate(row) if index in processor.stop_tokens]
        said = row[: ended[0]] if ended else row
        yield processor.decode(said).strip(), want, bool(ended)


def score(
    model: Gemma3,
    processor: Processor,
    task: str,
    examples: Iterable[Example],
    *,
    batch_size: int = 50,
    pan_and_scan: bool = False,
) -> Score:
    """The score of a task, of which `examples` are all that is asked."""
    right = stopped = items = 0
    remaining = iter(examples)
    while batch := list(itertools.islice(remaining, batch_size)):
        for said, want, ended in answers(model, processor, batch, pan_and_scan):
            right += said == want
            stopped += ended
            items += 1
    return Score(task, items, right, stopped)


def right_at_once(
    model: Gemma3,
    processor: Processor,
    examples: Sequence[Example],
    batch_size: int = 10,
    pan_and_scan: bool = False,
) -> int:
    """How many greedy answers are right, without writing one: what `score` counts, but faster."""
    device = model.language_model.embed_tokens.weight.device
    hits = answer_hits(
        processor,
        examples,
        lambda batch: model(batch.to(device)),
        batch_size=batch_size,
        pan_and_scan=pan_and_scan,
    )
    return sum(map(all, hits))


def answer_hits(
    processor: Processor,
    examples: Sequence[Example],
    run: Callable[[Batch], Float[Tensor, "B T V"]],
    *,
    batch_size: int = 10,
    pan_and_scan: bool = False,
) -> list[list[bool]]:
    """For each right answer: whether each of its tokens, and the end of the turn, is chosen.

    `run` makes logits of a batch, as a model does. It reads questions together with their right
    answers, and would have written an answer itself if each token has the largest logit after those
    before.
    """
    found = []
    for start in range(0, len(examples), batch_size):
        some = examples[start : start + batch_size]
        batch = processor(
            [one.messages() for one in some],
            pan_and_scan=pan_and_scan,
            add_generation_prompt=False,
        )
        chosen = run(batch)[:, :-1].argmax(-1)
        hits = chosen == batch.tokens[:, 1:].to(chosen.device)
        for row, one in zip(hits, some, strict=True):
            length = len(processor.tokenizer.encode(one.answer, add_bos=False)) + 1
            found.append(row[-1 - length : -1].tolist())  # the very last token is a new line
    return found


def needles_at(
    length: int, depth: float, items: int, split: str, setting: Setting, seed: int = 0
) -> Iterator[Example]:
    """Questions for a number hidden at a depth in a text of `length` tokens, among two others.

    `length` counts all of the conversation, the answer included.
    """
    for number in range(items):
        draw = Draw(f"{seed}/needle/{split}/{length}/{depth}/{number}", split, setting)
        yield needle(draw, length, depth, others=2)
