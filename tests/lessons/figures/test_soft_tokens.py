"""The drawings of soft tokens show what they are given, and say it."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from gemma3_edu import Batch, Processor
from gemma3_edu.hub import load
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.soft_tokens import (
    LEARNS,
    PALE_SOFT,
    context_filled,
    how_it_learns,
    row_of_tokens,
    said_at_squares,
    square_to_vector,
    squares_of,
    while_learning,
    who_may_look_ahead,
    with_answers,
)
from gemma3_edu.train.data.drawing import Canvas, Picture
from gemma3_edu.train.data.mixture import Mixture
from gemma3_edu.train.scores import interval


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def processor() -> Processor:
    return load("nano-it")[1]


def said(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def filled(ax, colour: str) -> int:
    return sum(patch.get_facecolor()[:3] == to_rgb(colour) for patch in ax.patches)


def gradient(edge: int) -> torch.Tensor:
    """Red grows by column and green by row, in [-1, 1]."""
    row, column = torch.meshgrid(torch.arange(edge), torch.arange(edge), indexing="ij")
    return torch.stack([column, row, 0 * row]) / (edge - 1) * 2 - 1


# The texts that are read


def test_the_answers_are_found_in_rows_of_unequal_length(processor):
    examples = [Mixture("instruct", "test").of_task("number", n) for n in range(8)]
    batch, counted = with_answers(processor, examples)
    assert isinstance(batch, Batch)
    assert len({example.answer for example in examples}) == 8
    assert len({len(example.answer) for example in examples}) > 1
    for ids, marks, example in zip(batch.tokens, counted, examples, strict=True):
        found = ids[marks].tolist()
        assert processor.decode(found[:-1]) == example.answer
        assert processor.tokenizer.piece(found[-1]) == "<end_of_turn>"


def test_a_mark_is_in_the_square_of_its_middle():
    canvas = Canvas(Image.new("RGB", (80, 80), "white"))
    for left, top in [(0, 0), (62, 2), (22, 62)]:
        corners = [(left, top), (left + 16, top), (left + 16, top + 16), (left, top + 16)]
        canvas.polygon(corners, (200, 0, 0), "square", "red")
    assert squares_of(canvas.picture("three squares")) == [0, 3, 13]
    assert squares_of(canvas.picture("three squares"), squares=2) == [0, 1, 2]


# The drawings


def test_the_context_is_filled_in_proportion():
    fig = context_filled(1_000, {"patches": 100, "soft tokens": 10}, pictures=10)
    ends = [ax.containers[0][-1].get_x() + ax.containers[0][-1].get_width() for ax in fig.axes]
    assert ends == [1_000, 100]
    assert "900 tokens are left for text" in said(fig.axes[1])
    assert said(fig.axes[0]) == []
    assert alt_of(fig).endswith("100 patches each all are taken, with 10 soft tokens each 10.0 %.")


def test_a_square_of_patches_becomes_the_mean_of_its_vectors():
    fig = square_to_vector(gradient(48), row=2, column=1, patches=12, squares=3)
    photo, zoom, many, one, small = fig.axes
    assert np.asarray(zoom.images[0].get_array()).shape == (16, 16, 3)
    whole = np.asarray(photo.images[0].get_array())
    assert np.array_equal(np.asarray(zoom.images[0].get_array()), whole[32:48, 16:32])
    vectors, mean = (np.asarray(ax.images[0].get_array()) for ax in (many, one))
    assert vectors.shape[1] == 16
    assert vectors.mean(1, keepdims=True) == pytest.approx(mean, abs=1e-6)
    colours = np.asarray(small.images[0].get_array())
    assert colours[2, 1] == pytest.approx(whole[32:48, 16:32].mean((0, 1)), abs=1e-6)
    assert photo.patches[0].get_xy() == (16, 32)
    assert small.patches[0].get_xy() == (0.5, 1.5)


def test_the_error_runs_through_the_soft_tokens_and_stops_before_the_encoder():
    fig = how_it_learns(["a", "?"], ["x", "y"], soft=3)
    (ax,) = fig.axes
    assert filled(ax, PALE_SOFT) == 3
    assert said(ax)[-1] == "the error stops here"
    assert {"x", "y", "end"} <= {t.get_text() for t in ax.texts if t.get_weight() == "bold"}
    dashed = [line for line in ax.get_lines() if line.get_linestyle() == "--"]
    assert {line.get_color() for line in dashed} == {LEARNS}
    boxes = {
        text: patch
        for text in ("encoder\n(SigLIP),\nfrozen", "projector:\nmean, norm,\nmatrix")
        for patch in ax.patches
        if patch.get_label() == "box"
        for label in ax.texts
        if label.get_text() == text
        and patch.contains_point(ax.transData.transform(label.get_position()))
    }
    encoder, projector = boxes.values()
    reached = min(x for line in dashed for x in line.get_xdata())
    assert encoder.get_x() + encoder.get_width() < reached < projector.get_x()
    assert "The loss is on 3 tokens" in alt_of(fig)


def test_learning_shows_the_intervals():
    fig = while_learning([2.0, 1.0, 0.5], {0: 0, 3: 60}, asked=100)
    left, right = fig.axes
    assert left.get_lines()[0].get_ydata().tolist() == [2.0, 1.0, 0.5]
    segments = right.collections[0].get_segments()
    assert segments[1][:, 1] == pytest.approx([100 * share for share in interval(60, 100)])
    assert "from 0 to 60 of 100" in alt_of(fig)


def test_the_row_has_a_box_a_token(processor):
    example = Mixture("instruct", "test").of_task("number", 0)
    ids = processor([example.messages()[:-1]]).tokens[0].tolist()
    fig = row_of_tokens(processor.tokenizer, ids)
    (ax,) = fig.axes
    words = said(ax)
    assert len(words) == len(ids)
    assert words.count("#") == filled(ax, PALE_SOFT) == 16
    assert words[words.index("#") - 1] == "start_of_image"
    assert alt_of(fig).startswith(f"A row of {len(ids)} boxes")


def test_a_word_looks_ahead_once_and_a_soft_token_at_all_others():
    fig = who_may_look_ahead(["a", "b", "c", "d"], here=2, squares=3)
    left, right = fig.axes
    bows = [patch for patch in left.patches if patch.get_label() == "bow"]
    assert [bow.get_linestyle() for bow in bows] == ["-", "-", "--"]
    arrows = [patch for patch in right.patches if patch.get_label() != "soft token"]
    assert len(arrows) == 8
    assert "'c' has arrows back to 'a' and 'b' and a dashed one ahead, to 'd'" in alt_of(fig)


def test_what_is_read_stands_in_its_square():
    picture = Picture(Image.new("RGB", (80, 80), "white"), (), "the number 12")
    fig = said_at_squares(picture, {6: "2"}, squares=4)
    (text,) = fig.axes[1].texts
    assert (text.get_text(), text.get_position()) == ("2", (50.0, 30.0))
    for ax in fig.axes:
        assert ax.patches[0].get_xy() == (39.5, 19.5)
    assert alt_of(fig).startswith("A picture of the number 12 in 4 x 4 squares")
