"""Run a model that does not fit in memory: read a layer's weights when it runs, then free them.

>>> import torch
>>> with torch.device("meta"):
...     model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
>>> def ones(name):
...     return torch.ones(model.get_parameter(name).shape)
>>> with offloaded(model, ones, layers=[model[0]]):
...     model(torch.zeros(1, 2)), model[0].weight.is_meta  # three ones, summed, plus one
(tensor([[4.]]), True)
>>> model[1].weight.is_meta
True
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn


@contextmanager
def offloaded(
    model: nn.Module, tensor_of: Callable[[str], Tensor], layers: Iterable[nn.Module]
) -> Iterator[nn.Module]:
    """Within the context, a model without weights runs: `tensor_of(name)` reads a parameter.

    Each of the `layers` has its parameters only during its own forward, so that one layer is in
    memory at a time, and every pass reads all of them again. All other parameters are in memory
    throughout. On exit every parameter is restored, for example to a shape on the meta device.
    """
    layers = list(layers)
    names = {module: name for name, module in model.named_modules()}
    inside = {part for layer in layers for part in layer.modules()}
    with ExitStack() as stack:
        for module, name in names.items():
            if module in inside:
                continue
            stack.callback(_restore, _own(module), module)
            _fill(name, tensor_of, module)
        for layer in layers:
            for part in layer.modules():
                before = partial(_fill, names[part], tensor_of)
                after = partial(_restore, _own(part))
                stack.callback(layer.register_forward_pre_hook(_on(part, before)).remove)
                hook = layer.register_forward_hook(_on(part, after), always_call=True)
                stack.callback(hook.remove)
        yield model


def _own(module: nn.Module) -> dict[str, nn.Parameter]:
    return dict(module.named_parameters(recurse=False))


def _on(part: nn.Module, action: Callable[[nn.Module], None]) -> Callable[..., None]:
    """A hook that calls `action(part)` and ignores its arguments."""

    def hook(*called_with: Any) -> None:
        action(part)

    return hook


def _fill(prefix: str, tensor_of: Callable[[str], Tensor], module: nn.Module) -> None:
    for name in _own(module):
        value = tensor_of(f"{prefix}.{name}" if prefix else name)
        setattr(module, name, nn.Parameter(value, requires_grad=False))


def _restore(own: dict[str, nn.Parameter], module: nn.Module) -> None:
    for name, parameter in own.items():
        setattr(module, name, parameter)
