"""Read activations without changing the model: name the layers, run the model, look.

>>> import torch
>>> from torch import nn
>>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
>>> with capture(model, "0") as seen:
...     _ = model(torch.zeros(4, 2))
>>> {name: [tuple(x.shape) for x in outputs] for name, outputs in seen.items()}
{'0': [(4, 3)]}
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..model.attention import visible_attention
from ..model.gemma3 import Gemma3
from ..model.layout import Batch


@contextmanager
def capture(model: nn.Module, pattern: str) -> Iterator[dict[str, list[Tensor]]]:
    """The outputs of all submodules whose dotted name matches `pattern`, in the order of calls.

    The pattern is as in a shell: `language_model.layers.*.mlp` matches every MLP. A module that is
    called several times, as in decoding, has several outputs. They are detached, not copied.
    Raises ValueError when nothing matches.
    """
    names = {name: module for name, module in model.named_modules() if fnmatchcase(name, pattern)}
    if not names:
        near = ", ".join(sorted({name.split(".")[0] for name, _ in model.named_modules() if name}))
        raise ValueError(f"pattern={pattern!r} matches no submodule; top-level ones are: {near}")
    seen: dict[str, list[Tensor]] = {}

    def keep(name: str, module: nn.Module, inputs: Any, output: Tensor) -> None:
        seen.setdefault(name, []).append(output.detach())

    handles = [module.register_forward_hook(partial(keep, name)) for name, module in names.items()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def attention_weights(model: Gemma3, batch: Batch) -> Float[Tensor, "L B N T S"]:
    """How each query of a batch divides its attention: by layer, text, head, query and key."""
    name = "language_model.layers.*.self_attn.attention_weights"
    with torch.no_grad(), visible_attention(model), capture(model, name) as seen:
        model(batch)
    return torch.stack([weights for (weights,) in seen.values()])
