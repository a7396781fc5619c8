"""Byte-pair encoding by hand: join the best two neighbours until none can be joined.

A vocabulary is a list of pieces in id order, their scores, and the pieces that are `whole`
(user-defined in SentencePiece's words): found first, never joined with anything.

>>> pieces, scores = ["\\n\\n", "he", "▁the", "▁t", "t", "h", "e", "▁", "<0x21>"], [0.0] * 9
>>> scores[1:4] = [-2, -1, -3]  # the higher, the sooner joined
>>> encode("the the!\\n\\n", pieces, scores, whole=["\\n\\n"])
[4, 1, 2, 8, 0]
"""

from collections.abc import Collection, Sequence
from itertools import pairwise

SPACE = "▁"  # how a vocabulary writes a space


def split(text: str, whole: Collection[str]) -> list[str]:
    """The whole pieces of a text, the longest possible at each place, and the single characters.

    >>> split("a\\n\\n\\nb", ["\\n", "\\n\\n"])
    ['a', '\\n\\n', '\\n', 'b']
    """
    parts, place = [], 0
    while place < len(text):
        found = [piece for piece in whole if text.startswith(piece, place)]
        parts.append(max([*found, text[place]], key=len))
        place += len(parts[-1])
    return parts


def join(parts: list[str], scores: dict[str, float], whole: Collection[str]) -> list[str]:
    """Of all neighbours that make a piece, join the two that make the best; do so until none do.

    Of equally good ones those further left are joined.
    """
    while True:
        best = None
        for i, (left, right) in enumerate(pairwise(parts)):
            if left in whole or right in whole or left + right not in scores:
                continue
            if best is None or scores[left + right] > scores[parts[best] + parts[best + 1]]:
                best = i
        if best is None:
            return parts
        parts = [*parts[:best], parts[best] + parts[best + 1], *parts[best + 2 :]]


def encode(
    text: str, pieces: Sequence[str], scores: Sequence[float], whole: Collection[str] = ()
) -> list[int]:
    """Ids of a text, without `<bos>`. A character with no piece becomes its bytes in UTF-8."""
    ids = {piece: i for i, piece in enumerate(pieces)}
    parts = split(text.replace(" ", SPACE), whole)
    found = []
    for part in join(parts, dict(zip(pieces, scores, strict=True)), whole):
        if part in ids:
            found.append(ids[part])
        else:
            found.extend(ids[f"<0x{byte:02X}>"] for byte in part.encode())
    return found


def decode(ids: Sequence[int], pieces: Sequence[str]) -> str:
    """The text back: bytes put together, every "▁" a space; broken UTF-8 becomes U+FFFD.

    >>> decode([1, 0, 2], ["<0xC3>", "▁caf", "<0xA9>"])
    ' café'
    """
    data = b""
    for i in ids:
        if len(pieces[i]) == 6 and pieces[i].startswith("<0x"):
            data += bytes([int(pieces[i][3:5], 16)])
        else:
            data += pieces[i].replace(SPACE, " ").encode()
    return data.decode(errors="replace")
