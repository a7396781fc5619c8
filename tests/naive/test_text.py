"""Text and pictures by hand equal the core: byte-pair merges, the template, prompts, crops."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gemma3_edu import naive
from gemma3_edu.hub.tokenizer_json import USER_DEFINED, read_pieces
from gemma3_edu.prompt.chat_template import Message, image_text, render
from gemma3_edu.prompt.images import pan_and_scan, resize_and_normalize
from gemma3_edu.prompt.processor import Processor
from tests.tokenizers import small_config, small_tokenizer

PIECES = read_pieces(small_tokenizer().model)
TEXTS = [piece.text for piece in PIECES]
SCORES = [piece.score for piece in PIECES]
WHOLE = [piece.text for piece in PIECES if piece.kind == USER_DEFINED]
quick = settings(deadline=None, database=None, derandomize=True, max_examples=150)

# Words, runs that have tokens, other scripts, digits, and text that spells whole pieces.
FRAGMENTS = [
    *(
        "the whale",
        " Call me",
        "oooeee",
        "    ",
        " ",
        "\n",
        "\n\n\n",
        "\n" * 33,
        "\t\t",
        "1851",
        "!?",
    ),
    *("é", "日本", "🙂", "\u2003", "\0", "<b>", "</table>", "<0x0A>", "[multimodal]", "<unused7>"),
    *("<start_of_turn>user\n", "<end_of_turn>", "<start_of_image>", "\r"),
]
SAMPLES = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), max_size=12).map("".join)


def without_the_visible_space(text: str) -> str:
    """The core keeps a written run of "▁" apart from spaces, as transformers does; and <pad>, <eos>
    and <bos> are pieces that no text spells. The hand-made version knows neither rule."""
    return text.replace("▁", "_").replace("<image_soft_token>", "")


@quick
@given(SAMPLES)
def test_byte_pair_encoding(text):
    text = without_the_visible_space(text)
    want = small_tokenizer().encode(text, add_bos=False)
    assert naive.tokenizer.encode(text, TEXTS, SCORES, WHOLE) == want
    assert naive.tokenizer.decode(want, TEXTS) == text


def test_merging_goes_by_score_not_from_the_left():
    """ "abc" with "bc" the better pair: a greedy search for the longest prefix would take "ab"."""
    pieces, scores = ["a", "b", "c", "ab", "bc"], [-9.0, -9.0, -9.0, -2.0, -1.0]
    assert naive.tokenizer.encode("abc", pieces, scores) == [0, 4]
    assert naive.tokenizer.encode("abab", pieces, scores) == [3, 3]
    assert naive.tokenizer.encode("aaa", ["a", "aa"], [-9.0, -1.0]) == [1, 0]


TURNS = [
    [("user", ["  Who wrote it? "])],
    [
        ("system", [" Be brief.\n"]),
        ("user", ["\n\nWho?"]),
        ("model", ["Melville. "]),
        ("user", ["x"]),
    ],
    [("user", [" What is on ", b"", " and on ", b"", "?"]), ("model", ["A whale."])],
]


@pytest.mark.parametrize("turns", TURNS, ids=len)
def test_the_template(turns):
    finished = turns[-1][0] == "model"
    messages = [Message(role, tuple(parts)) for role, parts in turns]
    got, _ = render(messages, add_generation_prompt=not finished)
    assert got == naive.chat_template.render(turns, add_generation_prompt=not finished)


@pytest.mark.parametrize("crops", [0, 2, 3])
def test_the_text_of_an_image(crops):
    assert image_text(crops, 5) == naive.chat_template.image_text(crops, 5)


def test_prompts():
    """Two conversations with images, one of which has crops: the same ids, padded the same."""
    tokenizer, config = small_tokenizer(), small_config()
    wide, square = Image.new("RGB", (700, 300), "red"), Image.new("RGB", (30, 30), "blue")
    rows = [[("user", [wide, "Compare with ", square])], [("user", ["Who?"])]]
    batch = Processor(tokenizer, config)(
        [[Message(role, tuple(parts)) for role, parts in row] for row in rows], pan_and_scan=True
    )
    crops = [[len(naive.images.pan_and_scan(*each.size)) for each in (wide, square)], []]
    assert crops == [[2, 0], []]
    ids = []
    for row, numbers in zip(rows, crops, strict=True):
        text = naive.chat_template.render(row)
        text = naive.processor.expand(text, numbers, config.mm_tokens_per_image)
        ids.append(tokenizer.encode(text))
    assert batch.tokens.tolist() == naive.processor.pad_left(ids)
    assert batch.images is not None
    assert len(batch.images) == sum(n + 1 for n in crops[0])


SIDES = [1, 2, 255, 256, 257, 300, 307, 308, 400, 512, 640, 767, 768, 999, 1000, 1001, 2000, 3000]


@pytest.mark.parametrize("width", SIDES)
def test_crops(width):
    rng = random.Random(width)
    for height in SIDES:
        picture = Image.new("1", (width, height))
        for rule in ((), (100, 7, 1.5), (rng.randint(1, 300), rng.randint(1, 9), 1.0)):
            boxes = naive.images.pan_and_scan(width, height, *rule)
            crops = pan_and_scan(picture, *rule)
            sizes = [(right - left, bottom - top) for left, top, right, bottom in boxes]
            assert sizes == [crop.size for crop in crops]


def test_crops_are_cut_where_the_boxes_say():
    """A picture whose pixels differ, so that a crop tells where it was cut."""
    for size in ((1001, 400), (400, 1001)):
        pixels = torch.arange(size[0] * size[1], dtype=torch.int32).reshape(size[1], size[0])
        picture = Image.fromarray(pixels.numpy())
        boxes = naive.images.pan_and_scan(*size)
        assert len(boxes) == 3
        for crop, box in zip(pan_and_scan(picture), boxes, strict=True):
            assert crop.tobytes() == picture.crop(box).tobytes()


def test_colours():
    grey = [resize_and_normalize(Image.new("RGB", (1, 1), (b, b, b)), 1) for b in range(256)]
    want = torch.tensor([naive.images.normalize(b) for b in range(256)])
    torch.testing.assert_close(torch.stack(grey)[:, 0, 0, 0], want, rtol=0, atol=1e-7)
