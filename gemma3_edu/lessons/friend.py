"""A friend's way to hand pictures to the model, which lesson 14 first runs and then reads.

>>> import torch
>>> from gemma3_edu.model.layout import TokenLayout
>>> zeros = torch.zeros(1, 2).long()
>>> batch = Batch(zeros, TokenLayout(zeros, zeros), torch.zeros(1, 3, 4, 4))
>>> friends_batch(batch).images.shape
torch.Size([1, 3, 4, 4])
"""

import torch

from ..model.layout import Batch


def friends_batch(batch: Batch) -> Batch:
    """The same tokens and pictures, the pictures taken by the friend's code."""
    if batch.images is None:
        return batch
    waiting, taken = list(batch.images), []
    while waiting:
        taken.append(waiting.pop())  # the next picture
    return Batch(batch.tokens, batch.layout, torch.stack(taken))
