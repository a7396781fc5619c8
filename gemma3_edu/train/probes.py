"""What else is measured of a trained model: surprise at prose, what patches know, and speed.

>>> import dataclasses
>>> from gemma3_edu import Gemma3Config, Tokenizer
>>> from gemma3_edu.model.presets import PRESETS
>>> tokenizer = Tokenizer("tests/data/tokenizer.model")
>>> text = dataclasses.replace(PRESETS["tiny-text"].text, vocab_size=tokenizer.vocab_size)
>>> model = Gemma3(Gemma3Config(text=text))
>>> surprises(model, Processor(tokenizer, model.config), "Call me Ishmael", length=3).shape[1]
3
"""

import itertools
import math
import statistics
import time
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ..generation import generate
from ..generation.sampling import Sampler
from ..model import Gemma3
from ..model.layout import Batch
from ..prompt.chat_template import Message
from ..prompt.images import resize_and_normalize
from ..prompt.processor import Processor
from ..prompt.tokenizer import Tokenizer
from .data.draw import Draw
from .data.drawing import KINDS, SHAPES
from .data.prose import ASSETS, passages
from .data.scenes import render, scene

BORDERS = (0, 16, 64, 256, 512, 1024, 2048)
"""Where the stretches of positions begin whose surprise is averaged."""


def prose_rows(tokenizer: Tokenizer, split: str, rows: int, length: int) -> Int[Tensor, "R T"]:
    """Stretches of the novel that comes with the package, `length` tokens each, after `<bos>`."""
    begin, *ids = tokenizer.encode(" ".join(passages(ASSETS, split)))
    if len(ids) < rows * length:
        raise ValueError(f"rows={rows}: {split!r} has room for {len(ids) // length} of {length}")
    return torch.tensor([[begin, *ids[length * n : length * (n + 1)]] for n in range(rows)])


@torch.no_grad()
def surprises(model: Gemma3, processor: Processor, text: str, length: int) -> Float[Tensor, "P T"]:
    """Nats at every token of a text, in P stretches of T = `length`, each read after `<bos>` alone.

    The last stretch is filled up with NaN.
    """
    tokenizer, device = processor.tokenizer, model.language_model.embed_tokens.weight.device
    ids = tokenizer.encode(text, add_bos=False)
    rows = []
    for first in range(0, len(ids), length):
        row = torch.tensor([[tokenizer.bos_id, *ids[first : first + length]]])
        batch = Batch.from_ids(row, model.config).to(device)
        nats = F.cross_entropy(model(batch)[0, :-1].float(), batch.tokens[0, 1:], reduction="none")
        rows.append(F.pad(nats.cpu(), (0, length - len(nats)), value=math.nan))
    return torch.stack(rows)


def prose_bits(model: Gemma3, processor: Processor, texts: Sequence[str], length: int) -> float:
    """Bits a byte on prose, in stretches of `length` tokens.

    Each stretch is read without what stood before it, so the number is an upper bound.
    """
    nats = sum(float(surprises(model, processor, text, length).nansum()) for text in texts)
    return nats / math.log(2) / sum(len(text.encode()) for text in texts)


def surprise_by_position(
    model: Gemma3, processor: Processor, texts: Sequence[str], length: int
) -> dict[str, float]:
    """Mean nats a token by how many tokens stand before it, up to `length`; e to it is perplexity.

    Keys such as "16 to 63" name the stretch; one that no text reaches is left out.
    """
    rows = torch.cat([surprises(model, processor, text, length) for text in texts])
    found = {}
    for low, high in itertools.pairwise(BORDERS):
        mean = float(rows[:, low:high].nanmean())
        if not math.isnan(mean):
            found[f"{low} to {high - 1}"] = mean
    return found


@torch.no_grad()
def place_accuracy(
    model: Gemma3, known: Float[Tensor, "I 3 Y X"], asked: Float[Tensor, "J 3 Y X"]
) -> dict[str, float]:
    """How often a linear probe reads a patch's row, and its column, from its vector alone.

    The probe is fitted by least squares to the encoder's output on the pictures `known`, and tried
    on those `asked`; chance is one in as many as there are rows.
    """
    assert model.vision is not None and model.config.vision is not None
    grid, found = model.config.vision.patches_per_side, {}
    features = []
    for images in (known, asked):
        patches = torch.cat([model.vision.encoder(part) for part in images.split(32)])
        features.append(torch.cat([patches, torch.ones_like(patches[..., :1])], -1).double())
    numbers = torch.arange(grid**2)
    for name, label in (("row", numbers // grid), ("column", numbers % grid)):
        wanted = F.one_hot(label).double().expand(len(known), -1, -1)
        fitted = torch.linalg.lstsq(features[0].flatten(0, 1), wanted.flatten(0, 1)).solution
        right = (features[1] @ fitted).argmax(-1) == label
        found[name] = right.double().mean().item()
    return found


def labelled_scenes(
    count: int, split: str, side: int, patch: int
) -> tuple[Float[Tensor, "I 3 Y X"], dict[str, Int[Tensor, "I P"]]]:
    """Pictures of two to four shapes, and for each patch what is drawn there and where it is.

    "shape" and "colour" count from 1, as `SHAPES` and `NAMED` do in order; 0 is bare ground. "row"
    and "column" are the place of the patch. With the split "test" no model of ours has seen one.

    >>> pictures, answers = labelled_scenes(2, "test", side=28, patch=14)
    >>> pictures.shape, answers["row"].tolist()
    (torch.Size([2, 3, 28, 28]), [[0, 0, 1, 1], [0, 0, 1, 1]])
    """
    draw = Draw("labelled scenes", split)
    drawn = [render(draw, scene(draw, 2, 4), side) for _ in range(count)]
    pixels = torch.stack([resize_and_normalize(each.image, side) for each in drawn])
    what, colour = torch.tensor(np.stack([d.labels(side, patch) for d in drawn])).long().unbind(1)
    first = KINDS.index(SHAPES[0])
    across = side // patch
    places = torch.arange(across**2).expand(count, -1)
    answers = {"shape": (what - first + 1).clamp(0), "colour": colour}
    return pixels, answers | {"row": places // across, "column": places % across}


def share_to_alike(
    weights: Float[Tensor, "I L H P P"], answers: dict[str, Int[Tensor, "I P"]]
) -> Float[Tensor, "I L H"]:
    """How much attention goes to other patches of the same shape and colour, by layer and head.

    A mean over the patches of a picture for which there are such; `answers` are those of
    `labelled_scenes`.

    >>> answers = {"shape": torch.tensor([[1, 1, 1, 0]]), "colour": torch.tensor([[2, 2, 3, 0]])}
    >>> weights = torch.full((1, 1, 1, 4, 4), 0.25)
    >>> share_to_alike(weights, answers).item()  # the first two see each other
    0.25
    """
    shape, colour = answers["shape"], answers["colour"]
    alike = (shape[:, :, None] == shape[:, None]) & (colour[:, :, None] == colour[:, None])
    alike &= (shape > 0)[:, :, None] & ~torch.eye(shape.shape[1], dtype=torch.bool)
    has = alike.any(-1)  # I P
    given = (weights * alike[:, None, None]).sum(-1) * has[:, None, None]
    return given.sum(-1) / has.sum(-1)[:, None, None]


def speed(
    model: Gemma3, processor: Processor, asked: list[Message], tokens: int = 128, repeats: int = 5
) -> dict[str, float]:
    """Seconds to the first token of an answer, and tokens a second after it; medians, one row."""
    firsts, rates = [], []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        steps = generate(model, processor(asked, pan_and_scan=False), Sampler(0), tokens)
        next(steps)
        first = time.perf_counter()
        decoded = sum(1 for _ in steps)
        firsts.append(first - began)
        rates.append(decoded / (time.perf_counter() - first))
    return {  # without the first call, which warms up
        "seconds to the first token": statistics.median(firsts[1:]),
        "tokens a second": statistics.median(rates[1:]),
    }
