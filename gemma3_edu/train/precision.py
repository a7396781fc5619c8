"""In which numbers a device multiplies fast.

>>> quick_dtype("cuda")
torch.bfloat16
"""

import torch


def quick_dtype(device: torch.device | str) -> torch.dtype:
    """bfloat16 on a GPU and on a CPU with AVX-512; float32 on others.

    A CPU without such instructions multiplies in bfloat16 too, some thirty times slower.
    """
    if torch.device(device).type != "cpu" or "AVX512" in torch.backends.cpu.get_cpu_capability():
        return torch.bfloat16
    return torch.float32
