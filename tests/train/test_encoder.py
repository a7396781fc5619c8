"""The encoder's lessons teach: what a patch shows, and which caption is whose."""

import dataclasses

import pytest
import torch
from PIL import Image

from gemma3_edu.model.vision import VisionTower
from gemma3_edu.train.data.drawing import COLOURS, KINDS, Canvas
from gemma3_edu.train.data.mixture import Mixture
from gemma3_edu.train.encoder import CELLS, SLOTS, EncoderLessons, of_pictures
from gemma3_edu.train.loop import Plan, fit
from tests.tokenizers import small_config, small_tokenizer

VISION = dataclasses.replace(small_config().vision, image_size=48, patch_size=6, hidden_size=32)
CONFIG = dataclasses.replace(small_config(), vision=VISION, mm_tokens_per_image=16)


@pytest.fixture(scope="module")
def batch():
    stream = Mixture("encoder", "train", seed=3).stream()
    pictures = []
    while len(pictures) < 6:
        pictures += next(stream).pictures[:1]
    return of_pictures(pictures, small_tokenizer(), 48, 16)


def test_a_batch_fits_together(batch):
    assert batch.images.shape == (6, 3, 48, 48)
    assert batch.labels.shape == (6, 2, 16, CELLS**2)
    assert batch.labels[:, 0].max() < len(KINDS)
    assert batch.labels[:, 1].max() < len(COLOURS)
    assert batch.slots.shape == (6, 16, SLOTS)
    assert len(set(map(tuple, batch.captions.tolist()))) > 3
    assert torch.equal(batch.to("cpu").captions, batch.captions)


def test_every_loss_falls_and_the_padding_of_captions_does_not_count(batch, tmp_path):
    torch.manual_seed(0)
    lessons = EncoderLessons(VisionTower(CONFIG), small_tokenizer().vocab_size)
    before = {name: loss.item() for name, loss in lessons.losses(batch).items()}
    wider = dataclasses.replace(batch, captions=torch.nn.functional.pad(batch.captions, (0, 5)))
    for name, loss in lessons.losses(wider).items():
        torch.testing.assert_close(loss.item(), before[name])
    plan = Plan(steps=60, learning_rate=3e-3, warmup=5)
    parameters = dict(lessons.named_parameters())
    assert fit(parameters, lambda step: sum(lessons.losses(batch).values()), plan, tmp_path)
    after = {name: loss.item() for name, loss in lessons.losses(batch).items()}
    assert all(after[name] < before[name] / 2 for name in before), (before, after)


@pytest.mark.parametrize("name", ["what", "colour", "read", "pair"])
def test_every_loss_reaches_the_encoder(name, batch):
    lessons = EncoderLessons(VisionTower(CONFIG), small_tokenizer().vocab_size)
    lessons.losses(batch)[name].backward()
    assert lessons.tower.encoder.patch_embedding.weight.grad.abs().max() > 0


def test_the_cells_of_a_soft_token_lie_in_its_part_of_the_picture():
    """Drawn: a red square in the lower right quarter of the third soft token of four."""
    canvas = Canvas(Image.new("RGB", (64, 64), "white"))
    canvas.polygon([(18, 50), (30, 50), (30, 62), (18, 62)], (210, 30, 40), "square", "red")
    labels = of_pictures([canvas.picture("a red square")], small_tokenizer(), 64, 4).labels[0]
    what, colour = labels.unflatten(-1, (CELLS, CELLS))
    assert (what > 0).nonzero().tolist() == [[2, 2, 2], [2, 2, 3], [2, 3, 2], [2, 3, 3]]
    assert set(what[2, 2:, 2:].flatten().tolist()) == {KINDS.index("square")}
    assert torch.equal(colour > 0, what > 0)


def test_a_soft_token_reads_what_has_its_middle_there():
    """Four tokens: a word and a number side by side above, nothing and a star below."""
    canvas = Canvas(Image.new("RGB", (64, 64), "white"))
    canvas.text((2, 20), "go", "DejaVuSansMono", 12, (0, 0, 0))
    canvas.text((40, 20), "75", "DejaVuSansMono", 12, (0, 0, 0))
    canvas.polygon([(40, 40), (60, 40), (50, 60)], (210, 30, 40), "star", "red")
    slots = of_pictures([canvas.picture("a picture")], small_tokenizer(), 64, 4).slots[0]
    read = [[KINDS[index] for index in row if index] for row in slots.tolist()]
    assert read == [["g", "o"], ["7", "5"], [], ["star"]]


def test_letters_of_a_line_stand_on_one_line():
    """Tall ones, small ones and those that hang down: all have their place at one height."""
    canvas = Canvas(Image.new("RGB", (64, 64), "white"))
    canvas.text((2, 30), "hag", "DejaVuSans", 20, (0, 0, 0))
    places = [mark.place for mark in canvas.picture("the word hag").marks]
    assert [y for _, y in places] == [24, 24, 24]
    assert [x for x, _ in places] == sorted(x for x, _ in places)
