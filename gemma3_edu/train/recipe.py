"""The recipe of nano: its stages, and what each stage reads and makes small.

Each stage begins with the checkpoint of the one before:

- `encoder`: the vision tower, by dense labels; after it the encoder is frozen.
- `induction`: the language model alone learns to look something up, which would otherwise take
  longer than all the rest, or never happen (see `rows.induction`). High rates are what it takes.
- `pretrain`: all skills and prose as plain text, questions and answers marked by words.
- `instruct`: the same in the chat format.

The last two have some rows as long as the context. The rotary base of 1M and the factor of 8 on
global layers are there from the start, where the released models change them later (technical
report, section 5.3): at this size that cost nothing.

>>> list(STAGES)
['encoder', 'induction', 'pretrain', 'instruct']
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..model.config import Gemma3Config
from ..model.presets import PRESETS
from ..prompt.tokenizer import Tokenizer
from .data.draw import Setting
from .data.mixture import Mixture
from .data.prose import ASSETS
from .loop import Plan


@dataclass(frozen=True)
class Stage:
    """How one stage is trained: its plan, rows a step and their length in tokens.

    For the encoder a row is a picture. Every `long_every`-th step reads one long row instead.
    """

    plan: Plan
    rows: int
    length: int = 0
    long_every: int = 0


LONG = 2_048
STAGES = {
    "encoder": Stage(Plan(steps=15_100, rate=2e-3, muon_rate=3e-3, warmup=80), 64),
    "induction": Stage(Plan(steps=1_500, rate=0.01, muon_rate=0.02, flat=0.95), 8, 192),
    "pretrain": Stage(Plan(steps=12_300, rate=0.01, muon_rate=0.02, flat=0.8), 8, 192, 16),
    "instruct": Stage(Plan(steps=7_100, rate=0.006, muon_rate=0.012, flat=0.2), 8, 192, 16),
}
BEFORE = {"induction": "encoder", "pretrain": "induction", "instruct": "pretrain"}


def nano_config(tokenizer: Tokenizer) -> Gemma3Config:
    """Gemma 3's architecture, nothing left out, for the words of a tokenizer."""
    nano = PRESETS["nano"]
    return dataclasses.replace(
        nano,
        text=dataclasses.replace(nano.text, vocab_size=tokenizer.vocab_size + 64),
        boi_token_index=tokenizer.boi_id,
        eoi_token_index=tokenizer.eoi_id,
        image_token_index=tokenizer.soft_id,
    )


@dataclass(frozen=True)
class Run:
    """A training run: its folder, on what it computes, and what it reads.

    A stage begins with the weights of the checkpoint `begin_with`, if one is named, in place of
    those of the stage before: what was learnt in another run is not lost.

    `compiled` blocks (torch.compile, which needs a C++ compiler on a CPU) take a minute to start.
    """

    folder: Path
    device: str = "cpu"
    seed: int = 0
    workers: int = 0
    compiled: bool = False
    scale: float = 1.0
    prose: Path = ASSETS
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

    def mixture(self, stage: str, tokenizer: Tokenizer, length: int) -> Mixture:
        """What the stage reads, in texts of at most so many tokens."""
        vision = PRESETS["nano"].vision
        assert vision is not None
        setting = Setting(vision.image_size, length, partial(tokens, tokenizer), self.prose)
        return Mixture(stage, "train", self.seed, setting)


def tokens(tokenizer: Tokenizer, text: str) -> int:
    """How many tokens a text has, `<bos>` counted."""
    return len(tokenizer.encode(text))
