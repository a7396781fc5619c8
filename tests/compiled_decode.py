"""A compiled decode step beside the plain one: `python -m tests.compiled_decode eager`.

A script, not a test: pytest's jaxtyping hook checks shapes inside the model, and a graph that runs
through those checks is not a full one. Prints the largest difference of any logit.
"""

import sys

import torch
from torch import Tensor

from gemma3_edu.cache import KVCache
from gemma3_edu.generation import decode
from tests.tiny import GLOBAL, LOCAL, prompts, tiny_config, tiny_model

WINDOW, PROMPT, LENGTH = 5, 3, 30  # decoding fills the ring, then wraps it five times


def main(backend: str) -> None:
    """Decode the same columns with and without compilation.

    `fullgraph` makes anything that breaks the graph an error, and so does recompiling at every
    step: PyTorch gives up after eight graphs of one function.
    """
    config = tiny_config(WINDOW, layer_types=(LOCAL, GLOBAL))
    model = tiny_model(config)
    batch = prompts(config, "t" * LENGTH, "t" * 9)
    compiled = torch.compile(decode, fullgraph=True, backend=backend)
    plain, quick = (steps(model, batch, step) for step in (decode, compiled))
    assert plain.shape == (LENGTH - PROMPT, 2, config.text.vocab_size)
    assert plain.std() > 0.1
    print(float((plain - quick).abs().max()))


def steps(model, batch, step) -> Tensor:
    """Logits of every decoded column, from a cache that holds the first few."""
    cache = KVCache(model.config.text, batch.layout.batch_size, LENGTH)
    with torch.no_grad():
        model(batch.columns(0, PROMPT), cache)
    return torch.stack(
        [
            step(model, batch.tokens[:, column], batch.layout.columns(column, column + 1), cache)
            for column in range(PROMPT, LENGTH)
        ]
    )


if __name__ == "__main__":
    main(sys.argv[1])
