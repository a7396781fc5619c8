"""Tensors as large as a cabinet of keys, how often keys are read, and what attention is called.

>>> q, k = torch.ones(6, 8), torch.ones(2, 50, 8)
>>> with Ledger(least=k[0].nbytes) as ledger:
...     _ = k.repeat_interleave(3, 0)
>>> ledger.made == 3 * k.nbytes
True
>>> with Ledger(least=k[0].nbytes) as ledger:
...     _ = q.unflatten(0, (2, 3)) @ k.mT
>>> ledger.made
0

A loop over six query heads reads each of the two cabinets three times:

>>> with Ledger(k[0].nbytes, k) as ledger:
...     _ = [k[n // 3] @ q[n] for n in range(6)]
>>> ledger.read == 3 * k.nbytes
True
"""

import linecache
import sys
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_NOT_THEIRS = (str(Path(torch.__file__).parents[1]), str(Path(__file__).parent))
"""Where installed packages are, and the checks."""
_ATTENTION = ("gemma3_edu.model.attention", "gemma3_edu.naive.attention")


class Ledger(TorchDispatchMode):
    """Adds up the bytes of results that are at least this large and are no views of an operand.

    `line` is the source of the line that made the first of them, outside installed packages and
    the checks. What one of PyTorch's kernels uses inside itself is not seen.

    `read` adds up the bytes of operands in the memory of `watched`, each time that something else
    is made of them. An axis that an operand is stretched along counts once, since `@` may stretch
    the keys of one head for a whole group.
    """

    def __init__(self, least: int, *watched: Tensor):
        super().__init__()
        self.least, self.made, self.line, self.read = least, 0, "", 0
        self.watched = {memory.data_ptr() for memory in _memory(watched)}

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = operation(*args, **(kwargs or {}))
        if not any(self._watches(x) for x in tree_leaves(result)):
            used = (x for x in tree_leaves((args, kwargs)) if self._watches(x))
            self.read += sum(_size(x) for x in used)
        old = {memory.data_ptr() for memory in _memory((args, kwargs))}
        for memory in _memory(result):
            if memory.data_ptr() not in old and memory.nbytes() >= self.least:
                self.line = self.line if self.made else _line()
                self.made += memory.nbytes()
        return result

    def _watches(self, x: Any) -> bool:
        return isinstance(x, Tensor) and x.untyped_storage().data_ptr() in self.watched


class AttentionCalls(TorchFunctionMode):
    """The attention function that was called, this package's or PyTorch's: `borrowed`, or ""."""

    def __init__(self) -> None:
        super().__init__()
        self.borrowed = ""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.borrowed = self.borrowed or _borrowed()
        if function is F.scaled_dot_product_attention:
            self.borrowed = self.borrowed or "PyTorch's scaled_dot_product_attention"
        return function(*args, **(kwargs or {}))


def _borrowed() -> str:
    """The package's attention function that is running, by its whole name, or nothing."""
    frame, name = sys._getframe(1), ""
    while frame.f_back and not name:
        frame = frame.f_back
        module = frame.f_globals.get("__name__", "")
        name = f"{module}.{frame.f_code.co_name}" if module in _ATTENTION else ""
    return name


def _line() -> str:
    """The innermost line of the caller's own code that is running, or nothing."""
    frame, line = sys._getframe(1), ""
    while frame.f_back and not line:
        frame = frame.f_back
        file = frame.f_code.co_filename
        line = "" if file.startswith(_NOT_THEIRS) else linecache.getline(file, frame.f_lineno)
    return line.strip()


def _size(x: Tensor) -> int:
    """Bytes, of an axis with stride 0 only once."""
    axes = zip(x.shape, x.stride(), strict=True)
    return prod(length for length, stride in axes if stride) * x.element_size()


def _memory(tree: Any) -> list[torch.UntypedStorage]:
    return [x.untyped_storage() for x in tree_leaves(tree) if isinstance(x, Tensor)]
