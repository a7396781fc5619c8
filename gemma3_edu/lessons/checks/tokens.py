"""Checks of the exercises on tokens: joining pieces, scaling embeddings, a text that gets lost.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 1", check_join, lambda parts, scores: parts)
Exercise 1: nothing was joined (['b', 'a', 'n', 'a', 'n', 'a'] with the scores {'an': 0, 'ana': -1,
    'ba': -3, 'bana': -2}: got 6 entries, expected 3: got ['b', 'a', 'n', 'a', 'n', 'a'], expected
    ['b', 'an', 'ana'])
"""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, KeysView
from itertools import pairwise
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from ...naive.layers import token_embedding
from ...naive.tokenizer import SPACE, join
from .grading import Case, Check, CheckError, ask, require, standard_torch

Scores = dict[str, float]
Join = Callable[[list[str], Scores], list[str]]

# Joining

# Learned pieces, best first, then the characters; "?" is in no vocabulary here. The dictionary
# has another order, so that its order says nothing about the scores.
_LEARNED = "an ana bana ba he er the re ther in ing ot no th thing aa".split()
_RANKS = {piece: -float(rank) for rank, piece in enumerate([*_LEARNED, *"abeghinort"])}
_SCORES = dict(sorted(_RANKS.items()))
_WORDS = ["banana", "bana", "there", "other", "not", "nothing", "aaa", "tea?", "h", ""]


# A piece that is better than its part: after one join a better one has become possible.
_LATE = {"a": -1.0, "aba": 5.0, "ab": 1.0, "b": -2.0}
# What is learned never joins these; a table may hold them all the same.
_ANY = {"12": -1.0, "▁a": -2.0, "12▁a": -3.0}
_LOW = {"oo": -1e6, "no": -2e6, "noo": -1e30}  # below any floor that one might think of


def _join_cases() -> dict[str, Case]:
    cases = [(word, _SCORES) for word in [*_WORDS, "banana" * 3]]
    cases += [("abab", _LATE), ("12▁a", _ANY), ("noo", _LOW)]
    return {_told(word, scores): (list(word), scores) for word, scores in cases}


def _told(word: str, scores: Scores) -> str:
    """A case in words: its characters, and the scores of what can be joined in it."""
    used = {
        piece: f"{s + 0.0:g}" for piece, s in scores.items() if len(piece) > 1 and piece in word
    }
    told = ", ".join(f"{piece!r}: {score}" for piece, score in used.items())
    parts = str(list(word)) if len(word) < 12 else f"list({word!r})"
    return f"{parts} with the scores {{{told}}}"


def _score(parts: list[str], i: int, scores: Scores) -> float:
    return scores[parts[i] + parts[i + 1]]


def _joined_at(parts: list[str], i: int) -> list[str]:
    return [*parts[:i], parts[i] + parts[i + 1], *parts[i + 2 :]]


def _by(choose: Callable[[list[str], list[int], Scores], int], rounds: int = 99) -> Join:
    """Join until nothing can be joined; `choose` says which of the possible places is next."""

    def joined(parts: list[str], scores: Scores) -> list[str]:
        for _ in range(rounds):
            places = [i for i, pair in enumerate(pairwise(parts)) if "".join(pair) in scores]
            if not places:
                break
            parts = _joined_at(parts, choose(parts, places, scores))
        return parts

    return joined


def _best(parts: list[str], places: list[int], scores: Scores) -> int:
    return max(places, key=lambda i: _score(parts, i, scores))


def _above(floor: float) -> Join:
    """The search for the best begins with a number, which no lower score is better than."""

    def joined(parts: list[str], scores: Scores) -> list[str]:
        while True:
            pairs = ["".join(pair) for pair in pairwise(parts)]
            places = [i for i, pair in enumerate(pairs) if scores.get(pair, floor) > floor]
            if not places:
                return parts
            parts = _joined_at(parts, _best(parts, places, scores))

    return joined


def _as_when_learning(parts: list[str], scores: Scores) -> list[str]:
    """Digits stay alone, and no piece reaches from one word into the next."""

    def may(left: str, right: str) -> bool:
        return right[0] != SPACE and not (left.isdigit() or right.isdigit())

    while True:
        pairs = enumerate(pairwise(parts))
        places = [i for i, (a, b) in pairs if a + b in scores and may(a, b)]
        if not places:
            return parts
        parts = _joined_at(parts, _best(parts, places, scores))


def _longest_match(parts: list[str], scores: Scores) -> list[str]:
    word, found = "".join(parts), []
    while word:
        starts = [word[:end] for end in range(len(word), 1, -1)]
        found.append(next((piece for piece in starts if piece in scores), word[0]))
        word = word.removeprefix(found[-1])
    return found


def _without_last_pair(parts: list[str], scores: Scores) -> list[str]:
    while True:
        places = [i for i in range(len(parts) - 2) if parts[i] + parts[i + 1] in scores]
        if not places:
            return parts
        parts = _joined_at(parts, _best(parts, places, scores))


def _without_score_zero(parts: list[str], scores: Scores) -> list[str]:
    while True:
        pairs = ["".join(pair) for pair in pairwise(parts)]
        places = [i for i, pair in enumerate(pairs) if scores.get(pair)]
        if not places:
            return parts
        parts = _joined_at(parts, _best(parts, places, scores))


def _pairs_of_the_start(parts: list[str], scores: Scores) -> list[str]:
    """The pairs are found once, so only characters are joined."""
    places = [i for i, pair in enumerate(pairwise(parts)) if "".join(pair) in scores]
    joined = dict(enumerate(parts))
    for i in sorted(places, key=lambda i: -_score(parts, i, scores)):
        if joined.get(i) == parts[i] and joined.get(i + 1) == parts[i + 1]:
            joined[i] += joined.pop(i + 1)
    return list(joined.values())


def _all_copies(parts: list[str], scores: Scores) -> list[str]:
    """The best piece is joined at all its places before the neighbours are looked at again."""
    while found := [pair for pair in map("".join, pairwise(parts)) if pair in scores]:
        best = max(found, key=lambda pair: scores[pair])
        joined: list[str] = []
        for part in parts:
            if joined and joined[-1] + part == best:
                joined[-1] = best
            else:
                joined.append(part)
        parts = joined
    return parts


def _only_one(found: Iterable[Any]) -> Iterator[Any]:
    yield next(iter(found))  # a type checker looks at one
    raise CheckError(
        "goes through all pieces of the table; look up only the neighbours that are there"
    )


class _Table(dict[str, float]):
    """Scores that can be looked up and not gone through, as a real table would be too long."""

    def __iter__(self) -> Iterator[str]:
        return _only_one(super().__iter__())

    def keys(self) -> Any:
        return KeysView(self)  # it answers `in`, and goes through the table as `__iter__` does

    def values(self) -> Iterator[float]:  # type: ignore[override]
        return _only_one(super().values())

    def items(self) -> Iterator[tuple[str, float]]:  # type: ignore[override]
        return _only_one(super().items())


_MOST_STEPS = 500_000  # of Python's interpreter; the longest word here takes a few thousand


def _ask_for_a_join(fn: Join, parts: list[str], scores: Scores) -> Any:
    """What `fn` answers, unless it goes through the whole table, changes it or does not end."""
    ran, table, outer = 0, _Table(scores), sys.gettrace()

    def watch(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal ran
        frame.f_trace_opcodes = True  # an endless `while True: pass` has no second line
        ran += 1
        if ran > _MOST_STEPS:
            raise CheckError("does not end; stop when no neighbours make a piece")
        return watch

    sys.settrace(watch)
    try:
        got = ask(fn, parts, table)
    finally:
        sys.settrace(outer)
    require(not isinstance(got, tuple), "gave a tuple; a list is asked for")
    require(table == scores, "changed scores in place; leave it as it is")
    return got


def _no_pieces(got: Any, want: list[str], parts: list[str], scores: Scores) -> str | None:
    if not isinstance(got, list) or not all(isinstance(part, str) for part in got):
        return None
    if "".join(got) != "".join(parts):
        return f"the parts of the answer spell {''.join(got)!r}"
    strange = [part for part in got if len(part) > 1 and part not in scores]
    return f"{strange[0]!r} is no piece" if strange else None


check_join = Check(
    """`fn(parts, scores)` joins neighbours, the best piece first, until none make a piece.

    `scores` holds every piece of the vocabulary, higher is better; of equal ones the leftmost is
    joined. A list of strings comes back.
    """,
    "parts scores",
    lambda parts, scores: join(parts, scores, whole=[]),
    _join_cases,
    {
        "nothing was joined": lambda parts, scores: parts,
        "stopped after one join; go on until no neighbours make a piece": _by(_best, rounds=1),
        "joined every copy of the best piece at once; after one join look again, as a better piece"
        " may have become possible": _all_copies,
        "stopped after a few joins; go on until no neighbours make a piece": [
            _by(_best, rounds=rounds) for rounds in range(2, 6)
        ],
        "joined the worst piece first; the higher the score, the sooner": _by(
            lambda parts, places, scores: min(places, key=lambda i: _score(parts, i, scores))
        ),
        "of equally good pairs the last was joined; take the leftmost": _by(
            lambda parts, places, scores: _best(parts, places[::-1], scores)
        ),
        "took the first neighbours that make a piece, or the longest piece; the highest score"
        " decides": _by(lambda parts, places, scores: places[0]),
        "took the longest piece at each place; join neighbours by score": _longest_match,
        "the last two neighbours are never joined; n parts have n - 1 pairs": _without_last_pair,
        "a piece with the score 0 was passed over, as 0 counts as false; ask `piece in"
        " scores`": _without_score_zero,
        "low scores were never joined, as the search for the best began with a number; a score may"
        " be any number, so let it begin with the first piece that is found": [
            _above(floor) for floor in (0.0, -1.0, -2.0, -3.0, -5.0, -10.0, -100.0, -1e9)
        ],
        "passed over digits or a space, as `may_join` does; here all neighbours that make a"
        " piece are joined": _as_when_learning,
        "joined only characters; look for neighbours again after each join": _pairs_of_the_start,
    },
    call=_ask_for_a_join,
    explain=_no_pieces,
)


# Embedding


def _embedding_cases(dtype: torch.dtype = torch.float32) -> list[Case]:
    g = torch.Generator().manual_seed(6)
    table = torch.randn(11, 7, generator=g).T.to(dtype)  # V = 7 rows, D = 11; not contiguous
    wide = torch.randn(3, 291, generator=g).to(dtype)  # bfloat16 has 290 and 292, not 291
    small = torch.tensor([[2, 6, 2, 0], [5, 1, 3, 6], [4, 4, 0, 1]])
    return [(small, table), (torch.tensor([[2, 0]]), wide)]


def _times(factor: Callable[[Tensor, Tensor], float]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda tokens, table: (table[tokens].float() * factor(tokens, table)).to(table.dtype)


check_embedding = Check(
    "`fn(tokens, table)` gives the scaled rows, B T D, in the table's dtype.",
    "tokens table",
    token_embedding,
    _embedding_cases,
    {
        "the rows are not scaled; multiply them by the root of D": _times(lambda i, table: 1),
        "multiplied by D; its root is asked for": _times(lambda i, table: table.shape[1]),
        "divided by the root of D; multiply": _times(lambda i, table: table.shape[1] ** -0.5),
        "the root was rounded to bfloat16, but this table is in float32; convert the root to the"
        " table's dtype": _times(
            lambda i, table: float(torch.tensor(table.shape[1] ** 0.5).bfloat16())
        ),
        "took the root of V, the number of rows; D is the length of a row": _times(
            lambda i, table: len(table) ** 0.5
        ),
        "multiplied by the root of 128, which is nano's width; D is the length of a row of this"
        " table": _times(lambda i, table: 128**0.5),
        "took the root of T, the number of tokens; D is the length of a row": _times(
            lambda i, table: i.shape[1] ** 0.5
        ),
    },
).then(
    lambda: _embedding_cases(torch.bfloat16),
    {
        "bfloat16: the root of D was not rounded; convert it to the table's dtype before you"
        " multiply": _times(lambda i, table: table.shape[1] ** 0.5),
        "bfloat16: D itself was rounded before its root was taken, and 291 became 292; round the"
        " root": _times(
            lambda i, table: float(torch.tensor(table.shape[1]).to(table.dtype).sqrt())
        ),
    },
    atol=0.0,
)


# A text that gets lost


@standard_torch()
def check_lost_text(fn: Callable[[], Any]) -> None:
    """`fn()` gives a text that a tokenizer with a bug does not bring back, and a right one does.

    The bug: the text is brought to Unicode's normal form C first, where an accent and its letter
    become one character. At most three characters.

    >>> check_lost_text(lambda: "e" + chr(0x301))
    """
    text = ask(fn)
    require(isinstance(text, str), f"expected a text, got {type(text).__name__}")
    require(text, "the text is empty, and nothing of it can be lost")
    require(len(text) <= 3, f"{len(text)} characters; at most 3 are asked for")
    require(
        not any(0xD800 <= ord(character) < 0xE000 for character in text),
        f"{text!a} holds half of a surrogate pair, which is no character and no tokenizer takes",
    )
    require(
        SPACE not in text,
        f"{text!a}: a right tokenizer loses {SPACE!r} as well: it comes back as a space",
    )
    require(
        unicodedata.normalize("NFC", text) != text,
        f"the suspect brings {text!a} back; what does it do to a text before it cuts it?",
    )
