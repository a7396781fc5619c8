"""The recipe of nano: its sizes, its stages, and what each stage reads and makes small.

Each stage begins with the checkpoint of the one before: the `encoder`, then frozen; `pretrain` on
text and pictures, all rotary bases 10k; `long`, where base 1M and factor 8 on global layers stretch
the context (technical report, section 5.3); `instruct`, in the chat format.

>>> list(STAGES)
['encoder', 'pretrain', 'long', 'instruct']
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from ..attention import Attention, attend
from ..checkpoint import load, save
from ..config import Gemma3Config, RopeConfig, TextConfig, VisionConfig, layer_pattern
from ..model import Block, Gemma3
from ..processor import Processor
from ..tokenizer import Tokenizer
from .batches import Lesson, of_conversations, of_texts
from .data.draw import Setting
from .data.examples import Example
from .data.mixture import Mixture
from .data.prose import ASSETS
from .encoder import EncoderLessons, PictureBatch, of_pictures
from .feed import POOL, Feed, pool_of_examples
from .loop import Plan, fit, process, processes
from .losses import distillation_loss, guesses


@dataclass(frozen=True)
class Stage:
    """How one stage is trained: its plan, rows a step, and the longest text in tokens."""

    plan: Plan
    batch_size: int
    length: int


# On two cores these take two hours; on a GPU, lengthen them by Run.scale.
STAGES = {
    "encoder": Stage(Plan(steps=2_400, learning_rate=1e-3, warmup=80), 64, 64),
    "pretrain": Stage(Plan(steps=6_000, learning_rate=2e-3, warmup=200), 32, 256),
    "long": Stage(Plan(steps=200, learning_rate=5e-4, warmup=20), 8, 1_900),
    "instruct": Stage(Plan(steps=5_000, learning_rate=1e-3, warmup=100), 32, 1_900),
}
_BEFORE = {"pretrain": "encoder", "long": "pretrain", "instruct": "long"}

# hidden, feed-forward, layers, query heads, key/value heads, head size; vision width and layers
SIZES = {"nano": (192, 480, 12, 4, 2, 32, 128, 4), "teacher": (384, 1024, 18, 8, 2, 48, 192, 6)}


def nano_config(tokenizer: Tokenizer, size: str = "nano", stretched: bool = True) -> Gemma3Config:
    """Gemma 3's architecture, nothing left out: 5:1 layers, factor 8, window 64, context 2,048.

    Before the context is `stretched`, global layers have base 10k and factor 1, as in the report.
    """
    d, f, layers, n, k, h, width, depth = SIZES[size]
    text = TextConfig(
        vocab_size=tokenizer.vocab_size + 64,
        hidden_size=d,
        intermediate_size=f,
        layer_types=layer_pattern(layers),
        num_attention_heads=n,
        num_key_value_heads=k,
        head_dim=h,
        query_pre_attn_scalar=h,
        sliding_window=64,
        max_position_embeddings=2_048,
        rope_global=RopeConfig(1e6, 8.0) if stretched else RopeConfig(1e4),
    )
    vision = VisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=depth,
        num_attention_heads=4,
        image_size=112,
        patch_size=14,
    )
    return Gemma3Config(
        text=text,
        vision=vision,
        mm_tokens_per_image=16,
        boi_token_index=tokenizer.boi_id,
        eoi_token_index=tokenizer.eoi_id,
        image_token_index=tokenizer.soft_id,
    )


@dataclass(frozen=True)
class Run:
    """A training run: where it lies, on what it computes, and what it reads.

    `compiled` blocks (torch.compile, which needs a C++ compiler on a CPU) take a minute to start.
    """

    folder: Path
    size: str = "nano"
    device: str = "cpu"
    seed: int = 0
    workers: int = 0
    compiled: bool = False
    scale: float = 1.0
    prose: Path = ASSETS
    teacher: Path | None = None

    def plan(self, stage: str) -> Plan:
        """The stage's plan, shortened or lengthened by `scale`."""
        plan = STAGES[stage].plan
        steps = max(2, round(plan.steps * self.scale))
        warmup = min(round(plan.warmup * self.scale), steps - 1)
        return dataclasses.replace(plan, steps=steps, warmup=warmup)

    def tokenizer(self) -> Tokenizer:
        """The one trained first; ValueError says how if it is not there."""
        path = self.folder / "tokenizer.model"
        if not path.is_file():
            raise ValueError(f"folder: {path} is missing; run the stage `tokenizer` first")
        return Tokenizer(path)

    def mixture(self, stage: str, tokenizer: Tokenizer, split: str = "train") -> Mixture:
        """What the stage reads, in pictures of the encoder's size."""
        side = nano_config(tokenizer, self.size).vision
        assert side is not None
        count = partial(_tokens, tokenizer)
        setting = Setting(side.image_size, STAGES[stage].length, count, self.prose)
        return Mixture(stage, split, self.seed, setting)


def _tokens(tokenizer: Tokenizer, text: str) -> int:
    return len(tokenizer.encode(text))


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
    if before := _BEFORE.get(stage):
        if not (run.folder / before / "config.json").exists():
            raise ValueError(
                f"folder: {run.folder} has no finished stage {before!r}; train it first"
            )
        earlier, _ = load(run.folder / before, dtype=torch.float32)
        model.load_state_dict(earlier.state_dict())
        assert model.vision is not None
        model.vision.encoder.requires_grad_(False)
    return model, Processor(tokenizer, config)


def _encoder_task(
    run: Run, stage: str, model: Gemma3, processor: Processor
) -> tuple[nn.Module, Callable[[int], Tensor]]:
    assert model.vision is not None
    vision = model.config.vision
    assert vision is not None
    lessons = EncoderLessons(model.vision.encoder, processor.tokenizer.vocab_size).to(run.device)
    mixture = run.mixture(stage, processor.tokenizer)
    rows, length = STAGES[stage].batch_size // processes(), partial(_length, processor.tokenizer)

    def make(pool: int) -> list[PictureBatch]:
        batches = pool_of_examples(mixture, pool * processes() + process(), rows, length)
        pictures = [[e.pictures[0] for e in batch if e.pictures] for batch in batches]
        sides = (vision.image_size, vision.patch_size)
        return [of_pictures(each, processor.tokenizer, *sides) for each in pictures]

    feed = Feed(make, POOL, run.workers)

    def loss_of(step: int) -> Tensor:
        with _autocast(run.device):
            losses = lessons.losses(feed(step).to(run.device))
        return losses["what"] + losses["colour"] + 0.1 * losses["pair"]

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

    def make(pool: int) -> list[Lesson]:
        batches = pool_of_examples(mixture, pool * processes() + process(), rows, length)
        # Every other batch has crops beside its long documents, so that both prompts are learnt.
        return [
            as_lesson(batch, processor, pan_and_scan=number % 2 > 0)
            for number, batch in enumerate(batches)
        ]

    feed = Feed(make, POOL, run.workers)

    def loss_of(step: int) -> Tensor:
        lesson = feed(step).to(run.device)
        with _autocast(run.device):
            logits, wanted = _guess(model, lesson)
        loss = F.cross_entropy(logits.float(), wanted)
        if teacher is None:
            return loss
        with torch.no_grad():
            guide, _ = _guess(teacher, lesson)
        return 0.5 * loss + 0.5 * distillation_loss(logits, guide)

    return model, loss_of


def _guess(model: Gemma3, lesson: Lesson) -> tuple[Tensor, Tensor]:
    """Logits where a token counts, and that token; the head is not asked about the others."""
    hidden = model.hidden_states(lesson.batch)
    hidden, wanted = guesses(hidden, lesson.batch.tokens, lesson.counted)
    return model.logits(hidden[None])[0], wanted


def _hasten(model: Gemma3, run: Run, stage: str) -> None:
    """What makes a step faster and changes no result: measured on two cores, 2.4 x together.

    On a CPU the fused kernel's backward pass is slow in short rows.
    """
    for module in model.language_model.modules():
        if isinstance(module, Attention) and run.device == "cpu" and stage != "long":
            module.core = lambda *inputs: attend(*inputs)[0]
        if isinstance(module, Block) and run.compiled:
            module.compile(dynamic=True)


def _length(tokenizer: Tokenizer, example: Example) -> int:
    """About how many tokens, for sorting rows; long pictures have crops in half of the batches."""
    text, pictures = example.text()
    long = [max(p.size) >= 1.2 * min(p.size) for p in pictures]
    return _tokens(tokenizer, text) + 17 * len(pictures) + 50 * sum(long)


def _autocast(device: str) -> torch.autocast:
    return torch.autocast(torch.device(device).type, torch.bfloat16)
