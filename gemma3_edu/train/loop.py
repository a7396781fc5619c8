"""The training loop: Muon and AdamW, rates that go to zero, averaged weights, a state on disk.

A run is cut into slices of a few minutes. What a step reads is a function of its number, so a run
that was stopped and resumed ends with the same weights as one that was not.

>>> import tempfile
>>> weight = torch.nn.Parameter(torch.tensor([4.0]))
>>> plan = Plan(steps=300, rate=0.1, warmup=10)
>>> with tempfile.TemporaryDirectory() as folder:
...     done = fit({"w": weight}, lambda step: (weight - 1).square().sum(), plan, Path(folder))
>>> done, round(weight.item(), 1)
(True, 1.0)
"""

import json
import math
import os
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..hub.folder import locked
from .muon import Muon


@dataclass(frozen=True)
class Plan:
    """How long and how fast.

    The matrices of blocks move by Muon at `muon_rate`, all else (tables, projector, gains, biases)
    by AdamW at `rate` and with `weight_decay`. Both rates rise over `warmup` steps, stay until the
    share `flat` of all steps, and then fall in a line to 0: what a model can do rises fastest while
    they fall. At the end the weights are replaced by their running mean, of which a step keeps the
    share `average`.
    """

    steps: int
    rate: float
    muon_rate: float = 0.0
    warmup: int = 50
    flat: float = 0.4
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.99

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < self.steps:
            raise ValueError(
                f"Plan: warmup={self.warmup} must be less than steps={self.steps}, and not negative"
            )
        if not 0 <= self.flat < 1:
            raise ValueError(f"Plan: flat={self.flat} must be at least 0 and less than 1")

    def share(self, step: int) -> float:
        """Which share of its rates a step has.

        >>> plan = Plan(steps=8, rate=1.0, warmup=2, flat=0.5)
        >>> [plan.share(step) for step in (0, 1, 4, 5, 7)]
        [0.5, 1.0, 1.0, 0.75, 0.25]
        """
        rising = (step + 1) / self.warmup if step < self.warmup else 1.0
        return min(rising, 1.0, (1 - step / self.steps) / (1 - self.flat))


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

    `loss_of(step)` reads its own data and gives the loss; `parameters` are what changes, and hold
    their running means once the plan is done. The state is `folder/state.pt`, written whole or not
    at all every `save_every` seconds and at the end; `folder/log.jsonl` gets a line a step, with
    the seconds that training has taken. Raises ValueError when the state found there is of other
    parameters, when another process trains in the folder, and when the loss is no number: the state
    from before is then kept.
    """
    if seconds is not None and math.isnan(seconds):
        raise ValueError("seconds=nan: no time is ever longer; pass a number, or None for no limit")
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, wait=False):
        run = _Run(parameters, plan, folder / "state.pt")
        began = saved = time.monotonic()
        with _log_until(run.step, folder / "log.jsonl") as (log, before):
            while run.step < plan.steps:
                now = time.monotonic()
                if seconds is not None and now - began > seconds:
                    break
                if now - saved > save_every:
                    log.flush()  # the log of a run that is killed reaches as far as its state
                    run.save()
                    saved = now
                loss = run.advance(loss_of)
                seconds_so_far = round(before + time.monotonic() - began, 1)
                line = {"step": run.step - 1, "loss": round(loss, 5), "seconds": seconds_so_far}
                log.write(json.dumps(line) + "\n")
                if on_step is not None:
                    on_step(run.step, loss)
        run.save()
    if run.step < plan.steps:
        return False
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(run.means[name])
    return True


@contextmanager
def _log_until(step: int, path: Path) -> Iterator[tuple[TextIO, float]]:
    """The log, open for more, without the steps that are done again after a crash; its seconds."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    kept = lines[:step]
    fresh = path.with_suffix(".tmp")
    fresh.write_text("".join(kept), encoding="utf-8")
    os.replace(fresh, path)  # a crash in between loses no line
    with path.open("a", encoding="utf-8") as log:
        yield log, json.loads(kept[-1])["seconds"] if kept else 0.0


class _Run:
    """Where training is: parameters, their running means, optimizers, the step."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], plan: Plan, path: Path) -> None:
        self.parameters, self.plan, self.path, self.step = parameters, plan, path, 0
        matrices = [p for name, p in parameters.items() if ".layers." in name and p.ndim == 2]
        known = {id(p) for p in matrices}
        others = [p for p in parameters.values() if id(p) not in known]
        self.optimizers: list[tuple[torch.optim.Optimizer, float]] = []
        if others:
            adam = torch.optim.AdamW(
                others, betas=(0.9, 0.95), weight_decay=plan.weight_decay, fused=True
            )
            self.optimizers.append((adam, plan.rate))
        if matrices:
            self.optimizers.append((Muon(matrices), plan.muon_rate))
        self.means = {name: p.detach().clone() for name, p in parameters.items()}
        if path.exists():
            self._resume()

    def advance(self, loss_of: Callable[[int], Tensor]) -> float:
        """One step; the loss."""
        loss = loss_of(self.step)
        if not bool(loss.isfinite()):
            raise ValueError(
                f"loss: {loss.item()} at step {self.step}; lower rate={self.plan.rate} or "
                f"muon_rate={self.plan.muon_rate}"
            )
        for parameter in self.parameters.values():
            parameter.grad = None
        loss.backward()
        nn.utils.clip_grad_norm_(list(self.parameters.values()), self.plan.clip)
        for optimizer, rate in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * self.plan.share(self.step)
            optimizer.step()
        self.step += 1
        # At the beginning the mean forgets faster: the first weights are no good.
        keep = min(self.plan.average, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.means.values()), list(self.parameters.values()), 1 - keep
            )
        return loss.item()

    def save(self) -> None:
        """Write the state whole, or not at all."""
        state = {
            "step": self.step,
            "parameters": {name: p.detach() for name, p in self.parameters.items()},
            "means": self.means,
            "optimizers": [optimizer.state_dict() for optimizer, _ in self.optimizers],
        }
        fresh = self.path.with_suffix(".tmp")
        torch.save(state, fresh)
        os.replace(fresh, self.path)

    def _resume(self) -> None:
        try:
            state = torch.load(self.path, weights_only=True, map_location="cpu")
            found = {name: tuple(p.shape) for name, p in state["parameters"].items()}
        except (EOFError, RuntimeError, pickle.UnpicklingError, LookupError, TypeError) as error:
            raise ValueError(
                f"state: {self.path} is damaged, or no state of a training; remove it to begin anew"
            ) from error
        if found != {name: tuple(p.shape) for name, p in self.parameters.items()}:
            raise ValueError(
                f"state: {self.path} holds other parameters than these; name another folder, or "
                "remove it to begin anew"
            )
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state["parameters"][name])
                self.means[name].copy_(state["means"][name])
        for (optimizer, _), kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.step = int(state["step"])
