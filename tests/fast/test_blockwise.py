"""Blocks of Q4_0 and Q8_0: the numbers are those that the `gguf` library reads, bit by bit."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gemma3_edu.fast.blockwise import BlockwiseEmbedding, BlockwiseLinear, one_row_product
from gemma3_edu.model.layers import TokenEmbedding

gguf = pytest.importorskip("gguf", reason="the library that writes and reads such blocks")
KINDS = {4: gguf.GGMLQuantizationType.Q4_0, 8: gguf.GGMLQuantizationType.Q8_0}
OUT, IN = 48, 96
both = pytest.mark.parametrize("bits", KINDS)


def drawn(bits: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Blocks of random bits, with scales of all sizes and signs, and their numbers."""
    generator = np.random.default_rng(bits)
    blocks = generator.integers(0, 256, (OUT, IN // 32, 2 + 4 * bits), dtype=np.uint8)
    scales = generator.standard_normal((OUT, IN // 32)) * 10.0 ** generator.integers(
        -7, 1, (OUT, 1)
    )
    scales = scales.astype(np.float16)
    scales[0, :2] = 0, 6e-8  # the smallest there is
    blocks[..., :2] = scales[..., None].view(np.uint8)
    blocks = blocks.reshape(OUT, -1)
    return torch.from_numpy(blocks), torch.from_numpy(gguf.dequantize(blocks, KINDS[bits]))


def inputs(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)


@both
def test_no_bit_is_lost(bits):
    blocks, matrix = drawn(bits)
    layer = BlockwiseLinear(blocks, bits)
    assert torch.equal(layer.dequantized(), matrix)
    assert torch.equal(layer.dequantized(torch.bfloat16), matrix.to(torch.bfloat16))
    assert len(matrix[1:, :32].mul(1e8).unique()) > 16  # and there was something to lose
    assert sum(buffer.nbytes for buffer in layer.buffers()) == blocks.nbytes
    assert not list(layer.parameters())


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_many_rows_are_multiplied_with_the_matrix(bits, dtype):
    blocks, matrix = drawn(bits)
    x = inputs(2, 3, IN, dtype=dtype)
    assert torch.equal(BlockwiseLinear(blocks, bits)(x), F.linear(x, matrix.to(dtype)))


@both
def test_one_compiled_row_is_multiplied_with_the_exact_matrix(bits, monkeypatch):
    """In bfloat16 too, where rounding the matrix first would be 1,000 times the error."""
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    blocks, matrix = drawn(bits)
    layer, x = BlockwiseLinear(blocks, bits), inputs(1, 1, IN, dtype=torch.bfloat16)
    want = matrix.double() @ x[0, 0].double()
    scale = matrix.abs().double() @ x[0, 0].abs().double()  # a bound of all partial sums
    got = one_row_product(x[0, 0], layer.words, layer.scales)
    assert ((got - want).abs() <= 1e-6 * scale).all()
    rounded = matrix.bfloat16().double() @ x[0, 0].double()
    assert ((rounded - want).abs() > 1e-6 * scale).sum() > OUT / 2
    out = layer(x)
    assert (out.shape, out.dtype) == ((1, 1, OUT), torch.bfloat16)
    assert torch.equal(out[0, 0], got.bfloat16())


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_embedding_is_that_of_the_numbers(bits, dtype):
    blocks, matrix = drawn(bits)
    kept, plain = BlockwiseEmbedding(blocks, bits, dtype), TokenEmbedding(OUT, IN).to(dtype)
    with torch.no_grad():
        plain.weight.copy_(matrix)
    tokens = torch.tensor([[0, 1, 15, 16], [47, 31, 32, 1]])
    assert torch.equal(kept(tokens), plain(tokens))
    x = inputs(2, 3, IN, dtype=dtype)
    assert torch.equal(kept.logits(x), plain.logits(x))


@both
@pytest.mark.parametrize(("rows", "columns"), [(40, 64), (8, 32)])
def test_rows_that_fill_no_vector_are_refused(bits, rows, columns):
    blocks = torch.zeros(rows, columns // 32 * (2 + 4 * bits), dtype=torch.uint8)
    with pytest.raises(ValueError, match=rf"{rows} x {columns} is not a multiple of 16 rows"):
        BlockwiseLinear(blocks, bits)
