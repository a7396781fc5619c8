"""The training loop: AdamW, warm-up and cosine, and a checkpoint from which any machine goes on.

A run is cut into slices of a few minutes. What a step reads is a function of its number (see
`mixture`), so a run that was stopped and resumed ends with the same weights as one that was not.

>>> import tempfile
>>> weight = torch.nn.Parameter(torch.tensor([4.0]))
>>> plan = Plan(steps=200, learning_rate=0.1, warmup=10)
>>> with tempfile.TemporaryDirectory() as folder:
...     done = fit({"w": weight}, lambda step: (weight - 1).square().sum(), plan, Path(folder))
>>> done, round(weight.item(), 2)
(True, 1.0)
"""

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn


def processes() -> int:
    """How many processes train together: 1, or as many as torchrun started."""
    return dist.get_world_size() if dist.is_initialized() else 1


def process() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


@dataclass(frozen=True)
class Plan:
    """How long and how fast. `weight_decay` holds for matrices only, not for norms and biases."""

    steps: int
    learning_rate: float
    warmup: int = 100
    last_share: float = 0.1
    weight_decay: float = 0.1
    clip: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < self.steps:
            raise ValueError(
                f"Plan: warmup={self.warmup} must lie below steps={self.steps}, and not below 0"
            )

    def rate(self, step: int) -> float:
        """The learning rate of a step: up in a line, then down along a cosine to `last_share`.

        >>> [round(Plan(steps=11, learning_rate=1.0, warmup=2).rate(n), 2) for n in (0, 1, 2, 10)]
        [0.5, 1.0, 1.0, 0.1]
        """
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        part = (step - self.warmup) / max(1, self.steps - 1 - self.warmup)
        low = self.last_share
        return self.learning_rate * (low + (1 - low) * (1 + math.cos(math.pi * part)) / 2)


def fit(
    parameters: Mapping[str, nn.Parameter],
    loss_of: Callable[[int], Float[Tensor, ""]],
    plan: Plan,
    folder: Path,
    *,
    seconds: float | None = None,
    save_every: float = 60.0,
    on_step: Callable[[int, float], object] | None = None,
) -> bool:
    """Train until the plan is done (True) or `seconds` have passed (False: call again to go on).

    `loss_of(step)` reads its own data and gives the loss; `parameters` are what changes. Where
    several processes train together, gradients and losses are averaged over them. The state
    lies in `folder/state.pt`, written whole or not at all every `save_every` seconds and at the
    end; `folder/log.jsonl` gets a line a step, with the seconds that training has taken. Raises
    ValueError when the state found there is of other parameters, and when the loss is no number:
    the state from before is then kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = _optimizer(parameters, plan)
    step = _resume(folder / "state.pt", parameters, optimizer)
    began = saved = time.monotonic()
    with _log_until(step, folder / "log.jsonl") as (log, before):
        while step < plan.steps:
            now = time.monotonic()
            if _together(seconds is not None and now - began > seconds):
                break
            if now - saved > save_every:
                log.flush()  # the log of a run that is killed reaches as far as its state
                _save(folder / "state.pt", step, parameters, optimizer)
                saved = now
            loss = _step(step, parameters, loss_of, plan, optimizer)
            seconds_so_far = round(before + time.monotonic() - began, 1)
            line = {"step": step, "loss": round(loss, 5), "seconds": seconds_so_far}
            log.write(json.dumps(line) + "\n")
            step += 1
            if on_step is not None:
                on_step(step, loss)
    _save(folder / "state.pt", step, parameters, optimizer)
    return step == plan.steps


def _together(stop: bool) -> bool:
    """What the first process says; each has its own clock."""
    if processes() == 1:
        return stop
    said = torch.tensor(int(stop))
    dist.broadcast(said, 0)
    return bool(said)


def _average(tensors: Sequence[Tensor]) -> None:
    """Replace each by its mean over the processes."""
    if processes() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    parts = (flat / processes()).split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


@contextmanager
def _log_until(step: int, path: Path) -> Iterator[tuple[TextIO, float]]:
    """The log, open for more, without the steps that are done again after a crash; its seconds."""
    if process() > 0:
        path = Path(os.devnull)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    kept = lines[:step]
    with path.open("w", encoding="utf-8") as log:
        log.writelines(kept)
        yield log, json.loads(kept[-1])["seconds"] if kept else 0.0


def _optimizer(parameters: Mapping[str, nn.Parameter], plan: Plan) -> torch.optim.AdamW:
    matrices = [p for p in parameters.values() if p.ndim > 1]
    others = [p for p in parameters.values() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": plan.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], betas=(0.9, 0.95), fused=True)


def _step(
    step: int,
    parameters: Mapping[str, nn.Parameter],
    loss_of: Callable[[int], Tensor],
    plan: Plan,
    optimizer: torch.optim.AdamW,
) -> float:
    for group in optimizer.param_groups:
        group["lr"] = plan.rate(step)
    loss = loss_of(step)
    mean = loss.detach().clone()
    _average([mean])
    if not bool(mean.isfinite()):
        raise ValueError(
            f"loss: {mean.item()} at step {step}; lower learning_rate={plan.learning_rate}"
        )
    optimizer.zero_grad()
    loss.backward()
    for parameter in parameters.values():  # a batch without pictures leaves the projector out
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    _average([p.grad for p in parameters.values() if p.grad is not None])
    nn.utils.clip_grad_norm_(list(parameters.values()), plan.clip)
    optimizer.step()
    return mean.item()


def _save(
    path: Path, step: int, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.AdamW
) -> None:
    if process() > 0:
        return
    state = {
        "step": step,
        "parameters": {name: p.detach() for name, p in parameters.items()},
        "optimizer": optimizer.state_dict(),
    }
    fresh = path.with_suffix(".tmp")
    torch.save(state, fresh)
    os.replace(fresh, path)


def _resume(
    path: Path, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.AdamW
) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")
    found = {name: tuple(p.shape) for name, p in state["parameters"].items()}
    wanted = {name: tuple(p.shape) for name, p in parameters.items()}
    if found != wanted:
        raise ValueError(
            f"state: {path} holds other parameters than these; name another folder, or remove it "
            "to begin anew"
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state["parameters"][name])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
