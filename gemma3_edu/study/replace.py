"""Change layers from outside: the one way in which quantization and LoRA get into a model.

>>> from torch import nn
>>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4))
>>> replace_linears(model, lambda name, linear: nn.Identity() if name == "2" else linear)
['2']
>>> model[2]
Identity()
"""

from collections.abc import Callable
from fnmatch import fnmatchcase

from torch import nn


def replace_linears(
    model: nn.Module, make: Callable[[str, nn.Linear], nn.Module], pattern: str = "*"
) -> list[str]:
    """Put `make(name, linear)` in the place of every Linear whose dotted name matches `pattern`.

    `make` may wrap the layer it gets, build another from its weight, or return it as it is. Changes
    `model` itself; returns the names of the layers that changed. The token embedding is no Linear
    and stays. Raises ValueError when no Linear matches.
    """
    linears = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and fnmatchcase(name, pattern)
    ]
    if not linears:
        raise ValueError(f"pattern={pattern!r} matches no Linear; '*.mlp.*' is all MLPs, say")
    changed = []
    for name, linear in linears:
        new = make(name, linear)
        if new is not linear:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, new)
            changed.append(name)
    return changed
