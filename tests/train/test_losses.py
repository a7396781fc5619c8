"""Losses against their definitions, written out."""

import math

import pytest
import torch

from gemma3_edu.train.losses import distillation_loss, guesses, next_token_loss, sigmoid_pair_loss


def setting():
    g = torch.Generator().manual_seed(0)
    logits, teacher = torch.randn(2, 5, 7, generator=g), torch.randn(2, 5, 7, generator=g)
    tokens = torch.randint(7, (2, 5), generator=g)
    counted = torch.tensor([[0, 0, 1, 1, 0], [1, 1, 0, 1, 1]]) > 0  # column 0 is never guessed
    return logits, teacher, tokens, counted


def places(counted):
    return [(b, t) for b, t in counted.nonzero().tolist() if t > 0]


def test_next_token_loss_is_the_mean_surprise_of_what_counts():
    logits, _, tokens, counted = setting()
    surprises = [-math.log(logits[b, t - 1].softmax(-1)[tokens[b, t]]) for b, t in places(counted)]
    want = sum(surprises) / len(surprises)
    assert math.isclose(next_token_loss(logits, tokens, counted).item(), want, rel_tol=1e-5)


def test_distillation_loss_is_the_cross_entropy_to_the_teacher():
    logits, teacher, tokens, counted = setting()
    each = [
        -sum(
            p * q
            for p, q in zip(
                teacher[b, t - 1].softmax(-1), logits[b, t - 1].log_softmax(-1), strict=True
            )
        )
        for b, t in places(counted)
    ]
    student, wanted = guesses(logits, tokens, counted)
    got = distillation_loss(student, guesses(teacher, tokens, counted)[0]).item()
    assert math.isclose(got, float(sum(each) / len(each)), rel_tol=1e-5)
    sure = 100.0 * torch.nn.functional.one_hot(wanted, 7)  # a teacher that knows
    torch.testing.assert_close(
        distillation_loss(student, sure), next_token_loss(logits, tokens, counted)
    )


def test_nothing_that_counts_is_refused():
    logits, teacher, tokens, _ = setting()
    first_only = torch.zeros(2, 5, dtype=torch.bool)
    first_only[:, 0] = True
    with pytest.raises(ValueError, match="no token counts"):
        next_token_loss(logits, tokens, first_only)
    with pytest.raises(ValueError, match="no token counts"):
        guesses(teacher, tokens, first_only)


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
