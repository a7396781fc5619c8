"""Checks of the exercises on tokens: joining pieces, scaling embeddings, a text that gets lost.

>>> from gemma3_edu.naive.tokenizer import join
>>> check_join(lambda parts, scores: join(parts, scores, whole=[]))
>>> check_join(lambda parts, scores: parts)
Traceback (most recent call last):
AssertionError: nothing was joined
"""

import math
import unicodedata
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ...naive.layers import token_embedding
from ...naive.tokenizer import SPACE, join
from .compare import compare

Scores = dict[str, float]

# Learned pieces, best first, then the characters; "?" is in no vocabulary here.
_LEARNED = "an ana bana ba he er the re ther in ing ot no th thing aa".split()
_SCORES = {piece: -float(rank) for rank, piece in enumerate([*_LEARNED, *"abeghinort"])}
_WORDS = ["banana", "bana", "there", "other", "not", "nothing", "aaa", "tea?", "h", ""]


def check_join(fn: Callable[[list[str], Scores], Any]) -> None:
    """`fn(parts, scores)` joins neighbours, the best piece first, until none make a piece.

    `scores` holds every piece of the vocabulary, higher is better; of equal ones the leftmost is
    joined. A list of strings comes back.
    """
    answers = [_joined(fn, word) for word in _WORDS]
    wants = [join(list(word), _SCORES, whole=[]) for word in _WORDS]
    if answers == wants:
        return
    for sentence, slip in _JOIN_SLIPS:
        assert answers != [slip(list(word)) for word in _WORDS], sentence
    for word, got, want in zip(_WORDS, answers, wants, strict=True):
        assert got == want, f"{list(word)}: got {got}, expected {want}"


def _joined(fn: Callable[[list[str], Scores], Any], word: str) -> list[str]:
    parts, told = list(word), f"{list(word)}"
    got = fn(parts, dict(_SCORES))
    assert parts == list(word), "changed parts in place; build a new list"
    assert isinstance(got, list), f"expected a list, got {type(got).__name__}"
    assert all(isinstance(part, str) for part in got), f"{told}: {got} holds other than text"
    assert "".join(got) == word, f"{told}: {got} spells {''.join(got)!r}"
    for part in got:
        assert len(part) == 1 or part in _SCORES, f"{told}: {part!r} is no piece"
    return got


def _joinable(parts: Sequence[str]) -> list[int]:
    return [i for i, (left, right) in enumerate(pairwise(parts)) if left + right in _SCORES]


def _by(choose: Callable[[list[str], list[int]], int]) -> Callable[[list[str]], list[str]]:
    """Join until nothing can be joined; `choose` says which of the possible places is next."""

    def joined(parts: list[str]) -> list[str]:
        while places := _joinable(parts):
            i = choose(parts, places)
            parts = [*parts[:i], parts[i] + parts[i + 1], *parts[i + 2 :]]
        return parts

    return joined


def _score(parts: list[str], i: int) -> float:
    return _SCORES[parts[i] + parts[i + 1]]


def _once(parts: list[str]) -> list[str]:
    places = _joinable(parts)
    if not places:
        return parts
    i = max(places, key=lambda i: _score(parts, i))
    return [*parts[:i], parts[i] + parts[i + 1], *parts[i + 2 :]]


def _longest_match(parts: list[str]) -> list[str]:
    found: list[str] = []
    word, place = "".join(parts), 0
    while place < len(word):
        ends = range(len(word), place, -1)
        end = next((e for e in ends if word[place:e] in _SCORES), place + 1)
        found.append(word[place:end])
        place = end
    return found


_JOIN_SLIPS: list[tuple[str, Callable[[list[str]], list[str]]]] = [
    ("nothing was joined", list),
    ("stopped after one join; go on until no neighbours make a piece", _once),
    (
        "joined the worst piece first; the higher the score, the sooner",
        _by(lambda parts, places: min(places, key=lambda i: _score(parts, i))),
    ),
    (
        "of equally good pairs the last was joined; take the leftmost",
        _by(lambda parts, places: max(places, key=lambda i: (_score(parts, i), i))),
    ),
    (
        "joined the first neighbours that make a piece; look at all of them, and take the best",
        _by(lambda parts, places: places[0]),
    ),
    (
        "took the longest piece at each place; start from the characters and join by score",
        _longest_match,
    ),
]


def check_embedding(fn: Callable[[Tensor, Tensor], Any]) -> None:
    """`fn(tokens, table)` gives the scaled rows, B T D, in the table's dtype.

    >>> check_embedding(token_embedding)
    """
    g = torch.Generator().manual_seed(6)
    for dtype in (torch.float32, torch.bfloat16):
        table = torch.randn(11, 7, generator=g).T.to(dtype)  # V = 7 rows, D = 11; not contiguous
        tokens = torch.tensor([[2, 6, 2, 0], [5, 1, 3, 6], [4, 4, 0, 1]])
        before = tokens.clone(), table.clone()
        got = fn(tokens, table)
        for old, now in zip(before, (tokens, table), strict=True):
            assert torch.equal(old, now), "changed tokens or table in place; return a new tensor"
        rounded = dtype is torch.bfloat16
        where = "bfloat16: " if rounded else ""
        slips = [(where + told, wrong) for told, wrong in _embedding_slips(tokens, table)]
        compare(got, token_embedding(tokens, table), slips, atol=0.0 if rounded else 1e-5)


def _embedding_slips(tokens: Tensor, table: Tensor) -> list[tuple[str, Tensor]]:
    rows = table[tokens]
    (V, D), T = table.shape, tokens.shape[1]

    def times(factor: float) -> Tensor:
        return (rows.float() * factor).to(table.dtype)

    slips = [
        ("the rows are not scaled; multiply them by the root of D", rows),
        ("multiplied by D; its root is asked for", times(D)),
        ("divided by the root of D; multiply", times(D**-0.5)),
        ("took the root of V, the number of rows; D is the length of a row", times(V**0.5)),
        ("took the root of T, the number of tokens; D is the length of a row", times(T**0.5)),
    ]
    if table.dtype is torch.bfloat16:
        told = "the root of D was not rounded; convert it to the table's dtype before you multiply"
        return [*slips, (told, times(math.sqrt(D)))]
    return slips


def check_lost_text(fn: Callable[[], Any]) -> None:
    """`fn()` gives a text that a tokenizer with a bug does not bring back, and a right one does.

    The bug: the text is brought to Unicode's normal form C first, where an accent and its letter
    become one character. At most three characters.

    >>> check_lost_text(lambda: "e" + chr(0x301))
    """
    text = fn()
    assert isinstance(text, str), f"expected a text, got {type(text).__name__}"
    assert text, "the text is empty, and nothing of it can be lost"
    assert len(text) <= 3, f"{len(text)} characters; at most 3 are asked for"
    assert not any(0xD800 <= ord(character) < 0xE000 for character in text), (
        "half of a surrogate pair is no character, and no tokenizer takes it"
    )
    assert SPACE not in text, f"a right tokenizer loses {SPACE!r} as well: it comes back as a space"
    assert unicodedata.normalize("NFC", text) != text, (
        f"the suspect brings {text!a} back; what does it do to a text before it cuts it?"
    )
