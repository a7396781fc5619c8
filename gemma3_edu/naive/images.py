"""Pan and scan: where a long picture is cut.

>>> pan_and_scan(1001, 400)
[(0, 0, 334, 400), (334, 0, 668, 400), (668, 0, 1001, 400)]
"""

import math

Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels


def pan_and_scan(
    width: int, height: int, min_crop: int = 256, max_crops: int = 4, min_ratio: float = 1.2
) -> list[Box]:
    """The crops' boxes, left to right or top to bottom; none for a picture that is not long."""
    if height > width:  # lay it on its side, cut it, put it upright again
        boxes = pan_and_scan(height, width, min_crop, max_crops, min_ratio)
        return [(top, left, bottom, right) for left, top, right, bottom in boxes]
    if width / height < min_ratio:
        return []
    number = math.floor(width / height + 0.5)  # a half goes up; Python's round goes to even
    if number > width // min_crop:
        number = width // min_crop  # so many crops of min_crop pixels there are room for
    if number < 2:
        number = 2
    if number > max_crops:
        number = max_crops
    step = math.ceil(width / number)
    if step < min_crop or height < min_crop:
        return []
    boxes = []
    for left in range(0, width, step):
        boxes.append((left, 0, min(left + step, width), height))
    return boxes


def normalize(byte: int) -> float:
    """A colour value of 0 to 255 as the encoder reads it, from -1 to 1.

    >>> normalize(0), normalize(255)
    (-1.0, 1.0)
    """
    return (byte / 255 - 0.5) / 0.5
