"""Plant a mistake in a model from outside: the package itself has no switches for mistakes.

Each function below makes a plant, a function that changes the model it is given.

>>> from gemma3_edu import PRESETS, Gemma3, Gemma3Config, RMSNorm
>>> model = Gemma3(Gemma3Config(text=PRESETS["tiny-text"].text))
>>> plant = in_each(RMSNorm, lambda norm: norm.weight.data.fill_(7))
>>> plant(model)
>>> model.language_model.norm.weight[:2].tolist()
[7.0, 7.0]
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ..model import Batch, Gemma3, KVCache, TokenLayout, rope_table
from ..model.rope import Rope

Plant = Callable[[Gemma3], None]


def while_it_runs(name: str, wrong: Callable[..., Any]) -> Plant:
    """While a model computes, `wrong` replaces a function of `gemma3_edu.model`.

    `name` is where the function is looked up, such as "masks.within_window". Other models, and the
    settings of this one, stay right.
    """

    def plant(model: Gemma3) -> None:
        right = model.hidden_states

        def hidden_states(*inputs: Any) -> Tensor:
            with patch(f"gemma3_edu.model.{name}", wrong):
                return right(*inputs)

        model.hidden_states = hidden_states  # type: ignore[assignment, method-assign]

    return plant


def in_each(kind: type[nn.Module], change: Callable[[Any], Any]) -> Plant:
    """`change(part)` for each part of a kind in the language model, such as every RMSNorm."""

    def plant(model: Gemma3) -> None:
        for part in [part for part in model.language_model.modules() if isinstance(part, kind)]:
            change(part)

    return plant


def setting(**changes: Any) -> Plant:
    """Other settings of the text model, after its weights were loaded by the right ones."""

    def plant(model: Gemma3) -> None:
        changed = replace(model.config.text, **changes)
        model.config = replace(model.config, text=changed)
        model.language_model.config = changed

    return plant


def reading(change: Callable[[Batch], Batch]) -> Plant:
    """The model reads `change(batch)`; columns that this adds on the left give no logits."""

    def plant(model: Gemma3) -> None:
        right = model.hidden_states

        def hidden_states(batch: Batch, *cache: Any) -> Tensor:
            return right(change(batch), *cache)[:, -batch.tokens.shape[1] :]

        model.hidden_states = hidden_states  # type: ignore[assignment, method-assign]

    return plant


def without_bos(batch: Batch) -> Batch:
    """The first token, `<bos>`, becomes padding, and all others move one place to the left.

    >>> batch = Batch(torch.tensor([[2, 8, 9]]), TokenLayout.of_text(torch.ones(1, 3) > 0))
    >>> without_bos(batch).layout.position.tolist()
    [[-1, 0, 1]]
    """
    place = (batch.layout.position - 1).clamp(min=-1)
    return Batch(batch.tokens, TokenLayout(place, batch.layout.image_id), batch.images)


def with_two_bos(batch: Batch) -> Batch:
    """A text that begins with `<bos>`, 2, gets another one before it.

    A piece that goes on with a text gets no token, but its places are one further on, too.

    >>> batch = Batch(torch.tensor([[2, 8, 9]]), TokenLayout.of_text(torch.ones(1, 3) > 0))
    >>> with_two_bos(batch).tokens.tolist(), with_two_bos(batch).layout.position.tolist()
    ([[2, 2, 8, 9]], [[0, 1, 2, 3]])
    """
    place, image, tokens = batch.layout.position + 1, batch.layout.image_id, batch.tokens
    if (place == 1).any():  # a text begins: one column more on the left
        place, image, tokens = (F.pad(part, (1, 0)) for part in (place, image, tokens))
        begin = (place == 1).roll(-1, 1)
        place = torch.where(begin, 0, torch.where(place > 0, place, -1))
        tokens = tokens.masked_fill(begin, 2)
    return Batch(tokens, TokenLayout(place, image), batch.images)


def three_copies(model: Gemma3) -> dict[str, Gemma3]:
    """Copies A, B and C of a model: one is right, and each of the others has one mistake.

    Appendix A2 says which; they are not named here, so that its first question stays one.
    """
    three = {name: copy.deepcopy(model) for name in "ABC"}
    window = model.config.text.sliding_window

    def looks_back(q: TokenLayout, k: TokenLayout, width: int) -> Tensor:
        return q.position[:, :, None] // width == k.position[:, None, :] // width

    def turned(position: Tensor, *settings: Any) -> Rope:
        start = position[:, :1]
        return rope_table(position - start + start.clamp(max=window), *settings)

    while_it_runs("masks.within_window", looks_back)(three["B"])
    while_it_runs("gemma3.rope_table", turned)(three["C"])
    return three


def in_parts(model: Gemma3, batch: Batch, sizes: Sequence[int]) -> Float[Tensor, "B T V"]:
    """The logits of a batch that is read through a cache, in parts of so many tokens each.

    `sizes` may stop before the batch does: then T is their sum.

    >>> from gemma3_edu import PRESETS, Gemma3Config
    >>> model = Gemma3(Gemma3Config(text=PRESETS["tiny-text"].text))
    >>> batch = Batch.from_ids(torch.ones(1, 9, dtype=torch.long), model.config)
    >>> in_parts(model, batch, [5, 1, 2]).shape[1]
    8
    """
    cache, logits, start = KVCache(model.config.text, len(batch.tokens)), [], 0
    for size in sizes:
        logits.append(model(batch.columns(start, start + size), cache))
        start += size
    return torch.cat(logits, dim=1)


def losses(
    model: Gemma3, pieces: Int[Tensor, "P T"], sizes: Sequence[int] | None = None
) -> Float[Tensor, " P"]:
    """The loss of each piece of a text, in nats a token; with `sizes`, it is read `in_parts`."""
    found = []
    for some in pieces.split(9):
        batch = Batch.from_ids(some, model.config)
        logits = in_parts(model, batch, sizes) if sizes else model(batch)
        nats = F.cross_entropy(logits[:, :-1].float().mT, some[:, 1:], reduction="none")
        found.append(nats.mean(1))
    return torch.cat(found)
