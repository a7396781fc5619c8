"""Checks of the first exercises: count a model's parameters, and say what they weigh.

>>> check_count(lambda model: sum(p.numel() for p in model.parameters()))
>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 1", check_count, lambda model: len(list(model.parameters())))
Exercise 1: counted tensors; add up how many numbers each tensor holds
    (a model with 5 rows of 3 numbers: got 4, expected 36)
"""

from collections.abc import Callable, Iterable
from math import prod

import torch
from torch import Tensor, nn

from ...model.config import Gemma3Config
from ...model.presets import PRESETS
from ...study import cost
from .grading import Case, Check

# Counting


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


check_count = Check(
    "`fn(model)` is how many parameters a model has: each once, trained or not, and no buffers.",
    "model",
    lambda model: _numbers(model.parameters()),
    lambda: {f"a model with {v} rows of {d} numbers": (_Small(d, v),) for d, v in [(3, 5), (4, 7)]},
    {
        "counted tensors; add up how many numbers each tensor holds": lambda model: len(
            list(model.parameters())
        ),
        "left out what is not being trained; a frozen parameter is one too": lambda model: _numbers(
            p for p in model.parameters() if p.requires_grad
        ),
        "counted the buffers too; they are stored with the parameters and are none": lambda model: (
            _numbers([*model.parameters(), *model.buffers()])
        ),
        "counted the shared matrix twice: it has two names, but is in memory once": lambda model: (
            _numbers(p for _, p in model.named_parameters(remove_duplicate=False))
        ),
        "counted the shared matrix twice, and the buffers too": lambda model: _numbers(
            model.state_dict().values()
        ),
        "added up the sides of each tensor; a matrix has rows times columns": lambda model: sum(
            sum(p.shape) for p in model.parameters()
        ),
        "left out all tensors but the matrices; a norm's weight is a parameter too": lambda model: (
            _numbers(p for p in model.parameters() if p.ndim == 2)
        ),
    },
)


# Weighing


def _gigabytes(config: Gemma3Config, bits: float) -> float:
    return cost.parameters(config) * bits / 8 / 1e9


def _gigabyte_cases() -> dict[str, Case]:
    sizes = [("270m", 16.0), ("4b", 4.5), ("27b", 8.0)]
    return {f"{size}, bits = {bits:g}": (PRESETS[size], bits) for size, bits in sizes}


def _times(factor: float) -> Callable[[Gemma3Config, float], float]:
    return lambda config, bits: factor * _gigabytes(config, bits)


def _embedding_twice(config: Gemma3Config, bits: float) -> float:
    table = config.text.vocab_size * config.text.hidden_size
    return _gigabytes(config, bits) + table * bits / 8 / 1e9


check_gigabytes = Check(
    "`fn(config, bits)` is what all weights weigh in GB, 10^9 bytes, at so many bits a number.",
    "config bits",
    _gigabytes,
    _gigabyte_cases,
    {
        "took the bits for bytes: 8 bits are one byte": _times(8),
        "gave GiB, 2^30 bytes; GB are 10^9 bytes, 7 % fewer": _times(1e9 / 2**30),
        "gave bytes; a GB is 10^9 of them": _times(1e9),
        "gave MB; a GB is 10^9 bytes": _times(1e3),
        "counted the embedding twice: the head is the same table": _embedding_twice,
        "left out the vision tower and its projector": lambda config, bits: (
            cost.parameters(config.text) * bits / 8 / 1e9
        ),
        "rounded the bits to a whole number; there are formats of 4.5 bits": lambda config, bits: (
            _gigabytes(config, int(bits))
        ),
        "took 2 bytes a number whatever the format": lambda config, _: _gigabytes(config, 16),
    },
    atol=0.0,
    rtol=1e-9,
)
