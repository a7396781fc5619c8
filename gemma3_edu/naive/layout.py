"""Where each token sits, counted along one row.

>>> positions([False, False, True, True]), image_ids([False, True, True, False, True])
([-1, -1, 0, 1], [0, 1, 1, 0, 2])
"""

from collections.abc import Sequence


def positions(real: Sequence[bool]) -> list[int]:
    """0, 1, 2, ... over the real tokens of a row; -1 for padding."""
    found, count = [], 0
    for token_is_real in real:
        found.append(count if token_is_real else -1)
        count += token_is_real
    return found


def image_ids(soft: Sequence[bool]) -> list[int]:
    """0 for text; n for the soft tokens of the n-th image, where each unbroken run is one image."""
    found, images, before = [], 0, False
    for token_is_soft in soft:
        if token_is_soft and not before:
            images += 1
        found.append(images if token_is_soft else 0)
        before = token_is_soft
    return found
