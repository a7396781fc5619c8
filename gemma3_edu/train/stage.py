"""Training one stage of the recipe, from the checkpoint of the one before to its own.

>>> from gemma3_edu.train.recipe import Run
>>> train_stage(Run(Path("nowhere")), "encoder")
Traceback (most recent call last):
ValueError: folder: nowhere/tokenizer.model is missing; run the stage `tokenizer` first
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from ..hub.checkpoint import load, save
from ..model.attention import Attention, attend
from ..model.gemma3 import Block, Gemma3
from ..prompt.processor import Processor
from ..prompt.tokenizer import Tokenizer
from .batches import Lesson, of_conversations, of_texts
from .data.examples import Example
from .encoder import EncoderLessons, PictureBatch, of_pictures
from .feed import Feed, examples_of_step, sorted_parts
from .loop import fit, process, processes
from .losses import distillation_loss, guesses
from .recipe import BEFORE, STAGES, Run, nano_config, tokens

PARTS = 3  # batches of rows of about the same length, in each step


def train_stage(run: Run, stage: str, **options: Any) -> bool:
    """Train one stage, or a slice of it; True once its checkpoint is written.

    `options` go to `loop.fit`: `seconds`, `save_every`, `on_step`.
    """
    if (run.folder / stage / "config.json").exists():
        return True
    torch.manual_seed(run.seed)
    model, processor = _start(run, stage)
    model.to(run.device).train()
    taught, loss_of = (_encoder_task if stage == "encoder" else _text_task)(
        run, stage, model, processor
    )
    parameters = {n: p for n, p in taught.named_parameters() if p.requires_grad}
    if not fit(parameters, loss_of, run.plan(stage), run.folder / f"{stage}.run", **options):
        return False
    if process() == 0:
        save(model.to("cpu"), processor, run.folder / stage)  # in float32: the next stage goes on
    if processes() > 1:
        dist.barrier()
    return True


def export(run: Run, stage: str, target: Path) -> None:
    """Write a finished stage as it ships: in bfloat16, with everything transformers reads."""
    if not (run.folder / stage / "config.json").exists():
        raise ValueError(f"folder: {run.folder} has no finished stage {stage!r}; train it first")
    model, processor = load(run.folder / stage, dtype=torch.bfloat16)
    save(model, processor, target)


def _start(run: Run, stage: str) -> tuple[Gemma3, Processor]:
    tokenizer = run.tokenizer()
    config = nano_config(tokenizer, run.size, stretched=stage in ("long", "instruct"))
    model = Gemma3(config)
    _quiet(model)
    if begin := _beginning(run, stage):
        earlier, processor = load(begin, dtype=torch.float32)
        same_words = processor is not None and processor.tokenizer.model == tokenizer.model
        try:
            model.load_state_dict(earlier.state_dict())
        except RuntimeError as error:
            raise ValueError(f"begin_with: {begin} is of another size than {run.size}") from error
        if not same_words:
            raise ValueError(f"begin_with: {begin} has other words than those in {run.folder}")
    if stage in BEFORE:
        assert model.vision is not None
        model.vision.encoder.requires_grad_(False)
    return model, Processor(tokenizer, config)


def _beginning(run: Run, stage: str) -> Path | None:
    """The checkpoint whose weights a stage begins with; None for fresh ones."""
    before = BEFORE.get(stage)
    if run.begin_with is not None or before is None:
        return run.begin_with
    if not (run.folder / before / "config.json").exists():
        raise ValueError(f"folder: {run.folder} has no finished stage {before!r}; train it first")
    return run.folder / before


def _quiet(model: Gemma3) -> None:
    """Let every branch begin with a tenth of its weight in the stream.

    A norm after a branch gives it the size of the stream itself, whatever it says: at a gain of 1,
    24 branches that say nothing yet drown the word. Measured on questions about text: 2.03 nats
    after 200 steps, where a gain of 1 had 2.32.
    """
    for name, parameter in model.named_parameters():
        if name.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")):
            nn.init.constant_(parameter, -0.9)  # the gain is 1 + w


def _encoder_task(
    run: Run, stage: str, model: Gemma3, processor: Processor
) -> tuple[nn.Module, Callable[[int], Tensor]]:
    assert model.vision is not None
    vision = model.config.vision
    assert vision is not None
    lessons = EncoderLessons(model.vision, processor.tokenizer.vocab_size).to(run.device)
    mixture = run.mixture(stage, processor.tokenizer)
    rows = STAGES[stage].batch_size // processes()
    sizes = (vision.image_size, model.config.mm_tokens_per_image)

    def make(step: int) -> PictureBatch:
        examples = examples_of_step(mixture, step * processes() + process(), rows)
        pictures = [example.pictures[0] for example in examples]
        return of_pictures(pictures, processor.tokenizer, *sizes)

    feed = Feed(make, run.workers)

    def loss_of(step: int) -> Tensor:
        with _autocast(run.device):
            losses = lessons.losses(feed(step).to(run.device))
        return losses["what"] + losses["colour"] + 3 * losses["read"] + 0.03 * losses["pair"]

    return lessons, loss_of


def _text_task(
    run: Run, stage: str, model: Gemma3, processor: Processor
) -> tuple[nn.Module, Callable[[int], Tensor]]:
    _hasten(model, run, stage)
    mixture = run.mixture(stage, processor.tokenizer)
    as_lesson = of_conversations if stage == "instruct" else of_texts
    teacher = None
    if run.teacher is not None and stage == "instruct":
        teacher = load(run.teacher, dtype=torch.bfloat16, device=run.device)[0]

    rows, length = STAGES[stage].batch_size // processes(), partial(_length, processor.tokenizer)

    def make(step: int) -> list[Lesson]:
        examples = examples_of_step(mixture, step * processes() + process(), rows)
        # Every other step has crops beside its long documents, so that both prompts are learnt.
        return [
            as_lesson(part, processor, pan_and_scan=step % 2 > 0)
            for part in sorted_parts(examples, length, min(PARTS, rows))
        ]

    feed = Feed(make, run.workers)

    def loss_of(step: int) -> Tensor:
        lessons = [lesson.to(run.device) for lesson in feed(step)]
        counted = [int(lesson.counted[:, 1:].sum()) for lesson in lessons]
        losses = [_loss(model, teacher, lesson, run.device) for lesson in lessons]
        shares = torch.tensor(counted, device=run.device) / sum(counted)
        return shares @ torch.stack(losses)

    return model, loss_of


def _loss(model: Gemma3, teacher: Gemma3 | None, lesson: Lesson, device: str) -> Tensor:
    """Mean nats a counted token; half of it measured against the teacher, if there is one."""
    with _autocast(device):
        logits, wanted = _guess(model, lesson)
    loss = F.cross_entropy(logits.float(), wanted)
    if teacher is None:
        return loss
    with torch.no_grad():
        guide, _ = _guess(teacher, lesson)
    return 0.5 * loss + 0.5 * distillation_loss(logits, guide)


def _guess(model: Gemma3, lesson: Lesson) -> tuple[Tensor, Tensor]:
    """Logits where a token counts, and that token; the head is not asked about the others."""
    hidden = model.hidden_states(lesson.batch)
    hidden, wanted = guesses(hidden, lesson.batch.tokens, lesson.counted)
    return model.logits(hidden[None])[0], wanted


def _hasten(model: Gemma3, run: Run, stage: str) -> None:
    """What makes a step faster and changes no result: 1.6 x together, measured on one core.

    On a CPU the fused kernel's backward pass is slow in short rows.
    """
    if run.compiled:  # each block is compiled by itself, in shapes with pictures and without
        torch._dynamo.config.recompile_limit = 8 * len(model.language_model.layers)
    for module in model.language_model.modules():
        if isinstance(module, Attention) and run.device == "cpu" and stage != "long":
            module.attend = lambda *inputs: attend(*inputs)[0]
        if isinstance(module, Block) and run.compiled:
            module.compile(dynamic=True)


def _length(tokenizer: Tokenizer, example: Example) -> int:
    """About how many tokens, for sorting rows; long pictures have crops in half of the batches."""
    text, pictures = example.text()
    long = [max(p.size) >= 1.2 * min(p.size) for p in pictures]
    return tokens(tokenizer, text) + 17 * len(pictures) + 50 * sum(long)


def _autocast(device: str) -> torch.autocast:
    return torch.autocast(torch.device(device).type, torch.bfloat16)
