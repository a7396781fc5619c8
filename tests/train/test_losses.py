"""SigLIP's loss against its definition, written out."""

import math

import torch

from gemma3_edu.train.losses import sigmoid_pair_loss


def test_sigmoid_pair_loss_asks_every_pair():
    g = torch.Generator().manual_seed(1)
    image, text = torch.randn(3, 5, generator=g), torch.randn(3, 5, generator=g)
    scale, bias = torch.tensor(1.5), torch.tensor(-2.0)
    total = 0.0
    for i in range(3):
        for j in range(3):
            cosine = torch.dot(image[i], text[j]) / image[i].norm() / text[j].norm()
            sign = 1 if i == j else -1
            total += math.log1p(math.exp(-sign * (cosine.item() * math.exp(1.5) - 2.0)))
    got = sigmoid_pair_loss(image, text, scale, bias).item()
    assert math.isclose(got, total / 3, rel_tol=1e-5)
