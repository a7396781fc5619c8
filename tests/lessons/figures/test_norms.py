"""The figures of lesson 02 draw what they say."""

import pytest
import torch
from torch.nn import functional as F

from gemma3_edu.lessons.figures import norms
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.study import capture
from tests.tiny import prompts, tiny_config, tiny_model


@pytest.fixture(autouse=True)
def close():
    yield
    norms.plt.close("all")


def assert_near(got: torch.Tensor, want: float | torch.Tensor) -> None:
    """To the six decimals that are drawn."""
    want = torch.as_tensor(want, dtype=torch.float64).expand_as(got)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)


def points(ax, label: str) -> torch.Tensor:
    (found,) = [c for c in ax.collections if c.get_label() == label]
    return torch.as_tensor(found.get_offsets().data)


def line(ax, label: str) -> torch.Tensor:
    (found,) = [a for a in ax.lines if a.get_label() == label]
    return torch.as_tensor(found.get_ydata())


def test_the_toy_stream_feeds_itself_only_without_a_norm():
    assert norms.toy_stream(normed=False, layers=2) == [1.0, 1.5, 1.5 + 1.5**2 / 2]
    assert norms.toy_stream(normed=True, layers=2) == [1.0, 1.5, 2.0]


def test_the_drawing_says_what_every_layer_reads_and_adds():
    above, below = norms.reading_from_the_stream().axes
    words = [text.get_text() for text in above.texts]
    assert [word for word in words if word.startswith("reads")][-1] == "reads 6.07"
    assert words[-1] == "24.5"
    words = [text.get_text() for text in below.texts]
    assert words.count("reads 1") == words.count("norm") == 4
    assert words[-1] == "3"


def test_arrows_of_one_direction_end_at_one_place():
    (ax,) = norms.same_direction().axes
    for name in "ABC":
        after = points(ax, f"{name} after")
        assert_near(after.square().mean(1), 1.0)
        assert_near(after, after[0])


def test_five_numbers_are_those_of_the_norm():
    x, w = torch.tensor([4.0, -1, 1, -1, 1]), torch.tensor([0.0, 1, -0.5, 3, -1])
    bars = [[patch.get_height() for patch in ax.patches] for ax in norms.five_numbers(x, w).axes]
    want = F.rms_norm(x, (5,), eps=0.0)
    assert bars == [x.tolist(), want.tolist(), (want * (1 + w)).tolist()]


def test_stream_and_copies_are_measured_on_the_model():
    config = tiny_config()
    model, batch = tiny_model(config), prompts(config, "tttttt")
    (ax,) = norms.stream_and_copies(model, batch).axes
    with torch.no_grad(), capture(model, "language_model.layers.*") as seen:
        model(batch)
    layers = range(config.text.num_hidden_layers)
    outputs = [seen[f"language_model.layers.{i}"][0] for i in layers]
    want = torch.stack([x[0].square().mean(-1).sqrt() for x in outputs])
    assert_near(line(ax, "the stream x")[1:], want.median(1).values.double())
    (band,) = [a for a in ax.collections if a.get_label() == "the stream x, all tokens"]
    heights = torch.as_tensor(band.get_paths()[0].vertices)[:, 1]
    for sizes in (want.amin(1), want.amax(1)):
        for size in sizes.tolist():
            assert (heights - size).abs().min() < 1e-5
    reads = [seen[f"language_model.layers.{i}.pre_feedforward_layernorm"][0] for i in layers]
    want = torch.stack([x[0].square().mean(-1).sqrt() for x in reads])
    assert_near(line(ax, "what the MLP reads"), want.median(1).values.double())


def test_every_training_is_a_mark_and_nan_has_a_strip():
    nan = float("nan")
    losses = {
        "without norms": [[2.5, 2.7, 2.6], [nan, 2.5, 2.6]],
        "with norms": [[2.4, 2.5, 2.8], [3.0, 3.1, 3.2]],
    }
    fig = norms.trainings([1, 0.5], losses, 3.05)
    strip, ax = fig.axes
    assert line(ax, "with norms").tolist() == [2.4, 2.5, 2.8, 3.0, 3.1, 3.2]
    assert line(ax, "without norms").tolist() == [2.5, 2.7, 2.6, 2.5, 2.6]
    assert (len(line(strip, "without norms")), len(line(strip, "with norms"))) == (1, 0)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "0.5"]
    assert "without norms 1 of 6 and with norms 0 of 6." in alt_of(fig)


def test_the_digests_hold_no_rounding_noise():
    figures = [norms.reading_from_the_stream(), norms.same_direction()]
    digests = [describe(fig) for fig in figures]
    assert len(set(digests)) == len(digests)
    assert not any("e-0" in digest for digest in digests)
