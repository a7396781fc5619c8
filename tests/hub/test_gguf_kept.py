"""`load(..., keep_bits=True)`: the model of the dequantized file, in a fraction of its memory."""

import pytest
import torch

from gemma3_edu import Gemma3, KVCache, load, save
from gemma3_edu.fast import BlockwiseEmbedding, BlockwiseLinear, FastDecoder, compiled
from gemma3_edu.hub.gguf.names import gguf_name
from gemma3_edu.model.config import layer_pattern
from tests.gguf_files import Draft, Stored
from tests.tiny import prompts, tiny_config, tiny_model

CONFIG = tiny_config(
    hidden_size=64,
    intermediate_size=96,
    head_dim=32,
    query_pre_attn_scalar=32,
    layer_types=layer_pattern(6),
)
QUANTIZED = pytest.mark.parametrize("kind", ["Q4_0", "Q8_0"])


@pytest.fixture
def file(tmp_path, kind):
    save(tiny_model(CONFIG), None, tmp_path / "tiny.gguf", quantization=kind)
    return tmp_path / "tiny.gguf"


@QUANTIZED
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_it_is_the_dequantized_model(file, kind, dtype):
    kept, plain = load(file, keep_bits=True, dtype=dtype)[0], load(file, dtype=dtype)[0]
    batch = prompts(CONFIG, "t" * 12)
    assert torch.equal(kept(batch), plain(batch))
    assert kept(batch).dtype is dtype
    matrices = [n for n, p in plain.named_parameters() if p.ndim > 1]
    left = dict(kept.named_parameters())
    assert not left.keys() & set(matrices)
    assert left.keys() | set(matrices) == dict(plain.named_parameters()).keys()
    for name in matrices:
        module = kept.get_submodule(name.removesuffix(".weight"))
        linear = module.head if isinstance(module, BlockwiseEmbedding) else module
        assert isinstance(linear, BlockwiseLinear)
        assert torch.equal(linear.dequantized(dtype), plain.get_parameter(name))


@QUANTIZED
@torch.no_grad()
def test_its_decode_step_takes_the_bits(file, kind, monkeypatch):
    """As compiled: the matrices are exact, so in float32 it is the plain model up to rounding."""
    monkeypatch.setattr(compiled, "_check_compiler", lambda: None)
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    kept, plain = FastDecoder(load(file, keep_bits=True)[0]), load(file)[0]
    batch = prompts(CONFIG, "t" * 12)
    got, want = KVCache(CONFIG.text), KVCache(CONFIG.text)
    kept(batch.columns(0, 5), got), plain(batch.columns(0, 5), want)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    monkeypatch.setattr(BlockwiseLinear, "dequantized", None)
    for column in range(5, 12):
        step = batch.columns(column, column + 1)
        torch.testing.assert_close(kept(step, got), plain(step, want), rtol=1e-4, atol=1e-4)


@QUANTIZED
def test_other_types_are_named(file, kind):
    """A matrix of another type becomes numbers, and a warning says so."""
    draft = Draft.read(file)
    name = gguf_name("language_model.layers.0.mlp.up_proj.weight")
    plain = load(file)[0]
    wide = plain.get_submodule("language_model.layers.0.mlp.up_proj").weight.detach()
    draft.tensors[name] = Stored.of(wide.numpy())
    draft.write(file)
    with pytest.warns(UserWarning, match=r"1 of F32\) are dequantized to torch.float32"):
        kept, _ = load(file, keep_bits=True)
    batch = prompts(CONFIG, "ttt")
    assert torch.equal(kept(batch), plain(batch))


@pytest.mark.parametrize("kind", [None])
def test_a_file_without_such_types_is_refused(file):
    with pytest.raises(ValueError, match=r"this file's matrices are \d+ of F32"):
        load(file, keep_bits=True)


def test_only_files_have_bits_to_keep():
    with pytest.raises(ValueError, match="keep_bits=True goes with a GGUF file on a CPU"):
        load("nano-it", keep_bits=True)


@QUANTIZED
def test_it_cannot_be_saved(file, kind, tmp_path):
    model: Gemma3 = load(file, keep_bits=True)[0]
    with pytest.raises(ValueError, match="save it before it is quantized"):
        save(model, None, tmp_path / "again.gguf")
