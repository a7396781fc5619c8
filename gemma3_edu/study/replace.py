"""Replace layers of a model: the one way in which quantization and LoRA are added to it.

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
