"""Quantized weights: the kernel's product is that of the rounded matrix."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gemma3_edu.fast.quantize import (
    MAX_INT8_ROWS,
    Int4Linear,
    Int8Embedding,
    Int8Linear,
    quantize_weights,
)
from gemma3_edu.generation.generate import generate
from gemma3_edu.generation.sampling import Sampler
from gemma3_edu.hub.checkpoint import save
from gemma3_edu.model.gemma3 import Gemma3
from gemma3_edu.study.replace import replace_linears
from tests.tiny import prompts, tiny_config, tiny_model

BFLOAT16 = torch.bfloat16
OUT, IN = 48, 96
ROUNDED = {"rtol": 0.02, "atol": 0.02}  # bfloat16 keeps 8 bits of a product of order one


def config():
    """A tiny model whose sizes the kernels take."""
    tiny = tiny_config()
    text = replace(
        tiny.text, hidden_size=64, intermediate_size=96, num_attention_heads=4, head_dim=32
    )
    return replace(tiny, text=text)


@pytest.fixture
def model() -> Gemma3:
    return tiny_model(config()).to(BFLOAT16)


@pytest.fixture(scope="module")
def weight() -> torch.Tensor:
    drawn = torch.randn(OUT, IN, generator=torch.Generator().manual_seed(0)) * IN**-0.5
    drawn[3] = 0  # a row and so groups without any number to scale by
    drawn[5, 7] = -3  # the largest of its row and group, below zero
    return drawn.to(BFLOAT16)


def inputs(rows: int) -> torch.Tensor:
    return torch.randn(rows, IN, generator=torch.Generator().manual_seed(1)).to(BFLOAT16)


def int4_matrix(layer: Int4Linear) -> torch.Tensor:
    """What the kernel multiplies with: its products with the rows of the identity."""
    return layer(torch.eye(IN, dtype=BFLOAT16)).T


def test_int8_in_a_compiled_graph_is_the_kernels_product(weight, monkeypatch):
    layer, x = Int8Linear(weight), inputs(1)
    kernel = layer(x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    summed = layer(x[None])
    assert summed.dtype == BFLOAT16
    assert summed.shape == (1, *kernel.shape)
    torch.testing.assert_close(summed[0], kernel, **ROUNDED)
    few = inputs(MAX_INT8_ROWS)
    torch.testing.assert_close(layer(few), torch.cat([layer(row[None]) for row in few]), **ROUNDED)


def test_int8_is_off_by_half_a_step_at_most(weight):
    layer = Int8Linear(weight)
    step = weight.abs().amax(1).float() / 127
    error = (layer.weight.float() * layer.scale.float()[:, None] - weight.float()).abs()
    assert (error <= step[:, None] * 0.5 + weight.float().abs() * 2**-8).all()
    assert layer.weight.abs().amax() == 127
    assert layer.weight[3].eq(0).all()
    assert layer.weight.nbytes + layer.scale.nbytes == OUT * IN + 2 * OUT


def test_int4_is_off_by_half_a_step_except_at_the_far_end(weight):
    got = int4_matrix(Int4Linear(weight)).float().unflatten(1, (-1, 32))
    groups = weight.float().unflatten(1, (-1, 32))
    step = groups.abs().amax(2, keepdim=True) / 8
    far = groups.abs() > 7.5 * step  # at +8 where only -8 exists: a whole step
    error = (got - groups).abs()
    assert (error[~far] <= (0.5 * step + groups.abs() * 2**-7).expand_as(error)[~far]).all()
    assert (error <= step + groups.abs() * 2**-7).all()
    largest = groups.abs().argmax(2, keepdim=True)  # stands at -8, whatever its sign
    torch.testing.assert_close(got.gather(2, largest), groups.gather(2, largest), rtol=0.01, atol=0)
    assert got[3].eq(0).all()
    assert len(got[0, 0].unique()) <= 16


@pytest.mark.parametrize("group_size", [32, 64])
def test_int4_stores_half_a_byte_a_weight_and_two_numbers_a_group(group_size):
    layer = Int4Linear(torch.ones(32, 128, dtype=BFLOAT16), group_size)
    assert layer.packed.nbytes == 32 * 128 // 2
    assert layer.scale.nbytes == 32 * (128 // group_size) * 2 * 2


@pytest.mark.parametrize("rows", [1, MAX_INT8_ROWS, MAX_INT8_ROWS + 1, 33])
@pytest.mark.parametrize("make", [Int8Linear, Int4Linear])
def test_few_rows_and_many_are_products_with_one_matrix(weight, make, rows):
    layer = make(weight)
    matrix = layer.dequantized() if make is Int8Linear else int4_matrix(layer)
    want = inputs(rows).float() @ matrix.float().T
    got = layer(inputs(rows))
    assert got.dtype is BFLOAT16
    torch.testing.assert_close(got.float(), want, **ROUNDED)
    spread = inputs(rows).unflatten(0, (1, rows)).transpose(0, 1)  # R 1 in, no longer in one piece
    torch.testing.assert_close(layer(spread)[:, 0].float(), want, **ROUNDED)


def test_the_embedding_reads_its_rows_both_ways():
    table = torch.randn(20, 64, generator=torch.Generator().manual_seed(2)).to(BFLOAT16)
    packed = Int8Embedding(table)
    rows = packed.head.dequantized()
    ids = torch.tensor([[3, 0, 19]])
    torch.testing.assert_close(packed(ids), rows[ids] * 8)
    x = torch.randn(1, 2, 64).to(BFLOAT16)
    want = F.linear(x.float(), rows.float())
    torch.testing.assert_close(packed.logits(x).float(), want, rtol=0.02, atol=0.1)


@pytest.mark.parametrize("bits", [8, 4])
def test_a_quantized_model_is_the_one_with_the_rounded_matrices(model, bits):
    names = quantize_weights(model, bits)
    linears = len([m for m in tiny_model(config()).language_model.modules()
                   if isinstance(m, nn.Linear)])  # fmt: skip
    assert len(names) == linears + 1
    assert all(name.startswith("language_model.") for name in names)
    plain = tiny_model(config()).to(BFLOAT16)

    def rounded(name: str, linear: nn.Linear) -> nn.Module:
        packed = model.get_submodule(name)
        twin = nn.Linear(linear.in_features, linear.out_features, bias=False, dtype=BFLOAT16)
        eye = torch.eye(linear.in_features, dtype=BFLOAT16)
        twin.weight = nn.Parameter(packed(eye).T.contiguous())
        return twin

    replace_linears(plain, rounded, "language_model.*")
    table = plain.language_model.embed_tokens.weight
    with torch.no_grad():
        table.copy_(model.language_model.embed_tokens.head.dequantized())
    batch = prompts(config(), "ttttttt")
    with torch.no_grad():
        got, want = model(batch).float(), plain(batch).float()
        before = tiny_model(config()).to(BFLOAT16)(batch).float()
    spread = want.std()
    assert (got - want).abs().max() < 0.1 * spread
    assert (before - want).abs().max() > (got - want).abs().max()


@pytest.mark.parametrize("bits", [8, 4])
def test_it_writes_through_a_cache_of_its_activations_dtype(model, bits):
    quantize_weights(model, bits)
    batch = prompts(config(), "ttttttt")
    ids = torch.stack(list(generate(model, batch, Sampler(temperature=0), 6)), 1)
    assert ids.shape == (1, 6)
    with torch.no_grad():
        whole = model(batch)[:, -1].argmax(-1)
    assert ids[:, 0].equal(whole)


class TestRefusals:
    def test_other_bits(self, model):
        with pytest.raises(ValueError, match="bits=3 must be 8 or 4"):
            quantize_weights(model, 3)

    def test_float32(self):
        with pytest.raises(ValueError, match=r"torch.float32 on cpu.*dtype=torch.bfloat16"):
            quantize_weights(tiny_model(config()))

    def test_twice(self, model):
        quantize_weights(model)
        with pytest.raises(ValueError, match=r"weights are torch\.int8"):
            quantize_weights(model)

    def test_sizes_that_the_kernel_does_not_take_leave_the_model_as_it_was(self):
        odd = tiny_model(tiny_config()).to(BFLOAT16)
        before = [type(m) for m in odd.modules()]
        for bits in (8, 4):
            with pytest.raises(ValueError, match="must be a multiple of 32"):
                quantize_weights(odd, bits)
        assert [type(m) for m in odd.modules()] == before

    def test_saving_what_no_checkpoint_can_hold(self, model, tmp_path):
        quantize_weights(model)
        with pytest.raises(
            ValueError, match=r"save it before it is quantized(?s:.*)missing tensor"
        ):
            save(model, None, tmp_path / "folder")
        assert list(tmp_path.iterdir()) == []

    def test_groups_and_rows_of_int4(self):
        with pytest.raises(ValueError, match="group_size=16 must be 32, 64, 128 or 256"):
            Int4Linear(torch.ones(32, 64), group_size=16)
        with pytest.raises(ValueError, match="out size 40 must be a multiple of 16"):
            Int4Linear(torch.ones(40, 64))
