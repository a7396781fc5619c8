"""The small task of looking up: what is drawn, and that a network learns it from its seed alone."""

import torch
from torch import nn

from gemma3_edu.train.lookup import DIGITS, LETTERS, PAIRS, draw_tasks, learn_lookup


class Reads(nn.Module):
    """Scores of a digit from where its letter is: with `told`, from the letter that is asked."""

    def __init__(self, told: bool):
        super().__init__()
        self.told, self.scale = told, nn.Parameter(torch.tensor(0.1))

    def forward(self, letters, digits, asked):
        found = letters == asked[:, None] if self.told else torch.ones_like(letters)
        each = nn.functional.one_hot(digits, DIGITS) * found[..., None]
        return self.scale * each.sum(1)


def test_a_task_has_different_letters_and_the_digit_of_the_one_asked():
    (letters, digits, asked), answer = draw_tasks(200)
    assert letters.shape == digits.shape == (200, PAIRS)
    assert all(len(set(row)) == PAIRS for row in letters.tolist())
    assert letters.max() < LETTERS
    assert digits.max() < DIGITS
    assert torch.equal(digits[letters == asked[:, None]], answer)


def test_right_answers_are_counted_after_the_steps_that_are_named():
    before = torch.get_rng_state()
    found = learn_lookup(lambda: Reads(True), [1, 3], seed=4)
    assert found == [1.0, 1.0]
    blind = learn_lookup(lambda: Reads(False), [1, 3], seed=4)
    assert all(0.2 < share < 0.4 for share in blind)  # the commonest digit of eight
    assert blind == learn_lookup(lambda: Reads(False), {1, 3}, seed=4)
    assert torch.equal(torch.get_rng_state(), before)


def test_training_makes_it_better():
    def network():
        return Adds(16)

    first, last = learn_lookup(network, [1, 60], seed=0, rate=0.02)
    assert last > first + 0.05


class Adds(nn.Module):
    """All digits of a task added up, as far as vectors of this width can hold them."""

    def __init__(self, width: int):
        super().__init__()
        self.digit, self.answer = nn.Embedding(DIGITS, width), nn.Linear(width, DIGITS)

    def forward(self, letters, digits, asked):
        return self.answer(self.digit(digits).sum(1))
