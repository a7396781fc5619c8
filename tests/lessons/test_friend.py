"""The friend of lesson 14 keeps all but the order of the pictures."""

import torch

from gemma3_edu import Batch, TokenLayout
from gemma3_edu.lessons.friend import friends_batch


def batch_of(images: torch.Tensor | None) -> Batch:
    layout = TokenLayout(torch.arange(3)[None], torch.zeros(1, 3, dtype=torch.long))
    return Batch(torch.tensor([[2, 3, 5]]), layout, images)


def test_two_pictures_change_places_and_one_does_not():
    pictures = torch.arange(2.0)[:, None, None, None].expand(2, 3, 4, 4)
    batch = batch_of(pictures)
    friends = friends_batch(batch)
    assert friends.tokens is batch.tokens
    assert friends.layout is batch.layout
    assert torch.equal(friends.images[:, 0, 0, 0], torch.tensor([1.0, 0.0]))
    assert torch.equal(friends_batch(batch_of(pictures[1:])).images, pictures[1:])


def test_a_batch_without_pictures_comes_back():
    batch = batch_of(None)
    assert friends_batch(batch) is batch
