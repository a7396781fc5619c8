"""Which keys each query may see: a function of where tokens sit, and of nothing else.

Each predicate takes two layouts, of T queries and of S keys, and returns `Bool[B T S]`, True where
the query may see the key. Because keys bring their own layout, the order of slots in a ring buffer,
left padding, ragged batches, prompts fed in chunks and several images need no code of their own.

The picture below has T = 5 and W = 3; rows are queries, columns are keys.

>>> import torch
>>> text = TokenLayout.of_text(torch.ones(1, 5, dtype=torch.bool))
>>> for row in attention_mask(text, text, window=3)[0].tolist():
...     print("".join(".#"[seen] for seen in row))
#....
##...
###..
.###.
..###
"""

from jaxtyping import Bool
from torch import Tensor

from .layout import TokenLayout

Mask = Bool[Tensor, "B T S"]


def causal(q: TokenLayout, k: TokenLayout) -> Mask:
    """A query sees itself and everything before it."""
    return k.position[:, None, :] <= q.position[:, :, None]


def within_window(q: TokenLayout, k: TokenLayout, window: int) -> Mask:
    """A query at i sees keys at j with i - j < W: itself, W - 1 before it, and all after it.

    There is no upper bound, as in transformers 5: `causal` and `same_image` say what is seen ahead.
    """
    return q.position[:, :, None] - k.position[:, None, :] < window


def same_image(q: TokenLayout, k: TokenLayout) -> Mask:
    """Soft tokens of one image see each other both ways; two images never do."""
    q_image, k_image = q.image_id[:, :, None], k.image_id[:, None, :]
    return (q_image == k_image) & (q_image > 0)


def not_padding(q: TokenLayout, k: TokenLayout) -> Mask:
    """Padding sees nothing and is seen by nothing."""
    return (q.position >= 0)[:, :, None] & (k.position >= 0)[:, None, :]


def attention_mask(q: TokenLayout, k: TokenLayout, window: int | None = None) -> Mask:
    """The mask of one attention type; `window` is W on local layers and None on global ones.

    Technical report, section 2 (causal, 5:1) and 2.1 (images); the window clips an image's reach to
    the left, as in the released code.
    """
    mask = not_padding(q, k) & (causal(q, k) | same_image(q, k))
    return mask if window is None else mask & within_window(q, k, window)
