"""Decoding at the speed of memory: the step of one token, through `torch.compile`.

A decoded token multiplies every matrix with a single row, so a step takes as long as the weights
take to be read. The libraries behind `F.linear` are made for many rows; with one, on a CPU, they
read a matrix at a third to a half of what memory gives. A sum of products, compiled into a loop of
its own, reads it at full speed, and the small operations around it fuse. The same holds for one
query and the keys and values of a cache.

>>> from gemma3_edu.model.presets import PRESETS
>>> model = Gemma3(PRESETS["tiny-text"]).eval()
>>> fast = FastDecoder(model)  # its first steps take some ten seconds: they are compiled then
>>> fast.language_model.norm.weight is model.language_model.norm.weight  # no copy
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
from ..model.layout import Batch
from ..model.masks import attention_mask
from ..model.rope import rope_table
from ..study.replace import replace_linears


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


class FastDecoder(Gemma3):
    """The same model on the same weights, whose decode step is compiled.

    A call with a cache and one token of one sequence is a decode step; its logits then differ from
    the model's by rounding alone. Everything else (prompts, batches, training) runs uncompiled,
    but for the head on a single row.

    `blocks_per_graph` blocks are compiled as one graph, which all groups of that length share, so
    that compiling takes seconds, while the first tokens are decoded (PyTorch keeps the result on
    disk). Longer groups take longer to compile and less time a token, above all in small models; 6
    is one period of local and global layers.

    Replace layers first and make the FastDecoder then: it has modules of its own, so that layers
    put into `model` later are not seen. `capture` and `visible_attention` want `model` itself.
    Raises ValueError for `blocks_per_graph` below 1, and where there is no C++ compiler, which
    `torch.compile` needs on a CPU.
    """

    def __init__(self, model: Gemma3, blocks_per_graph: int = 1):
        if blocks_per_graph < 1:
            raise ValueError(f"blocks_per_graph={blocks_per_graph} must be at least 1")
        if model.language_model.norm.weight.device.type == "cpu":
            _check_compiler()
        nn.Module.__init__(self)  # Gemma3's own would make new weights
        shared = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
        self.config, self.training = model.config, model.training
        self.language_model = copy.deepcopy(model.language_model, shared)
        self.vision = copy.deepcopy(model.vision, shared)
        if any(isinstance(module, nn.Linear) for module in self.language_model.modules()):
            replace_linears(self.language_model, _one_row)
        for module in self.language_model.modules():
            if isinstance(module, Attention) and module.attend is attend_fused:
                module.attend = attend_one
        self.blocks_per_graph = blocks_per_graph
        self._run_blocks = _compiled(_run_blocks)
        self._one_row_logits = _compiled(_one_row_logits)

    def forward(self, batch: Batch, cache: KVCache | None = None) -> Float[Tensor, "B T V"]:
        """Logits of every column; with a cache and one token, by the compiled graphs."""
        if cache is None or batch.tokens.numel() != 1 or torch.is_grad_enabled():
            return super().forward(batch, cache)
        x, text, layout = self.embed(batch), self.config.text, batch.layout
        masks, ropes = {}, {}
        for kind, keys in cache.begin(layout, text, x.dtype).items():
            masks[kind] = attention_mask(layout, keys, text.window(kind))
            ropes[kind] = rope_table(layout.position, text.head_dim, text.rope(kind))
        inputs = [
            (block, masks[kind], ropes[kind], _OneColumn(cache, layer))
            for layer, (block, kind) in enumerate(
                zip(self.language_model.layers, text.layer_types, strict=True)
            )
        ]
        for start in range(0, len(inputs), self.blocks_per_graph):
            x = self._run_blocks(x, inputs[start : start + self.blocks_per_graph])
        cache.commit(layout)
        return self.logits(self.language_model.norm(x))

    def logits(self, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T V"]:
        """The head alone; compiled for a single row, as at the end of a prompt."""
        if hidden.shape[:-1].numel() != 1 or torch.is_grad_enabled():
            return super().logits(hidden)
        return self._one_row_logits(self.language_model.embed_tokens, hidden)


class _OneColumn(KVCache):
    """One layer of a cache while one column is stored, for a compiled graph.

    The slot is a tensor and the length a shape: a graph would keep numbers as constants, and be
    compiled anew when they change. For the same reason `update` does not look at `layer`.
    """

    def __init__(self, cache: KVCache, layer: int):
        k, v = cache.keys[layer], cache.values[layer]
        slots = k.shape[-2]
        stored = min(cache.length + 1, slots)  # with the new column, as its mask counts it
        self.k, self.v = k.narrow(-2, 0, stored), v.narrow(-2, 0, stored)
        self.slot = torch.tensor([cache.length % slots], device=k.device)

    def update(
        self, layer: int, k: Float[Tensor, "B K T H"], v: Float[Tensor, "B K T H"]
    ) -> tuple[Float[Tensor, "B K S H"], Float[Tensor, "B K S H"]]:
        return self.k.index_copy_(-2, self.slot, k), self.v.index_copy_(-2, self.slot, v)


def _run_blocks(
    x: Float[Tensor, "1 1 D"],
    inputs: Sequence[tuple[Block, Tensor, tuple[Tensor, Tensor], KVCache]],  # masks differ in S
) -> Float[Tensor, "1 1 D"]:
    for block, mask, rope, cache in inputs:
        x = block(x, mask, rope, cache)
    return x


def _one_row_logits(embedding: Any, x: Float[Tensor, "... D"]) -> Float[Tensor, "... V"]:
    if type(embedding) is TokenEmbedding:
        return product(x, embedding.weight)
    return embedding.logits(x)  # of quantized weights, say


def _one_row(name: str, linear: nn.Linear) -> nn.Module:
    return linear if linear.bias is not None else OneRowLinear(linear.weight)


def _sums(x: Tensor) -> bool:
    return x.device.type == "cpu" and torch.compiler.is_compiling()


def _compiled(function: Any) -> Callable[..., Tensor]:
    """`torch.compile` of a copy of the function.

    PyTorch counts how many variants of a function it has compiled, by the function's code, and
    gives up at eight. Two models would share that count if they shared the code.
    """
    from torch._inductor import config  # takes a second, and torch.compile imports it anyway

    contract = "cpp.enable_floating_point_contract_flag"  # a * b + c as one operation; off for CUDA
    as_typed = type(config.cpp.enable_floating_point_contract_flag)  # a bool in earlier versions
    code, closure = function.__code__.replace(), function.__closure__
    copied = FunctionType(code, function.__globals__, None, None, closure)
    return torch.compile(copied, options={contract: as_typed("fast")})


def _check_compiler() -> None:
    usual = {"win32": "cl", "darwin": "clang++"}.get(sys.platform, "g++")
    compiler = os.environ.get("CXX", usual)
    if shutil.which(compiler) is None:
        raise ValueError(
            f"compiler: there is no {compiler!r}, and torch.compile builds C++ on a CPU; install "
            "one, name another in the environment variable CXX, or use the model as it is"
        )
