"""Examples packed into rows of a fixed length: one look at a picture for many questions.

A row holds several documents, one after the other. A document has a prefix, which is what the
questions share (a picture, a receipt's facts), and branches, the questions with their answers:

    document   1 1 1 1 1 1 1 1 2 2 2 2 2
    branch     0 0 0 1 1 1 2 2 0 0 1 1 1
    position   0 1 2 3 4 5 3 4 0 1 2 3 4

A token sees its document's prefix and its own branch, under the model's own rules: causal by
position, images whole, windows on local layers. Each branch begins at the position where the prefix
ends. So a conversation in a row computes what it computes alone, and the picture is read once.

>>> row = Row(length=8)
>>> row.add(Document([2, 7], [], [Branch([8, 9], [0.0, 1.0]), Branch([6], [1.0])]))
True
>>> row.position, row.branch
([0, 1, 2, 3, 2], [0, 0, 1, 1, 2])
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from ..model import Block, Gemma3
from ..model.layout import Batch, TokenLayout
from ..model.masks import attention_mask
from ..model.rope import rope_table
from ..prompt.chat_template import image_text
from ..prompt.images import resize_and_normalize
from ..prompt.processor import Processor
from ..prompt.tokenizer import END_OF_TURN, START_OF_TURN
from .data.drawing import Picture
from .data.examples import Conversation, Example, plain

PROSE = 0.15
"""What a token of plain text weighs; an answer of n tokens weighs sqrt(n) in all."""


class Branch(NamedTuple):
    """The ids of a conversation after the prefix, and what each weighs in the loss."""

    ids: list[int]
    weights: list[float]


class Document(NamedTuple):
    """Ids that all branches share, the pictures among them, and the branches."""

    prefix: list[int]
    images: list[Float[Tensor, "3 Y X"]]
    branches: list[Branch]


@dataclass
class Row:
    """One row while it is filled."""

    length: int
    tokens: list[int] = field(default_factory=list)
    position: list[int] = field(default_factory=list)
    document: list[int] = field(default_factory=list)
    branch: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    images: list[Tensor] = field(default_factory=list)

    def add(self, document: Document) -> bool:
        """Put a document at the end, with as many branches as there is room for; False if none."""
        room = self.length - len(self.tokens) - len(document.prefix)
        kept = []
        for branch in document.branches:
            if len(branch.ids) <= room:
                room -= len(branch.ids)
                kept.append(branch)
        if not kept:
            return False
        number, start = max(self.document, default=0) + 1, len(document.prefix)
        pieces = [Branch(document.prefix, [0.0] * start), *kept]
        for index, (ids, weights) in enumerate(pieces):
            begin = start if index else 0
            self.tokens += ids
            self.weights += weights
            self.position += range(begin, begin + len(ids))
            self.document += [number] * len(ids)
            self.branch += [index] * len(ids)
        self.images += document.images
        return True


@dataclass(frozen=True)
class Rows:
    """A batch of packed rows; columns at the end of a row that hold nothing are padding."""

    batch: Batch
    document: Int[Tensor, "B T"]
    branch: Int[Tensor, "B T"]
    weights: Float[Tensor, "B T"]

    def to(self, device: torch.device | str) -> "Rows":
        """The same on another device."""
        tables = (each.to(device) for each in (self.document, self.branch, self.weights))
        return Rows(self.batch.to(device), *tables)

    def may_see(self, window: int | None) -> Bool[Tensor, "B T T"]:
        """The model's own mask, kept inside each document's prefix and branch."""
        document, branch = self.document, self.branch
        same = document[:, :, None] == document[:, None, :]
        shared = (branch[:, None, :] == 0) | (branch[:, :, None] == branch[:, None, :])
        layout = self.batch.layout
        return attention_mask(layout, layout, window) & same & shared


def pack(documents: Iterable[Document], rows: int, length: int, soft_token: int) -> Rows:
    """The first documents of an endless stream that fit into so many rows."""
    made = [Row(length) for _ in range(rows)]
    misses = 0
    for document in documents:
        misses += not any(row.add(document) for row in made)
        if misses >= 4 and all(row.tokens for row in made):
            break

    def table(name: str, empty: float) -> Tensor:
        return torch.tensor([getattr(r, name) + [empty] * (length - len(r.tokens)) for r in made])

    tokens = table("tokens", 0)
    layout = TokenLayout(table("position", -1), _image_ids(tokens == soft_token))
    images = [image for row in made for image in row.images]
    batch = Batch(tokens, layout, torch.stack(images) if images else None)
    return Rows(batch, table("document", 0), table("branch", 0), table("weights", 0.0))


def _image_ids(soft: Bool[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    starts = soft & ~F.pad(soft, (1, 0))[:, :-1]
    return torch.where(soft, starts.long().cumsum(1), 0)


def hidden_states(
    model: Gemma3, rows: Rows, block: Callable[..., Tensor] = Block.forward
) -> Float[Tensor, "B T D"]:
    """What the model's own `hidden_states` computes, under the mask of packed rows.

    `block` is called as `Block.forward` is: a compiled one takes its place.
    """
    decoder, layout = model.language_model, rows.batch.layout
    text, x = decoder.config, model.embed(rows.batch)
    masks, ropes = {}, {}
    for kind in set(text.layer_types):
        masks[kind] = rows.may_see(text.window(kind))
        ropes[kind] = rope_table(layout.position, text.head_dim, text.rope(kind))
    for layer, kind in zip(decoder.layers, text.layer_types, strict=True):
        x = block(layer, x, masks[kind], ropes[kind])
    return decoder.norm(x)


def loss(
    model: Gemma3, rows: Rows, block: Callable[..., Tensor] = Block.forward
) -> Float[Tensor, ""]:
    """Mean surprise, in nats, at the tokens that weigh something, by their weight.

    A token is guessed from the column before it. Branches begin with a question, which weighs
    nothing, so that column is of the same branch; only a page of prose follows its prefix at once.
    """
    guessed = rows.weights > 0
    before = F.pad(guessed, (0, 1))[:, 1:]  # the columns from which they are guessed
    logits = model.logits(hidden_states(model, rows, block)[before][None])[0].float()
    nats = F.cross_entropy(logits, rows.batch.tokens[guessed], reduction="none")
    weights = rows.weights[guessed]
    return (nats * weights).sum() / weights.sum()


class Encoder:
    """Examples to documents, in the chat format or as plain text."""

    def __init__(self, processor: Processor, chat: bool) -> None:
        self.processor, self.chat = processor, chat
        self.tokenizer = processor.tokenizer

    def __call__(self, example: Example, pan_and_scan: bool = False) -> Document:
        """The document of an example; a page of prose is one branch after `<bos>`."""
        bos = [self.tokenizer.bos_id]
        if not example.conversations:
            ids = self._ids("\n".join(part for part in example.given if isinstance(part, str)))
            return Document(bos, [], [Branch(ids, [PROSE] * len(ids))])
        text, images = self._given(example, pan_and_scan)
        opening = f"{START_OF_TURN}user\n" if self.chat else ""
        branches = [self._branch(each) for each in example.conversations]
        return Document(bos + self._ids(opening + text), images, branches)

    def _given(self, example: Example, pan_and_scan: bool) -> tuple[str, list[Tensor]]:
        """What is shared as text that ends with a newline, if there is any, and the pixels."""
        config, settings = self.processor.config, self.processor.image_settings
        text, images = "", []
        for part in example.given:
            if isinstance(part, Picture):
                assert config.vision is not None
                crops = settings.crops(part.image) if pan_and_scan else []
                text += image_text(len(crops), config.mm_tokens_per_image)
                for image in (part.image, *crops):
                    images.append(resize_and_normalize(image, config.vision.image_size))
            else:
                text += f"{part}\n"
        return text, images

    def _branch(self, conversation: Conversation) -> Branch:
        ids: list[int] = []
        weights: list[float] = []
        for number, turn in enumerate(conversation):
            if self.chat:
                asked = f"{turn.question}{END_OF_TURN}\n{START_OF_TURN}model\n"
                asked = asked if number == 0 else f"\n{START_OF_TURN}user\n{asked}"
                whole = asked + turn.answer + END_OF_TURN
            else:
                whole = plain(turn)
                asked = whole.removesuffix(f" {turn.answer}\n")
            # The answer's first token may carry the space before it, so both are cut together.
            question, both = self._ids(asked), self._ids(whole)
            said = len(both) - len(question)
            ids += both
            weights += [0.0] * len(question) + [said**-0.5] * said
        if not self.chat:
            ids.append(self.tokenizer.eos_id)
            weights.append(weights[-1])
        return Branch(ids, weights)

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_bos=False)


def induction(seed: int, low: int, high: int, length: int = 190) -> Iterator[Document]:
    """Endless rows in which only what was read before helps: ids by chance, and then again.

    Half of them are repeated as they are; in the other half, pairs of ids come back in another
    order, and only the second of each pair can be known. A model that learns to guess them has
    found out how to look something up, which all questions about facts and pictures need.
    """
    for index in itertools.count():
        generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
        half = int(torch.randint(8, length // 2, (), generator=generator))
        ids = torch.randint(low, high, (half,), generator=generator)
        if index % 2:
            # Nothing says where the repetition begins.
            yield _document(ids.tolist(), ids.tolist(), [0.0] + [1.0] * (half - 1))
        else:
            pairs = ids[: half // 2 * 2].view(-1, 2)
            again = pairs[torch.randperm(len(pairs), generator=generator)]
            yield _document(
                pairs.flatten().tolist(), again.flatten().tolist(), [0.0, 1.0] * len(pairs)
            )


def _document(first: list[int], again: list[int], weights: list[float]) -> Document:
    scale = 1 / math.sqrt(max(1.0, sum(weights)))
    return Document([2, *first], [], [Branch(again, [weight * scale for weight in weights])])
