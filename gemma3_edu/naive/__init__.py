"""The slow, obvious version of each component: loops, no tricks.

One module for each core module that computes something, with the same names where the same thing
happens. A reader starts here; tests and graders hold the fast versions to these. Parameters come as
plain tensors, or as a dict of them under a checkpoint's names (a model's `state_dict()`).

>>> from gemma3_edu import naive
>>> naive.masks.may_see(4, 2, window=3), naive.masks.may_see(4, 1, window=3)
(True, False)
"""

from . import (
    attention,
    cache,
    chat_template,
    cost,
    generation,
    images,
    layers,
    layout,
    masks,
    model,
    processor,
    rope,
    sampling,
    tokenizer,
    vision,
)

__all__ = [
    "attention",
    "cache",
    "chat_template",
    "cost",
    "generation",
    "images",
    "layers",
    "layout",
    "masks",
    "model",
    "processor",
    "rope",
    "sampling",
    "tokenizer",
    "vision",
]
