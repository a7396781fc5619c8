"""The layers other than attention: normalization, feed-forward, embedding.

>>> norm = RMSNorm(4)  # w starts at 0, so a fresh norm scales by 1 + 0
>>> norm(torch.tensor([3.0, -3.0, 3.0, -3.0])).detach().round(decimals=3)
tensor([ 1., -1.,  1., -1.])
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


class RMSNorm(nn.Module):
    """x / rms(x) * (1 + w) over the last axis, with eps inside the root.

    The weight is stored as its difference from 1, so it starts at 0. Everything is computed in
    float32 and cast to the dtype of x last; Llama casts before it multiplies by the weight, which
    rounds differently.
    """

    def __init__(self, size: int, eps: float = 1e-6):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(size))

    def forward(self, x: Float[Tensor, "... size"]) -> Float[Tensor, "... size"]:
        wide = x.float()
        normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return (normed * (1.0 + self.weight.float())).to(x.dtype)


class GatedMLP(nn.Module):
    """GeGLU: down(gelu(gate(x)) * up(x)), with the tanh form of GELU and no biases."""

    def __init__(self, hidden_size: int, intermediate_size: int):
        super().__init__()
        self.gate_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.up_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.down_proj = nn.Linear(intermediate_size, hidden_size, bias=False)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        gate = F.gelu(self.gate_proj(x), approximate="tanh")
        return self.down_proj(gate * self.up_proj(x))


class TokenEmbedding(nn.Module):
    """One table, used twice: it embeds the tokens, and it is the head that gives the logits."""

    def __init__(self, vocab_size: int, hidden_size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocab_size, hidden_size))
        nn.init.normal_(self.weight, std=hidden_size**-0.5)  # scaled rows are then of order 1

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """The tokens' rows times sqrt(D), which is first rounded to the dtype of the weights.

        In bfloat16 that matters: sqrt(640) = 25.298 becomes 25.25.
        """
        scale = torch.tensor(self.weight.shape[1] ** 0.5, dtype=self.weight.dtype)
        return F.embedding(tokens, self.weight) * scale

    def logits(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T V"]:
        """The score of every token: unscaled, and without the soft cap of Gemma 2."""
        return F.linear(x, self.weight)
