"""Compare our model with transformers' on one checkpoint folder, stage by stage.

Both read the same prompt in float32, whose rounding is too small to hide a mistake. Only one layer
of weights is in memory at a time (see `offload`), so even 27B needs memory only for its largest
matrix, the embedding. The prompt is longer than the sliding window, since most mistakes show only
there.

>>> relative_error(torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
1.0
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..hub.checkpoint import ASSETS, open_checkpoint
from ..hub.folder import current
from ..hub.weights import CheckpointFiles, matched, our_name
from ..model.cache import KVCache
from ..model.config import Gemma3Config
from ..model.gemma3 import Gemma3
from ..model.layout import Batch
from ..prompt.chat_template import Message
from ..prompt.processor import Processor
from .offload import offloaded
from .oracle import their_arguments, their_inputs, their_model

LIMIT = 1e-3
"""The largest relative error that counts as equal, far above rounding in float32.

Small mistakes can stay below it as well: an embedding scale that was rounded to bfloat16 is off by
1e-4. So read the errors, too, and not only the verdict.
"""
EMBEDDING = "language_model.embed_tokens.weight"
LAST = 8
"""Logits are compared on so many last columns; all would take prompt x vocabulary numbers."""
PHOTO = ASSETS / "photos" / "french-alpine-landscape.jpg"
QUESTION = "What is on this photo?"

Progress = Callable[[str, int, int], object]
"""Called with what is running, layers done, layers in total."""


@dataclass(frozen=True)
class Stage:
    """The worst relative error of one stage of one case; for ids, the fraction that differs."""

    case: str
    name: str
    error: float

    @property
    def equal(self) -> bool:
        """Whether the error is as small as rounding."""
        return self.error <= LIMIT


def relative_error(ours: Float[Tensor, "... D"], theirs: Float[Tensor, "... D"]) -> float:
    """|ours - theirs| / |theirs| of the worst column; infinite if the shapes differ.

    A column is the last axis. NaN and infinity are never equal to anything.
    """
    if ours.shape != theirs.shape:
        return float("inf")
    ratio = (ours - theirs).norm(dim=-1) / theirs.norm(dim=-1).clamp(min=1e-12)
    return float(ratio.nan_to_num(nan=torch.inf, posinf=torch.inf).max())


def first_divergence(
    ours: Mapping[str, Float[Tensor, "_ _ _"]],
    theirs: Mapping[str, Float[Tensor, "_ _ _"]],
    limit: float = 1e-5,
) -> tuple[str, int] | None:
    """The first stage with a wrong column and the first position of one there, or None.

    Both map the same stages, in the order of the model, to Float[B T D]. A column is wrong if the
    length of the difference is more than `limit` times the length of theirs, or no number at all.

    >>> theirs = {"block 0": torch.ones(1, 3, 2), "block 1": torch.ones(1, 3, 2)}
    >>> first_divergence({**theirs, "block 1": torch.tensor([[[1.0, 1], [1, 2], [1, 1]]])}, theirs)
    ('block 1', 1)
    """
    for stage, want in theirs.items():
        error = (ours[stage] - want).norm(dim=-1) / want.norm(dim=-1).clamp(min=1e-12)  # B T
        wrong = ~(error <= limit).all(0)  # NaN is at most no limit
        if wrong.any():
            return stage, int(wrong.int().argmax())
    return None


def verify(
    folder: str | Path,
    tokens: int | None = None,
    tokenizer: str | Path | None = None,
    on_step: Progress | None = None,
) -> Iterator[Stage]:
    """Yield the stages of all cases in the order of the model, as soon as each case is done.

    Cases: `text`, a prompt of `tokens` (default: 64 more than the window); `cache`, the same in
    pieces through our cache, against transformers without one; `image`, a prompt with a photograph;
    `ids` and `pixels`, which the two processors make of that prompt. Without tokenizer files the
    ids are random, and processors are not compared. Raises ValueError when the folder is not a
    Gemma 3 checkpoint, when the prompt does not fit, or when transformers is missing.
    """
    folder = current(Path(folder).expanduser())
    config, processor, files = open_checkpoint(folder, tokenizer)
    length = config.text.sliding_window + 64 if tokens is None else tokens
    if not LAST < length <= config.text.max_position_embeddings:
        raise ValueError(
            f"tokens={length} must be more than {LAST} and at most max_position_embeddings="
            f"{config.text.max_position_embeddings}"
        )
    with torch.device("meta"):
        ours = Gemma3(config).eval()
    names = matched(dict(ours.named_parameters()), files)
    theirs = their_model(folder)
    both = _Pair(ours, theirs, _Weights(files, names), on_step or (lambda *_: None))
    batch = _text(config, processor, length)
    stages, wanted = both.compare("text", batch)
    yield from stages
    yield Stage("cache", "logits", relative_error(both.cached(batch), wanted))
    if config.vision is not None:
        batch = _picture(config, processor)
        if processor is not None:
            yield from _processors(folder, batch)
        yield from both.compare("image", batch)[0]


class _Weights:
    """A parameter of ours or of theirs by its name, in float32; their head is the embedding."""

    def __init__(self, files: CheckpointFiles, names: dict[str, str]):
        self.files, self.names = files, names
        # Always in use, and under two names in theirs, so it is read once.
        self.embedding = files[names[EMBEDDING]].float()

    def __call__(self, name: str) -> Tensor:
        ours = name if name in self.names else our_name(name)
        if ours == EMBEDDING or name.endswith("lm_head.weight"):
            return self.embedding
        return self.files[self.names[str(ours)]].float()


class _Pair:
    """The two models, without weights, and how to run them on the same prompt."""

    def __init__(self, ours: Gemma3, theirs: nn.Module, weights: _Weights, on_step: Progress):
        self.ours, self.theirs, self.weights, self.on_step = ours, theirs, weights, on_step

    @torch.no_grad()
    def compare(self, case: str, batch: Batch) -> tuple[list[Stage], Tensor]:
        """All stages of a prompt, ending with the logits; and their logits."""
        with self._stages(self.theirs, f"{case}: transformers") as theirs:
            want = self.theirs(**their_arguments(batch), logits_to_keep=LAST).logits
        with self._stages(self.ours, f"{case}: gemma3_edu") as ours:
            got = self.ours.logits(self.ours.hidden_states(batch)[:, -LAST:])
        if ours.keys() != theirs.keys():
            raise ValueError(f"stages: {sorted(ours.keys() ^ theirs.keys())} in one model only")
        errors = {name: relative_error(ours[name], theirs[name]) for name in ours}
        errors["logits"] = relative_error(got, want)
        return [Stage(case, name, error) for name, error in errors.items()], want

    @torch.no_grad()
    def cached(self, batch: Batch) -> Tensor:
        """Our last logits when the prompt comes in two chunks and two single tokens.

        The second chunk is the one that wraps the ring.
        """
        cache, end = KVCache(self.ours.config.text), batch.layout.length
        borders = [0, end // 2, end - 2, end - 1, end]
        hidden = []
        with self._stages(self.ours, "cache: gemma3_edu", passes=len(borders) - 1):
            for start, stop in pairwise(borders):
                hidden.append(self.ours.hidden_states(batch.columns(start, stop), cache))
            return self.ours.logits(torch.cat(hidden, 1)[:, -LAST:])

    @contextmanager
    def _stages(self, model: nn.Module, title: str, passes: int = 1) -> Iterator[dict[str, Tensor]]:
        """Within the context, the model has weights; the outputs of its stages are kept by name."""
        seen: dict[str, Tensor] = {}
        stages = {
            module: stage for name, module in model.named_modules() if (stage := _stage(name))
        }
        layers = [module for module, stage in stages.items() if stage[-1].isdecimal()]
        done = 0

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            nonlocal done
            seen[stages[module]] = output if isinstance(output, Tensor) else output[0]
            done += 1
            self.on_step(title, done, passes * len(stages))

        with ExitStack() as stack, offloaded(model, self.weights, layers):
            for module in stages:
                stack.callback(module.register_forward_hook(keep).remove)
            yield seen


def _stage(name: str) -> str | None:
    """Our name of the stage that a module of either model ends; None for all other modules."""
    ours = (our_name(f"{name}.") or f"{name}.").removesuffix(".")
    parent, _, last = ours.rpartition(".")
    if last.isdecimal() and parent in ("language_model.layers", "vision.encoder.layers"):
        return ours
    return ours if ours in ("language_model.norm", "vision.projector") else None


def _text(config: Gemma3Config, processor: Processor | None, length: int) -> Batch:
    """A prompt of `length` tokens: the beginning of a novel, or random ids without a tokenizer."""
    if processor is None:
        ids = torch.randint(5, min(config.boi_token_index, config.text.vocab_size), (1, length))
        ids[0, 0] = 2
    else:
        novel = (ASSETS / "prose" / "moby-dick.txt").read_text(encoding="utf-8")
        row = processor.tokenizer.encode(novel[: 16 * length])
        ids = torch.tensor([row[:length]])
    return Batch.from_ids(ids, config)


def _picture(config: Gemma3Config, processor: Processor | None) -> Batch:
    """A question about a photograph; noise and random ids without a tokenizer."""
    if processor is not None:
        return processor([Message.user(PHOTO, QUESTION)], pan_and_scan=False)
    assert config.vision is not None
    side, soft = config.vision.image_size, [config.image_token_index] * config.mm_tokens_per_image
    row = [2, 7, config.boi_token_index, *soft, config.eoi_token_index, *range(8, 8 + LAST)]
    return Batch.from_ids(torch.tensor([row]), config, torch.rand(1, 3, side, side) * 2 - 1)


def _processors(folder: Path, batch: Batch) -> Iterator[Stage]:
    """Ids and pixels of the same question from their processor."""
    ids, pixels = their_inputs(folder, PHOTO, QUESTION)
    same = ids.shape == batch.tokens.shape
    differing = float((ids != batch.tokens).float().mean()) if same else 1.0
    yield Stage("ids", "chat with a photograph", differing)
    assert batch.images is not None
    yield Stage("pixels", "photograph", relative_error(batch.images.flatten(1), pixels.flatten(1)))


def report(stages: Sequence[Stage]) -> str:
    """A table with the worst stage of each case, and a verdict in one line."""
    lines = ["| case | stages | worst stage | relative error |", "|---|---|---|---|"]
    for case in dict.fromkeys(stage.case for stage in stages):
        of_case = [stage for stage in stages if stage.case == case]
        worst = max(of_case, key=lambda stage: stage.error)
        lines.append(f"| {case} | {len(of_case)} | {worst.name} | {worst.error:.1e} |")
    wrong = [stage for stage in stages if not stage.equal]
    if wrong:
        first = wrong[0]
        verdict = f"DIFFERENT, first in case {first.case!r} at {first.name}: {first.error:.1e}"
    else:
        verdict = f"EQUAL at all {len(stages)} stages"
    return "\n".join([*lines, "", f"{verdict} (limit {LIMIT:.0e})"])


def versions() -> dict[str, str]:
    """The versions of the packages that took part, for a bug report."""
    names = ("gemma3_edu", "torch", "transformers")
    return {name: metadata.version(name.replace("_", "-")) for name in names}


def as_json(stages: Sequence[Stage]) -> str:
    """All stages and versions, as JSON."""
    rows = [{"case": s.case, "stage": s.name, "error": s.error} for s in stages]
    return json.dumps({"versions": versions(), "limit": LIMIT, "stages": rows}, indent=1) + "\n"
