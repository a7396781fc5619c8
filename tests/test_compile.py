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
from gemma3_edu import compiled
from gemma3_edu.compiled import OneRowLinear, compile_decode, product
from gemma3_edu.surgery import replace_linears
from tests.tiny import prompts, tiny_config, tiny_model

COMPILER = os.environ.get("CXX", "g++" if os.name == "posix" else "cl")
needs_compiler = pytest.mark.skipif(
    shutil.which(COMPILER) is None, reason=f"no C++ compiler ({COMPILER})"
)


def printed(tmp_path: Path, *arguments: str) -> list[float]:
    """The numbers that the script prints, in a process without pytest's hooks."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.compiled_decode", *arguments],
        cwd=Path(__file__).parents[1],
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
def test_compiled_blocks(tmp_path):
    """Same logits; few graphs, none of them a layer's own or broken."""
    largest, graphs, breaks = printed(tmp_path, "blocks")
    assert 0 < largest < 1e-5
    assert breaks == 0
    assert graphs <= 12, "of two models: their heads, and blocks of either kind as caches differ"


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
