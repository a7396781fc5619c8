"""`torch.compile` takes a decode step as one graph, and compiled steps give the same logits."""

import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from gemma3_edu import __main__ as terminal
from gemma3_edu.fast import compiled
from gemma3_edu.fast.compiled import FastDecoder, OneRowLinear, attend_one, product
from gemma3_edu.fast.quantize import quantize_weights
from gemma3_edu.model.attention import attend, attend_fused
from gemma3_edu.model.cache import KVCache
from gemma3_edu.study.replace import replace_linears
from tests.tiny import prompts, tiny_config, tiny_model

COMPILER = os.environ.get("CXX", "g++" if os.name == "posix" else "cl")
needs_compiler = pytest.mark.skipif(
    shutil.which(COMPILER) is None, reason=f"no C++ compiler ({COMPILER})"
)


def printed(tmp_path: Path, *arguments: str) -> list[float]:
    """The numbers that the script prints, in a process without pytest's hooks."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.fast.compiled_decode", *arguments],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return [float(number) for number in run.stdout.split()]


def test_a_full_graph(tmp_path):
    """The same operations as without compilation, so the same bits."""
    assert printed(tmp_path, "whole", "eager") == [0]


@pytest.mark.slow  # a minute or two of C++
@needs_compiler
def test_inductor(tmp_path):
    (largest,) = printed(tmp_path, "whole", "inductor")
    assert largest < 1e-5


@needs_compiler
@pytest.mark.parametrize(("what", "most"), [("blocks", 10), ("groups", 6)])
def test_compiled_blocks(what, most, tmp_path):
    """Same logits; few graphs, none of them a layer's own, or a slot's, or broken."""
    largest, graphs, breaks = printed(tmp_path, what)
    assert 0 < largest < 1e-5
    assert breaks == 0
    assert graphs <= most, "each model's head, and its blocks or groups as caches grow and differ"


def test_the_product_with_kept_bits_is_a_full_graph(tmp_path):
    """A break in it costs no digit, but makes a step with kept bits twice as slow."""
    assert printed(tmp_path, "product") == [0, 0]


@pytest.mark.slow  # a minute or two of C++
@needs_compiler
def test_compiled_bits(tmp_path):
    pytest.importorskip("gguf")
    largest, _, breaks = printed(tmp_path, "kept")
    assert 0 < largest < 1e-5
    assert breaks == 0


@pytest.fixture
def any_compiler(monkeypatch):
    monkeypatch.setattr(compiled, "_check_compiler", lambda: None)


@pytest.fixture
def uncompiled(monkeypatch, any_compiler):
    """A step as Python runs it, so that only what is compiled is tested, not the compiler."""
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)


def test_weights_are_shared_and_keep_their_names(any_compiler):
    model = tiny_model(tiny_config(vision=True))
    fast = FastDecoder(model)
    ours, theirs = dict(model.named_parameters()), dict(fast.named_parameters())
    assert ours.keys() == theirs.keys()
    assert all(ours[name] is theirs[name] for name in ours)
    assert not any(isinstance(module, OneRowLinear) for module in model.modules())
    model.get_parameter("language_model.norm.weight").data.add_(1)
    batch = prompts(model.config, "tt#tt", "tttt")
    before = model(batch)
    assert torch.equal(fast(batch), before)  # not one row: the same operations
    replace_linears(model, lambda name, linear: Doubled(linear), "*.0.mlp.up_proj")
    assert not torch.equal(model(batch), before)
    assert torch.equal(fast(batch), before)  # and goes on as it was


def test_layers_put_in_before_are_kept(any_compiler):
    model = tiny_model(tiny_config())
    batch = prompts(model.config, "tttttttt")
    replace_linears(model, lambda name, linear: Doubled(linear), "*.mlp.up_proj")
    fast = FastDecoder(model)
    assert torch.equal(fast(batch), model(batch))
    assert not torch.equal(fast(batch), tiny_model(tiny_config())(batch))


def test_an_attention_put_in_before_is_kept(any_compiler):
    model = tiny_model(tiny_config())
    model.get_submodule("language_model.layers.1.self_attn").attend = first_key_alone
    batch = prompts(model.config, "tttttttt")
    fast = FastDecoder(model)
    cores = [block.self_attn.attend for block in fast.language_model.layers]
    assert cores == [attend_one, first_key_alone, attend_one]
    assert torch.equal(fast(batch), model(batch))


def first_key_alone(q, k, v, mask, scale):
    return attend_fused(q, k[:, :, :1], v[:, :, :1], mask[..., :1], scale)


@pytest.mark.parametrize("max_length", [30, None])
@pytest.mark.parametrize("blocks_per_graph", [1, 2, 5])
@torch.no_grad()
def test_a_step_is_the_models(blocks_per_graph, max_length, uncompiled):
    """The same logits, and the same keys and values in the same places, layer by layer.

    In groups of blocks too, while the rings fill, come back to their first slot and go on.
    """
    model = tiny_model(tiny_config())
    fast, batch = FastDecoder(model, blocks_per_graph), prompts(model.config, "t" * 30)
    want, cache = stepwise(model, batch, max_length)
    got, fast_cache = stepwise(fast, batch, max_length)
    assert torch.equal(got, want)
    assert fast_cache.length == cache.length == 30
    for ours, theirs in zip(fast_cache.keys, cache.keys, strict=True):
        assert torch.equal(ours[:, :, :30], theirs[:, :, :30])
    for ours, theirs in zip(fast_cache.values, cache.values, strict=True):
        assert torch.equal(ours[:, :, :30], theirs[:, :, :30])


def stepwise(model, batch, max_length):
    """Logits of chunks of three columns, one and one again, then of single ones; and the cache."""
    cache = KVCache(model.config.text, max_length=max_length)
    borders = [0, 3, 4, 5, 8, *range(9, 31)]
    parts = [model(batch.columns(start, stop), cache) for start, stop in pairwise(borders)]
    return torch.cat(parts, dim=1), cache


@torch.no_grad()
def test_what_is_no_step_is_never_compiled(monkeypatch, any_compiler):
    """Several tokens, several rows and no cache run as in the model; a step and a head do not."""
    monkeypatch.setattr(torch, "compile", lambda function, **options: compiled_call)
    fast = FastDecoder(tiny_model(tiny_config()))
    text = fast.config.text
    fast.hidden_states(prompts(fast.config, "tttttt"), KVCache(text))
    fast(prompts(fast.config, "tttt", "tttt"), KVCache(text, batch_size=2))
    fast(prompts(fast.config, "t", "t"), KVCache(text, batch_size=2))
    one = prompts(fast.config, "t")
    with torch.enable_grad():
        fast(one, KVCache(text))
    for compiled_work in (lambda: fast(one, KVCache(text)), lambda: fast(one)):
        with pytest.raises(RuntimeError, match="compiled"):
            compiled_work()


def compiled_call(*inputs):
    raise RuntimeError("this is compiled")


@pytest.mark.parametrize("bits", [8, 4])
@torch.no_grad()
def test_quantized_weights_are_kept(bits, uncompiled):
    model = tiny_model(tiny_config(hidden_size=64, intermediate_size=96, head_dim=32)).to(
        torch.bfloat16
    )
    quantize_weights(model, bits)
    fast, batch = FastDecoder(model), prompts(model.config, "t" * 9)
    kinds = [type(module) for module in fast.language_model.modules()]
    assert kinds == [type(module) for module in model.language_model.modules()]
    caches = [KVCache(model.config.text, dtype=torch.bfloat16) for _ in range(2)]
    for column in range(9):
        step = batch.columns(column, column + 1)
        assert torch.equal(fast(step, caches[0]), model(step, caches[1]))


def test_a_graph_holds_a_block(any_compiler):
    with pytest.raises(ValueError, match=r"blocks_per_graph=0 must be at least 1"):
        FastDecoder(tiny_model(tiny_config()), blocks_per_graph=0)


class Doubled(nn.Module):
    """What may be put around a layer, with a Linear with a bias inside."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.linear = linear
        self.biased = nn.Linear(linear.out_features, linear.out_features)

    def forward(self, x):
        return self.biased(self.linear(x)) * 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(24,), (1, 24), (1, 1, 24), (2, 3, 24)])
def test_the_sum_is_the_product(shape, dtype, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator).to(dtype)
    weight = torch.randn(40, 24, generator=generator).to(dtype)
    plain = product(x, weight)
    assert torch.equal(plain, nn.functional.linear(x, weight))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    summed = product(x, weight)
    assert summed.dtype == dtype
    exact = nn.functional.linear(x.double(), weight.double())
    bound = 1e-5 if dtype is torch.float32 else 2**-8  # bfloat16 is rounded once, at the end
    torch.testing.assert_close(summed.double(), exact, rtol=bound, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(("heads", "shared"), [(4, 1), (4, 2), (3, 3)])
def test_one_query_as_sums(heads, shared, dtype, monkeypatch):
    """Of two rows, one sees some keys, the other none."""
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(2, heads, 1, 8, generator=generator).to(dtype)
    k, v = torch.randn(2, 2, shared, 7, 8, generator=generator).to(dtype)
    mask = torch.tensor([[True, False, True, True, False, True, False], [False] * 7])[:, None]
    inputs = (q, k, v, mask, 0.3)
    assert torch.equal(attend_one(*inputs), attend_fused(*inputs))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    summed = attend_one(*inputs)
    assert (summed.dtype, summed.shape) == (dtype, q.shape)
    exact, _ = attend(q.double(), k.double(), v.double(), mask, 0.3)
    bound = 2**-8 if dtype is torch.bfloat16 else 1e-5  # bfloat16 is rounded once, at the end
    torch.testing.assert_close(summed.double(), exact, rtol=bound, atol=1e-6)
    several = q.repeat(1, 1, 2, 1), k, v, mask.repeat(1, 2, 1), 0.3
    assert torch.equal(attend_one(*several), attend_fused(*several))


def test_without_a_compiler_it_says_what_to_do(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match=r"no 'no-such-compiler'.*install one.*CXX"):
        FastDecoder(tiny_model(tiny_config()))


def test_chat_compiles_when_asked_to(monkeypatch, capsys):
    """And says on stderr why its first tokens wait."""
    compiled_models = []

    def compile_nothing(model):
        compiled_models.append(model)
        return model

    monkeypatch.setattr(terminal, "FastDecoder", compile_nothing)
    question = ["chat", "--max-new-tokens", "1", "Hi"]
    assert terminal.main(question) == 0
    plain = capsys.readouterr()
    assert terminal.main([*question, "--compile"]) == 0
    compiling = capsys.readouterr()
    assert (plain.out, plain.err) == (compiling.out, "")
    assert len(compiled_models) == 1
    assert "compiling" in compiling.err
