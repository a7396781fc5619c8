"""The checks on tokens accept what is right, however written, and name each slip."""

import heapq
import re
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gemma3_edu import naive
from gemma3_edu.lessons.checks.tokens import check_embedding, check_join, check_lost_text
from gemma3_edu.model.layers import TokenEmbedding
from gemma3_edu.prompt.tokenizer import SPACE
from tests.tokenizers import small_tokenizer

Scores = dict[str, float]

# check_join


def by_loops(parts: list[str], scores: Scores) -> list[str]:
    return naive.tokenizer.join(parts, scores, whole=[])


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


@pytest.mark.parametrize("answer", [by_loops, by_piece, by_queue, by_recursion])
def test_right_joins(answer):
    check_join(answer)


def joining(choose: Callable[[list[str], list[int], Scores], int]) -> Callable[..., list[str]]:
    def joined(parts: list[str], scores: Scores) -> list[str]:
        while True:
            places = [i for i in range(len(parts) - 1) if parts[i] + parts[i + 1] in scores]
            if not places:
                return parts
            i = choose(parts, places, scores)
            parts = [*parts[:i], parts[i] + parts[i + 1], *parts[i + 2 :]]

    return joined


def score(parts: list[str], i: int, scores: Scores) -> float:
    return scores[parts[i] + parts[i + 1]]


def best(parts: list[str], places: list[int], scores: Scores) -> int:
    return max(places, key=lambda i: score(parts, i, scores))


def once(parts: list[str], scores: Scores) -> list[str]:
    places = [i for i in range(len(parts) - 1) if parts[i] + parts[i + 1] in scores]
    if not places:
        return parts
    i = best(parts, places, scores)
    return [*parts[:i], parts[i] + parts[i + 1], *parts[i + 2 :]]


def longest_match(parts: list[str], scores: Scores) -> list[str]:
    word, found = "".join(parts), []
    while word:
        piece = max([p for p in scores if word.startswith(p)] + [word[0]], key=len)
        found.append(piece)
        word = word.removeprefix(piece)
    return found


def in_place(parts: list[str], scores: Scores) -> list[str]:
    parts[:] = by_loops(parts, scores)
    return parts


def backwards(parts: list[str], scores: Scores) -> list[str]:
    return by_loops(parts, scores)[::-1]


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        ("nothing was joined", lambda parts, scores: parts),
        ("stopped after one join; go on until no neighbours make a piece", once),
        (
            "joined the worst piece first; the higher the score, the sooner",
            joining(lambda p, places, s: min(places, key=lambda i: score(p, i, s))),
        ),
        (
            "of equally good pairs the last was joined; take the leftmost",
            joining(lambda p, places, s: max(places[::-1], key=lambda i: score(p, i, s))),
        ),
        (
            "joined the first neighbours that make a piece; look at all of them, and take the best",
            joining(lambda p, places, s: places[0]),
        ),
        (
            "took the longest piece at each place; start from the characters and join by score",
            longest_match,
        ),
        ("changed parts in place; build a new list", in_place),
        ("expected a list, got str", lambda parts, scores: "".join(parts)),
        (
            "['b', 'a', 'n', 'a', 'n', 'a']: ['ana', 'an', 'b'] spells 'anaanb'",
            backwards,
        ),
        (
            "['b', 'a', 'n', 'a', 'n', 'a']: 'banana' is no piece",
            lambda parts, scores: ["".join(parts)],
        ),
        (
            "['b', 'a', 'n', 'a', 'n', 'a']: [0, 1] holds other than text",
            lambda parts, scores: [0, 1],
        ),
        # no slip of its own
        (
            "['b', 'a', 'n', 'a', 'n', 'a']: got ['ba', 'n', 'ana'], expected ['b', 'an', 'ana']",
            joining(lambda p, places, s: places[0] if len(p) == 6 else places[-1]),
        ),
    ],
)
def test_wrong_joins(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_join(answer)


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


def by_rows(tokens: Tensor, table: Tensor) -> Tensor:
    factor = torch.tensor(table.shape[1] ** 0.5).to(table)
    return torch.stack([torch.stack([factor * table[i] for i in row]) for row in tokens])


@pytest.mark.parametrize(
    "answer", [by_package, naive.layers.token_embedding, by_one_hot, by_table, by_rows]
)
def test_right_embeddings(answer):
    check_embedding(answer)


def scaled_by(factor: Callable[[Tensor, Tensor], float]) -> Callable[[Tensor, Tensor], Tensor]:
    def embedded(tokens: Tensor, table: Tensor) -> Tensor:
        return table[tokens] * torch.tensor(factor(tokens, table), dtype=table.dtype)

    return embedded


def rows_scaled_in_place(tokens: Tensor, table: Tensor) -> Tensor:
    table *= torch.tensor(table.shape[1] ** 0.5, dtype=table.dtype)
    return table[tokens]


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            "the rows are not scaled; multiply them by the root of D",
            lambda tokens, table: table[tokens],
        ),
        ("multiplied by D; its root is asked for", scaled_by(lambda i, e: e.shape[1])),
        ("divided by the root of D; multiply", scaled_by(lambda i, e: e.shape[1] ** -0.5)),
        (
            "took the root of V, the number of rows; D is the length of a row",
            scaled_by(lambda i, e: len(e) ** 0.5),
        ),
        (
            "took the root of T, the number of tokens; D is the length of a row",
            scaled_by(lambda i, e: i.shape[1] ** 0.5),
        ),
        (
            "bfloat16: the root of D was not rounded; convert it to the table's dtype before you"
            " multiply",
            lambda tokens, table: table[tokens] * table.shape[1] ** 0.5,
        ),
        (
            "bfloat16: the root of D was not rounded; convert it to the table's dtype before you"
            " multiply",
            lambda tokens, table: (table[tokens].float() * table.shape[1] ** 0.5).to(table),
        ),
        ("changed tokens or table in place; return a new tensor", rows_scaled_in_place),
        (
            "dtype torch.float32, expected torch.bfloat16",
            lambda tokens, table: by_package(tokens, table).float(),
        ),
        ("shape (12, 11), expected (3, 4, 11)", lambda i, e: by_package(i, e).flatten(0, 1)),
        ("expected a tensor, got list", lambda i, e: by_package(i, e).tolist()),
    ],
)
def test_wrong_embeddings(sentence, answer):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_embedding(answer)


def test_an_embedding_wrong_in_its_own_way_gets_the_number_of_values():
    with pytest.raises(AssertionError, match=r"^132 of 132 values differ by"):
        check_embedding(lambda tokens, table: 1.01 * by_package(tokens, table))


# check_lost_text

ANGSTROM, OHM, JAMO = "\u212b", "\u2126", "\u1100\u1161"


@pytest.mark.parametrize("text", ["e\u0301", "n\u0303o", ANGSTROM, OHM, JAMO, "A\u030a", "c\u0327"])
def test_right_lost_texts(text):
    check_lost_text(lambda: text)
    tokenizer = small_tokenizer()  # a right tokenizer brings them back
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        (
            "the suspect brings 'e\\xe9' back; what does it do to a text before it cuts it?",
            "e\u00e9",
        ),
        # two characters that look composed and are not joined by the normal form
        (
            "the suspect brings '\\ufb01' back; what does it do to a text before it cuts it?",
            "\ufb01",
        ),
        (
            "the suspect brings '\\u0301' back; what does it do to a text before it cuts it?",
            "\u0301",
        ),
        (
            "a right tokenizer loses '▁' as well: it comes back as a space",
            f"{SPACE}e\u0301",
        ),
        ("4 characters; at most 3 are asked for", "cafe"),
        ("the text is empty, and nothing of it can be lost", ""),
        ("half of a surrogate pair is no character, and no tokenizer takes it", "\ud83d"),
        ("expected a text, got list", [101, 769]),
    ],
)
def test_wrong_lost_texts(sentence, text):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check_lost_text(lambda: text)


@pytest.mark.parametrize("check", [check_join, check_embedding, check_lost_text])
def test_a_stub_is_let_through(check):
    def stub(*_: object) -> None:
        raise NotImplementedError("your turn")

    with pytest.raises(NotImplementedError, match="your turn"):
        check(stub)
