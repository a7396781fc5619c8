"""Normalisation, feed-forward and embedding, one element, unit and token at a time.

>>> x = torch.tensor([1.0, -7.0])  # mean square (1 + 49) / 2 = 25, so the rms is 5
>>> rms_norm(x, torch.tensor([0.0, 1.0]), eps=0.0)
tensor([ 0.2000, -2.8000])
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def rms_norm(
    x: Float[Tensor, "... D"], w: Float[Tensor, "D"], eps: float = 1e-6
) -> Float[Tensor, "... D"]:
    """y[d] = x[d] / sqrt(mean of all x[e] ** 2 + eps) * (1 + w[d]), for each row of the last axis.

    Nothing is rounded to the dtype of `x` before the end, and 1 + w never is: in bfloat16 every
    earlier rounding would show.
    """
    D = x.shape[-1]
    rows, gain = x.reshape(-1, D).tolist(), (1 + w.float()).tolist()
    y = torch.empty(len(rows), D)
    for t, row in enumerate(rows):
        mean_square = sum(value**2 for value in row) / D
        for d in range(D):
            y[t, d] = row[d] / math.sqrt(mean_square + eps) * gain[d]
    return y.reshape(x.shape).to(x.dtype)


def gelu_tanh(a: float) -> float:
    """GELU in its tanh form: about a for large a, about 0 for very negative a.

    >>> gelu_tanh(0.0), round(gelu_tanh(1.0), 4), round(gelu_tanh(-1.0), 4)
    (0.0, 0.8412, -0.1588)
    """
    return 0.5 * a * (1 + math.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3)))


def gated_mlp(
    x: Float[Tensor, "... D"],
    w_gate: Float[Tensor, "F D"],
    w_up: Float[Tensor, "F D"],
    w_down: Float[Tensor, "D F"],
) -> Float[Tensor, "... D"]:
    """GeGLU, unit by unit: unit f reads x by two rows, and writes what it found by one column."""
    rows = x.reshape(-1, x.shape[-1])
    y = torch.zeros_like(rows)
    for t, row in enumerate(rows):
        for f in range(len(w_gate)):
            gate = gelu_tanh(float(w_gate[f] @ row))
            up = float(w_up[f] @ row)
            y[t] += gate * up * w_down[:, f]
    return y.reshape(x.shape)


def token_embedding(
    tokens: Int[Tensor, "B T"], table: Float[Tensor, "V D"]
) -> Float[Tensor, "B T D"]:
    """Each token's row of the table, times sqrt(D) as the table's dtype can write it.

    >>> token_embedding(torch.tensor([[1]]), torch.ones(2, 640, dtype=torch.bfloat16))[0, 0, 0]
    tensor(25.2500, dtype=torch.bfloat16)
    """
    (B, T), D = tokens.shape, table.shape[1]
    scale = torch.tensor(math.sqrt(D)).to(table.dtype)
    x = torch.empty(B, T, D, dtype=table.dtype)
    for b in range(B):
        for t in range(T):
            x[b, t] = table[tokens[b, t]] * scale
    return x


def logits(x: Float[Tensor, "B T D"], table: Float[Tensor, "V D"]) -> Float[Tensor, "B T V"]:
    """How well each token's row agrees with x: one dot product each, with the table as it is."""
    (B, T, _), V = x.shape, len(table)
    scores = torch.empty(B, T, V, dtype=x.dtype)
    for b in range(B):
        for t in range(T):
            for v in range(V):
                scores[b, t, v] = x[b, t] @ table[v]
    return scores


def inside(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The part of a state dict whose names begin with `prefix`, which is cut off.

    >>> inside({"norm.weight": torch.ones(1), "mlp.up.weight": torch.zeros(1)}, "mlp.")
    {'up.weight': tensor([0.])}
    """
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix)
    }
