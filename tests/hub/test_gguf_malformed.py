"""GGUF files with faults: each is refused in words of its own, never by an error of Python's."""

import dataclasses
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFValueType as Type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemma3_edu import load, save

from ..gguf_files import Draft, Stored, described, split, text, value
from .test_gguf import model_and_processor

HUGE = 1 << 60


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """A folder with a multimodal model in two files."""
    folder = tmp_path_factory.mktemp("good")
    save(*model_and_processor(), folder / "a.gguf")
    for file in folder.iterdir():
        before = file.read_bytes()
        Draft.read(file).write(file)
        assert file.read_bytes() == before  # a draft changes nothing by itself
    load(folder)
    return folder


def setting(name: str, new: object):
    """Change one setting of the text file; None takes it out."""

    def spoil(draft: Draft) -> None:
        draft.settings[name] = new
        if new is None:
            del draft.settings[name]

    return spoil


def tensor(name: str, **changes: object):
    """Change what is said of one tensor."""

    def spoil(draft: Draft) -> None:
        draft.tensors[name] = dataclasses.replace(draft.tensors[name], **changes)

    return spoil


def without(name: str):
    """Take one tensor out."""
    return lambda draft: draft.tensors.pop(name)


def with_tensor(name: str, numbers: np.ndarray):
    """Put one more in."""
    return lambda draft: draft.tensors.update({name: Stored.of(numbers)})


def more_settings(content: bytes):
    """Append one setting as bytes."""

    def spoil(draft: Draft) -> None:
        draft.more_settings, draft.more_settings_count = content, 1

    return spoil


def tensor_twice(draft: Draft) -> None:
    draft.more_tensors_count = 1
    draft.more_tensors = described("output_norm.weight", Stored.of(np.zeros(24)), 0)


def words(name: str, change):
    """Change one list of the vocabulary."""

    def spoil(draft: Draft) -> None:
        draft.settings[f"tokenizer.ggml.{name}"] = change(draft.settings[f"tokenizer.ggml.{name}"])

    return spoil


def replaced(index: int, new: object):
    """A list with one item changed."""

    def change(items):
        items = items.copy()
        items[index] = new
        return items

    return change


def array(kind: int, count: int, content: bytes = b"") -> bytes:
    return struct.pack("<IIQ", Type.ARRAY, kind, count) + content


YARN = "gemma3.rope.scaling.type"
PATTERN = "gemma3.attention.sliding_window_pattern"
BLOCKS = "gemma3.block_count"
SOFTCAP = "gemma3.final_logit_softcapping"
NORM = "blk.3.ffn_norm.weight"
DRAFTS = {
    "a version to come": (lambda d: setattr(d, "version", 99), "is GGUF version 99"),
    "a version long gone": (lambda d: setattr(d, "version", 1), "is GGUF version 1,"),
    "big-endian": (lambda d: setattr(d, "version", 3 << 24), "is for big-endian machines"),
    "too many settings": (
        lambda d: setattr(d, "more_settings_count", HUGE),
        "settings do not fit its",
    ),
    "too many tensors": (
        lambda d: setattr(d, "more_tensors_count", HUGE),
        "tensors and .* settings do not fit",
    ),
    "a name without end": (
        more_settings(struct.pack("<Q", HUGE)),
        "bytes a setting's name should be",
    ),
    "a name not in UTF-8": (
        more_settings(struct.pack("<Q", 2) + b"\xff\xfe" + value(1)),
        "a setting's name is not UTF-8",
    ),
    "a value not in UTF-8": (
        more_settings(text("x") + struct.pack("<IQ", Type.STRING, 1) + b"\xff"),
        "the setting x is not UTF-8",
    ),
    "a setting twice": (
        more_settings(text("general.type") + value("model")),
        "the setting general.type is there twice",
    ),
    "an unknown type of value": (
        more_settings(text("x") + struct.pack("<I", 77)),
        "the setting x is of the unknown type 77",
    ),
    "a list of lists": (
        more_settings(text("x") + array(Type.ARRAY, 1)),
        "the setting x is a list of lists",
    ),
    "an endless list of words": (
        more_settings(text("x") + array(Type.STRING, HUGE)),
        f"the setting x should be, of {HUGE * 8} bytes",
    ),
    "an endless list of numbers": (
        more_settings(text("x") + array(Type.INT32, HUGE)),
        f"the setting x should be, of {HUGE * 4} bytes",
    ),
    "an odd alignment": (setting("general.alignment", 24), "alignment is 24, not a power of two"),
    "a tensor twice": (tensor_twice, "the tensor output_norm.weight is there twice"),
    "no dimensions": (tensor(NORM, shape=()), "ffn_norm.weight has 0 dimensions"),
    "nine dimensions": (tensor(NORM, shape=(1,) * 9), "ffn_norm.weight has 9 dimensions"),
    "an empty tensor": (tensor(NORM, shape=(0,)), r"ffn_norm.weight has shape \(0,\)"),
    "a tensor beyond all": (
        tensor(NORM, shape=(HUGE, HUGE)),
        "is cut short: it has .* the tensor blk.3.ffn_norm.weight ends",
    ),
    "an unknown type": (tensor(NORM, kind=999), "is of type 999, which the installed gguf"),
    "a type of whole numbers": (tensor(NORM, kind=26), "is of type I32, which the gguf library"),
    "half a block": (tensor(NORM, kind=2), "which cannot be of type Q4_0"),
    "a tensor in another": (tensor(NORM, offset=32), "ffn_norm.weight begins at 32, but"),
    "another architecture": (
        setting("general.architecture", "llama"),
        "architecture 'llama', not 'gemma3'",
    ),
    "no architecture": (
        setting("general.architecture", None),
        "the setting general.architecture is missing",
    ),
    "an adapter": (setting("general.type", "adapter"), "of type 'adapter', not a whole model"),
    "no number of layers": (setting(BLOCKS, None), "the setting gemma3.block_count is missing"),
    "more layers than there are": (setting(BLOCKS, 99), "block_count is 99, but there are tensors"),
    "layers in words": (setting(BLOCKS, "many"), "block_count is 'many', but must be of type int"),
    "heads for each layer": (
        setting("gemma3.attention.head_count", np.array([4, 4], np.int32)),
        "head_count is array.* but must be of type int",
    ),
    "no heads": (setting("gemma3.attention.head_count", 0), "head_count is 0; a Gemma 3 has 1"),
    "a giant": (setting("gemma3.embedding_length", 1 << 31), "embedding_length is 2147483648"),
    "another width": (setting("gemma3.embedding_length", 32), "the config asks for .2112, 32."),
    "a soft cap": (setting(SOFTCAP, 30.0), "softcapping is 30.0; Gemma 3 has 0.0"),
    "seeing both ways": (
        setting("gemma3.attention.causal", False),
        "causal is False; Gemma 3 has True",
    ),
    "values unlike keys": (
        setting("gemma3.attention.value_length", 12),
        "keys have 10 numbers and values 12",
    ),
    "another scaling": (setting(YARN, "yarn"), "rope.scaling.type is 'yarn'"),
    "a base of zero": (setting("gemma3.rope.freq_base", 0.0), "theta=0.0 must be a number above"),
    "a pattern of other layers": (
        setting(PATTERN, np.array([True])),
        "sliding_window_pattern is of 1 layers, but the model has 13",
    ),
    "heads that do not divide": (
        setting("gemma3.attention.head_count_kv", 3),
        "num_attention_heads=4 is not a multiple of num_key_value_heads=3",
    ),
    "a missing tensor": (without(NORM), "missing tensor blk.3.ffn_norm.weight"),
    "no embedding": (without("token_embd.weight"), "has no tensor token_embd.weight"),
    "an unknown tensor": (
        with_tensor("blk.0.ffn_gate_inp.weight", np.zeros((2, 2))),
        "unknown tensor blk.0.ffn_gate_inp.weight",
    ),
    "another tokenizer": (
        setting("tokenizer.ggml.model", "gpt2"),
        "is of type 'gpt2', and SentencePiece's.*pass tokenizer=PATH",
    ),
    "a space before each text": (
        setting("tokenizer.ggml.add_space_prefix", True),
        "puts a space before each text",
    ),
    "no scores": (setting("tokenizer.ggml.scores", None), "has no tokenizer.ggml.scores, a list"),
    "numbers for words": (
        setting("tokenizer.ggml.tokens", np.arange(2112, dtype=np.int32)),
        "has no tokenizer.ggml.tokens, a list of words",
    ),
    "a score too few": (words("scores", lambda s: s[:-1]), "2112 tokens, 2111 scores and 2112"),
    "a word twice": (words("tokens", replaced(600, "<bos>")), "has a token twice, or an empty one"),
    "an empty word": (words("tokens", replaced(600, "")), "has a token twice, or an empty one"),
    "a word of no type": (words("token_type", replaced(600, 9)), r"of the unknown types \[9\]"),
    "no end of turn": (
        words("tokens", replaced(106, "<end>")),
        r"not a Gemma 3 tokenizer: it lacks \['<end_of_turn>'\]",
    ),
}


@pytest.mark.parametrize("case", DRAFTS)
def test_a_text_file_with_a_fault(good, tmp_path, case):
    spoil, message = DRAFTS[case]
    draft = Draft.read(good / "a.gguf")
    spoil(draft)
    draft.write(tmp_path / "a.gguf")
    with pytest.raises(ValueError, match=message) as error:
        load(tmp_path / "a.gguf")
    assert type(error.value) is ValueError


VISIONS = {
    "of another model": (
        setting("clip.projector_type", "llava"),
        "vision half of another model .projector 'llava'",
    ),
    "for another width": (
        tensor("mm.input_projection.weight", shape=(24, 16)),
        "makes soft tokens of width 16, but the text model's is 24",
    ),
    "of other pixels": (
        setting("clip.vision.image_mean", np.full(3, 0.25, np.float32)),
        "image_mean is .*; the pixels Gemma 3 was trained on need 0.5",
    ),
    "of more layers": (setting("clip.vision.block_count", 3), "clip.vision.block_count is 3, but"),
    "without a size": (setting("clip.vision.image_size", None), "vision.image_size is missing"),
    "of patches that do not fit": (setting("clip.vision.patch_size", 7), "not a multiple of patch"),
    "without a bias": (without("v.post_ln.bias"), "missing tensor v.post_ln.bias"),
    "of text": (setting("general.architecture", "gemma3"), "is a text model .gemma3., not a"),
}


@pytest.mark.parametrize("case", VISIONS)
def test_a_vision_file_with_a_fault(good, tmp_path, case):
    spoil, message = VISIONS[case]
    draft = Draft.read(good / "mmproj-a.gguf")
    spoil(draft)
    draft.write(tmp_path / "v.gguf")
    with pytest.raises(ValueError, match=message):
        load(good / "a.gguf", vision=tmp_path / "v.gguf")


def test_files_that_are_none(good, tmp_path):
    whole = (good / "a.gguf").read_bytes()
    cases = [
        (b"", "0 bytes are no GGUF file"),
        (whole[:10], "10 bytes are no GGUF file"),
        (b"PK\3\4" + whole[4:], "does not begin with GGUF"),
        (whole[:30], "do not fit its 30 bytes"),
        (whole[:5_000], "damaged or cut short: at"),
        (whole[:-100], "is cut short: it has"),
    ]
    for content, message in cases:
        (tmp_path / "a.gguf").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            load(tmp_path / "a.gguf")


def test_files_in_the_wrong_place(good, tmp_path):
    text_file, vision = good / "a.gguf", good / "mmproj-a.gguf"
    with pytest.raises(ValueError, match="is the vision half of a model; give the path of its"):
        load(vision)
    with pytest.raises(ValueError, match="is a text model"):
        load(text_file, vision=text_file)
    with pytest.raises(ValueError, match=r"no.gguf is not a file"):
        load(text_file, vision=tmp_path / "no.gguf")
    with pytest.raises(ValueError, match="goes with a GGUF file"):
        load("nano-it", vision=vision)
    with pytest.raises(ValueError, match="float16 is refused"):
        load(text_file, dtype=torch.float16)
    shutil.copy(vision, tmp_path / "v.gguf")
    with pytest.raises(ValueError, match=r"contains 0 GGUF models .none with text"):
        load(tmp_path)
    shutil.copy(text_file, tmp_path / "a.gguf")
    shutil.copy(vision, tmp_path / "w.gguf")
    with pytest.raises(ValueError, match=r"several vision files .v.gguf, w.gguf"):
        load(tmp_path)
    load(tmp_path, text_only=True)
    shutil.copy(text_file, tmp_path / "b.gguf")
    with pytest.raises(ValueError, match=r"contains 2 GGUF models .a.gguf, b.gguf"):
        load(tmp_path)


def test_parts_that_do_not_make_a_whole(good, tmp_path):
    draft = Draft.read(good / "a.gguf")
    parts = split(draft, tmp_path, "a", 3)
    second = Draft.read(parts[1])
    load(parts[0])

    def refused(source: Path, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            load(source)

    parts[1].unlink()
    refused(parts[0], r"1 are missing: a-00002-of-00003.gguf; put all parts into")
    shutil.copy(parts[0], tmp_path / "renamed.gguf")
    refused(tmp_path / "renamed.gguf", "is one of 3 parts of a model; their names must end in")
    shutil.copy(parts[2], parts[1])
    refused(parts[0], "split.no and split.count are not 1 and 3")
    other = dataclasses.replace(second, tensors=second.tensors | Draft.read(parts[0]).tensors)
    other.write(parts[1])
    refused(parts[0], "has the tensor .* that another part has too")
    second.tensors.popitem()
    second.write(parts[1])
    refused(parts[0], r"have \d+ tensors in place of \d+")


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damage_anywhere_is_a_value_error_or_harmless(good, tmp_path, data):
    """Bytes changed at random, mostly where settings and shapes are, and ends cut off."""
    content = bytearray((good / "a.gguf").read_bytes())
    end = data.draw(st.sampled_from([700, 3_000, 60_000, len(content)]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, end - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(24, len(content))) :]
    (tmp_path / "a.gguf").write_bytes(content)
    try:
        load(tmp_path / "a.gguf")
    except ValueError as error:
        refused = type(error)
    else:
        refused = ValueError
    assert refused is ValueError  # and not UnicodeDecodeError, which is one too
