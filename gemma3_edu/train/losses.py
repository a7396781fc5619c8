"""What training makes small.

>>> logits = torch.zeros(1, 3, 8)  # three columns that know nothing of eight tokens
>>> tokens, counted = torch.tensor([[2, 5, 6]]), torch.tensor([[False, True, True]])
>>> round(next_token_loss(logits, tokens, counted).item(), 3)  # log 8
2.079
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F


def guesses(
    columns: Float[Tensor, "B T D"], tokens: Int[Tensor, "B T"], counted: Bool[Tensor, "B T"]
) -> tuple[Float[Tensor, "C D"], Int[Tensor, "C"]]:
    """The C tokens that count, each with the column before it, from which it is guessed.

    Columns are logits or hidden states: a head that reads only these C saves work. Nothing guesses
    column 0. Raises ValueError where nothing counts: a mean of nothing is NaN.
    """
    counted = counted[:, 1:]
    if not bool(counted.any()):
        raise ValueError("counted: no token counts; is every answer empty, or all of it padding?")
    return columns[:, :-1][counted], tokens[:, 1:][counted]


def next_token_loss(
    logits: Float[Tensor, "B T V"], tokens: Int[Tensor, "B T"], counted: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Mean surprise, in nats, at the tokens that count; see `guesses`."""
    guessing, wanted = guesses(logits, tokens, counted)
    return F.cross_entropy(guessing.float(), wanted)


def distillation_loss(
    student: Float[Tensor, "C V"], teacher: Float[Tensor, "C V"]
) -> Float[Tensor, ""]:
    """Mean cross-entropy, in nats, of the student's logits to the teacher's whole distribution.

    The report (section 2.2) samples 256 tokens a column because its vocabulary is large; ours is
    small enough to keep all.
    """
    return F.cross_entropy(student.float(), teacher.float().softmax(-1))


def sigmoid_pair_loss(
    image: Float[Tensor, "R E"],
    text: Float[Tensor, "R E"],
    log_scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """SigLIP's loss (arXiv:2303.15343, equation in section 3.2) for R pictures and their captions.

    Each of the R x R pairs is a question of its own, match or no match, so no softmax runs over
    the batch. Both sides are scaled to length 1 here; `bias` begins near -log R, since of all pairs
    only one in R matches.

    >>> codes = 20 * torch.eye(3)
    >>> apart = sigmoid_pair_loss(codes, codes, torch.tensor(3.0), torch.tensor(-10.0))
    >>> mixed = sigmoid_pair_loss(codes, codes.roll(1, 0), torch.tensor(3.0), torch.tensor(-10.0))
    >>> bool(apart < 0.001), bool(mixed > 10)
    (True, True)
    """
    similarity = F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T  # R R
    logits = similarity * log_scale.exp() + bias
    sign = 2 * torch.eye(len(image), device=image.device) - 1
    return -F.logsigmoid(sign * logits).sum() / len(image)
