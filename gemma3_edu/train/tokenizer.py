"""Train a small SentencePiece model in Gemma 3's own layout.

    python -m gemma3_edu.train.tokenizer tokenizer.model

It is a byte-pair encoding of prose and of generated examples, both of the training split. Its ids 0
to 493 mean what they mean in the released vocabulary: special tokens, runs of newlines and of
spaces, HTML tags and bytes; then come merged pieces and single characters, of which there are fewer
here, and at the end tabs and the two image tokens. The same text gives the same bytes every time.

>>> FIRST.index("<start_of_turn>") + 4, FIRST.index("<table>") + 4  # after pad, eos, bos and unk
(105, 168)
"""

import argparse
import io
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import sentencepiece

from ..hub.tokenizer_json import USER_DEFINED
from ..prompt.tokenizer import (
    BOS,
    END_OF_IMAGE,
    END_OF_TURN,
    EOS,
    MASK,
    PAD,
    SPACE,
    START_OF_IMAGE,
    START_OF_TURN,
    UNK,
)
from .data.draw import Setting
from .data.mixture import Mixture
from .data.prose import ASSETS, passages

PIECES = 3072

_TABLE = "table caption thead tbody tfoot tr th td"
_HEADINGS = "h1 h2 h3 h4 h5 h6 blockquote"
_STYLES = "strong em b i u s sub sup code"
_BLOCKS = "a html body img span bbox ul li div iframe footer"
HTML = [
    opening + name + ">"
    for group in (_TABLE, _HEADINGS, _STYLES, _BLOCKS)
    for opening in ("<", "</")
    for name in group.split()
]
# They follow pad, eos, bos and unk, in this order; the 256 bytes come after them.
FIRST = [
    MASK,
    "[multimodal]",
    *(f"<unused{i}>" for i in range(99)),
    START_OF_TURN,
    END_OF_TURN,
    *("\n" * n for n in range(1, 32)),
    *(SPACE * n for n in range(2, 32)),
    *HTML,
]
# They follow the characters, at the very end; the trainer has no place for them.
LAST = [*("\t" * n for n in range(1, 32)), START_OF_IMAGE, END_OF_IMAGE]


def train(lines: Iterable[str], pieces: int = PIECES) -> bytes:
    """A byte-pair encoding of `pieces` pieces, digits kept apart, no text normalised.

    Returns the content of a `tokenizer.model`. Raises ValueError where the text has too few
    different words for so many pieces, or more characters than there are pieces.
    """
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=written,
            model_type="bpe",
            vocab_size=pieces - len(LAST),
            pad_id=0,
            eos_id=1,
            bos_id=2,
            unk_id=3,
            pad_piece=PAD,
            eos_piece=EOS,
            bos_piece=BOS,
            unk_piece=UNK,
            user_defined_symbols=FIRST,
            byte_fallback=True,
            split_digits=True,
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            normalization_rule_name="identity",
            character_coverage=1.0,
            required_chars="".join(map(chr, range(33, 127))),
            minloglevel=1,
        )
    except RuntimeError as error:
        raise ValueError(
            f"train: pieces={pieces} does not fit the text ({error}); change it, or give more text"
        ) from error
    return with_last_pieces(written.getvalue(), pieces)


def with_last_pieces(model: bytes, pieces: int) -> bytes:
    """The model with `LAST` behind its pieces, `pieces` in all.

    In protobuf, messages written one after the other are one message: what is a list grows, what is
    a single value is replaced. So nothing that is there need be read or moved.
    """
    added = b""
    for text in LAST:  # field 1: text (1), score (2), type (3)
        body = _bytes_field(1, text.encode()) + b"\x15" + struct.pack("<f", 0.0)
        added += _bytes_field(1, body + b"\x18" + _varint(USER_DEFINED))
    vocab_size = b"\x20" + _varint(pieces)  # field 4 of the trainer's settings, which are field 2
    return model + added + _bytes_field(2, vocab_size)


def _bytes_field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """An int in base 128, lowest digit first; a set top bit says that more follow.

    >>> list(_varint(300))
    [172, 2]
    """
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


def training_text(prose: Path = ASSETS, examples: int = 6_000) -> list[str]:
    """The lines to train on: prose, and the words of generated examples."""
    lines = "\n".join(passages(prose, "train")).splitlines()
    setting = Setting(prose=prose)
    mixture = Mixture("instruct", "train", setting=setting)
    for index in range(examples):
        example = mixture.example(index)
        if example.conversations:  # pages of prose are there already
            given = [part for part in example.given if isinstance(part, str)]
            turns = [turn for each in example.conversations for turn in each]
            texts = [*given, *(text for turn in turns for text in (turn.question, turn.answer))]
            lines += "\n".join(texts).splitlines()
    return [line for line in lines if line]


def parser() -> argparse.ArgumentParser:
    """The command line, with its help."""
    top = argparse.ArgumentParser(
        prog="python -m gemma3_edu.train.tokenizer",
        description="Train a SentencePiece model in Gemma 3's id layout.",
    )
    top.add_argument("output", type=Path, help="the tokenizer.model to write")
    top.add_argument("--pieces", type=int, default=PIECES, help="default: %(default)s")
    top.add_argument(
        "--prose", type=Path, default=ASSETS, help="folder of *.txt (default: shipped)"
    )
    top.add_argument("--examples", type=int, default=6_000, help="generated ones, %(default)s")
    return top


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and write."""
    options = parser().parse_args(arguments)
    lines = training_text(options.prose, options.examples)
    model = train(lines, options.pieces)
    options.output.write_bytes(model)
    print(f"{options.output}: {options.pieces} pieces, {len(model):,} bytes, {len(lines):,} lines")


if __name__ == "__main__":
    main()
