"""Replace layers of a model: the one way in which quantization and LoRA are added to it.

Linear layers are replaced in place, norms and heads in a copy.

>>> from torch import nn
>>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4))
>>> replace_linears(model, lambda name, linear: nn.Identity() if name == "2" else linear)
['2']
>>> model[2]
Identity()
"""

import copy
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..model.attention import Attention
from ..model.layers import RMSNorm

Model = TypeVar("Model", bound=nn.Module)


def replace_linears(
    model: nn.Module, make: Callable[[str, nn.Linear], nn.Module], pattern: str = "*"
) -> list[str]:
    """Replace every Linear whose dotted name matches `pattern` with `make(name, linear)`.

    `make` may wrap the layer, build another one from its weight, or return it unchanged. `model`
    itself is changed; the names of the changed layers are returned. The token embedding is not a
    Linear and stays. Raises ValueError when no Linear matches.
    """
    linears = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and fnmatchcase(name, pattern)
    ]
    if not linears:
        raise ValueError(f"pattern={pattern!r} matches no Linear; '*.mlp.*' matches all MLPs")
    changed = []
    for name, linear in linears:
        new = make(name, linear)
        if new is not linear:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, new)
            changed.append(name)
    return changed


def with_norm(model: Model, norm: Callable[[Tensor, Tensor, float], Tensor]) -> Model:
    """A copy of `model` in which every RMSNorm computes `norm(x, w, eps)`, from its own w and eps.

    The names of parts and parameters stay. Raises ValueError when there is no RMSNorm.

    >>> twice = with_norm(nn.Sequential(RMSNorm(2)), lambda x, w, eps: 2 * x)
    >>> twice(Tensor([3, 5]))
    tensor([ 6., 10.])
    """
    changed = copy.deepcopy(model)
    norms = [name for name, part in changed.named_modules() if name and isinstance(part, RMSNorm)]
    if not norms:
        raise ValueError(f"model: {type(model).__name__} holds no RMSNorm; give one that does")
    for name in norms:
        parent, _, child = name.rpartition(".")
        owner = changed.get_submodule(parent)
        setattr(owner, child, _NormBy(norm, getattr(owner, child)))
    return changed


def with_head(
    model: Model, head: Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]
) -> Model:
    """A copy of `model` in which every head computes `head(q, k, v, mask, scale)`, one at a time.

    q is (T, H), k and v are (S, H), mask is (T, S). Raises ValueError when there is no attention.
    """
    changed = copy.deepcopy(model)
    layers = [part for part in changed.modules() if isinstance(part, Attention)]
    if not layers:
        raise ValueError(f"model: {type(model).__name__} holds no Attention; give one that does")

    def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
        out, share = torch.empty_like(q), q.shape[1] // k.shape[1]
        for text in range(q.shape[0]):
            for n in range(q.shape[1]):
                kv = k[text, n // share], v[text, n // share]
                out[text, n] = head(q[text, n], *kv, mask[text], scale)
        return out

    for layer in layers:
        layer.attend = attend
    return changed


class _NormBy(nn.Module):
    """What `norm` computes from another norm's weight and eps."""

    def __init__(self, norm: Callable[[Tensor, Tensor, float], Tensor], other: RMSNorm):
        super().__init__()
        self.norm, self.weight, self.eps = norm, other.weight, other.eps

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x, self.weight, self.eps)
