"""A prompt's text with its images written in, and rows made equally long.

>>> pad_left([[2, 7, 8], [2]])
[[2, 7, 8], [0, 0, 2]]
"""

from collections.abc import Sequence

from .chat_template import image_text

PLACE = "<start_of_image>"


def expand(text: str, crops: Sequence[int], soft_tokens: int) -> str:
    """Each `<start_of_image>` becomes its image's text; `crops` tells how many each image has.

    >>> expand("a<start_of_image>b", [0], 1)
    'a\\n\\n<start_of_image><image_soft_token><end_of_image>\\n\\nb'
    """
    done = ""
    for number in crops:
        before, after = text.split(PLACE, maxsplit=1)
        done += before + image_text(number, soft_tokens)
        text = after
    return done + text


def pad_left(rows: Sequence[Sequence[int]], pad: int = 0) -> list[list[int]]:
    """As many padding ids in front of each row as it lacks to be as long as the longest."""
    longest = max(len(row) for row in rows)
    return [[pad] * (longest - len(row)) + list(row) for row in rows]
