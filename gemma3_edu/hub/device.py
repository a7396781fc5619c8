"""Which devices a model can be put on, and what is missing where it cannot.

>>> usable("cpu")
device(type='cpu')
>>> usable("meta")
Traceback (most recent call last):
ValueError: device='meta' holds no numbers, so no model can run there; choose cpu or cuda
"""

import torch


def usable(device: torch.device | str | None) -> torch.device:
    """The device, None meaning the CPU; ValueError that says what it lacks if it cannot be used."""
    try:
        found = torch.device("cpu" if device is None else device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device={device!r} is none of PyTorch's; cpu, cuda, mps are") from error
    if found.type == "meta":
        raise ValueError(
            f"device={device!r} holds no numbers, so no model can run there; choose cpu or cuda"
        )
    try:
        torch.empty(1, device=found)
    except (AssertionError, RuntimeError, NotImplementedError, ImportError) as error:
        raise ValueError(f"device={device!r} cannot be used: {_lacking(found, error)}") from error
    return found


def _lacking(device: torch.device, error: BaseException) -> str:
    here = f"this PyTorch, {torch.__version__},"
    if device.type == "cuda" and not (torch.backends.cuda.is_built() or torch.version.hip):
        return f"{here} was built without CUDA; install one of its CUDA builds, or leave device out"
    if device.type == "cuda" and not torch.cuda.is_available():
        return f"{here} finds no GPU and driver that it can use; leave device out to use the CPU"
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        return f"there are {torch.cuda.device_count()} GPUs here, counted from 0"
    if device.type == "mps" and not torch.backends.mps.is_available():
        return f"{here} finds no Apple GPU; leave device out to use the CPU"
    return f"{str(error).splitlines()[0] if str(error) else type(error).__name__}"
