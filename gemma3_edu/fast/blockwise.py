"""The bits of a GGUF file kept: matrices of 4 or 8 bits a weight, as llama.cpp has them.

In the types Q4_0 and Q8_0 a row is cut into blocks of 32 weights. A block is a 16-bit float, its
scale, and 32 integers of 4 or 8 bits: weight = scale * integer.

    Q8_0   2 bytes of scale, then 32 bytes: the integers, -128 to 127
    Q4_0   2 bytes of scale, then 16 bytes: byte j has integer j in its low half and integer j + 16
           in its high half, each from 0 to 15, of which 8 is to be subtracted

PyTorch's products for few bits do not take these numbers as they are: its 4-bit product rounds a
scale to 8 significant bits, where these have 11, and its 8-bit product has one scale for a whole
row. So the product is written out here, as sums that `FastDecoder` compiles into one loop, which
reads the bits and nothing else. The matrix is stored in the order in which that loop reads it: 16
rows side by side, since 16 numbers of 32 bits are a vector of the processor.

>>> blocks = torch.zeros(16, 18, dtype=torch.uint8)  # 16 rows of one block of Q4_0
>>> blocks[0, 1:3] = torch.tensor([0x3C, 0xF9])  # the scale 1.0, little-endian; the first byte
>>> BlockwiseLinear(blocks, bits=4).dequantized()[0, [0, 1, 16]].tolist()  # 9 - 8, 0 - 8, 15 - 8
[1.0, -8.0, 7.0]
"""

import torch
from jaxtyping import Float, Float16, Int, Int32, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

BLOCK = 32  # weights with one scale
ROWS = 16  # side by side
SIGNS = -0x7F7F7F80  # 0x80808080, the uppermost bit of each byte


class BlockwiseLinear(nn.Module):
    """x W^T, where W is given in the bytes of Q4_0 (`bits` 4) or Q8_0 (8), row by row.

    One row of x in a compiled graph is multiplied in float32 with exactly the file's numbers; in
    any other case they are rounded to the dtype of x first. Raises ValueError where W's sizes are
    not multiples of 16 (out) and 32 (in).
    """

    scales: Tensor
    words: Tensor

    def __init__(self, blocks: UInt8[Tensor, "out bytes"], bits: int):
        super().__init__()
        if problem := why_not(len(blocks), blocks.shape[1] * BLOCK // (2 + 4 * bits)):
            raise ValueError(f"blocks: {problem}")
        cut = blocks.unflatten(1, (-1, 2 + 4 * bits)).unflatten(
            0, (-1, ROWS)
        )  # tiles 16 blocks ...
        scales = cut[..., :2].contiguous().view(torch.float16).squeeze(-1)
        words = cut[..., 2:].contiguous().view(torch.int32)  # of 4 bytes: tiles 16 blocks `bits`
        if bits == 8:
            words = words ^ SIGNS  # integers from 0 to 255, of which 128 is to be subtracted
        self.register_buffer("scales", scales.transpose(1, 2).contiguous())
        self.register_buffer("words", words.permute(0, 2, 3, 1).contiguous())

    def dequantized(self, dtype: torch.dtype = torch.float32) -> Float[Tensor, "out in"]:
        """The numbers of the file, which are exact in float32."""
        return numbers(self.words.movedim(-1, 1), self.scales.mT, dtype).flatten(0, 1)

    def forward(self, x: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        """The product, in x's dtype."""
        if x.shape[:-1].numel() == 1 and torch.compiler.is_compiling():
            product = one_row_product(x.flatten(), self.words, self.scales)
            return product.to(x.dtype).reshape(*x.shape[:-1], -1)
        return F.linear(x, self.dequantized(x.dtype))


class BlockwiseEmbedding(nn.Module):
    """A TokenEmbedding in such blocks: its rows are the embeddings, the whole table is the head.

    `dtype` is that of the embeddings, which the activations have from there on.
    """

    def __init__(self, blocks: UInt8[Tensor, "V bytes"], bits: int, dtype: torch.dtype):
        super().__init__()
        self.head, self.dtype = BlockwiseLinear(blocks, bits), dtype

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """The tokens' rows, in `dtype`, times sqrt(D), which is rounded first."""
        tile, row = tokens // ROWS, tokens % ROWS
        words, scales = self.head.words[tile, :, :, row], self.head.scales[tile, :, row]
        rows = numbers(words, scales, self.dtype)
        return rows * torch.tensor(rows.shape[-1] ** 0.5, dtype=self.dtype)

    def logits(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T V"]:
        """Scores of every token."""
        return self.head(x)


def why_not(rows: int, columns: int) -> str | None:
    """Why a matrix cannot be kept in blocks; None if it can."""
    if rows % ROWS == 0 and columns % BLOCK == 0:
        return None
    return f"{rows} x {columns} is not a multiple of {ROWS} rows and {BLOCK} columns"


def numbers(
    words: Int32[Tensor, "... blocks bits"],
    scales: Float16[Tensor, "... blocks"],
    dtype: torch.dtype,
) -> Float[Tensor, "... in"]:
    """scale * (integer - offset) in the file's order, computed in float32."""
    integers = words.contiguous().view(torch.uint8)
    if words.shape[-1] == 4:
        integers = torch.cat([integers & 15, integers >> 4], dim=-1)
    offset = 8 if words.shape[-1] == 4 else 128
    return ((integers.float() - offset) * scales.float()[..., None]).to(dtype).flatten(-2)


def one_row_product(
    x: Float[Tensor, "in"],
    words: Int32[Tensor, "tiles blocks bits 16"],
    scales: Float16[Tensor, "tiles blocks 16"],
) -> Float[Tensor, "out"]:
    """x W^T in float32, written for the loop that a compiler makes of it.

    An integer is cut out of its word by a mask and stays at its place, 2^shift times too large: x
    is divided by 2^shift beforehand, which is exact and spares shifting millions of words. Only the
    uppermost is shifted down, since up there it would be read as a sign. The offset is subtracted
    once for all integers of a word: sum((q - offset) x) = sum(q x) - offset sum(x).
    """
    bits = words.shape[2]
    mask, offset = 2**bits - 1, 2 ** (bits - 1)
    halves: list[Tensor] = []  # written so, since a compiler cannot look into list[Tensor]()
    places = x.float().reshape(words.shape[1], -1, bits, 4)  # blocks halves words bytes
    for half in range(8 // bits):
        shifts = [8 * byte + bits * half for byte in range(4)]
        last = 32 - bits
        inputs = [
            places[:, half, :, byte] * (1.0 if shift == last else 0.5**shift)
            for byte, shift in enumerate(shifts)
        ]
        subtracted = places[:, half].sum(-1) * -offset
        # Stacked, so that they are computed once and not again for every row.
        partial, *inputs = torch.stack([subtracted, *inputs])[..., None]
        for shift, each in zip(shifts, inputs, strict=True):
            cut = words >> last & mask if shift == last else words & mask << shift
            partial = partial + cut.float() * each
        halves.append((partial * scales[:, :, None].float()).sum((1, 2)))  # tiles 16
    return sum(halves[1:], halves[0]).flatten()
