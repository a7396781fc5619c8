"""Conversations and plain text to what the model reads, and ids back to text.

An image enters a prompt as text: the text of its tokens replaces its placeholder, and only then is
the whole turned into ids. So newlines that meet become one token, as in transformers (Google's own
code inserts ids instead).

>>> import dataclasses
>>> from gemma3_edu.model.presets import PRESETS
>>> tokenizer = Tokenizer("tests/data/tokenizer.model")
>>> text = dataclasses.replace(PRESETS["tiny-text"].text, vocab_size=tokenizer.vocab_size)
>>> processor = Processor(tokenizer, Gemma3Config(text=text))
>>> batch = processor([Message.user("Who is Ahab?")])
>>> print(processor.decode(batch.tokens[0], skip_special=False), end="")
<bos><start_of_turn>user
Who is Ahab?<end_of_turn>
<start_of_turn>model
>>> processor.decode(processor.text("Call me Ishmael").tokens[0])
'Call me Ishmael'
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..model.config import Gemma3Config
from ..model.layout import Batch
from .chat_template import Message, image_text, render
from .images import ImageSettings, ImageSource, load_image, resize_and_normalize
from .tokenizer import START_OF_IMAGE, Tokenizer


@dataclass(frozen=True)
class Processor:
    """A tokenizer and image settings for one model.

    `stop_tokens` end an answer; if none are given, `<eos>` and `<end_of_turn>` do.
    """

    tokenizer: Tokenizer
    config: Gemma3Config
    image_settings: ImageSettings = field(default_factory=ImageSettings)
    stop_tokens: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        tokenizer, config = self.tokenizer, self.config
        if not self.stop_tokens:
            stop_tokens = (tokenizer.eos_id, tokenizer.end_of_turn_id)
            object.__setattr__(self, "stop_tokens", stop_tokens)
        if tokenizer.vocab_size > config.text.vocab_size:
            raise ValueError(
                f"tokenizer: has {tokenizer.vocab_size} tokens, but the model's vocab_size is "
                f"{config.text.vocab_size}; it is another model's tokenizer"
            )
        found = (tokenizer.boi_id, tokenizer.eoi_id, tokenizer.soft_id)
        wanted = (config.boi_token_index, config.eoi_token_index, config.image_token_index)
        if config.vision and found != wanted:
            raise ValueError(
                f"tokenizer: start of image, end of image and soft token are {found}, but the "
                f"config has {wanted}; it is another model's tokenizer"
            )

    def __call__(
        self,
        messages: Sequence[Message] | Sequence[Sequence[Message]],
        *,
        pan_and_scan: bool | None = None,
        add_generation_prompt: bool = True,
    ) -> Batch:
        """The batch of one conversation, or of a list of them, padded on the left.

        With `pan_and_scan` None the checkpoint's setting decides, which is off unless it is given.
        Without `add_generation_prompt` a finished conversation is taken as it is, for training.
        """
        several = isinstance(messages, Sequence) and messages and isinstance(messages[0], Sequence)
        conversations: Any = messages if several else [messages]
        rendered = [render(c, add_generation_prompt=add_generation_prompt) for c in conversations]
        texts, images = [text for text, _ in rendered], [images for _, images in rendered]
        return self._batch(texts, images, pan_and_scan, add_bos=True)

    def text(
        self,
        text: str | Sequence[str],
        images: Sequence[ImageSource] | Sequence[Sequence[ImageSource]] | None = None,
        *,
        pan_and_scan: bool | None = None,
        add_bos: bool = True,
    ) -> Batch:
        """The batch of plain text, or of a list of texts, to be continued as it is.

        `images` is a list, or a list of lists for a list of texts. Each `<start_of_image>` in a
        text is the place of one image. Unlike in messages, no control text is refused.
        """
        single = isinstance(text, str)
        texts: Any = [text] if single else text
        rows: Any = [images] if single and images is not None else images
        if not texts:
            raise ValueError("text: the list is empty; give at least one text")
        if rows is not None and len(rows) != len(texts):
            raise ValueError(
                f"images: {len(rows)} lists given for {len(texts)} texts; give one per text, [] "
                "for a text without images"
            )
        return self._batch(texts, rows, pan_and_scan, add_bos)

    def decode(self, ids: Int[Tensor, "T"] | Sequence[int], *, skip_special: bool = True) -> str:
        """The text of one row of ids; control tokens and padding are left out unless asked for."""
        row = ids.tolist() if isinstance(ids, Tensor) else ids
        return self.tokenizer.decode(row, skip_special=skip_special)

    def _batch(
        self,
        texts: Sequence[str],
        images: Sequence[Sequence[ImageSource]] | None,
        pan_and_scan: bool | None,
        add_bos: bool,
    ) -> Batch:
        pixels: list[Float[Tensor, "3 Y X"]] = []
        rows = []
        for index, text in enumerate(texts):
            if images is not None:
                text, squares = self._expand(text, images[index], pan_and_scan)
                pixels.extend(squares)
            rows.append(self.tokenizer.encode(text, add_bos=add_bos))
            if not rows[-1]:
                raise ValueError(f"text: item {index} is empty; leave it out, or keep add_bos")
        width = max(map(len, rows))
        tokens = torch.full((len(rows), width), self.tokenizer.pad_id)
        mask = torch.zeros_like(tokens)
        for index, row in enumerate(rows):
            tokens[index, width - len(row) :] = torch.tensor(row)
            mask[index, width - len(row) :] = 1
        return Batch.from_ids(tokens, self.config, torch.stack(pixels) if pixels else None, mask)

    def _expand(
        self, text: str, images: Sequence[ImageSource], pan_and_scan: bool | None
    ) -> tuple[str, list[Float[Tensor, "3 Y X"]]]:
        """The text with every placeholder replaced by its image's tokens, and the pixels."""
        vision = self.config.vision
        between = text.split(START_OF_IMAGE)
        if len(between) - 1 != len(images):
            raise ValueError(
                f"images: {len(images)} given for {len(between) - 1} {START_OF_IMAGE} in the text; "
                "each marks the place of one image"
            )
        if not images:
            return text, []
        if vision is None:
            raise ValueError(
                f"images: {len(images)} given, but this model is text-only; load a size that has "
                "a vision tower"
            )
        settings = self.image_settings
        wanted = settings.enabled if pan_and_scan is None else pan_and_scan
        expanded, pixels = between[0], []
        for source, after in zip(images, between[1:], strict=True):
            image = load_image(source)
            crops = settings.crops(image) if wanted else []
            pixels += [resize_and_normalize(each, vision.image_size) for each in (image, *crops)]
            expanded += image_text(len(crops), self.config.mm_tokens_per_image) + after
        return expanded, pixels
