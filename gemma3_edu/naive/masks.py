"""Who may see whom, decided for one query and one key at a time.

>>> for i in range(5):  # text, W = 3: rows are queries, columns keys
...     print("".join("#" if may_see(i, j, window=3) else "." for j in range(5)))
#....
##...
###..
.###.
..###
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from ..model.config import AttentionType
from ..model.layout import TokenLayout


def may_see(i: int, j: int, image_i: int = 0, image_j: int = 0, window: int | None = None) -> bool:
    """May the query at position i see the key at position j?

    -1 is padding; `image_i` and `image_j` tell which image each belongs to, 0 for text; `window` is
    W on local layers and None on global ones. A key W or more places back is out of sight, even in
    the query's own image.
    """
    if i == -1 or j == -1:
        return False  # padding sees nothing and is seen by nothing
    if window is not None and i - j >= window:
        return False  # too far back
    if image_i == image_j and image_i != 0:
        return True  # one image: its tokens see each other both ways
    return j <= i  # everything else looks back, and at itself


def attention_mask(
    q: TokenLayout, k: TokenLayout, window: int | None = None
) -> Bool[Tensor, "B T S"]:
    """`may_see` for every query and every key of every row."""
    B, T, S = q.batch_size, q.length, k.length
    mask = torch.empty(B, T, S, dtype=torch.bool)
    for b in range(B):
        i, image_i = q.position[b].tolist(), q.image_id[b].tolist()
        j, image_j = k.position[b].tolist(), k.image_id[b].tolist()
        for t in range(T):
            for s in range(S):
                mask[b, t, s] = may_see(i[t], j[s], image_i[t], image_j[s], window)
    return mask


def reach(layer_types: Sequence[AttentionType], window: int, length: int) -> list[int]:
    """How many places back the last of `length` text tokens has heard, layer by layer.

    A key it sees has itself heard in the layers below: steps add up, until there is nothing
    further back.

    >>> local, everything = AttentionType.LOCAL, AttentionType.GLOBAL
    >>> reach([local, local, everything, local], window=3, length=20)
    [2, 4, 19, 19]
    """
    back, after = 0, []
    for kind in layer_types:
        step = window - 1 if kind is AttentionType.LOCAL else length - 1
        back = min(back + step, length - 1)
        after.append(back)
    return after
