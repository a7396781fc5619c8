"""Checks of the exercises on the block: its four norms, and where a block unseen has its second.

>>> from gemma3_edu.lessons.nb import attempt
>>> def llama(x, w, attention, mlp):
...     x = x + attention(rms_norm(x, w["input_layernorm.weight"]))
...     return x + mlp(rms_norm(x, w["post_attention_layernorm.weight"]))
>>> attempt("Exercise 2", check_block, llama)  # doctest: +ELLIPSIS
Exercise 2: a block of Llama: two norms, and what they are named there; Gemma 3 has four (x of ...
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...naive.layers import rms_norm
from .difference import show
from .grading import Case, Check, ask, require, standard_torch

Part = Callable[[Tensor], Tensor]
BEFORE, AFTER, NONE = "before the add", "after the add", "none"

_NORMS = (
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
)


def _block_cases() -> dict[str, Case]:
    g, cases = torch.Generator().manual_seed(9), {}
    for b, t, d in [(1, 2, 3), (2, 5, 7), (3, 4, 6)]:
        x = torch.randn(d, b, t, generator=g).movedim(0, -1)  # not contiguous
        w = {f"{name}.weight": torch.randn(d, generator=g) for name in _NORMS}
        if b == 3:
            x[0, 2] *= 1e-4  # so small a token that eps decides
        cases[f"x of shape {(b, t, d)}"] = (x, w, *_parts(d, g))
    return cases


def _parts(d: int, g: torch.Generator) -> tuple[Part, Part]:
    """A mean over the tokens so far, and a function of each token; both far from linear in size."""
    mix, wide, back = (torch.randn(d, d, generator=g) for _ in range(3))

    def attention(x: Tensor) -> Tensor:
        sums = (3 * x @ mix).cumsum(-2)
        return sums / torch.arange(1, x.shape[-2] + 1)[:, None] + 0.5

    def mlp(x: Tensor) -> Tensor:
        return 5 * torch.tanh(x @ wide) @ back

    return attention, mlp


def _norm(weight: Tensor) -> Part:
    return lambda x: rms_norm(x, weight)


Build = Callable[[Tensor, Sequence[Part], Part, Part], Tensor]


def _with_norm(norm: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The right block, but with another norm."""

    def bound(weight: Tensor) -> Part:
        return lambda x: norm(x, weight)

    return lambda x, w, attention, mlp: _block(
        x, [bound(w[f"{name}.weight"]) for name in _NORMS], attention, mlp
    )


def _with_norms(build: Build) -> Callable[..., Tensor]:
    """A block from a function of x, the four norms, attention and MLP."""
    return lambda x, w, attention, mlp: build(
        x, [_norm(w[f"{name}.weight"]) for name in _NORMS], attention, mlp
    )


def _block(x: Tensor, n: Sequence[Part], attention: Part, mlp: Part) -> Tensor:
    x = x + n[1](attention(n[0](x)))
    return x + n[3](mlp(n[2](x)))


def _without(*places: int) -> Callable[..., Tensor]:
    def build(x: Tensor, n: Sequence[Part], attention: Part, mlp: Part) -> Tensor:
        left = [_same if place in places else norm for place, norm in enumerate(n)]
        return _block(x, left, attention, mlp)

    return _with_norms(build)


def _same(x: Tensor) -> Tensor:
    return x


def _after_the_add(x: Tensor, n: Sequence[Part], attention: Part, mlp: Part) -> Tensor:
    x = n[1](x + attention(n[0](x)))
    return n[3](x + mlp(n[2](x)))


def _normed_stream(x: Tensor, n: Sequence[Part], attention: Part, mlp: Part) -> Tensor:
    x = n[0](x)
    x = n[2](x + n[1](attention(x)))
    return x + n[3](mlp(x))


def _twice(first: int, second: int) -> Build:
    """`x + branch(x, ...)`, where the branch has added x already, in one or both places."""

    def build(x: Tensor, n: Sequence[Part], attention: Part, mlp: Part) -> Tensor:
        x = first * x + n[1](attention(n[0](x)))
        return second * x + n[3](mlp(n[2](x)))

    return build


def _gains_of_w(x: Tensor, w: Mapping[str, Tensor], attention: Part, mlp: Part) -> Tensor:
    norms = [_norm(w[f"{name}.weight"] - 1) for name in _NORMS]
    return _block(x, norms, attention, mlp)


def _without_the_stream(x: Tensor, n: Sequence[Part], attention: Part, mlp: Part) -> Tensor:
    heard = n[1](attention(n[0](x)))
    return x + heard + n[3](mlp(n[2](heard)))


def _in_order(*order: int) -> Callable[..., Tensor]:
    return _with_norms(lambda x, n, *parts: _block(x, [n[place] for place in order], *parts))


def _mlp_first(x: Tensor, n: Sequence[Part], attention: Part, mlp: Part) -> Tensor:
    x = x + n[3](mlp(n[2](x)))
    return x + n[1](attention(n[0](x)))


def _from_the_start(x: Tensor, n: Sequence[Part], attention: Part, mlp: Part) -> Tensor:
    between = x + n[1](attention(n[0](x)))
    return x + n[3](mlp(n[2](between)))


def _no_first_sum(x: Tensor, n: Sequence[Part], attention: Part, mlp: Part) -> Tensor:
    x = n[1](attention(n[0](x)))
    return x + n[3](mlp(n[2](x)))


check_block = Check(
    """`fn(x, w, attention, mlp)` is one block: x (B T D), both parts from (B T D) to (B T D).

    `w` holds the weights of the four norms, each (D,), under a checkpoint's names; a gain is 1 + w.
    """,
    "x w attention mlp",
    _with_norms(_block),
    _block_cases,
    {
        "the second norm of each pair comes after the sum; it norms the branch, before it": (
            _with_norms(_after_the_add)
        ),
        "x is in the sum twice: what branch returns contains x already, so do not add it again": [
            _with_norms(_twice(*times)) for times in [(2, 2), (2, 1), (1, 2)]
        ],
        "scaled by w; a gain is 1 + w": _gains_of_w,
        "left out the gains; each norm multiplies by its 1 + w": _with_norm(
            lambda x, w: rms_norm(x, torch.zeros_like(w))
        ),
        "subtracted the mean, as LayerNorm does; RMSNorm only divides": _with_norm(
            lambda x, w: rms_norm(x - x.mean(-1, keepdim=True), w)
        ),
        "divided by the length, the root of the sum of squares; take the root of their mean": (
            _with_norm(lambda x, w: F.normalize(x, dim=-1) * (1 + w))
        ),
        "took 1e-5 as eps; Gemma 3 has 1e-6": _with_norm(lambda x, w: rms_norm(x, w, 1e-5)),
        "left out eps; Gemma 3 adds 1e-6 to the mean square": _with_norm(
            lambda x, w: x * x.square().mean(-1, keepdim=True).rsqrt() * (1 + w)
        ),
        "left out both norms after the branches": _without(1, 3),
        "left out both norms before the parts": _without(0, 2),
        "left out all four norms": _without(0, 1, 2, 3),
        "a block of Llama: two norms, and what they are named there; Gemma 3 has four": _with_norms(
            lambda x, n, *parts: _block(x, (n[0], _same, n[1], _same), *parts)
        ),
        "post_attention_layernorm and pre_feedforward_layernorm are swapped: the first norms what"
        " attention gives, the second what the MLP reads": _with_norms(
            lambda x, n, *parts: _block(x, (n[0], n[2], n[1], n[3]), *parts)
        ),
        "the two norms before the parts are swapped: input_layernorm norms what attention reads,"
        " pre_feedforward_layernorm what the MLP reads": _in_order(2, 1, 0, 3),
        "the two norms after the parts are swapped: post_attention_layernorm norms what attention"
        " gives, post_feedforward_layernorm what the MLP gives": _in_order(0, 3, 2, 1),
        "the norms before and after attention are swapped: input_layernorm norms what it reads,"
        " post_attention_layernorm what it gives": _in_order(1, 0, 2, 3),
        "the norms before and after the MLP are swapped: pre_feedforward_layernorm norms what it"
        " reads, post_feedforward_layernorm what it gives": _in_order(0, 1, 3, 2),
        "the first norm and the last are swapped: input_layernorm norms what attention reads,"
        " post_feedforward_layernorm what the MLP gives": _in_order(3, 1, 2, 0),
        "attention has the norms of the MLP, and the MLP those of attention": _in_order(2, 3, 0, 1),
        "used the two norms of one branch in both; each branch has two of its own": [
            _in_order(0, 1, 0, 1),
            _in_order(2, 3, 2, 3),
        ],
        "used one norm in all four places; w holds four": [
            _in_order(*4 * [place]) for place in range(4)
        ],
        "left out the norm before attention": _without(0),
        "left out the norm after attention": _without(1),
        "left out the norm before the MLP": _without(2),
        "left out the norm after the MLP": _without(3),
        "added the branches to the normed stream; add them to the stream itself": (
            _with_norms(_normed_stream)
        ),
        "the MLP does not see attention's result: it reads the stream after the first sum": (
            _with_norms(
                lambda x, n, attention, mlp: x + n[1](attention(n[0](x))) + n[3](mlp(n[2](x)))
            )
        ),
        "the MLP reads attention's answer alone; it reads the stream, to which that was added": (
            _with_norms(_without_the_stream)
        ),
        "the MLP's branch is missing: a block has two": _with_norms(
            lambda x, n, attention, mlp: x + n[1](attention(n[0](x)))
        ),
        "attention's branch is missing: a block has two": _with_norms(
            lambda x, n, attention, mlp: x + n[3](mlp(n[2](x)))
        ),
        "used attention in both branches; the second is the MLP's": _with_norms(
            lambda x, n, attention, mlp: _block(x, n, attention, attention)
        ),
        "used the MLP in both branches; the first is attention's": _with_norms(
            lambda x, n, attention, mlp: _block(x, n, mlp, mlp)
        ),
        "the MLP comes first; attention does": _with_norms(_mlp_first),
        "the parts are exchanged: attention belongs in the first branch, the MLP in the second": (
            _with_norms(lambda x, n, attention, mlp: _block(x, n, mlp, attention))
        ),
        "added the MLP's answer to the x that came in; add it to the stream after the first sum": (
            _with_norms(_from_the_start)
        ),
        "left out both sums: each answer is added to the stream, it does not replace it": (
            _with_norms(lambda x, n, attention, mlp: n[3](mlp(n[2](n[1](attention(n[0](x)))))))
        ),
        "left out the first sum": _with_norms(_no_first_sum),
        "left out the second sum": _with_norms(
            lambda x, n, attention, mlp: n[3](mlp(n[2](x + n[1](attention(n[0](x))))))
        ),
    },
)


@standard_torch()
def check_diagnosis(fn: Callable[[Callable[[float], Part]], Any]) -> None:
    """`fn(make_block)` says where a block's second norms are: one of BEFORE, AFTER and NONE.

    `make_block(factor)` gives the block, a function of x (..., T, 8) of any float dtype, whose
    branches have their last matrix multiplied by `factor`. Nothing else of it can be seen.
    """
    for seed, kind in enumerate((NONE, BEFORE, AFTER, AFTER, BEFORE, NONE)):  # no counter knows
        answer = ask(fn, _unseen(kind, seed))
        require(
            isinstance(answer, str) and answer in (BEFORE, AFTER, NONE),
            f"gave {show(answer) or type(answer).__name__}; answer with {BEFORE!r}, {AFTER!r}"
            f" or {NONE!r}",
        )
        require(answer == kind, f"said {answer!r} of a block with {_KINDS[kind]}")


_KINDS = {
    NONE: "no second norms; a larger last matrix makes a larger sum there",
    BEFORE: "its second norms before the add; a larger last matrix changes nothing"
    " there, to three digits",
    AFTER: "its second norms after the add; a larger stream does not come out larger there, though"
    " sizes may differ by the gains",
}


def _unseen(kind: str, seed: int) -> Callable[[float], Part]:
    g = torch.Generator().manual_seed(20 + seed)
    # gains of about 2: nothing comes out of a norm with size 1
    norms = [_norm(1 + 0.4 * torch.randn(8, generator=g)) for _ in range(4)]
    parts = _parts(8, g)

    def make_block(factor: float) -> Part:
        def block(x: Any) -> Tensor:
            shape = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            require(
                isinstance(x, Tensor) and x.ndim >= 2 and x.shape[-1] == 8,
                f"gave the block {shape}; it takes a tensor (T, 8), such as torch.randn(5, 8)",
            )
            x = x.float()
            for before, part, after in zip(norms[::2], parts, norms[1::2], strict=True):
                branch = factor * part(before(x))
                if kind == AFTER:
                    x = after(x + branch)
                else:
                    x = x + (after(branch) if kind == BEFORE else branch)
            return x

        return block

    return make_block
