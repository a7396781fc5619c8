"""Muon: updates are orthogonal, of the promised size, and the same however they are batched."""

import pytest
import torch
from torch import nn

from gemma3_edu.train.muon import RMS, Muon, orthogonal
from gemma3_edu.train.precision import quick_dtype

SHAPES = [(4, 6), (6, 4), (5, 5), (16, 128), (128, 16), (40, 352)]


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def stepped(shapes, steps, *, one_by_one=False, **options):
    """Weights after some steps on random gradients."""
    weights = [nn.Parameter(random(*shape, seed=i)) for i, shape in enumerate(shapes)]
    groups = [[w] for w in weights] if one_by_one else [weights]
    optimizers = [Muon(group, **options) for group in groups]
    for step in range(steps):
        for number, weight in enumerate(weights):
            weight.grad = random(*weight.shape, seed=100 * step + number + 7)
        for optimizer in optimizers:
            optimizer.step()
    return [weight.detach() for weight in weights]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_become_about_one(shape, dtype, monkeypatch):
    monkeypatch.setattr("gemma3_edu.train.muon.quick_dtype", lambda device: dtype)
    values = torch.linalg.svdvals(orthogonal(random(3, *shape)))
    assert values.min() > 0.65
    assert values.max() < 1.25


@pytest.mark.parametrize("shape", [(8, 12), (12, 8), (9, 9)])
def test_singular_vectors_stay_and_small_values_rise(shape):
    u, _, v = torch.linalg.svd(random(*shape), full_matrices=False)
    spread = torch.logspace(0, -1.5, min(shape))  # the largest is 30 times the smallest
    turned = u.T @ orthogonal((u @ torch.diag(spread) @ v)[None])[0] @ v.T
    assert (turned.diagonal() > 0.65).all()
    assert (turned.diagonal() < 1.25).all()
    assert (turned - torch.diag(turned.diagonal())).abs().max() < 0.05
    scaled = orthogonal(1e-3 * random(1, *shape))
    torch.testing.assert_close(scaled, orthogonal(random(1, *shape)), atol=0.05, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_update_has_the_same_size_whatever_the_shape(shape):
    before, after = (stepped([shape], steps, rate=0.5, weight_decay=0.0)[0] for steps in (0, 1))
    size = (after - before).square().mean().sqrt().item()
    assert size == pytest.approx(0.5 * RMS, rel=0.25)
    assert RMS == 0.4


def test_three_steps_are_what_the_formula_says():
    weight, mean = random(6, 4, seed=0), torch.zeros(6, 4)
    for step in range(3):
        gradient = random(6, 4, seed=100 * step + 7)
        mean = 0.9 * mean + 0.1 * gradient
        update = orthogonal((0.1 * gradient + 0.9 * mean)[None])[0]  # Nesterov
        weight = (1 - 0.1 * 0.05) * weight - 0.1 * 0.4 * 6**0.5 * update
    (found,) = stepped([(6, 4)], 3, rate=0.1, momentum=0.9, weight_decay=0.05)
    torch.testing.assert_close(found, weight, atol=2e-3, rtol=0)


def test_batched_by_shape_equals_one_by_one():
    shapes = [(6, 4), (5, 5), (6, 4), (4, 6), (6, 4)]
    for one, other in zip(stepped(shapes, 3), stepped(shapes, 3, one_by_one=True), strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=0)


def test_a_matrix_without_a_gradient_stays_and_the_rest_moves():
    weights = [nn.Parameter(random(4, 4, seed=seed)) for seed in range(2)]
    before = [weight.detach().clone() for weight in weights]
    weights[1].grad = random(4, 4, seed=9)
    Muon(weights).step()
    assert torch.equal(weights[0], before[0])
    assert not torch.equal(weights[1], before[1])


def test_the_state_is_saved_and_loaded(tmp_path):
    def fresh():
        return [nn.Parameter(random(*shape)) for shape in ((4, 6), (5, 5))]

    def run(weights, optimizer, steps):
        for step in steps:
            for weight in weights:
                weight.grad = random(*weight.shape, seed=step)
            optimizer.step()

    whole = fresh()
    run(whole, Muon(whole), range(6))
    first, second = fresh(), fresh()
    optimizer = Muon(first)
    run(first, optimizer, range(3))
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    with torch.no_grad():
        for new, old in zip(second, first, strict=True):
            new.copy_(old)
    again = Muon(second)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    run(second, again, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(whole, second, strict=True))


@pytest.mark.parametrize(
    ("capability", "device", "dtype"),
    [
        ("AVX2", "cpu", torch.float32),
        ("DEFAULT", "cpu", torch.float32),
        ("AVX512", "cpu", torch.bfloat16),
        ("AVX2", "cuda", torch.bfloat16),
    ],
)
def test_bfloat16_is_used_where_it_is_quick(capability, device, dtype, monkeypatch):
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    assert quick_dtype(device) == dtype
