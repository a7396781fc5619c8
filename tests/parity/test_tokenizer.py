"""Ids equal transformers': in the small vocabulary always, in the released one where it is present.

The released tokenizer is under the Gemma Terms of Use and is not part of this project. To run the
second half, give the path of a `tokenizer.json`:

    GEMMA3_EDU_TOKENIZER=path/to/tokenizer.json pytest tests/parity/test_tokenizer.py
"""

import html
import json
import os
import random
import unicodedata
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer
from transformers.utils.chat_template_utils import render_jinja_template

import gemma3_edu
from gemma3_edu.hub.processor_files import CHAT_TEMPLATE
from gemma3_edu.hub.tokenizer_json import merges, read_pieces, tokenizer_files, tokenizer_json
from gemma3_edu.prompt.tokenizer import CONTROL_TEXT, Tokenizer
from tests.tokenizers import sentencepiece_of, small_tokenizer

pytestmark = pytest.mark.parity

UNSPELLED = ("<pad>", "<eos>", "<bos>", "<unk>")  # where we differ on purpose
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
            "\n" * 40,
            "\t",
            "\r",
            "▁",
            "▁▁",
        ],
        *["▁ ▁", "é", "日本", "🙂", "\u200d", "\0", "١٢", "12", "<0x0A>", "<b>", "</table>"],
        *["<unused7>", *(set(CONTROL_TEXT) - set(UNSPELLED))],
    ]
)
TEXTS = st.lists(FRAGMENTS | st.text(max_size=3), max_size=12).map("".join)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    for name, content in tokenizer_files(small_tokenizer(), 4096, "Gemma3Processor").items():
        (folder / name).write_bytes(content)
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def engine():
    """Reads `tokenizer.json` alone; transformers has the normalizer and decoder in its class."""
    return tokenizers.Tokenizer.from_str(json.dumps(tokenizer_json(small_tokenizer())))


@settings(max_examples=600, deadline=None)
@given(TEXTS)
def test_small_vocabulary(theirs, engine, text):
    tokenizer = small_tokenizer()
    ids = tokenizer.encode(text)
    assert ids == theirs(text)["input_ids"] == engine.encode(text).ids
    assert tokenizer.decode(ids) == engine.decode(ids)
    assert tokenizer.encode(text, add_bos=False) == theirs.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids, skip_special=False) == theirs.decode(ids)
    assert tokenizer.decode(ids) == theirs.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("text", UNSPELLED)
def test_where_we_differ(theirs, text):
    assert len(theirs.encode(text, add_special_tokens=False)) == 1
    assert len(small_tokenizer().encode(text, add_bos=False)) > 1


# The released vocabulary

GIVEN = Path(os.environ.get("GEMMA3_EDU_TOKENIZER", ""))
needs_released = pytest.mark.skipif(
    not GIVEN.is_file(), reason="GEMMA3_EDU_TOKENIZER names no tokenizer.json (Gemma Terms of Use)"
)
# fmt: off
SCRIPTS = {  # the first and the last letter of each
    "Latin": (0x61, 0x7A), "Latin-1": (0xDF, 0xFF), "Latin Extended": (0x100, 0x17F),
    "Vietnamese": (0x1EA0, 0x1EF9), "Greek": (0x386, 0x3CE), "Cyrillic": (0x400, 0x4FF),
    "Armenian": (0x531, 0x586), "Hebrew": (0x5D0, 0x5EA), "Arabic": (0x621, 0x64A),
    "Urdu": (0x679, 0x6D2), "Devanagari": (0x905, 0x939), "Bengali": (0x985, 0x9B9),
    "Gurmukhi": (0xA05, 0xA39), "Gujarati": (0xA85, 0xAB9), "Tamil": (0xB85, 0xBB9),
    "Telugu": (0xC05, 0xC39), "Kannada": (0xC85, 0xCB9), "Malayalam": (0xD05, 0xD39),
    "Sinhala": (0xD85, 0xDC6), "Thai": (0xE01, 0xE2E), "Lao": (0xE81, 0xEAE),
    "Tibetan": (0xF40, 0xF68), "Burmese": (0x1000, 0x1021), "Georgian": (0x10D0, 0x10F0),
    "Ethiopic": (0x1200, 0x135A), "Khmer": (0x1780, 0x17A2), "Mongolian": (0x1820, 0x1842),
    "Hiragana": (0x3041, 0x3093), "Katakana": (0x30A1, 0x30F3), "Hangul": (0xAC00, 0xD7A3),
    "Chinese": (0x4E00, 0x9FCB), "Yi": (0xA000, 0xA48C), "Cherokee": (0x13A0, 0x13F4),
    "Cuneiform": (0x12000, 0x12359), "Emoji": (0x1F300, 0x1F64F), "Arrows": (0x2190, 0x21FF),
    "Mathematics": (0x1D400, 0x1D7CB), "Accents": (0x300, 0x36F),
}
# fmt: on
PATTERNS = (
    *("{} {} {}", "{}, {}! {}", "{}{}{}", "  {}\n\n    {}\t{}  ", "{}\n" * 3, "1234 {} 5.67 {}-{}"),
    *("<p>{}</p><b>{} {}</b>", "def {}({}):\n    return {}\n", '{{"{}": "{}", "{}": null}}'),
    "<start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n{}\n\n\n<start_of_image>{}",
)


@pytest.fixture(scope="module")
def released():
    return Tokenizer(sentencepiece_of(GIVEN))


def texts_in_many_scripts(rng: random.Random, each: int) -> list[str]:
    """Made-up words of every script in every pattern, and lines of this package's own source."""
    texts = []
    for first, last in SCRIPTS.values():
        letters = [c for c in map(chr, range(first, last + 1)) if unicodedata.name(c, "")]

        def word(letters=letters) -> str:
            return "".join(rng.choices(letters, k=rng.randint(1, 9)))

        texts += [rng.choice(PATTERNS).format(word(), word(), word()) for _ in range(each)]
    for file in sorted(Path(gemma3_edu.__file__).parent.glob("[!ln]*/*.py")):
        source = file.read_text(encoding="utf-8")
        texts += source.split("\n\n") + [html.escape(line) for line in source.splitlines()[:60]]
    texts += [character * n for character in " \n\t▁a" for n in range(1, 70)]
    return sorted({text for text in texts if not any(name in text for name in UNSPELLED)})


@needs_released
def test_released_vocabulary(released):
    oracle = tokenizers.Tokenizer.from_file(str(GIVEN))
    written = tokenizers.Tokenizer.from_str(json.dumps(tokenizer_json(released)))
    texts = texts_in_many_scripts(random.Random(0), each=100)
    assert len(texts) > 5000
    for text in texts:
        ids = released.encode(text)
        assert ids == oracle.encode(text).ids
        assert ids == written.encode(text).ids
        assert released.decode(ids, skip_special=False) == oracle.decode(
            ids, skip_special_tokens=False
        )


@needs_released
def test_released_ids(released):
    """Those of facts that others published."""
    for text, ids in {
        "Hello world": [9259, 1902],
        "Hello, my dog is cute": [9259, 236764, 1041, 4799, 563, 12864],
        "12345": [236770, 236778, 236800, 236812, 236810],
        "  two  spaces\n\n\ttab": [138, 13498, 138, 35220, 108, 255968, 4823],
        "[BOS]": [236840, 236799, 3354, 236842],
    }.items():
        assert released.encode(text, add_bos=False) == ids
    assert (released.boi_id, released.eoi_id, released.soft_id) == (255_999, 256_000, 262_144)


@needs_released
def test_released_merges(released):
    """Ours are theirs in their order, without those that join newlines, tabs or runs of spaces.

    User-defined pieces are found before anything is merged, so these are never needed.
    """
    pieces = read_pieces(released.model)
    runs = {piece.text for piece in pieces if piece.kind == 4}
    listed = json.loads(GIVEN.read_text(encoding="utf-8"))["model"]["merges"]
    theirs = [tuple(pair) for pair in listed if "".join(pair) not in runs]
    ours = [pair for pair in merges(pieces) if "".join(pair) not in runs]
    assert len(theirs) > 500_000
    assert ours == theirs


@needs_released
def test_released_template():
    """Our Jinja text says what the released one says, where that lies beside the tokenizer."""
    config = GIVEN.with_name("tokenizer_config.json")
    if not config.is_file():
        pytest.skip("no tokenizer_config.json beside tokenizer.json")
    released = json.loads(config.read_text(encoding="utf-8"))["chat_template"]
    rng = random.Random(0)
    for _ in range(300):
        roles = ["user", "assistant"] * rng.randint(1, 3)
        conversation = [{"role": role} for role in roles[: rng.randint(1, len(roles))]]
        if rng.random() < 0.5:
            conversation.insert(0, {"role": "system"})
        for message in conversation:
            text = "".join(rng.choices([" ", "\n", "a", "b c", "\u2003", "{{", "é"], k=6))
            image, written = {"type": "image"}, {"type": "text", "text": text}
            parts = [written, *rng.choices([image, written], k=rng.randint(0, 3))]
            message["content"] = text if rng.random() < 0.4 else parts
        said = [
            render_jinja_template(
                [conversation],
                chat_template=template,
                add_generation_prompt=len(roles) % 4 > 0,
                bos_token="<bos>",
            )[0]
            for template in (CHAT_TEMPLATE.read_text(encoding="utf-8"), released)
        ]
        assert said[0] == said[1]
