"""The check of the exercise that writes a block of the vision encoder.

>>> from gemma3_edu.lessons.nb import attempt
>>> attempt("Exercise 2", check_vision_block, lambda x, w, heads: x)  # doctest: +ELLIPSIS
Exercise 2: x came back as it was (x of shape (1, 3, 4), heads = 2: got ...
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from .grading import Case, Check

_MATRICES = {"self_attn.q_proj": "ee", "self_attn.k_proj": "ee", "self_attn.v_proj": "ee"}
_MATRICES |= {"self_attn.out_proj": "ee", "mlp.fc1": "fe", "mlp.fc2": "ef"}


def _block_cases() -> dict[str, Case]:
    g, cases = torch.Generator().manual_seed(13), {}
    for i, p, e, f, heads in [(1, 3, 4, 6, 2), (2, 5, 6, 7, 3), (2, 7, 12, 10, 3)]:
        x = 0.5 + torch.randn(e, i, p, generator=g).movedim(0, -1)  # not contiguous, mean not 0
        size, w = {"e": e, "f": f}, {}
        for name, letters in _MATRICES.items():
            rows, columns = (size[letter] for letter in letters)
            w[f"{name}.weight"] = 2 * torch.randn(rows, columns, generator=g) / columns**0.5
            w[f"{name}.bias"] = torch.randn(rows, generator=g)
        for name in ("layer_norm1", "layer_norm2"):
            w[f"{name}.weight"] = 0.5 + torch.rand(e, generator=g)
            w[f"{name}.bias"] = torch.randn(e, generator=g) / 2
        cases[f"x of shape {(i, p, e)}, heads = {heads}"] = (x, w, heads)
    small = torch.randn(1, 3, 12, generator=g) * 0.003  # of so small a variance that eps counts
    cases["numbers near 0.003, x of shape (1, 3, 12), heads = 3"] = (small, w, heads)
    return cases


def _layer_norm(x: Tensor, gain: Tensor, bias: Tensor, eps: float = 1e-6) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], gain, bias, eps)


def _rms(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    return x * (x.pow(2).mean(-1, keepdim=True) + 1e-6).rsqrt() * gain + bias


def _sample_variance(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True)
    return (x - mean) * (variance + 1e-6).rsqrt() * gain + bias


def _eps_outside(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    apart = x - x.mean(-1, keepdim=True)
    return apart / (x.std(-1, correction=0, keepdim=True) + 1e-6) * gain + bias


def _over_patches(x: Tensor, gain: Tensor, bias: Tensor, axes: tuple[int, ...] = (1,)) -> Tensor:
    mean, variance = x.mean(axes, keepdim=True), x.var(axes, correction=0, keepdim=True)
    return (x - mean) * (variance + 1e-6).rsqrt() * gain + bias


def _attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: Callable[[int, int], float] = lambda size, e: size**-0.5,
    causal: bool = False,
    weigh: Callable[[Tensor], Tensor] = lambda scores: scores.softmax(-1),
) -> Tensor:
    scores = q @ k.transpose(2, 3) * scale(q.shape[-1], q.shape[-1] * q.shape[1])
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[2:]).triu(1).bool(), -torch.inf)
    return weigh(scores) @ v


def _apart(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _join(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def _gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def _block(
    norm: Callable[..., Tensor] = _layer_norm,
    norms: tuple[str, str] = ("layer_norm1", "layer_norm2"),  # "" for none
    attention: Callable[..., Tensor] = _attention,
    apart: Callable[[Tensor, int], Tensor] = _apart,
    join: Callable[[Tensor], Tensor] = _join,
    bend: Callable[[Tensor], Tensor] = _gelu,
    bend_late: Callable[[Tensor], Tensor] = lambda x: x,
    no_bias: tuple[str, ...] = (),
    turned: tuple[str, ...] = (),
    skipped: tuple[str, ...] = (),
    road: Callable[..., Tensor] = lambda x, first, then: then(first(x) + x) + first(x) + x,
) -> Callable[[Tensor, dict[str, Tensor], int], Tensor]:
    """The block, or one with something in it done otherwise."""

    def block(x: Tensor, w: dict[str, Tensor], heads: int) -> Tensor:
        def linear(name: str, y: Tensor) -> Tensor:
            if name in skipped:
                return y
            matrix, bias = w[f"{name}.weight"], w[f"{name}.bias"]
            y = y @ (matrix if name in turned else matrix.T)
            return y if name in no_bias else y + bias

        def normed(name: str, y: Tensor) -> Tensor:
            return norm(y, w[f"{name}.weight"], w[f"{name}.bias"]) if name else y

        def first(y: Tensor) -> Tensor:
            y = normed(norms[0], y)
            q, k, v = (apart(linear(f"self_attn.{name}_proj", y), heads) for name in "qkv")
            return linear("self_attn.out_proj", join(attention(q, k, v)))

        def then(y: Tensor) -> Tensor:
            return bend_late(linear("mlp.fc2", bend(linear("mlp.fc1", normed(norms[1], y)))))

        return road(x, first, then)

    return block


_SQUARE = tuple(name for name, shape in _MATRICES.items() if shape == "ee")

check_vision_block = Check(
    """`fn(x, w, heads)` is one block of the encoder: (I, P, E) to (I, P, E), every patch sees all.

    `w` holds the block's weights and biases under the names of a checkpoint; eps is 1e-6.
    """,
    "x w heads",
    _block(),
    _block_cases,
    {
        "the norms keep the mean, as RMSNorm does; LayerNorm subtracts it first": _block(_rms),
        "the norms scale by 1 + weight, as Gemma's; here the weight itself is the gain": _block(
            lambda x, gain, bias: _layer_norm(x, 1 + gain, bias)
        ),
        "the norms' biases are missing": _block(
            lambda x, gain, bias: _layer_norm(x, gain, torch.zeros_like(bias))
        ),
        "the norms' gains are missing": _block(
            lambda x, gain, bias: _layer_norm(x, torch.ones_like(gain), bias)
        ),
        "the variance is divided by E - 1, as torch.var does; LayerNorm divides by E": _block(
            _sample_variance
        ),
        "this is Gemma's RMSNorm, with the mean kept and 1 + weight; LayerNorm has neither": _block(
            lambda x, gain, bias: _rms(x, 1 + gain, bias)
        ),
        "the norms have neither gain nor bias; both are in w": _block(
            lambda x, gain, bias: _layer_norm(x, torch.ones_like(gain), torch.zeros_like(bias))
        ),
        "the mean runs over patches; LayerNorm takes it over the E numbers of one vector": [
            _block(_over_patches),
            _block(partial(_over_patches, axes=(1, 2))),
        ],
        "eps is 1e-5, as F.layer_norm takes it unasked; here it is 1e-6": _block(
            partial(_layer_norm, eps=1e-5)
        ),
        "eps is missing in the norms": _block(partial(_layer_norm, eps=0.0)),
        "eps is added to the deviation; add it to the variance, under the root": _block(
            _eps_outside
        ),
        "layer_norm1 stands before both parts; the MLP has layer_norm2": _block(
            norms=("layer_norm1", "layer_norm1")
        ),
        "layer_norm2 stands before both parts; attention has layer_norm1": _block(
            norms=("layer_norm2", "layer_norm2")
        ),
        "the two norms are exchanged; attention has layer_norm1": _block(
            norms=("layer_norm2", "layer_norm1")
        ),
        "no part has a norm; each reads a normed copy of the stream": _block(norms=("", "")),
        "attention reads the stream as it is; it reads a normed copy": _block(
            norms=("", "layer_norm2")
        ),
        "the MLP reads the stream as it is; it reads a normed copy": _block(
            norms=("layer_norm1", "")
        ),
        "each norm comes after the sum; it comes before its part, and the sum is not normed": (
            lambda x, w, heads: _norms_after(x, w, heads)
        ),
        "each norm comes after its part; it comes before": (
            lambda x, w, heads: _norms_after(x, w, heads, on_sum=False)
        ),
        "a patch sees only itself and those before it; here every patch sees all": _block(
            attention=partial(_attention, causal=True)
        ),
        "the scores are not scaled; divide them by the root of a head's width": _block(
            attention=partial(_attention, scale=lambda size, e: 1.0)
        ),
        "the scores are divided by the root of E; take the width of one head": _block(
            attention=partial(_attention, scale=lambda size, e: e**-0.5)
        ),
        "the scores are divided by a head's width, as if scaled twice; take its root, once": _block(
            attention=partial(_attention, scale=lambda size, e: 1 / size)
        ),
        "the scores are divided by the root of the number of heads; take a head's width": _block(
            attention=partial(_attention, scale=lambda size, e: (size / e) ** 0.5)
        ),
        "the scores are multiplied by the root of a head's width; divide by it": _block(
            attention=partial(_attention, scale=lambda size, e: size**0.5)
        ),
        "softmax runs over the queries; for each query it runs over the keys": _block(
            attention=partial(_attention, weigh=lambda scores: scores.softmax(-2))
        ),
        "softmax runs over the heads; for each query it runs over the keys": _block(
            attention=partial(_attention, weigh=lambda scores: scores.softmax(1))
        ),
        "the weights are sigmoids; only SigLIP's loss has them, its attention has softmax": _block(
            attention=partial(_attention, weigh=torch.sigmoid)
        ),
        "softmax is missing between scores and values": _block(
            attention=partial(_attention, weigh=lambda scores: scores)
        ),
        "keys and values are exchanged": _block(attention=lambda q, k, v: _attention(q, v, k)),
        "queries and keys are exchanged": _block(attention=lambda q, k, v: _attention(k, q, v)),
        "one head of width E; split queries, keys and values into heads": _block(
            apart=lambda x, heads: x[:, None]
        ),
        "each head took every so many numbers; the numbers of one head are neighbours": _block(
            apart=lambda x, heads: x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2)
        ),
        "each patch attends among its own heads; exchange the axes of heads and patches": _block(
            apart=lambda x, heads: x.unflatten(-1, (heads, -1)), join=lambda x: x.flatten(2)
        ),
        "split into heads across the patches; split the last axis, then exchange two": _block(
            apart=lambda x, heads: x.reshape(len(x), heads, x.shape[1], -1)
        ),
        "joined before heads and patches changed places: transpose(1, 2) comes first": _block(
            join=lambda x: x.reshape(len(x), x.shape[2], -1)
        ),
        "out_proj is missing; it comes after the heads are joined": _block(
            skipped=("self_attn.out_proj",)
        ),
        "the bias of a matrix is missing in attention; all four have one": [
            _block(no_bias=_SQUARE),
            _block(no_bias=("self_attn.q_proj", "self_attn.v_proj", "self_attn.k_proj")),
            _block(no_bias=("self_attn.out_proj",)),
            _block(no_bias=("self_attn.q_proj",)),
            _block(no_bias=("self_attn.v_proj",)),
        ],
        "the bias of a matrix is missing in the MLP; both have one": [
            _block(no_bias=("mlp.fc1", "mlp.fc2")),
            _block(no_bias=("mlp.fc1",)),
            _block(no_bias=("mlp.fc2",)),
        ],
        "no bias is added; all six matrices have one": _block(no_bias=tuple(_MATRICES)),
        "the square matrices are used as x @ weight; a Linear's weight is used as x @ weight.T": (
            _block(turned=_SQUARE)
        ),
        "this is the exact GELU; SigLIP has the tanh form": _block(bend=F.gelu),
        "the MLP bends by ReLU; SigLIP has GELU, tanh form": _block(bend=F.relu),
        "the MLP bends by SiLU; SigLIP has GELU, tanh form": _block(bend=F.silu),
        "this is the quick GELU, x times sigmoid(1.702 x); SigLIP has the tanh form": _block(
            bend=lambda x: x * torch.sigmoid(1.702 * x)
        ),
        "GELU comes after fc2; it belongs between fc1 and fc2": _block(
            bend=lambda x: x, bend_late=_gelu
        ),
        "the MLP has a gate, as Gemma's has; here it is GELU of fc1 alone": _block(
            bend=lambda x: _gelu(x) * x
        ),
        "nothing bends between the two matrices of the MLP": _block(bend=lambda x: x),
        "attention takes the place of the stream; add it to x": _block(
            road=lambda x, first, then: then(first(x)) + first(x)
        ),
        "the MLP takes the place of the stream; add it": _block(
            road=lambda x, first, then: then(first(x) + x)
        ),
        "neither part is added to the stream": _block(road=lambda x, first, then: then(first(x))),
        "both parts read x; the MLP reads the stream after attention was added": _block(
            road=lambda x, first, then: x + first(x) + then(x)
        ),
        "the MLP reads what attention returned; it reads the stream, x plus that": _block(
            road=lambda x, first, then: x + first(x) + then(first(x))
        ),
        "attention reaches the MLP and not what is returned; keep x plus attention as x": _block(
            road=lambda x, first, then: x + then(first(x) + x)
        ),
        "x came back as it was": lambda x, w, heads: x.clone(),
        "the MLP is missing": _block(road=lambda x, first, then: x + first(x)),
        "the attention is missing": _block(road=lambda x, first, then: x + then(x)),
        "the MLP comes first; attention does": _block(
            road=lambda x, first, then: first(then(x) + x) + then(x) + x
        ),
        "x itself is normed and its normed copy stays the stream; add to x as it came": [
            lambda x, w, heads: _normed_stream(x, w, heads),
            lambda x, w, heads: _normed_stream(x, w, heads, both=False),
        ],
    },
    atol=2e-5,
)


_ATTENTION = _block(norms=("", "layer_norm2"), road=lambda x, first, then: first(x))
_MLP = _block(norms=("layer_norm1", ""), road=lambda x, first, then: then(x))


def _normed(number: int, x: Tensor, w: dict[str, Tensor]) -> Tensor:
    return _layer_norm(x, w[f"layer_norm{number}.weight"], w[f"layer_norm{number}.bias"])


def _normed_stream(x: Tensor, w: dict[str, Tensor], heads: int, both: bool = True) -> Tensor:
    x = _normed(1, x, w)
    x = x + _ATTENTION(x, w, heads)
    y = _normed(2, x, w)
    return (y if both else x) + _MLP(y, w, heads)


def _norms_after(x: Tensor, w: dict[str, Tensor], heads: int, on_sum: bool = True) -> Tensor:
    for number, part in ((1, _ATTENTION), (2, _MLP)):
        out = part(x, w, heads)
        x = _normed(number, x + out, w) if on_sum else x + _normed(number, out, w)
    return x
