"""The vision tower's own training, before the language model sees it.

Two losses at once. SigLIP's asks, for every pair of a picture and a caption in the batch, whether
they belong together. Alone it is too weak a teacher for a small encoder that sees few pictures: it
says *that* a caption fits, never *where*. So each soft token is also asked what lies in its part of
the picture, cell by cell, and of which colour, which the renderer knows. It is the soft token that
is asked, not its patches: averaging four patches forgets which of them showed what, unless the
encoder has learnt to say it. And it is asked to read: which characters have their middle there, in
order. The heads that answer are thrown away afterwards.

>>> from gemma3_edu.model.presets import PRESETS
>>> from gemma3_edu.model.vision import VisionTower
>>> lessons = EncoderLessons(VisionTower(PRESETS["tiny"]), vocab_size=512)
>>> lessons.what(torch.zeros(2, 9, 24)).shape[-1] == CELLS**2 * len(KINDS)  # guesses a soft token
True
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.vision import VisionTower
from ..prompt.images import resize_and_normalize
from ..prompt.tokenizer import Tokenizer
from .data.drawing import COLOURS, KINDS, Picture
from .losses import sigmoid_pair_loss

CELLS = 4
"""A soft token answers for its part of the picture in CELLS x CELLS cells."""
SLOTS = 6
"""And it reads up to so many characters and shapes whose middle lies there, in reading order."""


@dataclass(frozen=True)
class PictureBatch:
    """R pictures, what lies in each cell C and slot S of each soft token M, and their captions.

    `labels` holds two rows a picture, indices into `KINDS` and into `COLOURS`; `slots` indices into
    `KINDS`, 0 behind the last; `captions` are ids, padded with 0.
    """

    images: Float[Tensor, "R 3 Y X"]
    labels: Int[Tensor, "R 2 M C"]
    slots: Int[Tensor, "R M S"]
    captions: Int[Tensor, "R T"]

    def to(self, device: torch.device | str) -> "PictureBatch":
        """The same on another device."""
        parts = self.images, self.labels, self.slots, self.captions
        return PictureBatch(*(part.to(device) for part in parts))


def of_pictures(
    pictures: Sequence[Picture], tokenizer: Tokenizer, side: int, tokens: int
) -> PictureBatch:
    """Squeeze pictures to `side` x `side` pixels and label the cells of their soft tokens."""
    captions = [tokenizer.encode(picture.caption, add_bos=False) for picture in pictures]
    longest = max(map(len, captions))
    return PictureBatch(
        torch.stack([resize_and_normalize(picture.image, side) for picture in pictures]),
        torch.stack([torch.as_tensor(_cells(picture, side, tokens)) for picture in pictures]),
        torch.stack([torch.as_tensor(_slots(picture, tokens)) for picture in pictures]),
        torch.tensor([ids + [0] * (longest - len(ids)) for ids in captions]),
    )


def _cells(picture: Picture, side: int, tokens: int) -> np.ndarray:
    """The labels, of shape (2, M, C): cells run row by row inside each soft token."""
    a_side = round(tokens**0.5)
    labels = picture.labels(side, side // (a_side * CELLS))
    grid = labels.reshape(2, a_side, CELLS, a_side, CELLS)  # rows of tokens, of cells; columns
    return grid.swapaxes(2, 3).reshape(2, tokens, CELLS**2).astype(np.int64)


def _slots(picture: Picture, tokens: int) -> np.ndarray:
    """The marks of each soft token in the order of drawing, which for text is that of reading."""
    a_side = round(tokens**0.5)
    found: list[list[int]] = [[] for _ in range(tokens)]
    for mark in picture.marks:
        across, down = mark.place[0] / picture.image.width, mark.place[1] / picture.image.height
        if 0 <= across < 1 and 0 <= down < 1:
            found[int(down * a_side) * a_side + int(across * a_side)].append(KINDS.index(mark.what))
    return np.array([(each + [0] * SLOTS)[:SLOTS] for each in found])


class EncoderLessons(nn.Module):
    """A vision tower with what it needs to be taught: heads on its soft tokens, a caption tower.

    The caption tower is the mean of word vectors, projected: enough to tell captions apart.
    """

    def __init__(self, tower: VisionTower, vocab_size: int):
        super().__init__()
        width = tower.projector.mm_input_projection_weight.shape[1]
        self.tower = tower
        self.what = nn.Linear(width, CELLS**2 * len(KINDS))
        self.colour = nn.Linear(width, CELLS**2 * len(COLOURS))
        self.read = nn.Linear(width, SLOTS * len(KINDS))
        self.words = nn.EmbeddingBag(vocab_size, width, mode="mean", padding_idx=0)
        self.of_caption, self.of_picture = nn.Linear(width, width), nn.Linear(width, width)
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())  # SigLIP's own start, and -10
        self.bias = nn.Parameter(torch.tensor(-10.0))

    def losses(self, batch: PictureBatch) -> dict[str, Float[Tensor, ""]]:
        """By name, each in nats: "what" and "colour" a cell, "read" a slot, "pair" a picture."""
        soft = self.tower(batch.images)
        what, colour = batch.labels.unbind(1)
        captions = self.of_caption(self.words(batch.captions))
        pictures = self.of_picture(soft.mean(1))
        return {
            "what": _surprise(self.what(soft), what),
            "colour": _surprise(self.colour(soft), colour),
            "read": _surprise(self.read(soft), batch.slots),
            "pair": sigmoid_pair_loss(
                pictures.float(), captions.float(), self.log_scale, self.bias
            ),
        }


def _surprise(guesses: Float[Tensor, "R M CK"], labels: Int[Tensor, "R M C"]) -> Tensor:
    """Mean cross-entropy of the K guesses at every cell."""
    return F.cross_entropy(
        guesses.float().unflatten(-1, (labels.shape[-1], -1)).flatten(0, 2), labels.flatten()
    )
