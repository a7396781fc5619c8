"""`torch.compile` takes a decode step as one graph, and compiled steps give the same logits."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from gemma3_edu import __main__ as terminal
from gemma3_edu.fast import compiled
from gemma3_edu.fast.compiled import OneRowLinear, attend_one, compile_decode, product
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


@pytest.fixture
def any_compiler(monkeypatch):
    monkeypatch.setattr(compiled, "_check_compiler", lambda: None)


def test_weights_are_shared_and_keep_their_names(any_compiler):
    model = tiny_model(tiny_config(vision=True))
    quick = compile_decode(model)
    ours, theirs = dict(model.named_parameters()), dict(quick.named_parameters())
    assert ours.keys() == theirs.keys()
    assert all(ours[name] is theirs[name] for name in ours)
    assert not any(isinstance(module, OneRowLinear) for module in model.modules())
    model.get_parameter("language_model.norm.weight").data.add_(1)
    batch = prompts(model.config, "tt#tt", "tttt")
    before = model(batch)
    assert torch.equal(quick(batch), before)  # not one row: the same operations
    replace_linears(model, lambda name, linear: Doubled(linear), "*.0.mlp.up_proj")
    assert not torch.equal(model(batch), before)
    assert torch.equal(quick(batch), before)  # and goes on as it was


def test_layers_put_in_before_are_kept(any_compiler):
    model = tiny_model(tiny_config())
    batch = prompts(model.config, "tttttttt")
    replace_linears(model, lambda name, linear: Doubled(linear), "*.mlp.up_proj")
    quick = compile_decode(model)
    assert torch.equal(quick(batch), model(batch))
    assert not torch.equal(quick(batch), tiny_model(tiny_config())(batch))


def test_an_attention_put_in_before_is_kept(any_compiler):
    model = tiny_model(tiny_config())
    model.get_submodule("language_model.layers.1.self_attn").attend = first_key_alone
    batch = prompts(model.config, "tttttttt")
    quick = compile_decode(model)
    kernels = [block.self_attn.attend for block in quick.language_model.layers]
    assert kernels == [attend_one, first_key_alone, attend_one]
    assert torch.equal(quick(batch), model(batch))


def first_key_alone(q, k, v, mask, scale):
    return attend_fused(q, k[:, :, :1], v[:, :, :1], mask[..., :1], scale)


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_prompts_run_as_in_the_model(at_once, any_compiler):
    """In groups too, each layer keeps its keys and values where the model's keeps them."""
    model = tiny_model(tiny_config())
    quick, batch = compile_decode(model, at_once), prompts(model.config, "t" * 18)
    hidden, caches = [], [KVCache(model.config.text, max_length=18) for _ in range(2)]
    for each, cache in zip((model, quick), caches, strict=True):
        for start in (0, 6, 12):  # no chunk of one column, which would be compiled
            hidden.append(each.hidden_states(batch.columns(start, start + 6), cache))
    assert all(torch.equal(*pair) for pair in zip(hidden[:3], hidden[3:], strict=True))
    for kind in ("keys", "values"):
        stores = zip(*(getattr(cache, kind) for cache in caches), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in stores)


def test_a_graph_holds_a_block(any_compiler):
    with pytest.raises(ValueError, match=r"at_once=0 blocks: .* at least 1"):
        compile_decode(tiny_model(tiny_config()), at_once=0)


class Doubled(nn.Module):
    """What surgery may put around a layer, a Linear with a bias inside."""

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
        compile_decode(tiny_model(tiny_config()))


def test_chat_compiles_when_asked_to(monkeypatch, capsys):
    """And says on stderr why its first tokens wait."""
    compiled_models = []

    def compile_nothing(model):
        compiled_models.append(model)
        return model

    monkeypatch.setattr(terminal, "compile_decode", compile_nothing)
    question = ["chat", "--max-new-tokens", "1", "Hi"]
    assert terminal.main(question) == 0
    plain = capsys.readouterr()
    assert terminal.main([*question, "--compile"]) == 0
    told = capsys.readouterr()
    assert (plain.out, plain.err) == (told.out, "")
    assert len(compiled_models) == 1
    assert "compiling" in told.err
