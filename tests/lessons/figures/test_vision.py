"""The figures of lesson 11 draw what they say, on small encoders."""

import numpy as np
import pytest
import torch

from gemma3_edu.lessons.figures import vision
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.model.vision import VisionEncoder
from gemma3_edu.naive.attention import attend
from gemma3_edu.naive.layers import inside
from gemma3_edu.naive.vision import layer_norm, patches

CONFIG = PRESETS["tiny"].vision  # 6 x 6 patches of 6 pixels, 2 layers, 2 heads


@pytest.fixture(autouse=True)
def close():
    yield
    vision.plt.close("all")


@pytest.fixture(scope="module")
def encoder() -> VisionEncoder:
    generator, module = torch.Generator().manual_seed(0), VisionEncoder(CONFIG)
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(0.2, 0.3, generator=generator)
    return module.eval()


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return torch.rand(3, 36, 36, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def weights(encoder, picture) -> torch.Tensor:
    return vision.attention_of_patches(encoder, picture[None])[0]


def test_weights_of_the_first_layer_are_those_of_the_loops(encoder, picture, weights):
    w = encoder.state_dict()
    matrix, bias = w["patch_embedding.weight"].flatten(1), w["patch_embedding.bias"]
    x = torch.stack([matrix @ patch.flatten() + bias for patch in patches(picture, 6)])
    x = x + w["position_embedding.weight"]
    first = inside(w, "layers.0.")
    norm = (first["layer_norm1.weight"], first["layer_norm1.bias"], CONFIG.layer_norm_eps)
    x = layer_norm(x, *norm)
    q, k = (
        (x @ first[f"self_attn.{name}_proj.weight"].T + first[f"self_attn.{name}_proj.bias"])
        .reshape(1, 36, 2, 8)
        .transpose(1, 2)
        for name in "qk"
    )
    everything = torch.ones(1, 36, 36, dtype=torch.bool)
    _, want = attend(q, k, k, everything, 8**-0.5)
    assert weights.shape == (2, 2, 36, 36)
    torch.testing.assert_close(weights[0], want[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 36))
    assert not torch.allclose(weights[0], weights[1], atol=1e-3)


def test_looking_leaves_the_encoder_as_it_was(encoder, picture):
    before = [len(module._forward_hooks) for module in encoder.modules()]
    vision.attention_of_patches(encoder, picture[None])
    assert [len(module._forward_hooks) for module in encoder.modules()] == before


def test_colours(picture):
    drawn = vision.as_colours(picture)
    assert drawn.shape == (36, 36, 3)
    assert 0 <= drawn.min() < drawn.max() <= 1
    assert drawn[5, 7, 2] == pytest.approx((picture[2, 5, 7].item() + 1) / 2)


def test_each_picture_has_weights_of_its_own(encoder, picture, weights):
    two = vision.attention_of_patches(encoder, torch.stack([picture, -picture]))
    torch.testing.assert_close(two[0], weights)
    assert not torch.allclose(two[1], weights, atol=1e-3)


def test_a_jigsaw_has_the_cuts(picture):
    fig = vision.jigsaw({"the picture": picture, "its puzzle": picture.flip(2)}, 6)
    left, right = fig.axes
    assert [ax.get_title() for ax in fig.axes] == ["the picture", "its puzzle"]
    assert [len(lines.get_segments()) for lines in left.collections] == [5, 5]
    np.testing.assert_allclose(right.images[0].get_array(), vision.as_colours(picture.flip(2)))
    assert fig.get_label() == "the picture and its puzzle: 2 squares of the same 36 pieces."


def test_curves_by_step():
    known = {"shape": {"trained": [5, 96], "untrained": [5, 9]}, "row": {"trained": [18, 99]}}
    fig = vision.known_by_step(["pixels", "layer 1"], known, guess={"shape": 21, "row": 12})
    left, right = fig.axes
    assert [line.get_label() for line in left.lines] == ["trained", "untrained", "a guess"]
    assert left.lines[1].get_ydata().tolist() == [5, 9]
    assert set(left.lines[-1].get_ydata()) == {21}
    assert set(right.lines[-1].get_ydata()) == {12}
    assert [text.get_text() for text in left.get_xticklabels()] == ["pixels", "layer 1"]
    assert "at the end shape: trained 96, untrained 9; row: trained 99." in fig.get_label()


def test_where_it_looks(picture):
    field = torch.zeros(36)
    field[7], field[8] = 0.25, 0.75
    fig = vision.where_it_looks([picture, -picture], [field, field.flip(0)], [8, 27])
    above, other, below, right = fig.axes
    assert above.patches[0].get_xy() == (11.5, 5.5)  # patch 8: row 1, column 2
    assert other.patches[0].get_xy() == (17.5, 23.5)
    assert below.images[0].get_array()[1].tolist() == [0, 25, 75, 0, 0, 0]
    assert right.patches[0].get_xy() == (2.5, 3.5)
    assert below.images[0].norm.vmax == right.images[0].norm.vmax == 50
    assert "75% and 75%" in fig.get_label()


def test_every_figure_has_a_digest_of_its_own(picture, weights):
    known = {"row": {"trained": [18, 99]}}
    figures = [
        vision.jigsaw({"one": picture, "two": -picture}, 6),
        vision.known_by_step(["pixels", "layer 1"], known, guess={"row": 12}),
        *(vision.where_it_looks([picture] * 2, [weights[0, 0, p]] * 2, [p, p]) for p in (0, 20)),
    ]
    assert len({describe(fig) for fig in figures}) == len(figures)
    assert all(fig.get_size_inches()[0] <= 9 for fig in figures)
