"""Training one stage of the recipe, from the checkpoint of the one before to its own.

>>> from gemma3_edu.train.recipe import Run
>>> train_stage(Run(Path("nowhere")), "encoder")
Traceback (most recent call last):
ValueError: folder: nowhere/tokenizer.model is missing; run the stage `tokenizer` first
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..hub.checkpoint import load, open_checkpoint, save
from ..model import Block, Gemma3
from ..prompt.processor import Processor
from . import rows
from .encoder import EncoderLessons, PictureBatch, of_pictures, total
from .feed import Feed
from .loop import fit
from .precision import quick_dtype
from .recipe import BEFORE, LONG, STAGES, Run, nano_config
from .rows import Document, Rows

FIRST_WORD = 494
"""The first id after special tokens and bytes."""
APART = 1_000
"""More examples than any step reads: step n begins with example n * APART."""


def train_stage(run: Run, stage: str, **options: Any) -> bool:
    """Train one stage, or a slice of it; True once its checkpoint is written.

    `options` go to `loop.fit`: `seconds`, `save_every`, `on_step`.
    """
    if _finished(run, stage):
        return True
    torch.manual_seed(run.seed)
    model, processor = _start(run, stage)
    model.to(run.device).train()
    make_task = _encoder_task if stage == "encoder" else _text_task
    taught, loss_of = make_task(run, stage, model, processor)
    parameters = {n: p for n, p in taught.named_parameters() if p.requires_grad}
    if not fit(parameters, loss_of, run.plan(stage), run.folder / f"{stage}.run", **options):
        return False
    save(model.to("cpu"), processor, run.folder / stage)  # in float32: the next stage goes on
    return True


def export(run: Run, stage: str, target: Path) -> None:
    """Write a finished stage as it ships: in bfloat16, with everything transformers reads."""
    if not _finished(run, stage):
        raise ValueError(f"folder: {run.folder} has no finished stage {stage!r}; train it first")
    model, processor = load(run.folder / stage, dtype=torch.bfloat16)
    save(model, processor, target)


def _finished(run: Run, stage: str) -> bool:
    """Whether the stage's checkpoint is there, whole; a damaged one is written again."""
    try:
        open_checkpoint(run.folder / stage)
    except ValueError:
        return False
    return True


def _start(run: Run, stage: str) -> tuple[Gemma3, Processor]:
    tokenizer = run.tokenizer()
    config = nano_config(tokenizer)
    model = Gemma3(config)
    _quiet(model)
    if begin := _beginning(run, stage):
        earlier, processor = load(begin, dtype=torch.float32)
        if processor is None or processor.tokenizer.model != tokenizer.model:
            raise ValueError(f"begin_with: {begin} has other words than those in {run.folder}")
        try:
            model.load_state_dict(earlier.state_dict())
        except RuntimeError as error:
            raise ValueError(f"begin_with: {begin} is of another size than nano") from error
    assert model.vision is not None
    model.vision.encoder.requires_grad_(stage == "encoder")
    return model, Processor(tokenizer, config)


def _beginning(run: Run, stage: str) -> Path | None:
    """The checkpoint whose weights a stage begins with; None for fresh ones."""
    before = BEFORE.get(stage)
    if run.begin_with is not None or before is None:
        return run.begin_with
    if not _finished(run, before):
        raise ValueError(f"folder: {run.folder} has no finished stage {before!r}; train it first")
    return run.folder / before


def _quiet(model: Gemma3) -> None:
    """Let every branch begin with less than half of its weight in the stream.

    A norm after a branch gives it the size of the stream itself, whatever it says: at a gain of 1,
    24 branches that say nothing yet drown the word.
    """
    for name, parameter in model.named_parameters():
        if name.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")):
            nn.init.constant_(parameter, -0.6)  # the gain is 1 + w


def _encoder_task(
    run: Run, stage: str, model: Gemma3, processor: Processor
) -> tuple[nn.Module, Callable[[int], Tensor]]:
    assert model.vision is not None
    lessons = EncoderLessons(model.vision, model.config, processor.tokenizer.vocab_size)
    lessons.to(run.device)
    mixture, count = run.mixture(stage, processor.tokenizer, LONG), STAGES[stage].rows
    if run.compiled:
        for layer in model.vision.encoder.layers:
            layer.compile()

    def make(step: int) -> PictureBatch:
        pictures = []
        for index in range(step * count, (step + 1) * count):
            shown = mixture.example(index).pictures
            pictures.append(shown[index % len(shown)])
        return of_pictures(pictures, processor.tokenizer, model.config)

    feed = Feed(make, run.workers)

    def loss_of(step: int) -> Tensor:
        with _autocast(run.device):
            return total(lessons.losses(feed(step).to(run.device)))

    return lessons, loss_of


def _text_task(
    run: Run, stage: str, model: Gemma3, processor: Processor
) -> tuple[nn.Module, Callable[[int], Tensor]]:
    each, tokenizer = STAGES[stage], processor.tokenizer
    encode = rows.Encoder(processor, chat=stage == "instruct")

    def documents(name: str, length: int, step: int) -> Iterator[Document]:
        if name == "induction":
            yield from rows.induction(step, FIRST_WORD, tokenizer.vocab_size - 40)
        mixture = run.mixture(name, tokenizer, length - 8)
        for index in itertools.count(step * APART):
            yield encode(mixture.example(index), pan_and_scan=True)

    def make(step: int) -> Rows:
        soft = tokenizer.soft_id
        if each.long_every and step % each.long_every == each.long_every - 1:
            return rows.pack(documents("long", LONG, step), 1, LONG, soft)
        return rows.pack(documents(stage, each.length, step), each.rows, each.length, soft)

    feed = Feed(make, run.workers)
    block = torch.compile(Block.forward, dynamic=False) if run.compiled else Block.forward

    def loss_of(step: int) -> Tensor:
        with _autocast(run.device):
            return rows.loss(model, feed(step).to(run.device), block)

    return model, loss_of


def _autocast(device: str) -> torch.autocast:
    dtype = quick_dtype(device)
    return torch.autocast(torch.device(device).type, dtype, enabled=dtype != torch.float32)
