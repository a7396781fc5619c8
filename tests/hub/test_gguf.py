"""GGUF there and back: weights, config, tokenizer, and what other converters do differently."""

import dataclasses
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from gemma3_edu import Message, Processor, load, save
from gemma3_edu.__main__ import main
from gemma3_edu.hub.gguf.header import Head, TensorInfo, read_head
from gemma3_edu.hub.gguf.names import gguf_name, our_name
from gemma3_edu.hub.gguf.reading import read_gguf
from gemma3_edu.hub.gguf.settings import read_config, text_settings
from gemma3_edu.hub.tokenizer_json import read_pieces
from gemma3_edu.hub.weights import matched
from gemma3_edu.model.config import Gemma3Config, layer_pattern
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.model.presets import PRESETS

from ..gguf_files import Draft, split
from ..tiny import tiny_model
from ..tokenizers import small_config, small_tokenizer

TEXTS = ["Call me Ishmael.\n\n\n  Two  spaces\t\tand 12345.", "<start_of_turn>user\n", "▁▁ é 🐳"]


def storable(preset: str = "tiny") -> Gemma3Config:
    """A test config with nothing that GGUF has no place for, and rows that only fill up."""
    config = small_config(preset)
    rows = config.text.vocab_size + (0 if config.vision else 5)
    scale = config.text.head_dim
    text = dataclasses.replace(config.text, query_pre_attn_scalar=scale, vocab_size=rows)
    return dataclasses.replace(config, text=text)


def model_and_processor(preset: str = "tiny") -> tuple[Gemma3, Processor]:
    config = storable(preset)
    return tiny_model(config), Processor(small_tokenizer(), config)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """A folder with a multimodal model in two files."""
    folder = tmp_path_factory.mktemp("gguf")
    save(*model_and_processor(), folder / "tiny.gguf")
    return folder


def same_function(a: Gemma3, b: Gemma3) -> bool:
    """Whether all matrices are equal, and all gains 1 + w, which is what a model computes with."""
    ours, theirs = dict(a.named_parameters()), dict(b.named_parameters())
    assert ours.keys() == theirs.keys()
    return all(
        torch.equal(1 + p.float(), 1 + theirs[n].float())
        if gguf_name(n).endswith("norm.weight")
        else torch.equal(p, theirs[n])
        for n, p in ours.items()
    )


@pytest.mark.parametrize("preset", ["tiny", "tiny-text"])
def test_float32_comes_back_exactly(preset, tmp_path):
    model, processor = model_and_processor(preset)
    file, vision = tmp_path / "a.gguf", tmp_path / "mmproj-a.gguf"
    save(model, processor, file)
    again, processor_again = load(file, vision=vision if model.vision else None)
    assert {f.name for f in tmp_path.iterdir()} == {"a.gguf"} | (
        {"mmproj-a.gguf"} if model.vision else set()
    )
    assert again.config == model.config
    assert same_function(model, again)
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    batch = processor.text(TEXTS)
    assert torch.equal(processor_again.text(TEXTS).tokens, batch.tokens)
    with torch.no_grad():
        assert torch.equal(again(batch), model(batch))
        if model.vision:
            size = model.config.vision.image_size
            images = torch.rand(2, 3, size, size)
            assert torch.equal(again.vision(images), model.vision(images))
    # What was rounded once is not rounded again: 1 + w is a float32 now.
    save(again, processor_again, tmp_path / "b.gguf")
    third, _ = load(tmp_path / "b.gguf")
    assert all(
        torch.equal(p, dict(again.named_parameters())[n]) for n, p in third.named_parameters()
    )


def test_the_tokenizer_comes_back_piece_by_piece(saved):
    _, processor = load(saved)
    assert read_pieces(processor.tokenizer.model) == read_pieces(small_tokenizer().model)
    for text in TEXTS:
        assert processor.tokenizer.encode(text) == small_tokenizer().encode(text)
    words = read_head(saved / "tiny.gguf").settings["tokenizer.ggml.tokens"]
    assert len(words) == storable().text.vocab_size
    assert words[138] == "  "  # as llama.cpp wants runs of spaces
    assert words[processor.tokenizer.soft_id] == "<image_soft_token>"


def test_a_folder_is_read_whole_or_its_text_alone(saved):
    whole, _ = load(saved)
    text, processor = load(saved, text_only=True)
    assert whole.config == storable()
    assert (text.vision, text.config.vision) == (None, None)
    assert processor is not None
    assert load(saved / "tiny.gguf")[0].vision is None  # a file alone is text


def test_bfloat16_stays_bfloat16(tmp_path):
    model, processor = load("nano-it", dtype=torch.bfloat16)
    save(model, processor, tmp_path / "nano.gguf")
    again, _ = load(tmp_path)
    assert {p.dtype for p in again.parameters()} == {torch.bfloat16}
    assert same_function(model, again)
    wide, _ = load(tmp_path, dtype=torch.float32)
    assert {p.dtype for p in wide.parameters()} == {torch.float32}


@pytest.mark.parametrize(("kind", "bits"), [("Q8_0", 8), ("Q4_0", 4)])
def test_blocks_are_those_of_the_library(kind, bits, tmp_path):
    model, processor = load("nano-it")
    save(model, processor, tmp_path / "nano.gguf", quantization=kind)
    again, _ = load(tmp_path)
    number = gguf.GGMLQuantizationType[kind]
    for name, before in model.named_parameters():
        after = dict(again.named_parameters())[name]
        if name.startswith("vision.") or before.ndim == 1:
            assert torch.equal(1 + before, 1 + after)
            continue
        numbers = before.detach().numpy()
        expected = gguf.dequantize(gguf.quantize(numbers, number), number)
        assert np.array_equal(after.detach().numpy(), expected)
        blocks = before.detach().view(-1, 32)
        step = blocks.abs().amax(1, keepdim=True) / 2 ** (bits - 1)
        # Scales are float16, whose smallest step, 2**-24, is felt where all of a block is tiny.
        rounded = 2 ** (bits - 1) * 2.0**-25
        assert ((after.detach().view(-1, 32) - blocks).abs() <= 1.1 * step + rounded).all()
    file = (tmp_path / "nano.gguf").stat().st_size
    weights = sum(p.numel() for p in model.language_model.parameters())
    assert weights * bits / 8 < file < 1.3 * weights * (bits + 0.5) / 8 + 150_000  # its words


def test_the_raw_blocks_of_a_tensor(tmp_path):
    """What keeps bits reads: the file's own bytes, without a copy, one row for each row."""
    model, processor = load("nano-it")
    save(model, processor, tmp_path / "nano.gguf", quantization="Q4_0")
    _, _, files = read_gguf(tmp_path / "nano.gguf")
    ours = "language_model.layers.3.mlp.down_proj.weight"
    kind, blocks = files.blocks(files.their_name(ours, False))
    assert kind is gguf.GGMLQuantizationType.Q4_0
    assert blocks.shape == (128, 352 // 32 * 18)
    assert np.shares_memory(blocks, files.blocks(files.their_name(ours, False))[1])
    assert np.array_equal(gguf.dequantize(blocks, kind), files["blk.3.ffn_down.weight"].numpy())


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc/self/maps")
def test_a_matrix_in_its_own_dtype_is_the_file_until_it_is_written_to(saved):
    one, two = load(saved)[0], load(saved)[0]
    mapped = [
        line for line in Path("/proc/self/maps").read_text().splitlines() if saved.name in line
    ]
    pages = [[int(end, 16) for end in line.split()[0].split("-")] for line in mapped]
    before = (saved / "tiny.gguf").read_bytes()
    for name, parameter in one.named_parameters():
        if parameter.ndim > 1:
            assert any(start <= parameter.data_ptr() < stop for start, stop in pages), name
            with torch.no_grad():
                parameter.add_(1)
    assert not same_function(one, two)
    assert (saved / "tiny.gguf").read_bytes() == before


@pytest.mark.parametrize("name", ["270m", "1b", "4b", "12b", "27b", "nano"])
def test_the_configs_of_all_sizes_come_back(name):
    """Also from a file that states only what llama.cpp needs, without factor 8."""
    config = PRESETS[name]
    data = np.zeros(0, np.uint8)
    shape = (config.text.vocab_size, config.text.hidden_size)
    tensors = {"token_embd.weight": TensorInfo(gguf.GGMLQuantizationType.F32, shape, data)}
    for layer in range(config.text.num_hidden_layers):
        tensors[f"blk.{layer}.attn_q.weight"] = tensors["token_embd.weight"]
    stated = text_settings(config)
    assert read_config(Head(Path("a"), stated, tensors), None, None).text == config.text
    if name != "nano":
        bare = {k: v for k, v in stated.items() if ".rope." not in k and "epsilon" not in k}
        assert read_config(Head(Path("a"), bare, tensors), None, None).text == config.text


def test_names_are_a_bijection():
    ours = [name for name, _ in tiny_model(storable()).named_parameters()]
    theirs = [gguf_name(name) for name in ours]
    assert len(set(theirs)) == len(ours)
    assert [our_name(name) for name in theirs] == ours
    assert our_name("blk.0.ffn_gate_inp.weight") is our_name("blk.-1.ffn_up.weight") is None


def test_a_split_model_is_read_by_any_of_its_parts(saved, tmp_path):
    parts = split(Draft.read(saved / "tiny.gguf"), tmp_path, "tiny", 3)
    whole, _ = load(saved, text_only=True)
    for source in (*parts, tmp_path):
        assert same_function(load(source)[0], whole)


def renamed(draft: Draft, names: dict[str, str]) -> Draft:
    def new(name: str) -> str:
        for old, other in names.items():
            name = name.replace(old, other)
        return name

    return dataclasses.replace(draft, tensors={new(n): t for n, t in draft.tensors.items()})


def test_older_conversions_swap_the_two_matrices_of_the_vision_mlp(saved, tmp_path):
    draft = Draft.read(saved / "mmproj-tiny.gguf")
    swap = {".ffn_up.": ".tmp.", ".ffn_down.": ".ffn_up.", ".tmp.": ".ffn_down."}
    renamed(draft, swap).write(tmp_path / "old.gguf")
    model, _ = load(saved / "tiny.gguf", vision=tmp_path / "old.gguf")
    assert same_function(model, load(saved)[0])


def test_a_file_in_ollamas_layout(saved, tmp_path):
    """One file without a suffix, its vision tensors named otherwise, few settings stated."""
    text, vision = Draft.read(saved / "tiny.gguf"), Draft.read(saved / "mmproj-tiny.gguf")
    names = {
        "v.patch_embd.": "v.patch_embedding.",
        "v.position_embd.": "v.position_embedding.",
        "v.post_ln.": "v.post_layernorm.",
        ".ln1.": ".layer_norm1.",
        ".ln2.": ".layer_norm2.",
        ".attn_out.": ".attn_output.",
        ".ffn_up.": ".mlp.fc1.",
        ".ffn_down.": ".mlp.fc2.",
        "mm.": "mm.mm_",
    }
    text.tensors |= renamed(vision, names).tensors
    text.settings |= {
        name.replace("clip.vision", "gemma3.vision"): value
        for name, value in vision.settings.items()
        if name.startswith("clip.vision.") and not isinstance(value, np.ndarray)
    }
    for name in ("gemma3.attention.layer_norm_rms_epsilon", "gemma3.rope.freq_base"):
        del text.settings[name]
    local = [kind.name == "LOCAL" for kind in layer_pattern(13)]
    text.settings["gemma3.attention.sliding_window_pattern"] = np.array(local)
    text.write(tmp_path / "sha256-0123")
    whole, _ = load(saved)
    model, _ = load(tmp_path / "sha256-0123", vision=tmp_path / "sha256-0123")
    assert model.config == whole.config
    assert same_function(model, whole)
    assert load(tmp_path / "sha256-0123")[0].vision is None


def test_what_is_in_a_file_is_not_run(saved, tmp_path, monkeypatch):
    """A chat template is a program: it is neither rendered nor compiled."""
    draft = Draft.read(saved / "tiny.gguf")
    trap = tmp_path / "trap"
    attack = f"{{{{ cycler.__init__.__globals__.os.system('touch {trap}') }}}}"
    draft.settings["tokenizer.chat_template"] = attack
    draft.settings["general.name"] = f"__import__('os').system('touch {trap}')"
    draft.write(tmp_path / "a.gguf")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    _, processor = load(tmp_path / "a.gguf")
    plain = load(saved)[1]
    messages = [Message.user("Hello")]
    assert torch.equal(processor(messages).tokens, plain(messages).tokens)
    assert not trap.exists()


def test_saving_refuses_what_it_cannot_keep_and_touches_nothing(saved, tmp_path):
    file = tmp_path / "a.gguf"
    file.write_bytes(b"before")
    model, processor = model_and_processor()
    for options, message in [
        ({"quantization": "Q4_0"}, "rows of blk.0.attn_q.weight|rows of token_embd.weight"),
        ({"quantization": "Q3_K"}, "'Q3_K' is unknown"),
    ]:
        with pytest.raises(ValueError, match=message):
            save(model, processor, file, **options)
    with pytest.raises(ValueError, match=r"query_pre_attn_scalar=7 has no place"):
        save(Gemma3(PRESETS["tiny-text"]), None, file)
    with pytest.raises(ValueError, match=r"does not end in .gguf"):
        save(model, processor, tmp_path / "folder", quantization="Q8_0")
    assert [f.name for f in tmp_path.iterdir()] == ["a.gguf"]
    assert file.read_bytes() == b"before"


def test_an_earlier_vision_file_does_not_stay_with_another_model(tmp_path):
    save(*model_and_processor(), tmp_path / "a.gguf")
    save(*model_and_processor("tiny-text"), tmp_path / "a.gguf")
    assert [f.name for f in tmp_path.iterdir()] == ["a.gguf"]


def test_without_a_processor_there_is_no_tokenizer(tmp_path):
    model, _ = model_and_processor("tiny-text")
    save(model, None, tmp_path / "a.gguf")
    again, processor = load(tmp_path / "a.gguf")
    assert processor is None
    assert again.config.text == model.config.text
    other = load(tmp_path / "a.gguf", tokenizer="tests/data/tokenizer.model")[1]
    assert other.tokenizer.encode("Ishmael") == small_tokenizer().encode("Ishmael")


def test_the_library_is_an_extra(saved, monkeypatch):
    for name in [*sys.modules]:
        if name.split(".")[0] == "gguf" or name.startswith("gemma3_edu.hub.gguf"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gguf", None)
    monkeypatch.delattr("gemma3_edu.hub.gguf")
    with pytest.raises(ValueError, match=r"pip install 'gemma3_edu\[gguf\]'"):
        load(saved)


def test_in_the_terminal(tmp_path, capsys):
    save(*load("nano-it"), tmp_path / "nano.gguf")
    question = ["--temperature", "0", "--max-new-tokens", "8", "What is two plus two?"]
    answers = []
    for model in ("nano-it", str(tmp_path / "nano.gguf")):
        assert main(["chat", "--model", model, *question]) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1]


def test_matched_speaks_of_the_names_in_the_file(saved):
    _, _, files = read_gguf(saved)
    with torch.device("meta"):
        other = Gemma3(PRESETS["tiny-text"])
    with pytest.raises(ValueError, match=r"token_embd.weight has shape") as error:
        matched(dict(other.named_parameters()), files)
    assert "unknown tensor blk.7.attn_norm.weight" in str(error.value)
