"""Text to ids and back, in the small committed vocabulary."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from gemma3_edu.hub.tokenizer_json import USER_DEFINED, Piece, merges, read_pieces, tokenizer_json
from gemma3_edu.prompt.tokenizer import CONTROL_TEXT, SOFT_TOKEN, StreamDecoder, Tokenizer
from tests.tokenizers import DATA, small_tokenizer

# Letters that are in the vocabulary and not, runs that have tokens, and text that spells tokens.
FRAGMENTS = st.sampled_from(
    [
        *[
            "the whale",
            "Ishmael",
            " a",
            "a ",
            "  ",
            " " * 33,
            "\n",
            "\n" * 32,
            "\t",
            "\r",
            "▁",
            "▁▁",
        ],
        *[
            "é",
            "€",
            "日本",
            "🙂",
            "\u200d",
            "\0",
            "١٢",
            "12",
            "<0x0A>",
            "<b>",
            "</table>",
            "<unused7>",
        ],
        *CONTROL_TEXT,
    ]
)
TEXTS = st.lists(FRAGMENTS | st.text(max_size=3), max_size=12).map("".join)


def test_layout_is_gemmas():
    tokenizer = small_tokenizer()
    named = [tokenizer.piece(i) for i in (*range(7), 104, 105, 106, 167, 168, 237, 238, 493, 494)]
    assert named[:7] == ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[multimodal]", "<unused0>"]
    assert named[7:11] == ["<unused98>", "<start_of_turn>", "<end_of_turn>", "▁" * 31]
    assert named[11:] == ["<table>", "</footer>", "<0x00>", "<0xFF>", "▁t"]
    ids = (tokenizer.pad_id, tokenizer.eos_id, tokenizer.bos_id, tokenizer.unk_id)
    assert ids == (0, 1, 2, 3)
    assert (tokenizer.start_of_turn_id, tokenizer.end_of_turn_id) == (105, 106)
    assert (tokenizer.boi_id, tokenizer.eoi_id, tokenizer.soft_id) == (2046, 2047, 2048)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_every_text_survives(text):
    tokenizer = small_tokenizer()
    ids = tokenizer.encode(text, add_bos=False)
    restored = tokenizer.decode(ids, skip_special=False)
    assert restored == text.replace("▁", " ")  # the one character the vocabulary has not for itself
    assert tokenizer.encode(text) == [tokenizer.bos_id, *ids]


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.booleans())
def test_streaming_equals_decoding_and_never_takes_back(text, skip_special):
    tokenizer = small_tokenizer()
    ids = tokenizer.encode(text)
    decoder = StreamDecoder(tokenizer, skip_special=skip_special)
    pieces = [decoder.feed(index) for index in ids]
    assert "".join(pieces).count("\ufffd") == text.count("\ufffd")
    assert "".join(pieces) + decoder.flush() == tokenizer.decode(ids, skip_special=skip_special)


def test_streaming_holds_half_a_character():
    tokenizer = small_tokenizer()
    decoder = StreamDecoder(tokenizer)
    ids = tokenizer.encode(" 🙂 x", add_bos=False)
    assert [decoder.feed(index) for index in ids] == [" ", "", "", "", "🙂", " ", "x"]
    assert decoder.flush() == ""
    assert decoder.feed(ids[1]) == ""
    assert decoder.flush() == "\ufffd"  # the sequence ended within a character


def test_digits_newlines_and_spaces():
    tokenizer = small_tokenizer()
    pieces = [tokenizer.piece(i) for i in tokenizer.encode("1851\n\n\n  a\t\t", add_bos=False)]
    assert pieces == ["1", "8", "5", "1", "\n\n\n", "▁▁", "a", "\t\t"]
    assert tokenizer.encode("\n" * 40, add_bos=False) == [107 + 30, 107 + 8]  # 31 and 9 of them


@pytest.mark.parametrize("text", ["<pad>", "<eos>", "<bos>", "<unk>"])
def test_text_never_spells_these(text):
    tokenizer = small_tokenizer()
    ids = tokenizer.encode(text, add_bos=False)
    assert len(ids) > 1
    assert not {0, 1, 2, 3} & set(ids)


@pytest.mark.parametrize("text", ["<mask>", *CONTROL_TEXT[5:], "<unused3>", "[multimodal]", "<b>"])
def test_text_spells_these(text):
    tokenizer = small_tokenizer()
    (index,) = tokenizer.encode(text, add_bos=False)
    assert tokenizer.piece(index) == text
    assert tokenizer.encode(f"a{text} b", add_bos=False)[1] == index


def test_spelled_tokens_do_not_depend_on_the_type_in_the_model():
    """Some copies of the vocabulary mark turn tokens and unused ones as CONTROL."""
    model = ModelProto.FromString(small_tokenizer().model)
    for piece in model.pieces:
        if piece.piece.startswith(("<unused", "<start_of", "<end_of", "<mask>")):
            piece.type = ModelProto.SentencePiece.CONTROL
    other = Tokenizer(model.SerializeToString())
    text = "<pad><mask>a <start_of_turn>user\n<unused4> b<bos><image_soft_token><end_of_image>"
    assert other.encode(text) == small_tokenizer().encode(text)


def test_decoding_leaves_out_special_tokens():
    tokenizer = small_tokenizer()
    special = [0, 1, 2, 3, 4, 105, 106, 2046, 2047, 2048]
    assert tokenizer.decode([*special, *tokenizer.encode("a b")]) == "a b"
    assert tokenizer.decode([105, 2048], skip_special=False) == f"<start_of_turn>{SOFT_TOKEN}"
    assert tokenizer.decode([2049, 2111]) == ""  # rows that only fill up the embedding table
    assert tokenizer.decode([6]) == "<unused0>"


def test_bad_ids_and_text():
    tokenizer = small_tokenizer()
    with pytest.raises(ValueError, match="ids: -1 is below 0"):
        tokenizer.decode([5, -1])
    with pytest.raises(ValueError, match="index: 2049 is outside the vocabulary, 0 to 2048"):
        tokenizer.piece(2049)
    with pytest.raises(ValueError, match="at 1 is half of a surrogate pair"):
        tokenizer.encode("a\ud83d")


def test_bad_models(tmp_path):
    with pytest.raises(ValueError, match=r"absent\.model is not a file"):
        Tokenizer(tmp_path / "absent.model")
    with pytest.raises(ValueError, match="100 bytes that are not a SentencePiece model"):
        Tokenizer(b"\xff" * 100)
    with pytest.raises(ValueError, match=r"download tokenizer\.model again"):
        Tokenizer(small_tokenizer().model[:-1])
    with pytest.raises(ValueError, match="not a SentencePiece model"):
        Tokenizer(b"")
    model = ModelProto.FromString(small_tokenizer().model)
    model.pieces[105].piece = "<|im_start|>"
    with pytest.raises(
        ValueError, match=r"not a Gemma 3 tokenizer: it lacks \['<start_of_turn>'\]"
    ):
        Tokenizer(model.SerializeToString())
    model = ModelProto.FromString(small_tokenizer().model)
    model.normalizer_spec.add_dummy_prefix = True
    with pytest.raises(ValueError, match="it changes the spaces of a text"):
        Tokenizer(model.SerializeToString())


def test_the_committed_model():
    """Changed only on purpose: `data/make_tokenizer.py` says how it is made."""
    digest = hashlib.sha256((DATA / "tokenizer.model").read_bytes()).hexdigest()
    assert digest == "fbcf7369a8bab23e8eba01d503ed4b45bdfb4f51f429022f816bec0f373866e0"


def test_reading_pieces_equals_protobuf():
    model = small_tokenizer().model
    expected = [(p.piece, p.score, p.type) for p in ModelProto.FromString(model).pieces]
    assert [tuple(piece) for piece in read_pieces(model)] == expected


def test_merges_join_normal_pieces_only():
    pieces = read_pieces(small_tokenizer().model)
    rank = {piece.text: -piece.score for piece in pieces}
    runs, normal = merges(pieces)[:30], merges(pieces)[30:]
    assert runs == [("▁" * n, "▁") for n in range(30, 0, -1)]
    joined = ["".join(pair) for pair in normal]
    assert [rank[text] for text in joined] == sorted(rank[text] for text in joined)
    fixed = {piece.text for piece in pieces if piece.kind == USER_DEFINED}
    assert not fixed & {part for pair in normal for part in pair}
    # every piece of two characters or more can be made
    made = {piece.text for piece in pieces if piece.kind == 1 and len(piece.text) > 1}
    assert made == set(joined)


def test_user_defined_pieces_are_never_joined():
    """SentencePiece freezes them, though "▁▁a" is in this vocabulary and could be made of "▁▁"."""
    texts = {"▁▁": 4, "▁": 1, "a": 1, "▁a": 1, "▁▁a": 1}
    pieces = [Piece(text, -float(i), kind) for i, (text, kind) in enumerate(texts.items())]
    assert merges(pieces) == [("▁", "▁"), ("▁", "a"), ("▁", "▁a")]


def test_tokenizer_json_names_what_is_special():
    tokenizer = small_tokenizer()
    content = tokenizer_json(tokenizer)
    added = {token["content"]: token for token in content["added_tokens"]}
    assert {text for text, token in added.items() if token["special"]} == set(CONTROL_TEXT)
    assert {text: token["id"] for text, token in added.items()} == {
        piece: i for i in range(tokenizer.soft_id + 1) if (piece := tokenizer.piece(i)) in added
    }
    assert {"\n", "▁▁", "<b>", "\t\t"} < set(added)
    assert not {"the", "<0x0A>"} & set(added)
