"""Muon: momentum whose direction is made orthogonal, for the matrices of blocks.

A matrix's update usually has a few large singular values and many small ones, so that most
directions hardly learn. Muon sets all of them to about 1. The rate then has the same meaning for
every shape: each entry moves by about `0.4 x rate` in the root mean square.

Source: Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); the
scale by shape is that of "Muon is scalable for LLM training" (arXiv:2502.16982, section 2.2).

>>> weight = torch.nn.Parameter(torch.zeros(4, 6))
>>> weight.grad = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
>>> Muon([weight], rate=0.5).step()
>>> round(weight.detach().square().mean().sqrt().item(), 1)
0.2
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .precision import quick_dtype

RMS = 0.4
"""The root mean square of an update at a rate of 1."""


class Muon(torch.optim.Optimizer):
    """For matrices alone; give tables, gains and biases to AdamW."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        rate: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.02,
    ):
        super().__init__(parameters, {"lr": rate, "momentum": momentum, "decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step; matrices of the same shape are made orthogonal together, which is faster."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for alike in by_shape.values():
                self._step(alike, **{name: group[name] for name in ("lr", "momentum", "decay")})

    def _step(self, alike: list[nn.Parameter], lr: float, momentum: float, decay: float) -> None:
        gradients = torch.stack([p.grad for p in alike if p.grad is not None])
        means = []
        for parameter, gradient in zip(alike, gradients, strict=True):
            state = self.state[parameter]
            if not state:
                state["mean"] = torch.zeros_like(gradient)
            means.append(state["mean"].lerp_(gradient, 1 - momentum))
        ahead = gradients.lerp(torch.stack(means), momentum)  # Nesterov: one step further
        updates = orthogonal(ahead)
        scale = RMS * max(ahead.shape[-2:]) ** 0.5
        for parameter, update in zip(alike, updates, strict=True):
            parameter.mul_(1 - lr * decay).sub_(update, alpha=lr * scale)


def orthogonal(matrices: Float[Tensor, "L rows columns"], steps: int = 5) -> Tensor:
    """About the nearest matrices whose singular values are all 1, by a Newton-Schulz iteration.

    They end between about 0.7 and 1.2, even in bfloat16 (see `quick_dtype`): near enough.
    """
    x = matrices.to(quick_dtype(matrices.device))
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x.mT if tall else x).to(matrices.dtype)
