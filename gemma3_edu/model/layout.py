"""Where each token sits: masks, rotary embedding and cache all follow from this layout alone.

>>> layout = TokenLayout.of_text(torch.tensor([[False, True, True], [True, True, True]]))
>>> layout.position.tolist()
[[-1, 0, 1], [0, 1, 2]]
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from .config import Gemma3Config


@dataclass(frozen=True)
class TokenLayout:
    """One row per sequence, one column per token.

    `position` counts from 0 in each row; -1 marks padding. `image_id` is 0 for text and n for the
    soft tokens of the row's n-th image (tokens around an image, such as start of image, are text).
    """

    position: Int[Tensor, "B T"]
    image_id: Int[Tensor, "B T"]

    @classmethod
    def of_text(cls, real: Bool[Tensor, "B T"]) -> "TokenLayout":
        """The layout of text; False marks padding, which must be on the left."""
        return cls.of(real, torch.zeros_like(real, dtype=torch.long))

    @classmethod
    def of(cls, real: Bool[Tensor, "B T"], image_id: Int[Tensor, "B T"]) -> "TokenLayout":
        """The layout whose positions count the real tokens of each row."""
        if bool((real[:, :-1] & ~real[:, 1:]).any()):
            raise ValueError(
                "padding_mask: there is padding to the right of a token; pad on the left, since "
                "the cache's ring takes each row's columns in order"
            )
        position = torch.where(real, real.long().cumsum(1) - 1, -1)
        return cls(position, image_id)

    @property
    def batch_size(self) -> int:
        """B, the number of sequences."""
        return self.position.shape[0]

    @property
    def length(self) -> int:
        """T, the number of columns, padding included."""
        return self.position.shape[1]

    def image_starts(self) -> Bool[Tensor, "B T"]:
        """True at the first soft token of each image."""
        before = F.pad(self.image_id, (1, 0))[:, :-1]
        return (self.image_id > 0) & (self.image_id != before)

    def columns(self, start: int, stop: int) -> "TokenLayout":
        """The columns start <= c < stop, as views."""
        return TokenLayout(self.position[:, start:stop], self.image_id[:, start:stop])

    def next_column(self) -> "TokenLayout":
        """The one column of text that comes next, as in decoding."""
        position = self.position[:, -1:] + 1
        return TokenLayout(position, torch.zeros_like(position))

    def followed_by(self, other: "TokenLayout") -> "TokenLayout":
        """This layout's columns, then the other's."""
        return TokenLayout(
            torch.cat([self.position, other.position], 1),
            torch.cat([self.image_id, other.image_id], 1),
        )


@dataclass(frozen=True)
class Batch:
    """What the model reads: token ids, where they sit, and the pictures among them.

    `images` are pixels in [-1, 1], in the order of their soft tokens: row by row, from left to
    right. The constructor checks nothing; `from_ids` does.
    """

    tokens: Int[Tensor, "B T"]
    layout: TokenLayout
    images: Float[Tensor, "I 3 Y X"] | None = None

    @classmethod
    def from_ids(
        cls,
        ids: Int[Tensor, "B T"],
        config: Gemma3Config,
        images: Float[Tensor, "I 3 Y X"] | None = None,
        padding_mask: Int[Tensor, "B T"] | Bool[Tensor, "B T"] | None = None,
    ) -> "Batch":
        """A batch of ids, checked; 0 or False in `padding_mask` marks padding.

        Every run of soft tokens (`image_token_index`) is one image and has `mm_tokens_per_image`.

        >>> from gemma3_edu.model.presets import PRESETS
        >>> Batch.from_ids(torch.tensor([[2, 7, 8]]), PRESETS["tiny-text"]).layout.position
        tensor([[0, 1, 2]])
        """
        kind = getattr(ids, "dtype", type(ids).__name__)  # a list has none
        if kind not in (torch.long, torch.int) or ids.dim() != 2:
            shape = list(getattr(ids, "shape", ()))
            raise ValueError(f"ids: {kind} of shape {shape}; pass an int64 tensor of shape (B, T)")
        if ids.numel() == 0:
            raise ValueError(f"ids: shape {tuple(ids.shape)} contains no token; give at least one")
        real = torch.ones_like(ids) > 0 if padding_mask is None else padding_mask > 0
        if not bool(real.any(1).all()):
            raise ValueError("padding_mask: a row is all padding; leave it out of the batch")
        soft = (ids == config.image_token_index) & real if config.vision else torch.zeros_like(real)
        text = ids.where(~soft, 0)  # the soft token's id may be one past the vocabulary
        low, high = int(text.min()), int(text.max())
        if low < 0 or high >= config.text.vocab_size:
            raise ValueError(
                f"ids: {low if low < 0 else high} is outside the vocabulary of "
                f"{config.text.vocab_size} tokens; were they made by another model's tokenizer?"
            )
        layout = TokenLayout.of(real, _image_ids(soft))
        longest = int(layout.position.max()) + 1
        if longest > config.text.max_position_embeddings:
            raise ValueError(
                f"ids: a prompt of {longest} tokens is longer than max_position_embeddings="
                f"{config.text.max_position_embeddings}; shorten it"
            )
        _check_images(layout, config, images)
        return cls(ids, layout, images)

    def columns(self, start: int, stop: int) -> "Batch":
        """The columns start <= c < stop, with the images whose soft tokens start there."""
        images = self.images
        if images is not None:
            starts = self.layout.image_starts().nonzero()[:, 1]  # the column of each image
            images = images[(start <= starts) & (starts < stop)]
            images = images if len(images) else None
        return Batch(self.tokens[:, start:stop], self.layout.columns(start, stop), images)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        layout = TokenLayout(self.layout.position.to(device), self.layout.image_id.to(device))
        images = None if self.images is None else self.images.to(device)
        return Batch(self.tokens.to(device), layout, images)


def _image_ids(soft: Bool[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """Number the runs of soft tokens in each row: 1, 2, ...; text is 0."""
    starts = soft & ~F.pad(soft, (1, 0))[:, :-1]
    return torch.where(soft, starts.long().cumsum(1), 0)


def _check_images(layout: TokenLayout, config: Gemma3Config, images: Tensor | None) -> None:
    given = 0 if images is None else len(images)
    if config.vision is None:
        if images is not None:
            raise ValueError(
                f"images: {given} given, but this model is text-only; "
                "load a size that has a vision tower"
            )
        return
    wanted = int(layout.image_starts().sum())
    if given != wanted:
        raise ValueError(f"images: {given} given for {wanted} runs of soft tokens in the ids")
    size = config.vision.image_size
    if images is not None and images.shape[1:] != (3, size, size):
        raise ValueError(
            f"images: {tuple(images.shape)} given; the vision tower reads (I, 3, {size}, {size})"
        )
    if images is not None and not (images.is_floating_point() and bool((images.abs() <= 1).all())):
        raise ValueError(f"images: {images.dtype}, but pixels must be floats, all in [-1, 1]")
    for row in layout.image_id:
        lengths = row[row > 0].unique(return_counts=True)[1]
        if bool((lengths != config.mm_tokens_per_image).any()):
            raise ValueError(
                f"ids: an image has {lengths.tolist()} soft tokens in a run where each takes "
                f"{config.mm_tokens_per_image}; there must be text between two images"
            )
