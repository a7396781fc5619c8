"""Checks of the exercises on the block: its four norms, and where a block unseen has its second.

>>> def llama(x, w, attention, mlp):
...     x = x + attention(rms_norm(x, w["input_layernorm.weight"]))
...     return x + mlp(rms_norm(x, w["post_attention_layernorm.weight"]))
>>> check_block(llama)
Traceback (most recent call last):
AssertionError: a block of Llama: two norms, and what they are named there; Gemma 3 has four
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...naive.layers import rms_norm
from .compare import compare

Slips = Sequence[tuple[str, Tensor]]
Part = Callable[[Tensor], Tensor]
BEFORE, AFTER, NONE = "before the add", "after the add", "none"


def check_block(fn: Callable[[Tensor, dict[str, Tensor], Part, Part], Any]) -> None:
    """`fn(x, w, attention, mlp)` is one block: x (B T D), both parts from (B T D) to (B T D).

    `w` holds the weights of the four norms, each (D,), under a checkpoint's names; a gain is 1 + w.
    """
    g = torch.Generator().manual_seed(9)
    for b, t, d in [(2, 5, 7), (3, 4, 6)]:
        x = torch.randn(d, b, t, generator=g).movedim(0, -1)  # not contiguous
        w = {f"{name}.weight": torch.randn(d, generator=g) for name in _NORMS}
        attention, mlp = _parts(d, g)
        before = [tensor.clone() for tensor in (x, *w.values())]
        got = fn(x, w, attention, mlp)
        for old, now in zip(before, (x, *w.values()), strict=True):
            assert torch.equal(old, now), (
                "changed x or w in place (+= does that); who holds the stream before this block"
                " sees it change"
            )
        norms = [_norm(w[f"{name}.weight"]) for name in _NORMS]
        compare(got, _block(x, norms, attention, mlp), _block_slips(x, norms, attention, mlp))


_NORMS = (
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
)


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


def _block(x: Tensor, norms: Sequence[Part], attention: Part, mlp: Part) -> Tensor:
    x = x + norms[1](attention(norms[0](x)))
    return x + norms[3](mlp(norms[2](x)))


def _block_slips(x: Tensor, norms: Sequence[Part], attention: Part, mlp: Part) -> Slips:
    n0, n1, n2, n3 = norms
    middle = x + n1(attention(n0(x)))
    late = n1(x + attention(n0(x)))
    normed = n0(x)
    stream = normed + n1(attention(normed))
    first = x + n3(mlp(n2(x)))
    llama = x + attention(n0(x))
    return [
        (
            "the second norm of each pair stands after the sum; it norms the branch, before it",
            n3(late + mlp(n2(late))),
        ),
        ("left out both norms after the branches", llama + mlp(n2(llama))),
        (
            "a block of Llama: two norms, and what they are named there; Gemma 3 has four",
            llama + mlp(n1(llama)),
        ),
        (
            "post_attention_layernorm and pre_feedforward_layernorm are swapped: the first norms"
            " what attention gives, the second what the MLP reads",
            _block(x, (n0, n2, n1, n3), attention, mlp),
        ),
        ("left out the norm before attention", _block(x, (_same, n1, n2, n3), attention, mlp)),
        ("left out the norm after attention", _block(x, (n0, _same, n2, n3), attention, mlp)),
        ("left out the norm before the MLP", _block(x, (n0, n1, _same, n3), attention, mlp)),
        ("left out the norm after the MLP", _block(x, (n0, n1, n2, _same), attention, mlp)),
        (
            "added the branches to the normed stream; add them to the stream itself",
            n2(stream) + n3(mlp(n2(stream))),
        ),
        (
            "the MLP does not hear attention: it reads the stream after the first sum",
            middle + first - x,
        ),
        ("the MLP comes first; attention does", first + n1(attention(n0(first)))),
        ("left out the first sum", n1(attention(n0(x))) + n3(mlp(n2(n1(attention(n0(x))))))),
        ("left out the second sum", n3(mlp(n2(middle)))),
    ]


def _same(x: Tensor) -> Tensor:
    return x


def check_diagnosis(fn: Callable[[Callable[[float], Part]], Any]) -> None:
    """`fn(make_block)` says where a block's second norms stand: one of BEFORE, AFTER and NONE.

    `make_block(factor)` gives the block, a function of x (T, 8), whose branches have their last
    matrix multiplied by `factor`. Nothing else of it can be seen.
    """
    for seed in range(2):
        for kind in (NONE, BEFORE, AFTER):
            answer = fn(_unseen(kind, seed))
            assert answer in (BEFORE, AFTER, NONE), (
                f"gave {answer!r}; answer with {BEFORE!r}, {AFTER!r} or {NONE!r}"
            )
            assert answer == kind, f"said {answer!r} of a block with {_KINDS[kind]}"


_KINDS = {
    NONE: "no second norms; a larger last matrix makes a larger sum there",
    BEFORE: "its second norms before the add; a larger last matrix changes nothing there",
    AFTER: "its second norms after the add; a larger stream cannot get through there",
}


def _unseen(kind: str, seed: int) -> Callable[[float], Part]:
    g = torch.Generator().manual_seed(20 + seed)
    norms = [_norm(0.4 * torch.randn(8, generator=g)) for _ in range(4)]
    parts = _parts(8, g)

    def make_block(factor: float) -> Part:
        def block(x: Tensor) -> Tensor:
            for before, part, after in zip(norms[::2], parts, norms[1::2], strict=True):
                branch = factor * part(before(x))
                if kind == AFTER:
                    x = after(x + branch)
                else:
                    x = x + (after(branch) if kind == BEFORE else branch)
            return x

        return block

    return make_block
