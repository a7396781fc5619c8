"""The vocabulary in a GGUF file to a SentencePiece model, and back.

A GGUF file has the pieces, their scores and their types, which is nearly all that a SentencePiece
model says; the rest, such as that text is not normalized, is the same for every Gemma 3. The
differences: runs of spaces are stored as spaces, not as "▁"; and a file has a word for each row of
the embedding table, so that rows which only fill it up have made-up words, of a type for unused.

>>> from pathlib import Path
>>> model = Path("tests/data/tokenizer.model").read_bytes()
>>> settings = vocabulary_settings(Tokenizer(model), rows=2112)
>>> settings["tokenizer.ggml.tokens"][138], settings["tokenizer.ggml.tokens"][-1]
('  ', '[PAD2111]')
>>> again = tokenizer_of(Head(Path("a.gguf"), settings, {}))
>>> read_pieces(again.model) == read_pieces(model)
True
"""

import struct
from functools import cache
from typing import Any

import numpy as np

from ...prompt.tokenizer import SOFT_TOKEN, SPACE, UNK, Tokenizer
from ..tokenizer_json import CONTROL, NORMAL, UNKNOWN, USER_DEFINED, Piece, read_pieces
from .header import Head, Value

_KEY = "tokenizer.ggml."
_UNUSED, _BYTE = 5, 6
_KINDS = {NORMAL, UNKNOWN, CONTROL, USER_DEFINED, _UNUSED, _BYTE}
_BPE = 2  # of SentencePiece's types of model


def tokenizer_of(head: Head) -> Tokenizer | None:
    """The tokenizer in a file; None if it has none.

    Raises ValueError for one that is not SentencePiece's, is incomplete, or is not Gemma 3's.
    """
    file, kind = head.path.name, head.setting(_KEY + "model", "none")
    if kind in ("none", "no_vocab"):
        return None
    way_out = "pass tokenizer=PATH of the model's tokenizer.model"
    if kind != "llama":
        raise ValueError(
            f"tokenizer: that of {file} is of type {kind!r}, and SentencePiece's, which is called "
            f"'llama' there, is what is read here; {way_out}"
        )
    if head.setting(_KEY + "add_space_prefix", False):
        raise ValueError(
            f"tokenizer: that of {file} puts a space before each text (add_space_prefix), which "
            f"Gemma 3 does not; {way_out}"
        )
    texts = _list(head, "tokens", list, way_out)
    scores = _list(head, "scores", np.ndarray, way_out)
    kinds = _list(head, "token_type", np.ndarray, way_out)
    if not len(texts) == len(scores) == len(kinds):
        raise ValueError(
            f"tokenizer: {file} has {len(texts)} tokens, {len(scores)} scores and {len(kinds)} "
            f"types; {way_out}"
        )
    numbers = zip(texts, scores.tolist(), kinds.tolist(), strict=True)
    pieces = [_piece(*each) for each in _without_filling(list(numbers))]
    if unknown := sorted({piece.kind for piece in pieces} - _KINDS):
        raise ValueError(f"tokenizer: {file} has tokens of the unknown types {unknown}; {way_out}")
    if len({piece.text for piece in pieces} - {""}) < len(pieces):
        raise ValueError(f"tokenizer: {file} has a token twice, or an empty one; {way_out}")
    return Tokenizer(sentencepiece_model(pieces))


def _list(head: Head, name: str, kind: type, way_out: str) -> Any:
    """A list of the vocabulary: of words, or, as an array, of numbers."""
    items = head.settings.get(_KEY + name)
    if isinstance(items, kind):
        return items
    what = "words" if kind is list else "numbers"
    raise ValueError(
        f"tokenizer: {head.path.name} has no {_KEY}{name}, a list of {what}; {way_out}"
    )


def _without_filling(words: list[tuple[str, float, int]]) -> list[tuple[str, float, int]]:
    """Without the soft token, which SentencePiece does not have, and what comes after it."""
    end = next((i for i, word in enumerate(words) if word[0] == SOFT_TOKEN), len(words))
    while end and words[end - 1][2] == _UNUSED:
        end -= 1
    return words[:end]


def _piece(text: str, score: float, kind: int) -> Piece:
    if text == UNK:  # some converters call it a control token
        kind = UNKNOWN
    text = text.replace(" ", SPACE) if kind == USER_DEFINED else text
    return Piece(text, float(score), int(kind))


def vocabulary_settings(tokenizer: Tokenizer, rows: int) -> dict[str, Value]:
    """The settings of a text file that hold a tokenizer, with a word for each of `rows`."""
    pieces = read_pieces(tokenizer.model)
    texts = [p.text.replace(SPACE, " ") if p.kind == USER_DEFINED else p.text for p in pieces]
    filling = range(len(pieces), rows)
    texts += [SOFT_TOKEN if i == tokenizer.soft_id else f"[PAD{i}]" for i in filling]
    scores = [piece.score for piece in pieces] + [-10_000.0] * len(filling)
    kinds = [piece.kind for piece in pieces] + [_UNUSED] * len(filling)
    settings: dict[str, Value] = {
        "model": "llama",
        "pre": "default",
        "tokens": texts,
        "scores": np.array(scores, np.float32),
        "token_type": np.array(kinds, np.int32),
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": tokenizer.eos_id,
        "eot_token_id": tokenizer.end_of_turn_id,
        "unknown_token_id": tokenizer.unk_id,
        "padding_token_id": tokenizer.pad_id,
        "add_bos_token": True,
        "add_eos_token": False,
        "add_space_prefix": False,
    }
    return {_KEY + name: value for name, value in settings.items()}


def sentencepiece_model(pieces: list[Piece]) -> bytes:
    """A SentencePiece model of these pieces that treats text as Gemma 3's does.

    One protobuf message: the pieces (1), how it was trained (2) and how text is normalized (3).
    """
    ids = {piece.text: index for index, piece in enumerate(pieces)}
    special = {40: "<unk>", 41: "<bos>", 42: "<eos>", 43: "<pad>"}
    trainer = _number(3, _BPE) + _number(4, len(pieces)) + _number(35, True)  # byte_fallback
    trainer += b"".join(_number(field, ids.get(text, 0)) for field, text in special.items())
    trainer += b"".join(_content(field + 5, text.encode()) for field, text in special.items())
    normalizer = _content(1, b"identity") + _number(3, False) + _number(4, False)
    listed = (
        _content(1, p.text.encode()) + _key(2, 5) + struct.pack("<f", p.score) + _number(3, p.kind)
        for p in pieces
    )
    whole = b"".join(_content(1, piece) for piece in listed)
    return whole + _content(2, trainer) + _content(3, normalizer)


@cache  # a vocabulary asks for the same few a million times
def _varint(value: int) -> bytes:
    """An int in base 128, lowest digit first; a top bit means that more follow.

    >>> _varint(300)
    b'\\xac\\x02'
    """
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


@cache
def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _number(field: int, value: Any) -> bytes:
    return _key(field, 0) + _varint(int(value))


def _content(field: int, value: bytes) -> bytes:
    return _key(field, 2) + _varint(len(value)) + value
