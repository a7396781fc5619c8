"""Compiled decode steps compared with plain ones: `python -m tests.fast.compiled_decode WHAT`.

A script, not a test: pytest's jaxtyping hook checks shapes inside the model, and a graph that runs
through those checks is not a full one. `whole BACKEND` compiles `decode` as it is, `blocks` and
`groups` are `FastDecoder`, and so is `kept`, on the bits of a GGUF file. All print the largest
difference of any logit; these three, how many graphs were compiled and how often one broke.
`product` is one matrix of such bits, as a full graph.
"""

import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor
from torch._dynamo.utils import counters

from gemma3_edu.fast.blockwise import BlockwiseLinear, one_row_product
from gemma3_edu.fast.compiled import FastDecoder
from gemma3_edu.generation.generate import decode
from gemma3_edu.hub.checkpoint import load, save
from gemma3_edu.model.cache import KVCache
from gemma3_edu.model.config import layer_pattern
from tests.tiny import GLOBAL, LOCAL, prompts, tiny_config, tiny_model

WINDOW, PROMPT, LENGTH = 5, 3, 30  # decoding fills the ring, then wraps it five times
CONFIG = tiny_config(WINDOW, layer_types=(LOCAL, GLOBAL, LOCAL, LOCAL))


def whole(backend: str) -> None:
    """Decode the same columns with and without compilation.

    `fullgraph` makes anything that breaks the graph an error, and so does recompiling at every
    step: PyTorch gives up after eight graphs of one function.
    """
    model, batch = tiny_model(CONFIG), prompts(CONFIG, "t" * LENGTH, "t" * 9)
    compiled = torch.compile(decode, fullgraph=True, backend=backend)
    plain, fast = (steps(model, batch, step) for step in (decode, compiled))
    assert plain.shape == (LENGTH - PROMPT, 2, CONFIG.text.vocab_size)
    assert plain.std() > 0.1
    print(float((plain - fast).abs().max()))


def blocks() -> None:
    """The same with `FastDecoder`: two models, caches of many lengths and one that grows."""
    lengths = (LENGTH, *range(LENGTH + 7, LENGTH + 70, 9), None)
    compared([0, 1], blocks_per_graph=1, lengths=lengths)


def groups() -> None:
    """The same with three blocks to a graph, and the fourth alone."""
    compared([0], blocks_per_graph=3, lengths=(LENGTH,))


def kept() -> None:
    """A file's bits, compiled, compared with its dequantized matrices; Q4_0, then Q8_0."""
    sizes = {
        "hidden_size": 64,
        "intermediate_size": 96,
        "head_dim": 32,
        "query_pre_attn_scalar": 32,
    }
    config = tiny_config(WINDOW, layer_types=layer_pattern(6), **sizes)
    batch, worst = prompts(config, "t" * LENGTH), 0.0
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("Q4_0", "Q8_0"):
            file = Path(folder) / f"{kind}.gguf"
            save(tiny_model(config), None, file, quantization=kind)
            plain = steps(load(file)[0], batch, decode)
            compiled = steps(FastDecoder(load(file, keep_bits=True)[0]), batch, decode)
            worst = max(worst, float((plain - compiled).abs().max()))
    print(worst, counters["stats"]["unique_graphs"], sum(counters["graph_break"].values()))


def product() -> None:
    """One row times a file's bits, without C++; what breaks the graph is an error."""
    compiled = torch.compile(one_row_product, fullgraph=True, backend="eager")
    for bits in (4, 8):
        blocks = torch.arange(32 * (2 + 4 * bits)).remainder(251).to(torch.uint8).reshape(32, -1)
        blocks[:, :2] = torch.tensor([0x00, 0x3C])  # the scale 1.0
        layer, x = BlockwiseLinear(blocks, bits), torch.arange(32.0)
        plain, full = (each(x, layer.words, layer.scales) for each in (one_row_product, compiled))
        assert plain.std() > 1
        print(float((plain - full).abs().max()))


def compared(seeds: list[int], blocks_per_graph: int, lengths: tuple[int | None, ...]) -> None:
    """Decode with and without `FastDecoder`, and print what it did."""
    worst = 0.0
    for seed in seeds:
        model, batch = tiny_model(CONFIG, seed), prompts(CONFIG, "t" * LENGTH)
        fast = FastDecoder(model, blocks_per_graph)
        for max_length in lengths:
            plain, compiled = (steps(m, batch, decode, max_length) for m in (model, fast))
            assert plain.std() > 0.1
            worst = max(worst, float((plain - compiled).abs().max()))
    print(worst, counters["stats"]["unique_graphs"], sum(counters["graph_break"].values()))


def steps(model, batch, step, max_length: int | None = LENGTH) -> Tensor:
    """Logits of every decoded column, from a cache that holds the first few."""
    cache = KVCache(model.config.text, batch.layout.batch_size, max_length)
    with torch.no_grad():
        model(batch.columns(0, PROMPT), cache)
    return torch.stack(
        [
            step(model, batch.tokens[:, column], batch.layout.columns(column, column + 1), cache)
            for column in range(PROMPT, LENGTH)
        ]
    )


if __name__ == "__main__":
    scripts = {each.__name__: each for each in (whole, blocks, groups, kept, product)}
    scripts[sys.argv[1]](*sys.argv[2:])
