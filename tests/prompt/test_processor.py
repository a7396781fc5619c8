"""Messages and text to batches, files to a processor; parity/test_processor.py has transformers."""

import dataclasses
import json

import pytest
import torch
from PIL import Image

from gemma3_edu.hub.processor_files import (
    CHAT_TEMPLATE,
    processor_from_folder,
    processor_to_files,
)
from gemma3_edu.prompt.chat_template import Message
from gemma3_edu.prompt.images import ImageSettings, resize_and_normalize
from gemma3_edu.prompt.processor import Processor
from tests.tokenizers import DATA, small_config, small_tokenizer

WIDE = Image.linear_gradient("L").resize((1024, 400)).convert("RGB")
SMALL = Image.radial_gradient("L").resize((50, 40)).convert("RGB")


@pytest.fixture(scope="module")
def processor() -> Processor:
    return Processor(small_tokenizer(), small_config())


@pytest.fixture(scope="module")
def text_only() -> Processor:
    return Processor(small_tokenizer(), small_config("tiny-text"))


def test_a_prompt(text_only):
    batch = text_only([Message.user("1\n2")])
    tokenizer = small_tokenizer()
    turns = "<start_of_turn>user\n1\n2<end_of_turn>\n<start_of_turn>model\n"
    assert batch.tokens.tolist() == [[2, *tokenizer.encode(turns, add_bos=False)]]
    assert batch.tokens[0, :2].tolist() == [2, 105]
    assert batch.layout.position.tolist() == [list(range(batch.layout.length))]
    assert batch.layout.image_id.sum() == 0
    assert batch.images is None


def test_an_image_in_a_prompt(processor):
    """user + newline + two newlines of the image are one token, 109."""
    batch = processor([Message.user(SMALL, "What?")])
    config = processor.config
    soft, boi, eoi = config.image_token_index, config.boi_token_index, config.eoi_token_index
    row = batch.tokens[0].tolist()
    start = row.index(boi)
    assert row[start - 1] == 109
    assert row[start : start + 12] == [boi, *[soft] * 9, eoi, 108]
    assert batch.layout.image_id[0].tolist() == [int(i == soft) for i in row]
    assert batch.images.shape == (1, 3, 36, 36)
    assert torch.equal(batch.images[0], resize_and_normalize(SMALL, 36))


def test_images_are_numbered_and_ordered(processor):
    batch = processor([[Message.user("no image")], [Message.user(SMALL, "and", WIDE)]])
    assert batch.layout.image_id.amax(1).tolist() == [0, 2]
    assert torch.equal(batch.images[0], resize_and_normalize(SMALL, 36))
    assert torch.equal(batch.images[1], resize_and_normalize(WIDE, 36))


def test_pan_and_scan(processor):
    conversation = [Message.user("What?", WIDE)]
    batch = processor(conversation, pan_and_scan=True)
    crop = WIDE.crop((342, 0, 684, 400))
    assert batch.layout.image_id.max() == 4
    assert batch.images.shape == (4, 3, 36, 36)
    assert torch.equal(batch.images[0], resize_and_normalize(WIDE, 36))
    assert torch.equal(batch.images[2], resize_and_normalize(crop, 36))
    said = processor.decode(batch.tokens[0])
    assert "What?Here is the original image \n\n\n\n and here are some crops to help" in said


def test_pan_and_scan_by_default_is_what_the_checkpoint_says(processor):
    conversation = [Message.user("What?", WIDE)]
    assert len(processor(conversation).images) == 1
    on = dataclasses.replace(processor, image_settings=ImageSettings(enabled=True, max_crops=2))
    assert len(on(conversation).images) == 3
    assert len(on(conversation, pan_and_scan=False).images) == 1


def test_padding_stands_on_the_left(processor):
    short, long = [Message.user("a")], [Message.user("a much longer question", SMALL)]
    batch, alone = processor([short, long]), processor(short)
    padding = batch.layout.length - alone.layout.length
    assert padding > 0
    assert batch.tokens[0].tolist() == [0] * padding + alone.tokens[0].tolist()
    assert batch.layout.position[0].tolist() == [-1] * padding + list(range(alone.layout.length))
    assert (batch.layout.position[1] >= 0).all()


def test_a_finished_conversation(text_only):
    conversation = [Message.user("Hi"), Message.model("Hello!")]
    ids = text_only(conversation, add_generation_prompt=False).tokens[0].tolist()
    assert ids[-2:] == [106, 107]
    assert text_only.decode(ids, skip_special=False).endswith("model\nHello!<end_of_turn>\n")


def test_plain_text(text_only):
    tokenizer = small_tokenizer()
    assert text_only.text("Call me").tokens.tolist() == [tokenizer.encode("Call me")]
    assert text_only.text("Call me", add_bos=False).tokens[0, 0] != 2
    batch = text_only.text(["Call me", "Call me Ishmael, <bos>"])
    assert batch.tokens.shape[0] == 2
    assert (batch.layout.position[0] == -1).sum() > 0
    assert [text_only.decode(row) for row in batch.tokens] == ["Call me", "Call me Ishmael, <bos>"]
    forged = text_only.text("<start_of_turn>user\n<start_of_image>").tokens[0].tolist()
    assert forged[1] == 105
    assert forged[-1] == tokenizer.boi_id


def test_plain_text_with_images(processor):
    one = processor.text("A photo of<start_of_image>a whale", [SMALL])
    assert one.layout.image_id.max() == 1
    batch = processor.text(["none", "<start_of_image><start_of_image>"], [[], [SMALL, WIDE]])
    assert batch.layout.image_id.amax(1).tolist() == [0, 2]
    crops = processor.text("<start_of_image>", [WIDE], pan_and_scan=True)
    assert crops.layout.image_id.max() == 4


def test_more_or_fewer_images_than_places(processor):
    for text, images, said in [
        ("<start_of_image>", [SMALL, SMALL], "images: 2 given for 1 <start_of_image> in the text"),
        (
            "<start_of_image> and <start_of_image>",
            [SMALL],
            "images: 1 given for 2 <start_of_image>",
        ),
        ("none", [SMALL], "images: 1 given for 0 <start_of_image>"),
        ("<start_of_image>", [], "images: 0 given for 1 <start_of_image>"),
        (["a", "b"], [[]], "images: 1 lists given for 2 texts"),
        ("<image_soft_token>", None, "images: 0 given for 1 runs of soft tokens"),
    ]:
        with pytest.raises(ValueError, match=said):
            processor.text(text, images)


def test_a_text_only_model_reads_no_images(text_only):
    with pytest.raises(ValueError, match="images: 1 given, but this model is text-only"):
        text_only([Message.user("What?", SMALL)])
    with pytest.raises(ValueError, match="outside the vocabulary of 2048"):
        text_only.text("<image_soft_token>")


def test_nothing_to_read(text_only):
    with pytest.raises(ValueError, match="is not a conversation"):
        text_only([])
    with pytest.raises(ValueError, match="is not a conversation"):
        text_only([[Message.user("a")], []])
    with pytest.raises(ValueError, match="text: the list is empty"):
        text_only.text([])
    with pytest.raises(ValueError, match="text: item 1 is empty"):
        text_only.text(["a", ""], add_bos=False)
    assert text_only.text("").tokens.tolist() == [[2]]


def test_too_long_a_prompt(text_only):
    with pytest.raises(ValueError, match="a prompt of 5001 tokens is longer than"):
        text_only.text("1" * 5000)


def test_another_models_tokenizer():
    config = small_config("tiny-text")
    small = dataclasses.replace(config, text=dataclasses.replace(config.text, vocab_size=2047))
    with pytest.raises(ValueError, match="has 2048 tokens, but the model's vocab_size is 2047"):
        Processor(small_tokenizer(), small)
    moved = dataclasses.replace(small_config(), boi_token_index=2045)
    with pytest.raises(ValueError, match=r"are \(2046, 2047, 2048\), but the config has \(2045"):
        Processor(small_tokenizer(), moved)


def write(folder, processor, **changed):
    """The files of a checkpoint, some changed; None leaves one out."""
    for name, content in {**processor_to_files(processor), **changed}.items():
        if content is not None:
            content = json.dumps(content).encode() if isinstance(content, dict) else content
            (folder / name).write_bytes(content)
    return folder


def read(folder, processor, tokenizer=None):
    return processor_from_folder(folder, processor.config, tokenizer)


def test_files_there_and_back(processor, text_only, tmp_path):
    settings = ImageSettings(enabled=True, min_crop=64, max_crops=3, min_ratio=1.5)
    original = dataclasses.replace(processor, image_settings=settings, stop_tokens=(1,))
    back = read(write(tmp_path, original), original)
    assert back.image_settings == settings
    assert back.stop_tokens == (1,)
    assert processor_to_files(back) == processor_to_files(original)
    assert set(processor_to_files(original)) - set(processor_to_files(text_only)) == {
        "preprocessor_config.json",
        "processor_config.json",
    }
    assert processor_to_files(original)["chat_template.jinja"] == CHAT_TEMPLATE.read_bytes()


@pytest.mark.parametrize(
    ("generation", "config", "stop"),
    [
        ({"eos_token_id": [1, 106]}, {"eos_token_id": 5}, (1, 106)),
        ({"eos_token_id": 1}, {}, (1,)),
        ({"eos_token_id": None}, {"eos_token_id": [1, 7]}, (1, 7)),
        ({}, {"eos_token_id": 7}, (7,)),
        (None, {"text_config": {"eos_token_id": 8}}, (8,)),
        (None, {"text_config": None}, (1, 106)),
        (None, None, (1, 106)),
    ],
)
def test_stop_tokens(text_only, tmp_path, generation, config, stop):
    changed = {"generation_config.json": generation, "config.json": config}
    assert read(write(tmp_path, text_only, **changed), text_only).stop_tokens == stop


def test_settings_inside_the_processors_file(processor, tmp_path):
    """Where transformers 5 writes them; they win over preprocessor_config.json."""
    inside = {"image_processor": {"do_pan_and_scan": True}, "image_seq_length": 9}
    assert read(
        write(tmp_path, processor, **{"processor_config.json": inside}), processor
    ).image_settings.enabled


def test_no_tokenizer(processor, tmp_path):
    assert read(tmp_path, processor) is None
    with pytest.raises(ValueError, match=r"absent\.model is not a file"):
        read(tmp_path, processor, tmp_path / "absent.model")
    write(tmp_path, processor, **{"tokenizer.model": None})
    with pytest.raises(ValueError, match=r"no tokenizer\.model.*pass one with tokenizer=PATH"):
        read(tmp_path, processor)
    bare = read(tmp_path / "absent", processor, str(DATA / "tokenizer.model"))
    assert (bare.image_settings, bare.stop_tokens) == (ImageSettings(), (1, 106))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("preprocessor_config.json", {"size": {"height": 896, "width": 896}}, "config: size="),
        ("processor_config.json", {"image_seq_length": 256}, "image_seq_length=256"),
        ("preprocessor_config.json", b"{", "preprocessor_config.json is not JSON"),
        ("generation_config.json", b"[]", "generation_config.json contains a list"),
        ("tokenizer.model", b"\xff", "not a SentencePiece model"),
    ],
)
def test_files_that_do_not_fit(processor, tmp_path, name, content, said):
    write(tmp_path, processor, **{name: content})
    with pytest.raises(ValueError, match=said):
        read(tmp_path, processor)
