"""Decoding at the speed of memory: the step of one token, through `torch.compile`.

A decoded token multiplies every matrix with a single row, so a step takes as long as the weights
take to be read. The libraries behind `F.linear` are made for many rows; with one, on a CPU, they
read a matrix at a third to a half of what memory gives. A sum of products, compiled into a loop of
its own, reads it at full speed, and the small operations around it fuse. The same holds for one
query and the keys and values of a cache.

>>> from gemma3_edu.model.presets import PRESETS
>>> model = Gemma3(PRESETS["tiny-text"]).eval()
>>> quick = compile_decode(model)  # its first steps take some ten seconds: they are compiled then
>>> quick.language_model.norm.weight is model.language_model.norm.weight  # no copy
True
"""

import copy
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.attention import Attention, attend_fused
from ..model.cache import KVCache
from ..model.gemma3 import Block, Gemma3
from ..model.layers import TokenEmbedding
from ..model.masks import Mask
from ..model.rope import Rope
from ..study.replace import replace_linears

View = tuple[Mask, Rope]  # what a block is given beside x and the cache


def product(x: Float[Tensor, "... in"], weight: Float[Tensor, "out in"]) -> Tensor:
    """x W^T; for one row in a compiled graph on a CPU as a sum of products in float32.

    Anywhere else that sum would write all its products to memory first.
    """
    if x.shape[:-1].numel() > 1 or not _sums(x):
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


def attend_one(
    q: Float[Tensor, "B N T H"],
    k: Float[Tensor, "B K S H"],
    v: Float[Tensor, "B K S H"],
    mask: Bool[Tensor, "B T S"],
    scale: float,
) -> Float[Tensor, "B N T H"]:
    """`attend_fused`; for one query in a compiled graph on a CPU as sums of products in float32.

    The G queries that share a key head go through one loop, so that a key is read once.
    """
    if q.shape[2] > 1 or not _sums(q):
        return attend_fused(q, k, v, mask, scale)
    wide = torch.promote_types(q.dtype, torch.float32)
    queries = q.to(wide).unflatten(1, (k.shape[1], -1)).unbind(2)  # G times B K 1 H
    k, v = k.to(wide), v.to(wide)
    scores = torch.stack([(k * query).sum(-1) for query in queries], 2) * scale  # B K G S
    scores = scores.masked_fill(~mask[:, None], torch.finfo(wide).min)
    weights = scores.softmax(-1).unbind(2)  # G times B K S
    out = torch.stack([(v * each[..., None]).sum(-2) for each in weights], 2)  # B K G H
    return out.flatten(1, 2).unsqueeze(2).to(q.dtype)


def compile_decode(model: Gemma3, at_once: int = 1) -> Gemma3:
    """A second model on the same weights whose decode step, of one sequence, is compiled.

    Prompts (but for the head, whose product has one row), batches and training run as they do in
    `model`; logits differ by rounding alone. `at_once` blocks make one graph, which all groups of
    that length share, so that compiling takes seconds, when the first tokens are decoded (PyTorch
    keeps the result on disk). Larger groups take longer to compile and less time a token, most of
    all in small models; 6 is one period of local and global layers. Change layers first and compile
    then: layers put into `model` later are not seen. Views (`capture`, `visible_attention`) want
    `model` itself. Raises ValueError for `at_once` below 1, and where there is no C++ compiler,
    which `torch.compile` needs on a CPU.
    """
    if at_once < 1:
        raise ValueError(f"at_once={at_once} blocks: a graph holds at least 1")
    if model.language_model.norm.weight.device.type == "cpu":
        _check_compiler()
    shared = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    quick = copy.deepcopy(model, shared)
    if any(isinstance(module, nn.Linear) for module in quick.language_model.modules()):
        replace_linears(quick, _one_row, "language_model.*")
    decoder: Any = quick.language_model
    for layer in decoder.modules():
        if isinstance(layer, Attention) and layer.attend is attend_fused:
            layer.attend = attend_one
    blocks = list(decoder.layers)
    groups = [blocks[start : start + at_once] for start in range(0, len(blocks), at_once)]
    steps = {len(group): _compiled(_blocks_step) for group in groups}  # the last may be shorter
    for number, group in enumerate(groups):
        _join(group, number * at_once, steps[len(group)])
    embedding = decoder.embed_tokens
    embedding.logits = _logits(embedding, _compiled(_head_step))
    return quick


def _one_row(name: str, linear: nn.Linear) -> nn.Module:
    return linear if linear.bias is not None else OneRowLinear(linear.weight)


class _Step:
    """Some layers of a cache during one step: `update` as in KVCache, for one column.

    Lengths and slots are shapes and tensors here; as numbers they would be constants of a graph.
    """

    def __init__(self, cache: KVCache, layers: slice):
        def stored(store: Tensor) -> Tensor:  # the new column too, as its mask counts it
            return store.narrow(-2, 0, min(cache.length + 1, store.shape[-2]))

        self.keys = [stored(keys) for keys in cache.keys[layers]]
        self.values = [stored(values) for values in cache.values[layers]]
        self.slots = [
            torch.tensor([cache.length % k.shape[-2]], device=k.device) for k in cache.keys[layers]
        ]

    def update(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        keys, values, slot = self.keys[layer], self.values[layer], self.slots[layer]
        return keys.index_copy_(-2, slot, k), values.index_copy_(-2, slot, v)


def _blocks_step(
    blocks: Sequence[Block],
    x: Float[Tensor, "1 1 D"],
    views: Sequence[View],
    cache: Any,
) -> Float[Tensor, "1 1 D"]:
    for block, (mask, rope) in zip(blocks, views, strict=True):
        x = Block.forward(block, x, mask, rope, cache)
    return x


def _join(blocks: Sequence[Any], start: int, step: Callable[..., Tensor]) -> None:
    """Let the last of these blocks run them all; the others leave their mask and rope with it."""
    layers = slice(start, start + len(blocks))
    views: list[Any] = [None] * len(blocks)

    def forward_of(index: int, block: Block) -> Callable[..., Tensor]:
        def forward(x: Tensor, mask: Tensor, rope: Rope, cache: KVCache | None = None) -> Tensor:
            if cache is None:
                return Block.forward(block, x, mask, rope)
            if _decodes(x):
                views[index] = mask, rope
                last = index == len(blocks) - 1
                return step(blocks, x, views, _Step(cache, layers)) if last else x
            own = copy.copy(cache)
            own.keys, own.values = cache.keys[layers], cache.values[layers]
            return Block.forward(block, x, mask, rope, own)

        return forward

    for index, block in enumerate(blocks):
        # Counted in its group, or else each group would be a graph of its own.
        block.self_attn.layer = index
        block.forward = forward_of(index, block)


def _head_step(embedding: TokenEmbedding, x: Float[Tensor, "1 1 D"]) -> Float[Tensor, "1 1 V"]:
    if type(embedding) is TokenEmbedding:
        return product(x, embedding.weight)
    return type(embedding).logits(embedding, x)  # packed weights, say


def _logits(embedding: TokenEmbedding, step: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
    plain = embedding.logits
    return lambda x: step(embedding, x) if _decodes(x) else plain(x)


def _sums(x: Tensor) -> bool:
    return x.device.type == "cpu" and torch.compiler.is_compiling()


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
