"""A SentencePiece model rewritten as the `tokenizer.json` that transformers reads.

Both describe the same tokenizer. SentencePiece has scores of *pieces* and joins the neighbours that
make the best one; `tokenizer.json` has a ranked list of *merges*, the pairs to join. So each piece
is listed once for every way to cut it in two, best piece first. User-defined pieces are never
joined: they are found in the text before anything else.

>>> from pathlib import Path
>>> pieces = read_pieces(Path("tests/data/tokenizer.model").read_bytes())
>>> pieces[105], pieces[494]
(Piece(text='<start_of_turn>', score=0.0, kind=4), Piece(text='▁t', score=-0.0, kind=1))
>>> [pair for pair in merges(pieces) if "".join(pair) == "▁the"]
[('▁th', 'e'), ('▁t', 'he'), ('▁', 'the')]
"""

import json
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..prompt.tokenizer import (
    BOS,
    CONTROL_TEXT,
    END_OF_IMAGE,
    EOS,
    MASK,
    PAD,
    SOFT_TOKEN,
    SPACE,
    START_OF_IMAGE,
    UNK,
    Tokenizer,
)

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4  # of SentencePiece's types; 6 is a byte
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # the ways in which protobuf writes a field


class Piece(NamedTuple):
    """One entry of the vocabulary; `kind` is SentencePiece's type of it."""

    text: str
    score: float
    kind: int


def read_pieces(model: bytes) -> list[Piece]:
    """The vocabulary in id order, read straight from the file.

    The file is one protobuf message whose repeated field 1 is a piece: its text (1), its score (2)
    and its type (3). SentencePiece's own interface does not show which pieces are user-defined.
    """
    pieces = []
    for field, content in _fields(model):
        if field == 1:
            piece: dict[int, Any] = {2: b"\0\0\0\0", 3: NORMAL, **dict(_fields(content))}
            pieces.append(Piece(piece[1].decode(), struct.unpack("<f", piece[2])[0], piece[3]))
    return pieces


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message: its number and an int or bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}[kind]
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """An int in base 128, lowest digit first, and where it ends; a top bit means that more follow.

    >>> _varint(bytes([0b10101100, 0b00000010]), 0)
    (300, 2)
    """
    value = shift = 0
    while True:
        value |= (message[at] & 127) << shift
        shift += 7
        at += 1
        if message[at - 1] < 128:
            return value, at


def merges(pieces: list[Piece]) -> list[tuple[str, str]]:
    """The pairs to join, those of the best piece first."""
    # Spaces become "▁" only after the search for user-defined tokens, so transformers must join
    # runs of them by merges: longer ones first, so that it takes the longest.
    runs = [p.text for p in pieces if p.kind == USER_DEFINED and set(p.text) == {SPACE}]
    pairs = [(run[:-1], SPACE) for run in sorted(runs, key=len, reverse=True)]
    normal = {p.text for p in pieces if p.kind == NORMAL}
    for piece in sorted((p for p in pieces if p.kind == NORMAL), key=lambda p: -p.score):
        for cut in range(len(piece.text) - 1, 0, -1):
            left, right = piece.text[:cut], piece.text[cut:]
            if left in normal and right in normal:
                pairs.append((left, right))
    return pairs


def tokenizer_json(tokenizer: Tokenizer) -> dict[str, Any]:
    """The content of `tokenizer.json`: the vocabulary, its merges and what surrounds them."""
    pieces = read_pieces(tokenizer.model)
    added = {
        index: piece.text
        for index, piece in enumerate(pieces)
        if piece.kind in (UNKNOWN, CONTROL, USER_DEFINED)
    }
    added[tokenizer.soft_id] = SOFT_TOKEN
    bos = {"SpecialToken": {"id": BOS, "type_id": 0}}
    to_space = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    from_space = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": index,
                "content": text,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": text in CONTROL_TEXT,
            }
            for index, text in added.items()
        ],
        "normalizer": from_space,
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                bos,
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": BOS, "type_id": 1}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {BOS: {"id": BOS, "ids": [tokenizer.bos_id], "tokens": [BOS]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [to_space, {"type": "ByteFallback"}, {"type": "Fuse"}],
        },
        "model": {
            "type": "BPE",
            "unk_token": UNK,
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": {piece.text: index for index, piece in enumerate(pieces)},
            "merges": merges(pieces),
        },
    }


def tokenizer_config(max_length: int, processor_class: str | None) -> dict[str, Any]:
    """The content of `tokenizer_config.json`; `processor_class` only for a model with images."""
    images = {"boi_token": START_OF_IMAGE, "eoi_token": END_OF_IMAGE, "image_token": SOFT_TOKEN}
    return {
        "tokenizer_class": "GemmaTokenizer",
        **({"processor_class": processor_class} if processor_class else {}),
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": PAD,
        "unk_token": UNK,
        "mask_token": MASK,
        **images,
        "extra_special_tokens": images,
        "clean_up_tokenization_spaces": False,
        "spaces_between_special_tokens": False,
        "model_max_length": max_length,
        "padding_side": "left",
    }


def tokenizer_files(
    tokenizer: Tokenizer, max_length: int, processor_class: str | None = None
) -> dict[str, bytes]:
    """The three files of a tokenizer, by name: SentencePiece's own and transformers' two."""
    whole = json.dumps(tokenizer_json(tokenizer), ensure_ascii=False)
    settings = json.dumps(tokenizer_config(max_length, processor_class), indent=2)
    return {
        "tokenizer.model": tokenizer.model,
        "tokenizer.json": whole.encode(),
        "tokenizer_config.json": settings.encode() + b"\n",
    }
