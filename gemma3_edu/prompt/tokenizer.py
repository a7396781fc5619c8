"""Text to token ids and back, with the SentencePiece model that comes with every checkpoint.

Gemma 3's byte-pair encoding loses nothing: text is not normalized, each digit is its own token,
runs of spaces and newlines have tokens of their own, and a character that is not in the vocabulary
becomes its UTF-8 bytes (technical report, section 2.2). The ids of control tokens are read from the
file by name. The soft token, which marks the place of an image, is not in the file: its id is the
first one after those in the file.

>>> tokenizer = Tokenizer("tests/data/tokenizer.model")
>>> ids = tokenizer.encode("Call me Ishmael.\\n\\n")
>>> ids[0] == tokenizer.bos_id, ids[-1]  # two newlines are one token
(True, 108)
>>> tokenizer.decode(ids)
'Call me Ishmael.\\n\\n'
"""

import codecs
import re
from collections.abc import Iterable
from pathlib import Path

import sentencepiece

PAD, EOS, BOS, UNK, MASK = "<pad>", "<eos>", "<bos>", "<unk>", "<mask>"
START_OF_TURN, END_OF_TURN = "<start_of_turn>", "<end_of_turn>"
START_OF_IMAGE, END_OF_IMAGE = "<start_of_image>", "<end_of_image>"
SOFT_TOKEN = "<image_soft_token>"

# Text that would forge a turn, an image or an end if it were in a message.
CONTROL_TEXT = (
    *(PAD, EOS, BOS, UNK, MASK, START_OF_TURN, END_OF_TURN),
    *(START_OF_IMAGE, END_OF_IMAGE, SOFT_TOKEN),
)
SPACE = "▁"  # how the vocabulary writes a space


class Tokenizer:
    """A SentencePiece `tokenizer.model`: the file, or its bytes (kept as `model`).

    Raises ValueError for a file that is missing, damaged, or not a Gemma 3 tokenizer.
    """

    def __init__(self, model: bytes | str | Path) -> None:
        if not isinstance(model, bytes):
            if not Path(model).is_file():
                raise ValueError(f"tokenizer: {model} is not a file; pass the path of one")
            model = Path(model).read_bytes()
        self.model = model
        self._pieces = _open(model)
        ids = {text: self._pieces.piece_to_id(text) for text in CONTROL_TEXT}
        self.pad_id, self.eos_id = ids[PAD], ids[EOS]
        self.bos_id, self.unk_id = ids[BOS], ids[UNK]
        self.start_of_turn_id, self.end_of_turn_id = ids[START_OF_TURN], ids[END_OF_TURN]
        self.boi_id, self.eoi_id = ids[START_OF_IMAGE], ids[END_OF_IMAGE]
        self.soft_id = self._pieces.get_piece_size()
        self._special = frozenset({**ids, SOFT_TOKEN: self.soft_id}.values())
        self._spelled = self._spelled_tokens()
        longest_first = sorted(self._spelled, key=len, reverse=True)
        self._split = re.compile("(" + "|".join(map(re.escape, longest_first)) + ")")

    def _spelled_tokens(self) -> dict[str, int]:
        """Tokens that a text can spell in transformers, and that SentencePiece alone would miss."""
        pieces = self._pieces
        spelled = {pieces.id_to_piece(i): i for i in range(self.soft_id) if pieces.is_control(i)}
        for unspellable in (PAD, EOS, BOS):
            spelled.pop(unspellable, None)
        spelled[SOFT_TOKEN] = self.soft_id
        # A literal "▁▁" must not run together with real spaces next to it.
        run = SPACE * 2
        while (index := pieces.piece_to_id(run)) != self.unk_id:
            spelled[run] = index
            run += SPACE
        return spelled

    @property
    def vocab_size(self) -> int:
        """How many pieces are in the file; an embedding table may have more rows."""
        return self.soft_id

    def piece(self, index: int) -> str:
        """One token as the vocabulary writes it: a space is "▁", a byte "<0x0A>"."""
        if not 0 <= index <= self.soft_id:
            raise ValueError(f"index: {index} is outside the vocabulary, 0 to {self.soft_id}")
        return SOFT_TOKEN if index == self.soft_id else self._pieces.id_to_piece(index)

    def encode(self, text: str, *, add_bos: bool = True) -> list[int]:
        """The ids of a text after that of `<bos>`, which a model expects once, at the start.

        Text that spells a turn or image token becomes that token, as in transformers, so do not
        pass other people's text here (`chat_template` refuses such text). Text that spells `<pad>`,
        `<eos>`, `<bos>` or `<unk>` stays text; in transformers it becomes the token.
        """
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"text: {text[error.start]!r} at {error.start} is half of a surrogate pair, not a "
                "character; read the text as UTF-8"
            ) from error
        ids = [self.bos_id] if add_bos else []
        for part in self._split.split(text):
            if part in self._spelled:
                ids.append(self._spelled[part])
            elif part:
                ids.extend(self._pieces.encode(part))
        return ids

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        """The text of ids, without control tokens or with them spelled out.

        Bytes that are not UTF-8 become U+FFFD. Ids above the soft token only fill up an embedding
        table and have no text.
        """
        decoder = StreamDecoder(self, skip_special=skip_special)
        return "".join(map(decoder.feed, ids)) + decoder.flush()

    def text_bytes(self, index: int, *, skip_special: bool = True) -> bytes:
        """What one id adds to a text, in UTF-8; it may be only a part of a character."""
        if index < 0:
            raise ValueError(f"ids: {index} is below 0, where token ids begin")
        if index > self.soft_id or (skip_special and index in self._special):
            return b""
        if index < self.soft_id and self._pieces.is_byte(index):
            return bytes.fromhex(self.piece(index)[3:5])  # <0x0A>
        return self.piece(index).replace(SPACE, " ").encode()


class StreamDecoder:
    """Decode ids one at a time: what `feed` returns can be shown at once and is never taken back.

    A character that takes several byte tokens is held until its last one.

    >>> tokenizer = Tokenizer("tests/data/tokenizer.model")
    >>> decoder = StreamDecoder(tokenizer)
    >>> [decoder.feed(index) for index in tokenizer.encode("a€")]
    ['', 'a', '', '', '€']
    """

    def __init__(self, tokenizer: Tokenizer, *, skip_special: bool = True) -> None:
        self._tokenizer, self._skip_special = tokenizer, skip_special
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, index: int) -> str:
        """The text that one more id makes certain."""
        index = int(index)  # it may be an element of a tensor
        return self._utf8.decode(self._tokenizer.text_bytes(index, skip_special=self._skip_special))

    def flush(self) -> str:
        """What is left at the end: U+FFFD for a character that was never finished."""
        return self._utf8.decode(b"", final=True)


def _open(model: bytes) -> sentencepiece.SentencePieceProcessor:
    pieces = sentencepiece.SentencePieceProcessor()
    try:
        pieces.load_from_serialized_proto(model)
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise ValueError(
            f"tokenizer: {len(model)} bytes that are not a SentencePiece model ({error}); "
            "download tokenizer.model again"
        ) from error
    found = {text: pieces.id_to_piece(pieces.piece_to_id(text)) for text in CONTROL_TEXT}
    absent = [text for text, piece in found.items() if piece != text and text != SOFT_TOKEN]
    if absent or pieces.normalize("  a ") != "▁▁a▁":
        reason = f"it lacks {absent}" if absent else "it changes the spaces of a text"
        raise ValueError(f"tokenizer: not a Gemma 3 tokenizer: {reason}")
    return pieces
