"""The recipe of nano: its sizes, its stages, and what each stage reads and makes small.

Each stage begins with the checkpoint of the one before: the `encoder`, then frozen; `pretrain` on
text and pictures, all rotary bases 10k; `long`, where base 1M and factor 8 on global layers stretch
the context (technical report, section 5.3); `instruct`, in the chat format. An encoder that learnt
on in `pretrain`, at the language model's rate, forgot what it had learnt within minutes.

>>> list(STAGES)
['encoder', 'pretrain', 'long', 'instruct']
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..model.config import Gemma3Config, RopeConfig, layer_pattern
from ..model.presets import PRESETS
from ..prompt.tokenizer import Tokenizer
from .data.draw import Setting
from .data.mixture import Mixture
from .data.prose import ASSETS
from .loop import Plan


@dataclass(frozen=True)
class Stage:
    """How one stage is trained: its plan, rows a step, and the longest text in tokens."""

    plan: Plan
    batch_size: int
    length: int


# About two hours on two cores, reckoned from the speed of the first two stages; on a GPU, lengthen
# them by Run.scale.
STAGES = {
    "encoder": Stage(Plan(steps=2_600, learning_rate=2e-3, warmup=80), 64, 64),
    "pretrain": Stage(Plan(steps=4_000, learning_rate=3e-3, warmup=100), 64, 256),
    "long": Stage(Plan(steps=120, learning_rate=5e-4, warmup=10), 8, 1_900),
    "instruct": Stage(Plan(steps=2_400, learning_rate=1.5e-3, warmup=50), 64, 1_900),
}
BEFORE = {"pretrain": "encoder", "long": "pretrain", "instruct": "long"}


def _sizes(config: Gemma3Config) -> tuple[int, ...]:
    text, vision = config.text, config.vision
    assert vision is not None
    heads = text.num_attention_heads, text.num_key_value_heads, text.head_dim
    layers = text.num_hidden_layers
    tower = vision.hidden_size, vision.num_hidden_layers
    return text.hidden_size, text.intermediate_size, layers, *heads, *tower


# hidden, feed-forward, layers, query heads, key/value heads, head size; vision width and layers
SIZES = {"nano": _sizes(PRESETS["nano"]), "teacher": (384, 1024, 18, 8, 2, 48, 192, 6)}


def nano_config(tokenizer: Tokenizer, size: str = "nano", stretched: bool = True) -> Gemma3Config:
    """Gemma 3's architecture, nothing left out, for the words of a tokenizer.

    Before the context is `stretched`, global layers have base 10k and factor 1, as in the report.
    """
    d, f, layers, n, k, h, width, depth = SIZES[size]
    nano = PRESETS["nano"]
    assert nano.vision is not None
    text = dataclasses.replace(
        nano.text,
        vocab_size=tokenizer.vocab_size + 64,
        hidden_size=d,
        intermediate_size=f,
        layer_types=layer_pattern(layers),
        num_attention_heads=n,
        num_key_value_heads=k,
        head_dim=h,
        query_pre_attn_scalar=h,
        rope_global=nano.text.rope_global if stretched else RopeConfig(1e4),
    )
    vision = dataclasses.replace(
        nano.vision, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=depth
    )
    return dataclasses.replace(
        nano,
        text=text,
        vision=vision,
        boi_token_index=tokenizer.boi_id,
        eoi_token_index=tokenizer.eoi_id,
        image_token_index=tokenizer.soft_id,
    )


@dataclass(frozen=True)
class Run:
    """A training run: where it lies, on what it computes, and what it reads.

    A stage begins with the weights of the checkpoint `begin_with`, if one is named, in place of
    those of the stage before: what was learnt in another run is not lost.

    `compiled` blocks (torch.compile, which needs a C++ compiler on a CPU) take a minute to start.
    """

    folder: Path
    size: str = "nano"
    device: str = "cpu"
    seed: int = 0
    workers: int = 0
    compiled: bool = False
    varied: bool = False
    scale: float = 1.0
    prose: Path = ASSETS
    teacher: Path | None = None
    begin_with: Path | None = None

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
        count = partial(tokens, tokenizer)
        setting = Setting(side.image_size, STAGES[stage].length, count, self.prose, self.varied)
        return Mixture(stage, split, self.seed, setting)


def tokens(tokenizer: Tokenizer, text: str) -> int:
    """How many tokens a text has, `<bos>` counted."""
    return len(tokenizer.encode(text))
