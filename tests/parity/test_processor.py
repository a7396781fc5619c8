"""Prompts equal transformers': ids, token types, pixels and crops, with its PIL backend."""

import random

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, AutoTokenizer, Gemma3Processor
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

from gemma3_edu.hub.processor_files import processor_from_folder, processor_to_files
from gemma3_edu.prompt.chat_template import Message, render
from gemma3_edu.prompt.images import load_image, pan_and_scan, resize_and_normalize
from gemma3_edu.prompt.processor import Processor
from tests.tokenizers import small_config, small_tokenizer

pytestmark = pytest.mark.parity

CONVERSATIONS = 200
MODES = ("RGB", "RGB", "RGB", "L", "RGBA", "LA", "P", "CMYK", "1")
# Whitespace that is stripped or merges with what stands beside it, spaces, bytes, spelled pieces.
FRAGMENTS = (
    *("the white whale", "Ishmael", "1851", "?", " ", "  ", "\n", "\n\n", "\t", "\n \n", "▁", "▁▁"),
    *("é", "日本", "🙂", "\u2003", "\0", "<b>", "</table>", "<unused7>", "[multimodal]", "<0x0A>"),
    *("{{ bos_token }}", "{% for", "start_of_turn", "<start of turn>", "user\n", "model\n"),
)


@pytest.fixture(scope="module")
def ours() -> Processor:
    return Processor(small_tokenizer(), small_config())


@pytest.fixture(scope="module")
def folder(ours, tmp_path_factory):
    folder = tmp_path_factory.mktemp("processor")
    for name, content in processor_to_files(ours).items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def theirs(ours, folder):
    return Gemma3Processor(
        Gemma3ImageProcessorPil.from_pretrained(folder),
        AutoTokenizer.from_pretrained(folder),
        chat_template=(folder / "chat_template.jinja").read_text(),
        image_seq_length=ours.config.mm_tokens_per_image,
    )


def random_image(rng: random.Random, size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Noise, coarser in large images."""
    noise = np.random.default_rng(rng.randrange(2**32))
    shape = [min(side, 200) for side in reversed(size)]
    image = Image.fromarray(noise.integers(0, 256, (*shape, 4), dtype=np.uint8), "RGBA")
    image = image.resize(size, Image.Resampling.NEAREST)
    return (image if mode in ("RGBA", "LA") else image.convert("RGB")).convert(mode)


def random_size(rng: random.Random) -> tuple[int, int]:
    short, ratio = rng.choice([1, 7, 36, 90, 256, 300, 700]), rng.choice([1, 1.1, 1.2, 2.5, 4.6])
    size = (short, int(short * ratio))
    return size if rng.random() < 0.5 else size[::-1]


def random_conversation(rng: random.Random, finished: bool) -> list[Message]:
    def text() -> str:
        return "".join(rng.choices(FRAGMENTS, k=rng.randint(0, 6)))

    def parts() -> list[str | Image.Image]:
        return [
            text() if rng.random() < 0.6 else random_image(rng, random_size(rng), rng.choice(MODES))
            for _ in range(rng.randint(1, 4))
        ]

    turns = 2 * rng.randint(0, 2) + 1 + finished
    messages = [Message(("user", "model")[i % 2], parts()) for i in range(turns)]
    return [Message.system(text()), *messages] if rng.random() < 0.4 else messages


def as_dicts(conversation: list[Message], rng: random.Random) -> list[dict]:
    """A conversation as transformers takes it: content a list, or a str where it may be.

    (It makes a list without parts of an empty str, which no template expects.)
    """
    dicts = []
    for message in conversation:
        content: object = [
            {"type": "text", "text": part}
            if isinstance(part, str)
            else {"type": "image", "image": part}
            for part in message.content
        ]
        text = message.content[0]
        if len(message.content) == 1 and isinstance(text, str) and text and rng.random() < 0.5:
            content = text
        dicts.append({"role": {"model": "assistant"}.get(message.role, message.role)})
        dicts[-1]["content"] = content
    return dicts


def compare(ours, theirs, conversations, rng, crops: bool, prompt: bool) -> None:
    batch = ours(conversations, pan_and_scan=crops, add_generation_prompt=prompt)
    expected = theirs.apply_chat_template(
        [as_dicts(conversation, rng) for conversation in conversations],
        tokenize=True,
        return_dict=True,
        add_generation_prompt=prompt,
        processor_kwargs={"do_pan_and_scan": crops, "padding": True, "return_tensors": "pt"},
    )
    assert torch.equal(batch.tokens, expected["input_ids"])
    assert torch.equal((batch.layout.position >= 0).long(), expected["attention_mask"])
    assert torch.equal((batch.layout.image_id > 0).long(), expected["token_type_ids"])
    assert ("pixel_values" in expected) == (batch.images is not None)
    if batch.images is not None:
        assert torch.equal(batch.images, expected["pixel_values"])


@pytest.mark.parametrize("seed", range(20))
def test_random_conversations(ours, theirs, seed):
    """Batches of 1 to 4 conversations, 200 in all."""
    rng = random.Random(seed)
    left = CONVERSATIONS // 20
    while left:
        finished = rng.random() < 0.2
        size = min(left, rng.randint(1, 4))
        conversations = [random_conversation(rng, finished) for _ in range(size)]
        compare(ours, theirs, conversations, rng, crops=rng.random() < 0.5, prompt=not finished)
        left -= size


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 3000), (3000, 4000), (2999, 1001)])
def test_extreme_sizes(ours, theirs, size):
    rng = random.Random(0)
    conversation = [Message.user("What", random_image(rng, size), "is it?")]
    for crops in (False, True):
        compare(ours, theirs, [conversation], rng, crops, prompt=True)


def test_plain_text_with_images(ours, theirs):
    rng = random.Random(1)
    images = [random_image(rng, (700, 300)), random_image(rng, (40, 30))]
    for text in ("<start_of_image>a\n<start_of_image>", "a <start_of_image> \n\n<start_of_image>"):
        for crops in (False, True):
            batch = ours.text(text, images, pan_and_scan=crops)
            expected = theirs(text=text, images=images, do_pan_and_scan=crops, return_tensors="pt")
            assert torch.equal(batch.tokens, expected["input_ids"])
            assert torch.equal(batch.images, expected["pixel_values"])


@pytest.mark.parametrize("seed", range(5))
def test_pixels_at_the_released_size(seed):
    rng = random.Random(seed)
    backend = Gemma3ImageProcessorPil(size={"height": 896, "width": 896})
    image = random_image(rng, (rng.randint(1, 1500), rng.randint(1, 1500)), rng.choice(MODES))
    expected = backend(image, return_tensors="pt")["pixel_values"][0]
    assert torch.equal(resize_and_normalize(load_image(image), 896), expected)


def test_crops_of_random_sizes(theirs):
    """500 sizes, with the numbers that are transformers' default; sizes and content."""
    defaults = {k: v for k, v in theirs.images_kwargs.items() if k.startswith("pan_and_scan")}
    rng, cropped = random.Random(2), 0
    columns = np.arange(4000)
    for number in range(500):
        width, height = (rng.randint(1, rng.choice([300, 1100, 4000])) for _ in range(2))
        if number % 50 == 0:
            height = max(1, int(width / 1.2))  # at the border of being cut
        where = np.add.outer(columns[:height] * 7, columns[:width] * 3).astype(np.uint8)
        expected = theirs.image_processor.pan_and_scan(where[None], **defaults)
        crops = pan_and_scan(Image.fromarray(where))
        assert len(crops) == len(expected)
        for crop, other in zip(crops, expected, strict=True):
            assert np.array_equal(np.asarray(crop), other[0])
        cropped += bool(crops)
    assert 100 < cropped < 400


def test_the_template_refuses_what_ours_refuses(theirs):
    def say(*roles):
        return [{"role": role, "content": "a"} for role in roles]

    for roles in (["assistant"], ["user", "user"], ["system", "assistant"]):
        with pytest.raises(Exception, match="must alternate"):
            theirs.apply_chat_template(say(*roles))
        with pytest.raises(ValueError, match="must alternate"):
            render([Message(role, "a") for role in roles])


def test_saved_files_load_by_name(ours, folder, tmp_path):
    """AutoProcessor and AutoTokenizer find everything in the folder, and write what we read."""
    processor = AutoProcessor.from_pretrained(folder)
    assert isinstance(processor, Gemma3Processor)
    assert processor.image_seq_length == ours.config.mm_tokens_per_image
    assert processor.image_processor.size["height"] == 36
    named = processor.tokenizer
    found = (named.pad_token_id, named.eos_token_id, named.bos_token_id, named.unk_token_id)
    assert found == (0, 1, 2, 3)
    assert (named.boi_token_id, named.eoi_token_id, named.image_token_id) == (2046, 2047, 2048)
    assert named.padding_side == "left"
    processor.save_pretrained(tmp_path)
    model = folder / "tokenizer.model"
    assert processor_to_files(
        processor_from_folder(tmp_path, ours.config, model)
    ) == processor_to_files(ours)
    with pytest.raises(ValueError, match="tokenizer=PATH"):
        processor_from_folder(tmp_path, ours.config)


def test_saved_files_of_a_text_only_model(tmp_path):
    text_only = Processor(small_tokenizer(), small_config("tiny-text"))
    for name, content in processor_to_files(text_only).items():
        (tmp_path / name).write_bytes(content)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    conversation = [{"role": "user", "content": "Who is Ahab?"}]
    ids = tokenizer.apply_chat_template(conversation, add_generation_prompt=True)["input_ids"]
    assert ids == text_only([Message.user("Who is Ahab?")]).tokens[0].tolist()
    assert tokenizer.model_max_length == text_only.config.text.max_position_embeddings
