"""The tokenizer that is trained: Gemma 3's layout, the same bytes every time, nothing lost."""

import sys

import pytest
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from gemma3_edu.hub.tokenizer_json import read_pieces
from gemma3_edu.prompt.tokenizer import Tokenizer
from gemma3_edu.train.data.prose import ASSETS, passages
from gemma3_edu.train.tokenizer import FIRST, HTML, LAST, main, train, training_text

from ..tokenizers import small_tokenizer

PIECES = 1500


@pytest.fixture(scope="module")
def lines():
    return training_text(examples=300)


@pytest.fixture(scope="module")
def model(lines):
    return train(lines, PIECES)


@pytest.fixture(scope="module")
def tokenizer(model):
    return Tokenizer(model)


def test_the_first_ids_are_gemma_3s(tokenizer):
    """As facts of the released vocabulary tell them, written anew here."""
    expected = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[multimodal]"]
    expected += [f"<unused{n}>" for n in range(99)] + ["<start_of_turn>", "<end_of_turn>"]
    expected += ["\n" * n for n in range(1, 32)] + ["▁" * n for n in range(2, 32)]
    assert len(expected) == 168
    assert [tokenizer.piece(i) for i in range(168)] == expected
    assert (tokenizer.piece(168), tokenizer.piece(206), tokenizer.piece(237)) == (
        "<table>",
        "<code>",
        "</footer>",
    )
    assert len(HTML) == 70
    assert 4 + len(FIRST) == 238
    assert [tokenizer.piece(238 + byte) for byte in range(256)] == [
        f"<0x{byte:02X}>" for byte in range(256)
    ]
    assert [tokenizer.piece(i) for i in range(494)] == [
        small_tokenizer().piece(i) for i in range(494)
    ]


def test_the_last_ids_are_tabs_and_image_tokens(tokenizer):
    assert tokenizer.vocab_size == PIECES
    assert [tokenizer.piece(PIECES - 33 + i) for i in range(33)] == LAST
    assert (tokenizer.boi_id, tokenizer.eoi_id, tokenizer.soft_id) == (
        PIECES - 2,
        PIECES - 1,
        PIECES,
    )


def test_protobuf_reads_the_same(model):
    """Appended bytes are one message with what stood before them."""
    message = ModelProto.FromString(model)
    assert len(message.pieces) == message.trainer_spec.vocab_size == PIECES
    assert [(p.piece, p.score, p.type) for p in message.pieces] == [
        tuple(piece) for piece in read_pieces(model)
    ]
    assert {p.type for p in list(message.pieces)[-33:]} == {4}
    assert message.trainer_spec.model_type == 2
    assert message.trainer_spec.split_digits
    assert message.normalizer_spec.name == "identity"
    merged = [p.score for p in message.pieces if p.type == 1]
    assert merged == [-float(n) for n in range(len(merged))]


def test_training_twice_gives_the_same_bytes(lines, model):
    assert training_text(examples=300) == lines
    assert train(lines, PIECES) == model


@pytest.mark.parametrize(
    "text",
    [
        "What colour is the triangle?",
        "  two  spaces\n\n\ttab ",
        "zwölf Türen, déjà vu, ¿qué?",
        "12 + 345 = 357",
        "🙂 snow ☃ 漢字",
        "".join(map(chr, range(32, 127))),
    ],
)
def test_nothing_is_lost(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_digits_stand_alone(tokenizer):
    ids = tokenizer.encode("12345", add_bos=False)
    assert [tokenizer.piece(i) for i in ids] == list("12345")
    pieces = [tokenizer.piece(i) for i in range(494, PIECES)]
    assert all(len(piece) == 1 for piece in pieces if any(c.isdigit() for c in piece))


def test_held_out_prose_is_not_in_the_text(lines):
    held_out = {line for split in ("validation", "test") for line in paragraphs(split)}
    assert len(held_out) > 20
    assert not held_out & set(lines)
    assert set(paragraphs("train")) < set(lines)
    assert "<start_of_image>" not in "".join(lines)


def paragraphs(split):
    return [line for text in passages(ASSETS, split) for line in text.split("\n") if line]


def test_the_command_writes_the_file(tmp_path, capsys):
    target = tmp_path / "tokenizer.model"
    main([str(target), "--pieces", "1200", "--examples", "50"])
    assert Tokenizer(target).vocab_size == 1200
    assert f"{target}: 1200 pieces" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "--pieces" in capsys.readouterr().out


def test_too_many_or_too_few_pieces():
    with pytest.raises(ValueError, match=r"train: pieces=5000 does not fit the text"):
        train(["a short text"], 5000)
    with pytest.raises(ValueError, match=r"train: pieces=400 does not fit the text"):
        train(["a short text"], 400)


def test_it_needs_no_protobuf(lines, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    monkeypatch.delitem(sys.modules, "sentencepiece.sentencepiece_model_pb2")
    assert train(lines, PIECES) == model
