"""The vision tower's own training, before the language model sees it.

SigLIP's loss asks, for every pair of a picture and a caption in the batch, whether they belong
together. Alone it is too weak a teacher for a small encoder that sees few pictures: it says *that*
a caption fits, never *where*. The renderer knows more: which character or shape has its middle in
a part of the picture, and which colour is there. So each patch is asked that, and where it is
itself, and each soft token is asked it of the four patches that it averages: what four patches say
survives their mean only if the encoder has learnt to say it in different directions. Patches learn
first and fast; with their questions, 31 thousand pictures took reading about as far as 300 thousand
had before. Words need more: which letter comes first is a matter of where each one stands, to less
than a patch. So a part with a character is asked how many characters are left of it in its row, and
a patch in which quarter of its width its character stands. The heads that answer are thrown away
afterwards.

>>> from gemma3_edu.model.presets import PRESETS
>>> from gemma3_edu.model.vision import VisionTower
>>> lessons = EncoderLessons(VisionTower(PRESETS["tiny"]), PRESETS["tiny"], vocab_size=512)
>>> sorted(lessons.heads)  # doctest: +ELLIPSIS
['before', 'colour', 'patch before', 'patch colour', 'patch offset', ...]
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.config import Gemma3Config
from ..model.vision import VisionTower
from ..prompt.images import resize_and_normalize
from ..prompt.tokenizer import Tokenizer
from .data.drawing import COLOURS, KINDS, Picture
from .losses import sigmoid_pair_loss

ROOM = {"patch read": 2, "read": 6}
"""Up to so many characters and shapes have their middle in a patch, and in a soft token."""
BEFORE, QUARTERS = 15, 4
"""The largest answer to what comes before a square, and the parts of a patch's width."""
WEIGHTS = {
    "patch read": 3.0,
    "patch colour": 0.5,
    "patch place": 0.1,
    "patch before": 1.0,
    "patch offset": 1.0,
    "what": 0.3,
    "colour": 1.0,
    "read": 3.0,
    "before": 1.0,
    "pair": 0.01,
}
"""What each loss counts in the sum that is made small."""


@dataclass(frozen=True)
class PictureBatch:
    """R pictures, the right answers about their patches and soft tokens, and their captions.

    `answers` has a tensor Int[R places questions] for each head; `captions` are ids, padded with 0.
    """

    images: Float[Tensor, "R 3 Y X"]
    answers: dict[str, Int[Tensor, "R places questions"]]
    captions: Int[Tensor, "R T"]

    def to(self, device: torch.device | str) -> "PictureBatch":
        """The same on another device."""
        answers = {name: answer.to(device) for name, answer in self.answers.items()}
        return PictureBatch(self.images.to(device), answers, self.captions.to(device))


def of_pictures(
    pictures: Sequence[Picture], tokenizer: Tokenizer, config: Gemma3Config
) -> PictureBatch:
    """Squeeze pictures to the encoder's square, and write down what is in their parts."""
    assert config.vision is not None
    side, patch = config.vision.image_size, config.vision.patch_size
    grid, pooled = config.vision.patches_per_side, round(config.mm_tokens_per_image**0.5)
    rows, columns = np.divmod(np.arange(grid**2), grid)
    place = np.stack([rows, columns], -1)
    found: dict[str, list[np.ndarray]] = {name: [] for name in WEIGHTS if name != "pair"}
    for picture in pictures:
        what, colour = picture.labels(side, patch).astype(np.int64)
        found["patch colour"].append(colour[:, None])
        found["patch place"].append(place)
        patches, tokens = _squares(picture, grid), _squares(picture, pooled)
        found["patch read"].append(_kinds(patches, ROOM["patch read"]))
        found["read"].append(_kinds(tokens, ROOM["read"]))
        found["patch before"].append(_before(patches))
        found["before"].append(_before(tokens))
        found["patch offset"].append(_offset(patches))
        for name, labels in (("what", what), ("colour", colour)):
            square = labels.reshape(pooled, grid // pooled, pooled, grid // pooled)
            found[name].append(square.swapaxes(1, 2).reshape(pooled**2, -1))
    captions = [tokenizer.encode(picture.caption, add_bos=False) for picture in pictures]
    longest = max(map(len, captions))
    return PictureBatch(
        torch.stack([resize_and_normalize(picture.image, side) for picture in pictures]),
        {name: torch.as_tensor(np.stack(answers)) for name, answers in found.items()},
        torch.tensor([ids + [0] * (longest - len(ids)) for ids in captions]),
    )


def _squares(picture: Picture, grid: int) -> list[list[tuple[int, float]]]:
    """Of each square of a grid, the marks whose middle is there: kind, and share of its width."""
    found: list[list[tuple[int, float]]] = [[] for _ in range(grid**2)]
    for mark in picture.marks:
        across, down = mark.place[0] / picture.image.width, mark.place[1] / picture.image.height
        if 0 <= across < 1 and 0 <= down < 1:
            at = int(down * grid) * grid + int(across * grid)
            found[at].append((KINDS.index(mark.what), across * grid % 1))
    return found


def _kinds(squares: list[list[tuple[int, float]]], room: int) -> np.ndarray:
    """The kinds of its marks in reading order, then 0."""
    return np.array([([kind for kind, _ in each] + [0] * room)[:room] for each in squares])


def _before(squares: list[list[tuple[int, float]]]) -> np.ndarray:
    """If it has a mark: 1 + how many marks are in the squares left of it in its row; else 0."""
    marks = np.array([len(each) for each in squares]).reshape(round(len(squares) ** 0.5), -1)
    before = np.minimum(1 + marks.cumsum(1) - marks, BEFORE)
    return np.where(marks > 0, before, 0).reshape(-1, 1)


def _offset(squares: list[list[tuple[int, float]]]) -> np.ndarray:
    """If it has a mark: which quarter of the width the first one is in, from 1; else 0."""
    return np.array([[1 + int(each[0][1] * QUARTERS) if each else 0] for each in squares])


class EncoderLessons(nn.Module):
    """A vision tower with what it needs to be taught: heads that answer, and a caption tower.

    The caption tower is the mean of word vectors, projected: enough to tell captions apart.
    """

    def __init__(self, tower: VisionTower, config: Gemma3Config, vocab_size: int):
        super().__init__()
        assert config.vision is not None
        e, d = config.vision.hidden_size, config.text.hidden_size
        grid = config.vision.patches_per_side
        averaged = grid**2 // config.mm_tokens_per_image
        self.tower = tower
        self.heads = nn.ModuleDict(
            {
                "patch read": nn.Linear(e, ROOM["patch read"] * len(KINDS)),
                "patch colour": nn.Linear(e, len(COLOURS)),
                "patch place": nn.Linear(e, 2 * grid),
                "patch before": nn.Linear(e, 1 + BEFORE),
                "patch offset": nn.Linear(e, 1 + QUARTERS),
                "what": nn.Linear(d, averaged * len(KINDS)),
                "colour": nn.Linear(d, averaged * len(COLOURS)),
                "read": nn.Linear(d, ROOM["read"] * len(KINDS)),
                "before": nn.Linear(d, 1 + BEFORE),
            }
        )
        self.words = nn.EmbeddingBag(vocab_size, d, mode="mean", padding_idx=0)
        self.of_caption, self.of_picture = nn.Linear(d, d), nn.Linear(d, d)
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())  # SigLIP's own start, and -10
        self.bias = nn.Parameter(torch.tensor(-10.0))

    def guesses(self, images: Float[Tensor, "I 3 Y X"]) -> dict[str, Float[Tensor, "I M Q K"]]:
        """For each head its logits: of M patches or soft tokens, Q questions, K answers."""
        return self._guesses(images)[0]

    def losses(self, batch: PictureBatch) -> dict[str, Float[Tensor, ""]]:
        """By name, in nats: of each head a question's, of "pair" a picture's."""
        guesses, soft = self._guesses(batch.images)
        losses = {
            name: F.cross_entropy(guess.float().flatten(0, 2), batch.answers[name].flatten())
            for name, guess in guesses.items()
        }
        captions = self.of_caption(self.words(batch.captions)).float()
        pictures = self.of_picture(soft.mean(1)).float()
        losses["pair"] = sigmoid_pair_loss(pictures, captions, self.log_scale, self.bias)
        return losses

    def _guesses(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        patches = self.tower.encoder(images)
        soft = self.tower.projector(patches)
        grid = self.tower.projector.patches_per_side
        kinds = {
            "colour": len(COLOURS),
            "place": grid,
            "before": 1 + BEFORE,
            "offset": 1 + QUARTERS,
        }
        guesses = {}
        for name, head in self.heads.items():
            answers = head(patches if name.startswith("patch") else soft)
            guesses[name] = answers.unflatten(-1, (-1, kinds.get(name.split()[-1], len(KINDS))))
        return guesses, soft


def total(losses: dict[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
    """What is made small: the losses, each with its weight."""
    return sum((WEIGHTS[name] * loss for name, loss in losses.items()), torch.tensor(0.0))
