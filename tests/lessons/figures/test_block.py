"""The figures of lesson 07 draw what they say, on a tiny model."""

import pytest
import torch
from torch.nn import functional as F

from gemma3_edu.lessons.figures import block
from gemma3_edu.lessons.figures.block import Sizes, rms, stream_sizes
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.study.capture import capture
from tests.tiny import prompts, tiny_config, tiny_model

CONFIG = tiny_config()  # local, global, local


@pytest.fixture(autouse=True)
def close():
    yield
    block.plt.close("all")


@pytest.fixture(scope="module")
def model():
    return tiny_model(CONFIG)


@pytest.fixture(scope="module")
def sizes(model) -> Sizes:
    return stream_sizes(model, prompts(CONFIG, "ttttttt"))


def line(ax, label: str) -> torch.Tensor:
    (found,) = [a for a in ax.lines if a.get_label() == label]
    return torch.as_tensor(found.get_ydata())


def test_the_stream_is_what_the_blocks_give(model, sizes: Sizes):
    batch = prompts(CONFIG, "ttttttt")
    with torch.no_grad(), capture(model, "language_model.layers.?") as outputs:
        model.hidden_states(batch)
        start = model.embed(batch)[0]
    want = [rms(start), *(rms(x[0]) for (x,) in outputs.values())]
    torch.testing.assert_close(sizes.stream, torch.stack(want))
    assert sizes.stream.shape == (4, 7)
    assert sizes.global_layers == (1,)


def test_what_is_added_is_measured_behind_the_second_norms(model, sizes: Sizes):
    for layer, attention, mlp in zip(
        model.language_model.layers, sizes.attention, sizes.mlp, strict=True
    ):
        for added, norm in [
            (attention, layer.post_attention_layernorm),
            (mlp, layer.post_feedforward_layernorm),
        ]:
            gains = (1 + norm.weight.detach()).abs()
            assert (added > gains.min()).all()
            assert (added < gains.max()).all()
    branch = prompts(CONFIG, "ttttttt")
    with torch.no_grad(), capture(model, "*.post_feedforward_layernorm") as seen:
        model.hidden_states(branch)
    want = torch.stack([x[0].square().mean(-1).sqrt() for (x,) in seen.values()])
    torch.testing.assert_close(sizes.mlp, want)
    assert not torch.allclose(sizes.attention, sizes.mlp)


def test_the_first_text_of_a_batch_is_measured(model, sizes: Sizes):
    two = prompts(CONFIG, "ttttttt", "ttttttt")
    torch.testing.assert_close(stream_sizes(model, two).stream, sizes.stream)


def test_activations():
    (ax,) = block.activations().axes
    a = torch.linspace(-5, 5, 201).double()
    torch.testing.assert_close(line(ax, "GELU"), F.gelu(a, approximate="tanh"))
    torch.testing.assert_close(line(ax, "ReLU"), a.clamp_min(0))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["GELU", "ReLU"]


def test_gains_are_those_of_the_second_norms(model, sizes: Sizes):
    for layer, pair in zip(model.language_model.layers, sizes.gains.tolist(), strict=True):
        for norm, gain in zip(
            (layer.post_attention_layernorm, layer.post_feedforward_layernorm), pair, strict=True
        ):
            assert gain == pytest.approx((1 + norm.weight).square().mean().sqrt().item())


def test_through_layers(sizes: Sizes):
    fig = block.through_layers(sizes)
    (ax,) = fig.axes
    middle = [x[:, 1:].median(1).values for x in (sizes.stream, sizes.attention, sizes.mlp)]
    for name, found in zip(("stream", "attention adds", "MLP adds"), middle, strict=True):
        torch.testing.assert_close(line(ax, name), found)
    for name, found in zip(("gains, attention", "gains, MLP"), sizes.gains.T, strict=True):
        torch.testing.assert_close(line(ax, name), found)
    stream, attention, mlp = middle
    added = [attention[0], mlp[0], attention[1], mlp[1]]
    want = torch.stack([stream[0], *added]).norm()  # of vectors at right angles
    torch.testing.assert_close(line(ax, "at right angles")[2], want)
    assert line(ax, "at right angles")[0] == stream[0]
    places = {a.get_label(): list(a.get_xdata()) for a in ax.lines}
    assert places["stream"] == places["at right angles"] == [0, 1, 2, 3]
    assert places["MLP adds"] == places["gains, MLP"] == [1, 2, 3]
    bands = [area.get_paths()[0].vertices[:, 1] for area in ax.collections]
    for band, found in zip(bands, (sizes.attention[:, 1:], sizes.mlp[:, 1:]), strict=True):
        assert band.min() == pytest.approx(found.min().item())
        assert band.max() == pytest.approx(found.max().item())


def test_every_figure_has_a_digest_of_its_own(sizes: Sizes):
    figures = [block.activations(), block.through_layers(sizes)]
    assert len({describe(fig) for fig in figures}) == len(figures)
    assert all(fig.get_size_inches()[0] <= 7 for fig in figures)
