"""Decoding at the speed of memory: the step of one token, through `torch.compile`.

A decoded token multiplies every matrix with a single row, so a step takes as long as the weights
take to be read. The libraries behind `F.linear` are made for many rows; with one, on a CPU, they
read a matrix at a third to a half of what memory gives. A sum of products, compiled into a loop of
its own, reads it at full speed, and the small operations around it fuse.

>>> from gemma3_edu.presets import PRESETS
>>> model = Gemma3(PRESETS["tiny-text"]).eval()
>>> quick = compile_decode(model)  # its first steps take some ten seconds: they are compiled then
>>> quick.language_model.norm.weight is model.language_model.norm.weight  # no copy
True
"""

import copy
import os
import shutil
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from .cache import KVCache
from .layers import TokenEmbedding
from .model import Block, Gemma3
from .surgery import replace_linears

Rope = tuple[Float[Tensor, "B T H2"], Float[Tensor, "B T H2"]]


def product(x: Float[Tensor, "... in"], weight: Float[Tensor, "out in"]) -> Tensor:
    """x W^T; for one row in a compiled graph on a CPU as a sum of products in float32.

    Anywhere else that sum would write all its products to memory first.
    """
    one_row = x.shape[:-1].numel() == 1
    if not (one_row and x.device.type == "cpu" and torch.compiler.is_compiling()):
        return F.linear(x, weight)
    wide = torch.promote_types(x.dtype, torch.float32)
    summed = (x.reshape(-1).to(wide) * weight.to(wide)).sum(-1)
    return summed.to(x.dtype).reshape(*x.shape[:-1], -1)


class OneRowLinear(nn.Module):
    """A Linear without bias whose one-row product is `product`; it shares the weight."""

    def __init__(self, weight: nn.Parameter):
        super().__init__()
        self.weight = weight

    def forward(self, x: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        """The product, in x's dtype."""
        return product(x, self.weight)


def compile_decode(model: Gemma3) -> Gemma3:
    """A second model on the same weights whose decode step, of one sequence, is compiled.

    Prompts (but for the head, whose product has one row), batches and training run as they do in
    `model`; logits differ by rounding alone. One block is compiled for all of a kind, so that it
    takes seconds, when the first tokens are decoded (PyTorch keeps the result on disk). Change
    layers first and compile then: layers put into `model` later are not seen. Views (`capture`,
    `visible_attention`) want `model` itself. Raises ValueError where there is no C++ compiler,
    which `torch.compile` needs on a CPU.
    """
    if model.language_model.norm.weight.device.type == "cpu":
        _check_compiler()
    shared = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    quick = copy.deepcopy(model, shared)
    if any(isinstance(module, nn.Linear) for module in quick.language_model.modules()):
        replace_linears(quick, _one_row, "language_model.*")
    step = _compiled(_block_step)
    blocks: Any = quick.language_model.layers
    for index, block in enumerate(blocks):
        # Each is shown its own layer of the cache: an index would be a constant of its own graph.
        block.self_attn.layer = 0
        block.forward = _forward(block, index, step)
    embedding: Any = quick.language_model.embed_tokens
    embedding.logits = _logits(embedding, _compiled(_head_step))
    return quick


def _one_row(name: str, linear: nn.Linear) -> nn.Module:
    return linear if linear.bias is not None else OneRowLinear(linear.weight)


def _block_step(
    block: Block,
    x: Float[Tensor, "1 1 D"],
    mask: Bool[Tensor, "1 1 S"],
    rope: Rope,
    cache: KVCache,
) -> Float[Tensor, "1 1 D"]:
    return Block.forward(block, x, mask, rope, cache)


def _forward(block: Block, index: int, step: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def forward(x: Tensor, mask: Tensor, rope: Rope, cache: KVCache | None = None) -> Tensor:
        if cache is None:
            return Block.forward(block, x, mask, rope)
        own = copy.copy(cache)
        own.keys, own.values = [cache.keys[index]], [cache.values[index]]
        return (step if _decodes(x) else Block.forward)(block, x, mask, rope, own)

    return forward


def _head_step(embedding: TokenEmbedding, x: Float[Tensor, "1 1 D"]) -> Float[Tensor, "1 1 V"]:
    if type(embedding) is TokenEmbedding:
        return product(x, embedding.weight)
    return type(embedding).logits(embedding, x)  # packed weights, say


def _logits(embedding: TokenEmbedding, step: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
    plain = embedding.logits
    return lambda x: step(embedding, x) if _decodes(x) else plain(x)


def _decodes(x: Tensor) -> bool:
    return x.shape[:-1].numel() == 1 and not torch.is_grad_enabled()


def _compiled(function: Any) -> Callable[..., Tensor]:
    """A compiled function with code of its own.

    PyTorch counts by code how many variants of a function it has compiled, and gives up at eight;
    two models would share them.
    """
    code, closure = function.__code__.replace(), function.__closure__
    own = FunctionType(code, function.__globals__, function.__name__, None, closure)
    return torch.compile(own)


def _check_compiler() -> None:
    usual = {"win32": "cl", "darwin": "clang++"}.get(sys.platform, "g++")
    compiler = os.environ.get("CXX", usual)
    if shutil.which(compiler) is None:
        raise ValueError(
            f"compiler: there is no {compiler!r}, and torch.compile builds C++ on a CPU; install "
            "one, name another in the environment variable CXX, or use the model as it is"
        )
