"""The encoder's lessons teach: what a patch shows, and which caption is whose."""

import dataclasses

import pytest
import torch

from gemma3_edu.train.data.drawing import COLOURS, KINDS
from gemma3_edu.train.data.mixture import Mixture
from gemma3_edu.train.encoder import EncoderLessons, of_pictures
from gemma3_edu.train.loop import Plan, fit
from gemma3_edu.vision import VisionEncoder
from tests.tokenizers import small_config, small_tokenizer

VISION = dataclasses.replace(small_config().vision, image_size=48, patch_size=12, hidden_size=32)


@pytest.fixture(scope="module")
def batch():
    stream = Mixture("encoder", "train", seed=3).stream()
    pictures = []
    while len(pictures) < 6:
        pictures += next(stream).pictures[:1]
    return of_pictures(pictures, small_tokenizer(), 48, 12)


def test_a_batch_fits_together(batch):
    assert batch.images.shape == (6, 3, 48, 48)
    assert batch.labels.shape == (6, 2, 16)
    assert batch.labels[:, 0].max() < len(KINDS)
    assert batch.labels[:, 1].max() < len(COLOURS)
    assert len(set(map(tuple, batch.captions.tolist()))) > 3
    assert torch.equal(batch.to("cpu").captions, batch.captions)


def test_every_loss_falls_and_the_padding_of_captions_does_not_count(batch, tmp_path):
    torch.manual_seed(0)
    lessons = EncoderLessons(VisionEncoder(VISION), small_tokenizer().vocab_size)
    before = {name: loss.item() for name, loss in lessons.losses(batch).items()}
    wider = dataclasses.replace(batch, captions=torch.nn.functional.pad(batch.captions, (0, 5)))
    for name, loss in lessons.losses(wider).items():
        torch.testing.assert_close(loss.item(), before[name])
    plan = Plan(steps=60, learning_rate=3e-3, warmup=5)
    parameters = dict(lessons.named_parameters())
    assert fit(parameters, lambda step: sum(lessons.losses(batch).values()), plan, tmp_path)
    after = {name: loss.item() for name, loss in lessons.losses(batch).items()}
    assert all(after[name] < before[name] / 2 for name in before), (before, after)


@pytest.mark.parametrize("name", ["what", "colour", "pair"])
def test_every_loss_reaches_the_encoder(name, batch):
    lessons = EncoderLessons(VisionEncoder(VISION), small_tokenizer().vocab_size)
    lessons.losses(batch)[name].backward()
    assert lessons.encoder.patch_embedding.weight.grad.abs().max() > 0
