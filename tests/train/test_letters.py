"""The small task of letters: what it counts, that layers learn it, and that a broken run is NaN."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from gemma3_edu.train.letters import WIDTH, frequencies_alone, learn_letters


class Explodes(nn.Module):
    """Infinity minus infinity, as far larger numbers would give in the end."""

    def forward(self, x):
        return x * torch.inf - x * torch.inf


def test_frequencies_alone_are_the_entropy_of_the_letters():
    assert frequencies_alone() == pytest.approx(3.08, abs=0.01)


def test_layers_are_trained_from_a_draw_of_their_own():
    make, before = partial(nn.Linear, WIDTH, WIDTH, bias=False), torch.get_rng_state()
    found = learn_letters(make, rate=0.01, layers=1, draws=2, steps=8)
    assert found == learn_letters(make, rate=0.01, layers=1, draws=2, steps=8)
    assert found[0] != found[1]
    untrained = learn_letters(make, rate=0.0, layers=1, draws=2, steps=8)
    assert all(a < b for a, b in zip(found, untrained, strict=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_broken_run_is_nan():
    assert all(map(math.isnan, learn_letters(Explodes, rate=0.01, layers=1, steps=3)))


def test_each_draw_begins_with_matrices_of_its_own():
    seen = []

    class Watched(nn.Linear):
        def forward(self, x):
            seen.append(self.weight.detach().clone())
            return super().forward(x)

    make, before = partial(Watched, WIDTH, WIDTH, bias=False), torch.get_rng_state()
    learn_letters(make, rate=0.01, layers=2, draws=2, steps=1)
    assert not torch.equal(seen[0], seen[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_letters_begin_as_large_as_is_asked():
    read = []

    class Watched(nn.Linear):
        def forward(self, x):
            read.append(x.detach().clone())
            return super().forward(x)

    make = partial(Watched, WIDTH, WIDTH, bias=False)
    for times in (1.0, 4.0):
        learn_letters(make, rate=0.01, layers=1, draws=1, steps=1, times=times)
    assert torch.equal(4 * read[0], read[1])
