"""The checks on tokens accept what is right, however written."""

import heapq
import sys
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gemma3_edu.lessons.checks.tokens import check_embedding, check_join, check_lost_text
from gemma3_edu.model.layers import TokenEmbedding
from gemma3_edu.prompt.tokenizer import SPACE
from tests.lessons.checks.messages import message
from tests.tokenizers import small_tokenizer

Scores = dict[str, float]


# check_join


def by_piece(parts: list[str], scores: Scores) -> list[str]:
    """The pieces in the order they were learned, each joined wherever it can be."""
    for piece in sorted(scores, key=lambda piece: -scores[piece]):
        joined: list[str] = []
        for part in parts:
            if joined and joined[-1] + part == piece:
                joined[-1] = piece
            else:
                joined.append(part)
        parts = joined
    return parts


def by_queue(parts: list[str], scores: Scores) -> list[str]:
    """As SentencePiece does it: a heap of pairs, those that are no longer there passed over."""
    left: dict[int, str] = dict(enumerate(parts))
    heap: list[tuple[float, int, int, str]] = []

    def offer(places: list[int]) -> None:
        for i, j in pairwise(places):
            piece = left[i] + left[j]
            if piece in scores:
                heapq.heappush(heap, (-scores[piece], i, j, piece))

    offer(list(left))
    while heap:
        _, i, j, piece = heapq.heappop(heap)
        if i in left and j in left and left[i] + left[j] == piece:
            left[i] = piece
            del left[j]
            offer(sorted(left))
    return [left[i] for i in sorted(left)]


def by_recursion(parts: list[str], scores: Scores) -> list[str]:
    joined = ["".join(pair) for pair in pairwise(parts)]
    pairs = [(-scores[piece], i) for i, piece in enumerate(joined) if piece in scores]
    if not pairs:
        return list(parts)
    _, i = min(pairs)
    return by_recursion([*parts[:i], parts[i] + parts[i + 1], *parts[i + 2 :]], scores)


def by_keys(parts: list[str], scores: Scores) -> list[str]:
    """Looked up in `keys()` one at a time and as a set, which goes through no table."""
    while set(map("".join, pairwise(parts))) & scores.keys():
        pairs = ["".join(pair) for pair in pairwise(parts)]
        i = max(
            (i for i, pair in enumerate(pairs) if pair in scores.keys()),  # noqa: SIM118
            key=lambda i: scores[pairs[i]],
        )
        parts = [*parts[:i], pairs[i], *parts[i + 2 :]]
    return parts


@pytest.mark.parametrize("answer", [by_queue, by_recursion, by_keys])
def test_right_joins(answer):
    check_join(answer)


def never_ends(parts: list[str], scores: Scores) -> list[str]:
    while True:
        for i in range(len(parts) - 1):
            if parts[i] + parts[i + 1] in scores:
                parts = [*parts[:i], parts[i] + parts[i + 1], *parts[i + 2 :]]
                break


def never_moves(parts: list[str], scores: Scores) -> list[str]:
    while True: pass  # fmt: skip  # noqa: E701 - one line, so no line event


def through_keys(parts: list[str], scores: Scores) -> list[str]:
    return by_piece(parts, {piece: scores[piece] for piece in scores.keys()})  # noqa: SIM118


def at_most(joins: int):
    def joined(parts: list[str], scores: Scores) -> list[str]:
        for _ in range(joins):
            pairs = ["".join(pair) for pair in pairwise(parts)]
            if not (places := [i for i, pair in enumerate(pairs) if pair in scores]):
                break
            i = max(places, key=lambda i: scores[pairs[i]])
            parts = [*parts[:i], pairs[i], *parts[i + 2 :]]
        return parts

    return joined


def every_copy(parts: list[str], scores: Scores) -> list[str]:
    while found := [pair for pair in map("".join, pairwise(parts)) if pair in scores]:
        parts = by_piece(parts, {max(found, key=lambda pair: scores[pair]): 0.0})
    return parts


def by_length(parts: list[str], scores: Scores) -> list[str]:
    while True:
        pairs = ["".join(pair) for pair in pairwise(parts)]
        if not (found := [pair for pair in pairs if pair in scores]):
            return parts
        i = pairs.index(max(found, key=len))
        parts = [*parts[:i], pairs[i], *parts[i + 2 :]]


def above(floor: float):
    """The beginner's loop: the best score so far starts at a number."""

    def joined(parts: list[str], scores: Scores) -> list[str]:
        parts = list(parts)
        while True:
            best, place = floor, None
            for i in range(len(parts) - 1):
                piece = parts[i] + parts[i + 1]
                if piece in scores and scores[piece] > best:
                    best, place = scores[piece], i
            if place is None:
                return parts
            parts[place : place + 2] = [parts[place] + parts[place + 1]]

    return joined


def test_a_search_that_begins_below_every_number_is_right():
    check_join(above(-float("inf")))


def as_when_learning(parts: list[str], scores: Scores) -> list[str]:
    """`may_join` of the lesson is asked as well."""
    joined = [
        (scores[left + right], -i)
        for i, (left, right) in enumerate(pairwise(parts))
        if left + right in scores and right[0] != "▁" and not (left + right)[0].isdigit()
    ]
    if not joined:
        return parts
    i = -max(joined)[1]
    return as_when_learning([*parts[:i], parts[i] + parts[i + 1], *parts[i + 2 :]], scores)


def emptied(parts: list[str], scores: Scores) -> list[str]:
    got = by_recursion(parts, scores)
    scores.clear()
    return got


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (by_piece, "goes through all pieces of the table; look up only the neighbours"),
        (through_keys, "goes through all pieces of the table; look up only the neighbours"),
        *[(at_most(joins), "stopped after a few joins; go on until") for joins in (3, 5)],
        (every_copy, "joined every copy of the best piece at once; after one join look again"),
        (as_when_learning, "passed over digits or a space, as `may_join` does; here all"),
        (never_ends, "does not end; stop when no neighbours make a piece (['b', "),
        (never_moves, "does not end; stop when no neighbours make a piece (['b', "),
        (by_length, "took the first neighbours that make a piece, or the longest piece; the high"),
        *[
            (above(floor), "low scores were never joined, as")
            for floor in (0, -1, -20, -1e5, -1e12)
        ],
        (lambda parts, scores: tuple(by_recursion(parts, scores)), "gave a tuple; a list is asked"),
        (emptied, "changed scores in place; leave it as it is"),
    ],
)
def test_joins_that_are_refused(answer, words: str):
    tracer = sys.gettrace()
    assert message(check_join, answer).startswith(words)
    assert sys.gettrace() is tracer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda parts, scores: by_recursion(parts, scores)[::-1],
            "the parts of the answer spell 'anaanb' (",
        ),
        (
            lambda parts, scores: ["".join(parts)],
            "'banana' is no piece (['b', 'a', 'n', 'a', 'n', 'a'] with the ",
        ),
        (
            lambda parts, scores: (
                by_recursion(parts, scores) if len(parts) < 6 else ["ba", "n", "ana"]
            ),
            "got ['ba', 'n', 'ana'], expected ['b', 'an', 'ana'] (['b', 'a', 'n', 'a', 'n', 'a'] ",
        ),
    ],
)
def test_wrong_joins_without_a_name(answer, words: str):
    assert message(check_join, answer).startswith(words)


# check_embedding


def by_package(tokens: Tensor, table: Tensor) -> Tensor:
    module = TokenEmbedding(*table.shape).to(table.dtype)
    module.load_state_dict({"weight": table})
    return module(tokens)


def by_one_hot(tokens: Tensor, table: Tensor) -> Tensor:
    """In float64, rounded where the right answer rounds: the factor, and the product."""
    factor = torch.tensor(table.shape[1]).sqrt().to(table.dtype)
    rows = F.one_hot(tokens, len(table)).double() @ table.double()
    return (rows * factor.double()).to(table.dtype)


def by_table(tokens: Tensor, table: Tensor) -> Tensor:
    """All rows scaled once, then looked up."""
    return (table * torch.full((), table.shape[1] ** 0.5, dtype=table.dtype))[tokens]


@pytest.mark.parametrize("answer", [by_package, by_one_hot, by_table])
def test_right_embeddings(answer):
    check_embedding(answer)


def test_an_embedding_in_another_dtype_is_refused_with_the_case():
    words = message(check_embedding, lambda tokens, table: by_package(tokens, table).float())
    assert words.startswith("got dtype float32, expected bfloat16 (tokens = [[2, 6, 2, 0], ")
    assert words.endswith("table = bfloat16 of shape (7, 11))")


def test_nano_s_width_in_place_of_the_table_s_is_named():
    words = message(check_embedding, lambda tokens, table: table[tokens] * 128**0.5)
    assert words.startswith("multiplied by the root of 128, which is nano's width; D is the length")


# check_lost_text

ANGSTROM, OHM, JAMO = "\u212b", "\u2126", "\u1100\u1161"


@pytest.mark.parametrize("text", ["e\u0301", "n\u0303o", ANGSTROM, OHM, JAMO, "A\u030a", "c\u0327"])
def test_right_lost_texts(text):
    check_lost_text(lambda: text)
    tokenizer = small_tokenizer()  # a right tokenizer brings them back
    assert tokenizer.decode(tokenizer.encode(text)) == text


BACK = "the suspect brings {} back; what does it do to a text before it cuts it?"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (BACK.format("'e\\xe9'"), "e\u00e9"),
        # a character that looks composed and is not joined by the normal form, and an accent alone
        (BACK.format("'\\ufb01'"), "\ufb01"),
        (BACK.format("'\\u0301'"), "\u0301"),
        ("a right tokenizer loses '▁' as well: it comes back as a space", f"{SPACE}e\u0301"),
        (BACK.format("'  a'"), "  a"),  # both spaces
        ("4 characters; at most 3 are asked for", "cafe"),
        ("the text is empty, and nothing of it can be lost", ""),
        ("'\\ud83d' holds half of a surrogate pair", "\ud83d"),
        ("expected a text, got list", [101, 769]),
    ],
)
def test_wrong_lost_texts(words, text):
    assert words in message(check_lost_text, lambda: text)
