"""The vision encoder's own training, before it is frozen.

Two losses at once. SigLIP's asks, for every pair of a picture and a caption in the batch, whether
they belong together. Alone it is too weak a teacher for a small encoder that sees few pictures: it
says *that* a caption fits, never *where*. So each patch is also asked what lies in it, and of which
colour, which the renderer knows. The heads that answer are thrown away afterwards.

>>> from gemma3_edu.presets import PRESETS
>>> from gemma3_edu.vision import VisionTower
>>> lessons = EncoderLessons(VisionTower(PRESETS["tiny"]).encoder, vocab_size=512)
>>> lessons.what(torch.zeros(2, 36, 16)).shape[-1] == len(KINDS)  # a guess a patch
True
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ..images import resize_and_normalize
from ..tokenizer import Tokenizer
from ..vision import VisionEncoder
from .data.drawing import COLOURS, KINDS, Picture
from .losses import sigmoid_pair_loss


@dataclass(frozen=True)
class PictureBatch:
    """R pictures, what lies in each of their patches, and their captions.

    `labels` holds two rows a picture, indices into `KINDS` and into `COLOURS`; `captions` are ids,
    padded with 0.
    """

    images: Float[Tensor, "R 3 Y X"]
    labels: Int[Tensor, "R 2 P"]
    captions: Int[Tensor, "R T"]

    def to(self, device: torch.device | str) -> "PictureBatch":
        """The same on another device."""
        moved = (part.to(device) for part in (self.images, self.labels, self.captions))
        return PictureBatch(*moved)


def of_pictures(
    pictures: Sequence[Picture], tokenizer: Tokenizer, side: int, patch: int
) -> PictureBatch:
    """Squeeze pictures to `side` x `side` pixels and label their patches of `patch` pixels."""
    captions = [tokenizer.encode(picture.caption, add_bos=False) for picture in pictures]
    longest = max(map(len, captions))
    return PictureBatch(
        torch.stack([resize_and_normalize(picture.image, side) for picture in pictures]),
        torch.stack([torch.as_tensor(p.labels(side, patch), dtype=torch.long) for p in pictures]),
        torch.tensor([ids + [0] * (longest - len(ids)) for ids in captions]),
    )


class EncoderLessons(nn.Module):
    """An encoder with what it needs to be taught: two heads on its patches, and a caption tower.

    The caption tower is the mean of word vectors, projected: enough to tell captions apart.
    """

    def __init__(self, encoder: VisionEncoder, vocab_size: int):
        super().__init__()
        width = encoder.post_layernorm.normalized_shape[0]
        self.encoder = encoder
        self.what = nn.Linear(width, len(KINDS))
        self.colour = nn.Linear(width, len(COLOURS))
        self.words = nn.EmbeddingBag(vocab_size, width, mode="mean", padding_idx=0)
        self.of_caption, self.of_picture = nn.Linear(width, width), nn.Linear(width, width)
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())  # SigLIP's own start, and -10
        self.bias = nn.Parameter(torch.tensor(-10.0))

    def losses(self, batch: PictureBatch) -> dict[str, Float[Tensor, ""]]:
        """By name, each in nats: "what" and "colour" a patch, "pair" a picture."""
        patches = self.encoder(batch.images)
        what, colour = batch.labels.unbind(1)
        captions = self.of_caption(self.words(batch.captions))
        pictures = self.of_picture(patches.mean(1))
        return {
            "what": F.cross_entropy(self.what(patches).float().transpose(1, 2), what),
            "colour": F.cross_entropy(self.colour(patches).float().transpose(1, 2), colour),
            "pair": sigmoid_pair_loss(
                pictures.float(), captions.float(), self.log_scale, self.bias
            ),
        }
