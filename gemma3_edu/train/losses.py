"""SigLIP's loss."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


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
