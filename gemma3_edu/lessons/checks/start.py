"""Checks of the first exercises: count a model's parameters, and say what they weigh.

>>> check_count(lambda model: sum(p.numel() for p in model.parameters()))
>>> check_count(lambda model: len(list(model.parameters())))
Traceback (most recent call last):
AssertionError: counted tensors; a parameter is one number, so add up how many each tensor holds
"""

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from ...model.config import Gemma3Config
from ...model.presets import PRESETS
from ...study import cost


def check_count(fn: Callable[[nn.Module], int]) -> None:
    """`fn(model)` is how many parameters a model has: each once, trained or not, and no buffers."""
    for model in (_Small(3, 5), _Small(4, 7)):
        weights = list(model.parameters())
        spelled = model.state_dict()
        buffers = dict(model.named_buffers())
        trained = [p for p in weights if p.requires_grad]
        named = [tensor for name, tensor in spelled.items() if name not in buffers]
        slips = [
            (
                "counted tensors; a parameter is one number, so add up how many each tensor holds",
                len(weights),
            ),
            (
                "left out what is not being trained; a frozen parameter is one too",
                _numbers(trained),
            ),
            (
                "counted the buffers too; they are stored beside the parameters and are none",
                _numbers([*weights, *buffers.values()]),
            ),
            (
                "counted the shared matrix twice: it has two names, but lies in memory once",
                _numbers(named),
            ),
            (
                "counted the shared matrix twice and the buffers too; `state_dict` lists names",
                _numbers(spelled.values()),
            ),
            (
                "added up the sides of each tensor; a matrix has rows times columns",
                sum(sum(p.shape) for p in weights),
            ),
            (
                "left out whatever is no matrix; a norm's weight is a parameter too",
                _numbers(p for p in weights if p.ndim > 1),
            ),
        ]
        _judge(fn(model), _numbers(weights), slips)


def check_gigabytes(fn: Callable[[Gemma3Config, float], float]) -> None:
    """`fn(config, bits)` is what all weights weigh in GB, 10^9 bytes, at so many bits a number."""
    for size, bits in (("270m", 16.0), ("4b", 4.5), ("27b", 8.0)):
        config = PRESETS[size]
        count = cost.parameters(config)
        right = count * bits / 8 / 1e9
        parts = cost.parameters_by_part(config)
        slips = [
            ("took the bits for bytes: 8 bits are one byte", count * bits / 1e9),
            ("gave GiB, 2^30 bytes; GB are 10^9 bytes, 7 % fewer", count * bits / 8 / 2**30),
            ("gave bytes; a GB is 10^9 of them", count * bits / 8),
            ("gave MB; a GB is 10^9 bytes", count * bits / 8 / 1e6),
            (
                "counted the embedding twice: the head is the same table",
                (count + parts["embedding"]) * bits / 8 / 1e9,
            ),
            (
                "left out the vision tower and its projector; their weights lie in memory too",
                cost.parameters(config.text) * bits / 8 / 1e9,
            ),
            (
                "rounded the bits to whole numbers: 4.5 bits a number are possible, see lesson 20",
                count * int(bits) / 8 / 1e9,
            ),
            ("took 2 bytes a number whatever the format", count * 2 / 1e9),
        ]
        _judge(fn(config, bits), right, slips)


class _Small(nn.Module):
    """What a count can trip over: a shared matrix, a frozen one, a norm, a buffer."""

    def __init__(self, d: int, v: int):
        super().__init__()
        self.embedding = nn.Embedding(v, d)
        self.norm = nn.LayerNorm(d)
        self.frozen = nn.Linear(d, d + 2, bias=False).requires_grad_(False)
        self.head = nn.Linear(d, v, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("positions", torch.arange(v + 1))


def _numbers(tensors: Iterable[Tensor]) -> int:
    return sum(prod(tensor.shape) for tensor in tensors)


def _judge(got: Any, want: float, slips: Sequence[tuple[str, float]]) -> None:
    assert isinstance(got, int | float), f"expected a number, got {type(got).__name__}"
    if _same(got, want):
        return
    for sentence, wrong in slips:
        assert not _same(got, wrong), sentence
    raise AssertionError(f"got {got:,}, expected {want:,}")


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-9 * abs(b)
