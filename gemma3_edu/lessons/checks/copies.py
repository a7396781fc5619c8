"""Tensors a function makes that are as large as a cabinet of keys, and what attention it calls.

>>> q, k = torch.ones(6, 8), torch.ones(2, 50, 8)
>>> with Ledger(least=k[0].nbytes) as ledger:
...     _ = k.repeat_interleave(3, 0)
>>> ledger.made == 3 * k.nbytes
True
>>> with Ledger(least=k[0].nbytes) as ledger:
...     _ = q.unflatten(0, (2, 3)) @ k.mT
>>> ledger.made
0
"""

import linecache
import sys
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
    """

    def __init__(self, least: int):
        super().__init__()
        self.least, self.made, self.line = least, 0, ""

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = operation(*args, **(kwargs or {}))
        old = {memory.data_ptr() for memory in _memory((args, kwargs))}
        for memory in _memory(result):
            if memory.data_ptr() not in old and memory.nbytes() >= self.least:
                self.line = self.line if self.made else _line()
                self.made += memory.nbytes()
        return result


class AttentionCalls(TorchFunctionMode):
    """Whether PyTorch's attention was called and asked to group the heads, or the package's was.

    `borrowed` is the function of this package's attention that was running, or nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen = self.grouped = False
        self.borrowed = ""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.borrowed = self.borrowed or _borrowed()
        if function is F.scaled_dot_product_attention:
            self.seen = True
            self.grouped = self.grouped or bool((kwargs or {}).get("enable_gqa"))
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


def _memory(tree: Any) -> list[torch.UntypedStorage]:
    return [x.untyped_storage() for x in tree_leaves(tree) if isinstance(x, Tensor)]
