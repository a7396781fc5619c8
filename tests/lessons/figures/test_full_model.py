"""The figures of lesson 14 show which square, which stage and which part they say."""

import functools
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image
from torch import Tensor

from gemma3_edu import Batch, Gemma3, Message, Processor, TokenLayout
from gemma3_edu.lessons.figures import full_model as viz
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.full_model import Story
from gemma3_edu.lessons.nb import STYLE
from gemma3_edu.model.attention import visible_attention
from gemma3_edu.study.capture import capture

from ...tiny import tiny_model
from ...tokenizers import small_config, small_tokenizer


@pytest.fixture(autouse=True)
def _figures():
    with plt.rc_context(STYLE):
        yield
    plt.close("all")


@functools.cache
def seeing() -> tuple[Gemma3, Processor]:
    config = small_config("tiny")
    return tiny_model(config).eval(), Processor(small_tokenizer(), config)


def noise(height: int, width: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


# From soft tokens to pixels


@pytest.mark.parametrize(("side", "height", "width"), [(2, 4, 6), (3, 7, 11), (4, 112, 112)])
def test_every_pixel_takes_the_value_of_its_square(side, height, width):
    values = torch.randn(side * side, generator=torch.Generator().manual_seed(3))
    got = viz.to_pixels(values, height, width)
    assert got.shape == (height, width)
    for y in range(height):
        for x in range(width):
            row, column = y * side // height, x * side // width
            assert got[y, x] == values[row * side + column]


# Who looked where


def test_text_put_behind_a_batch_is_the_batch_of_the_whole():
    model, processor = seeing()
    batch = processor([Message.user(noise(9, 9), "What is it?")])
    whole = viz.continued(batch, [7, 8, 9])
    ids = torch.cat([batch.tokens, torch.tensor([[7, 8, 9]])], 1)
    again = Batch.from_ids(ids, model.config, batch.images)
    assert whole.tokens.equal(again.tokens)
    assert whole.layout.position.equal(again.layout.position)
    assert whole.layout.image_id.equal(again.layout.image_id)


@torch.no_grad()
def last_column(model: Gemma3, batch: Batch) -> Tensor:
    """What the last column of a batch gives to its pictures, layer by layer: no answer behind."""
    pattern = "language_model.layers.*.self_attn.attention_weights"
    with visible_attention(model), capture(model, pattern) as w:
        _ = model(batch)
    found = torch.stack([layer[0][0, :, -1].mean(0) for layer in w.values()])
    return found[:, batch.layout.image_id[0] > 0]


def test_a_word_is_chosen_by_the_column_before_it():
    """Row a is the last row of a run that ends where word a begins."""
    model, processor = seeing()
    batch = processor([Message.user(noise(9, 9), noise(9, 9, 1), "Which is it?")])
    ids = [300, 301, 302]
    looks = viz.answer_looks(model, batch, ids)
    assert looks.shape == (13, 3, 18)
    for a in range(len(ids)):
        want = last_column(model, viz.continued(batch, ids[:a]))
        torch.testing.assert_close(looks[:, a], want, rtol=0, atol=1e-5)
    assert looks.sum(-1).max() < 1
    assert looks.std() > 1e-3


def test_a_story_is_what_the_model_writes():
    model, processor = seeing()
    picture = noise(30, 20)
    story = viz.tell(model, processor, picture, "What is it?")
    assert np.array_equal(np.asarray(story.picture), np.asarray(picture))
    assert len(story.words) == viz.WORDS
    batch = processor([Message.user(picture, "What is it?")])
    for a, word in enumerate(story.words):
        best = int(model(batch)[0, -1].argmax())
        assert word == processor.decode([best], skip_special=False).replace("\n", r"\n")
        want = last_column(model, batch)
        torch.testing.assert_close(story.looks[:, a], want, rtol=0, atol=1e-5)
        batch = viz.continued(batch, [best])


@pytest.mark.parametrize(("stops", "count"), [(0, 1), (1, 1), (2, 2)])
def test_a_story_leaves_out_the_end_of_turn_unless_it_is_all(stops, count, monkeypatch):
    """The token that ends the turn is word number `stops`."""
    model, processor = seeing()
    end = processor.stop_tokens[-1]
    written = [300, 301, 302, 303]
    written[stops] = end
    written = written[: stops + 1]
    monkeypatch.setattr(viz, "generate", lambda *_: (torch.tensor([i]) for i in written))
    story = viz.tell(model, processor, noise(9, 9), "What?")
    kept = written[:-1] or written
    assert story.words == tuple(processor.decode([i], skip_special=False) for i in kept)
    assert len(story.words) == count == story.looks.shape[1]


# Lit pictures


def story(words: int, seed: int = 0, layers: int = 3) -> Story:
    generator = torch.Generator().manual_seed(seed)
    looks = torch.rand(layers, words, 4, generator=generator) ** 3 / 4
    return Story(
        np.full((6, 8, 3), 200, np.uint8), f"What {seed}?", ("a", "b\\n", "c")[:words], looks
    )


def test_a_lit_picture_is_brightest_in_the_largest_square():
    ax = plt.figure().subplots()
    viz.lit(ax, np.full((6, 8, 3), 255, np.uint8), torch.tensor([0.0, 10.0, 5.0, 2.0]), least=5)
    (image,) = ax.images
    light = np.asarray(image.get_array())
    assert [light[0, 0, 0], light[0, 7, 0], light[5, 0, 0], light[5, 7, 0]] == pytest.approx(
        [0.2, 1.0, 0.6, 0.36]
    )
    assert {(t.get_text(), *t.get_position()) for t in ax.texts} == {
        ("10", 6.0, 1.5),
        ("5", 2.0, 4.5),
    }


def test_a_picture_that_nothing_looks_at_stays_dim():
    ax = plt.figure().subplots()
    viz.lit(ax, np.full((4, 4, 3), 255, np.uint8), torch.tensor([1.0, 0.0, 2.0, 0.0]), least=5)
    assert np.asarray(ax.images[0].get_array()).max() == pytest.approx(0.2 + 0.8 * 2 / 5)
    assert not ax.texts


@pytest.mark.parametrize("layers", [None, [0], [1, 2]])
def test_the_knob(layers):
    told = story(3)
    fig = viz.laid_over(told, layers=layers)
    assert fig.axes[0].get_title() == "What 0?"
    assert fig.axes[0].get_xlabel() == "answer:\nab c"
    assert len(fig.axes) == 4
    chosen = told.looks if layers is None else told.looks[layers]
    for ax, word, values in zip(fig.axes[1:], told.words, chosen.mean(0), strict=True):
        assert ax.get_xlabel() == f"'{word}'\n{100 * values.sum():.0f} %"
        shares = (100 * values).round()
        assert [t.get_text() for t in ax.texts] == [f"{v:.0f}" for v in shares if v >= viz.WRITTEN]
        light = np.asarray(ax.images[0].get_array())[[0, 0, 5, 5], [0, 7, 0, 7], 0]
        assert light.argmax() == int(shares.argmax())
    assert fig.get_size_inches()[0] <= 7


def test_the_small_multiples_are_the_rows_of_the_knob():
    stories = [story(3, 0), story(1, 1), story(2, 2)]
    together = describe(viz.laid_over(*stories)).splitlines()
    alone = [line for each in stories for line in describe(viz.laid_over(each)).splitlines()]
    plain = [line for line in together if not line.startswith("axes")]
    assert plain == [line for line in alone if not line.startswith("axes")]
    assert sum(line.startswith("axes") for line in together) == 4 + 2 + 3
    assert (
        len({describe(viz.laid_over(stories[0], layers=which)) for which in (None, [0], [1])}) == 3
    )


def test_what_is_looked_at_and_what_is_needed():
    told = story(2)
    looks = told.looks.mean(0)
    needs = torch.tensor([[0.0, 2.04, -1.0, 0.2], [0.26, 0.0, 0.0, 0.0]])
    fig = viz.looks_and_needs(told.picture, told.words, looks, needs)
    upper, lower = fig.axes[:2], fig.axes[2:]
    assert [ax.get_title() for ax in upper] == ["'a'", "'b\\n'"]
    assert [axes[0].get_ylabel() for axes in (upper, lower)] == ["looks at, %", "needs, nats"]
    assert [[t.get_text() for t in ax.texts] for ax in lower] == [["2"], ["0.3"]]
    light = np.asarray(lower[0].images[0].get_array())
    assert light[0, 7, 0] == pytest.approx(200 / 255)
    assert light[5, 0, 0] == pytest.approx(200 / 255 * 0.2)  # better off without: dark, not bright


def test_conversations_in_rows():
    pictures = [np.asarray(noise(5, 5, n)) for n in range(4)]
    talks = [(pictures[:2], "Which?", "second"), (pictures, "Where to?", "left")]
    fig = viz.conversations(talks)
    assert len(fig.axes) == 6
    assert [ax.get_title() for ax in fig.axes] == ["Which?", "", "Where to?", "", "", ""]
    assert [ax.get_xlabel() for ax in (fig.axes[0], fig.axes[2])] == ["nano: second", "nano: left"]
    for ax, shown in zip(fig.axes, [*pictures[:2], *pictures], strict=True):
        assert np.array_equal(ax.images[0].get_array(), shown)
    assert fig.get_size_inches()[0] <= 7


# Stages and shares


def test_stages():
    changes = {"one": [0.0, 0.5, 0.25], "other": [0.0, 0.0, 1.0]}
    (ax,) = viz.by_stage(changes, ["encoder", "row", "logits"]).axes
    assert {line.get_label(): list(line.get_ydata()) for line in ax.lines} == changes
    assert [label.get_text() for label in ax.get_xticklabels()] == ["encoder", "row", "logits"]
    looks = {
        (to_hex(line.get_color()), line.get_linestyle(), line.get_marker()) for line in ax.lines
    }
    assert len(looks) == 2
    assert all(len({look[n] for look in looks}) == 2 for n in range(3))


def test_shares_of_weights_and_work():
    parts = {
        "4b": {"encoder": (10, 70), "projector": (1, 5), "decoder": (89, 25)},
        "27b": {"encoder": (1, 30), "projector": (0, 0), "decoder": (199, 70)},
    }
    (ax,) = viz.weight_and_work(parts).axes
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["4b, weights", "4b, work", "27b, weights", "27b, work"]
    widths = np.array([[patch.get_width() for patch in bars] for bars in ax.containers])
    assert widths == pytest.approx(np.array([[10, 70, 0.5, 30], [1, 5, 0, 0], [89, 25, 99.5, 70]]))
    starts = np.array([[patch.get_x() for patch in bars] for bars in ax.containers])
    assert starts[1:] == pytest.approx(starts[:-1] + widths[:-1])
    assert math.isclose(widths.sum(), 400)
    written = {t.get_text() for t in ax.texts}
    assert written == {"10 %", "70 %", "30 %", "5 %", "89 %", "25 %", "100 %"}


def test_padding_is_not_asked():
    """A layout's own columns: `continued` counts on from the last position."""
    layout = TokenLayout(torch.tensor([[0, 1, 2]]), torch.tensor([[0, 1, 1]]))
    longer = viz.continued(Batch(torch.tensor([[2, 3, 3]]), layout), [5, 6])
    assert longer.layout.position.tolist() == [[0, 1, 2, 3, 4]]
    assert longer.layout.image_id.tolist() == [[0, 1, 1, 0, 0]]
