"""The encoder is asked what lies in each patch and soft token, and learns to say it."""

import dataclasses

import pytest
import torch
from PIL import Image

from gemma3_edu.model.vision import VisionTower
from gemma3_edu.train.data.drawing import COLOURS, KINDS, Canvas
from gemma3_edu.train.data.mixture import Mixture
from gemma3_edu.train.encoder import (
    BEFORE,
    QUARTERS,
    ROOM,
    WEIGHTS,
    EncoderLessons,
    of_pictures,
    total,
)
from gemma3_edu.train.loop import Plan, fit
from tests.tokenizers import small_config, small_tokenizer

VISION = dataclasses.replace(small_config().vision, image_size=48, patch_size=6, hidden_size=32)
CONFIG = dataclasses.replace(small_config(), vision=VISION, mm_tokens_per_image=16)
HEADS = {  # places, questions, answers
    "patch read": (64, 2, len(KINDS)),
    "patch colour": (64, 1, len(COLOURS)),
    "patch place": (64, 2, 8),
    "patch before": (64, 1, 1 + BEFORE),
    "patch offset": (64, 1, 1 + QUARTERS),
    "what": (16, 4, len(KINDS)),
    "colour": (16, 4, len(COLOURS)),
    "read": (16, 6, len(KINDS)),
    "before": (16, 1, 1 + BEFORE),
}


def lessons():
    torch.manual_seed(0)
    return EncoderLessons(VisionTower(CONFIG), CONFIG, small_tokenizer().vocab_size)


def pictures(number):
    mixture = Mixture("encoder", "train", seed=3)
    return [mixture.example(index).pictures[0] for index in range(number)]


def answers_of(canvas):
    """What is right about one picture, at 8 x 8 patches and 4 x 4 soft tokens."""
    batch = of_pictures([canvas.picture("a picture")], small_tokenizer(), CONFIG)
    return {name: answer[0] for name, answer in batch.answers.items()}


@pytest.fixture(scope="module")
def batch():
    return of_pictures(pictures(6), small_tokenizer(), CONFIG)


def test_questions_guesses_and_answers_fit_together(batch):
    assert batch.images.shape == (6, 3, 48, 48)
    guesses = lessons().guesses(batch.images)
    assert set(guesses) | {"pair"} == set(WEIGHTS)
    assert set(guesses) == set(HEADS)
    for name, (places, questions, kinds) in HEADS.items():
        assert guesses[name].shape == (6, places, questions, kinds)
        assert batch.answers[name].shape == (6, places, questions)
        assert set(batch.answers[name].unique().tolist()) <= set(range(kinds))
    assert len(set(map(tuple, batch.captions.tolist()))) > 3
    moved = batch.to("cpu")
    assert torch.equal(moved.captions, batch.captions)
    assert set(moved.answers) == set(batch.answers)


def test_answers_are_what_the_marks_say():
    """Every mark is read in the square of its middle; up to as many as there is room for."""
    for picture in pictures(40):
        answers = of_pictures([picture], small_tokenizer(), CONFIG).answers
        for name, grid in (("patch read", 8), ("read", 4)):
            wanted = [[] for _ in range(grid**2)]
            for mark in picture.marks:
                x, y = (at / side for at, side in zip(mark.place, picture.image.size, strict=True))
                if 0 <= x < 1 and 0 <= y < 1:
                    wanted[int(y * grid) * grid + int(x * grid)].append(mark.what)
            read = [[KINDS[i] for i in row if i] for row in answers[name][0].tolist()]
            assert read == [each[: ROOM[name]] for each in wanted]
        what, colour = picture.labels(48, 6)
        assert answers["patch colour"][0, :, 0].tolist() == colour.tolist()
        for patch in range(64):  # soft token by soft token, each of four patches, row by row
            row, column = divmod(patch, 8)
            token, part = row // 2 * 4 + column // 2, row % 2 * 2 + column % 2
            assert answers["what"][0, token, part] == what[patch]
            assert answers["colour"][0, token, part] == colour[patch]
            assert answers["patch place"][0, patch].tolist() == [row, column]


def test_a_soft_token_reads_what_has_its_middle_there():
    """Drawn: a word and a number side by side above, a star in the lower right corner."""
    canvas = Canvas(Image.new("RGB", (96, 96), "white"))
    canvas.text((2, 20), "go", "DejaVuSansMono", 12, (0, 0, 0))
    canvas.text((50, 20), "75", "DejaVuSansMono", 12, (0, 0, 0))
    canvas.polygon([(72, 74), (92, 74), (82, 94)], (210, 30, 40), "star", "red")
    answers = answers_of(canvas)
    read = ["".join(KINDS[index] for index in row) for row in answers["read"].tolist()]
    assert {i: row for i, row in enumerate(read) if row} == {0: "go", 2: "75", 15: "star"}
    colours = answers["patch colour"][:, 0].unflatten(0, (8, 8))
    assert set(colours[6:, 6:].flatten().tolist()) >= {COLOURS.index("red")}
    assert not colours[:6].any()


def test_letters_are_counted_from_the_left_and_placed_within_their_patch():
    """Drawn: two letters in one patch, two farther right, one in another row; 12 pixels a patch."""
    canvas = Canvas(Image.new("RGB", (96, 96), "white"))
    for x, letter in ((2, "ai"), (29, "b"), (80, "c")):
        canvas.text((x, 20), letter, "DejaVuSansMono", 6, (0, 0, 0))
    canvas.text((50, 80), "d", "DejaVuSansMono", 6, (0, 0, 0))
    marks = {mark.what: mark.place for mark in canvas.picture("five letters").marks}
    answers = answers_of(canvas)
    before = answers["patch before"][:, 0]
    places = {what: int(y / 12) * 8 + int(x / 12) for what, (x, y) in marks.items()}
    assert places["a"] == places["i"]
    counted = {what: int(before[at]) for what, at in places.items()}
    assert counted == {"a": 1, "i": 1, "b": 3, "c": 4, "d": 1}
    assert (before > 0).sum() == 4
    coarse = answers["before"][:, 0].unflatten(0, (4, 4))
    assert coarse[coarse > 0].tolist() == [1, 3, 4, 1]
    quarters = answers["patch offset"][:, 0]
    for what in "abcd":  # of a and i, the first
        assert quarters[places[what]] == 1 + int(marks[what][0] % 12 / 3)
    assert len(quarters[quarters > 0].unique()) > 1


def test_letters_of_a_line_stand_on_one_line():
    """Tall ones, small ones and those that hang down: all have their place at one height."""
    canvas = Canvas(Image.new("RGB", (64, 64), "white"))
    canvas.text((2, 30), "hag", "DejaVuSans", 20, (0, 0, 0))
    places = [mark.place for mark in canvas.picture("the word hag").marks]
    assert [y for _, y in places] == [24, 24, 24]
    assert [x for x, _ in places] == sorted(x for x, _ in places)


def test_a_few_steps_make_every_loss_small_and_padding_does_not_count(batch, tmp_path):
    taught = lessons()
    before = {name: loss.item() for name, loss in taught.losses(batch).items()}
    wider = dataclasses.replace(batch, captions=torch.nn.functional.pad(batch.captions, (0, 5)))
    for name, loss in taught.losses(wider).items():
        assert loss.item() == pytest.approx(before[name], rel=1e-5)
    plan = Plan(steps=120, rate=3e-3, muon_rate=3e-3, warmup=5, average=0.9)
    parameters = dict(taught.named_parameters())
    # Each as heavy as the other: what one of them cannot learn is not hidden by the rest.
    assert fit(parameters, lambda step: sum(taught.losses(batch).values()), plan, tmp_path)
    after = {name: loss.item() for name, loss in taught.losses(batch).items()}
    assert all(after[name] < before[name] / 2 for name in before), (before, after)


def test_the_total_weighs_each_loss(batch):
    losses = lessons().losses(batch)
    wanted = sum(WEIGHTS[name] * loss.item() for name, loss in losses.items())
    assert total(losses).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_loss_reaches_the_encoder(name, batch):
    taught = lessons()
    taught.losses(batch)[name].backward()
    assert taught.tower.encoder.patch_embedding.weight.grad.abs().max() > 0
