"""A conversation as one text, string by string.

>>> print(render([("user", ["Who wrote it?"])]), end="")
<start_of_turn>user
Who wrote it?<end_of_turn>
<start_of_turn>model
"""

from collections.abc import Sequence
from typing import Any


def render(
    messages: Sequence[tuple[str, Sequence[Any]]], add_generation_prompt: bool = True
) -> str:
    """Messages are (role, parts); a part is a text, or anything else for an image.

    A system text has no turn of its own: it opens the first user turn, and it alone is not
    stripped. `<bos>` is not here; the tokenizer puts it in front as an id.
    """
    text = ""
    opening = ""
    for role, parts in messages:
        if role == "system":
            opening = parts[0] + "\n\n"
            continue
        text += "<start_of_turn>" + role + "\n" + opening
        for part in parts:
            text += part.strip() if isinstance(part, str) else "<start_of_image>"
        text += "<end_of_turn>\n"
        opening = ""
    if add_generation_prompt:
        text += "<start_of_turn>model\n"
    return text


def image_text(crops: int, soft_tokens: int) -> str:
    """What one `<start_of_image>` becomes: the picture's tokens, and those of its crops.

    >>> image_text(0, 2)
    '\\n\\n<start_of_image><image_soft_token><image_soft_token><end_of_image>\\n\\n'
    """
    image = "\n\n<start_of_image>"
    for _ in range(soft_tokens):
        image += "<image_soft_token>"
    image += "<end_of_image>\n\n"
    if crops == 0:
        return image
    text = "Here is the original image " + image
    text += " and here are some crops to help you see better"
    for _ in range(crops):
        text += " " + image
    return text
