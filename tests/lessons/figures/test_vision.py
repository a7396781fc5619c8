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
    return vision.attention_of_patches(encoder, picture)


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
    vision.attention_of_patches(encoder, picture)
    assert [len(module._forward_hooks) for module in encoder.modules()] == before


def test_colours(picture):
    drawn = vision.as_colours(picture)
    assert drawn.shape == (36, 36, 3)
    assert 0 <= drawn.min() < drawn.max() <= 1
    assert drawn[5, 7, 2] == pytest.approx((picture[2, 5, 7].item() + 1) / 2)


def test_cut_up(picture):
    photo = np.arange(3 * 20 * 50).reshape(20, 50, 3) % 256
    fig = vision.cut_up(photo, picture, picture[:, :12, :12], patch_size=6, patch=8)
    file, large, one, small = fig.axes
    assert file.get_title() == "the file\n50 x 20"
    assert large.get_title() == "36 x 36 pixels\n6 x 6 patches"
    assert one.get_title() == "patch 8\n6 x 6 pixels"
    assert small.get_title() == "12 x 12 pixels\n2 x 2 patches"
    cuts = [line.get_segments() for line in large.collections]
    assert [len(lines) for lines in cuts] == [5, 5]
    assert [line[0][0] for line in cuts[0]] == [5.5, 11.5, 17.5, 23.5, 29.5]
    drawn = one.images[0].get_array()
    np.testing.assert_allclose(drawn, vision.as_colours(patches(picture, 6)[8]))
    assert large.patches[0].get_xy() == (11.5, 5.5)  # patch 8: row 1, column 2


# The knob: both ends of the slider, and the middle.


@pytest.mark.parametrize("patch", [0, 20, 35])
def test_where_one_patch_looks(picture, weights, patch: int):
    fig = vision.where_patches_look(picture, weights, [patch])
    left, *layers = fig.axes
    assert left.get_title() == f"patch {patch}"
    row, column = divmod(patch, 6)
    assert left.patches[0].get_xy() == (6 * column - 0.5, 6 * row - 0.5)
    assert [ax.get_title() for ax in layers] == ["layer 0", "layer 1"]
    for layer, ax in enumerate(layers):
        drawn = torch.as_tensor(ax.images[0].get_array())
        torch.testing.assert_close(drawn.flatten(), weights[layer, :, patch].mean(0))
        assert ax.patches[0].get_xy() == (column - 0.5, row - 0.5)


def test_small_multiples_are_the_rows_of_the_knob(picture, weights):
    chosen = [0, 20, 35]
    three = describe(vision.where_patches_look(picture, weights, chosen)).splitlines()
    alone = [
        describe(vision.where_patches_look(picture, weights, [p])).splitlines() for p in chosen
    ]
    plain = [line for line in three if line.startswith("  ")]
    assert plain == [line for each in alone for line in each if line.startswith("  ")]
    assert len(plain) == 3 * 3 * 3


def test_a_layer_has_one_scale_for_all_patches(picture, weights):
    fig = vision.where_patches_look(picture, weights, [0, 35])
    scales = [ax.images[0].norm.vmax for ax in fig.axes]
    assert scales[1] == scales[4] == pytest.approx(weights[0].mean(0).max().item())
    assert scales[2] == scales[5] == pytest.approx(weights[1].mean(0).max().item())


def test_fields_lie_as_the_picture_does():
    field = torch.arange(9.0)
    fig = vision.patch_fields({"a": field, "b": -field}, "moved", low=0, high=9, marked=[5])
    left, right, bar = fig.axes
    assert left.images[0].get_array().tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert right.images[0].get_array().tolist()[2] == [-6, -7, -8]
    assert left.patches[0].get_xy() == (1.5, 0.5)
    assert not right.patches
    assert bar.get_ylabel() == "moved"
    assert {ax.images[0].get_cmap().name for ax in (left, right)} == {"cividis"}
    signed = vision.patch_fields({"a": field}, "cosine", low=-1, high=1).axes[0].images[0]
    assert signed.get_cmap().name == vision.SIGNED
    assert signed.norm(0.0) == 0.5


def test_dots_mark_what_moved():
    before = torch.full((3, 3), 0.125)
    after = before.clone()
    after[1, 2], after[0, 0] = 0.5, -0.25
    fig = vision.gradients({"one": (before, after), "none": (before, before)})
    one, none = fig.axes[:2]
    assert sorted(one.collections[0].get_offsets().tolist()) == [[0, 0], [2, 1]]  # x, y
    assert len(none.collections[0].get_offsets()) == 0
    assert one.images[0].norm.vmax == none.images[0].norm.vmax == 0.5
    assert one.images[0].norm.vmin == -0.5
    assert one.get_xlabel() == "caption"
    assert one.get_ylabel() == "picture"


def test_similarities():
    matrix = torch.tensor([[1.0, -0.5], [0.25, 0.75]])
    fig = vision.similarities({"SigLIP": matrix, "CLIP": matrix.T}, ["red star", "blue moon"])
    left, right = fig.axes[:2]
    assert left.images[0].get_array().tolist() == matrix.tolist()
    assert right.images[0].get_array().tolist() == matrix.T.tolist()
    digest = describe(fig)
    assert "x ticks red star | blue moon" in digest
    assert "y ticks red star | blue moon" in digest
    assert left.images[0].norm(0.0) == 0.5  # zero is the middle of the colours


def test_every_figure_has_a_digest_of_its_own(picture, weights):
    field = torch.arange(9.0)
    matrix = torch.eye(2)
    figures = [
        vision.cut_up(np.zeros((4, 8, 3)), picture, picture[:, :12, :12], 6, 3),
        *(vision.where_patches_look(picture, weights, [p]) for p in (0, 20, 35)),
        vision.patch_fields({"a": field}, "moved", low=0, high=9),
        vision.gradients({"a": (matrix, matrix)}),
        vision.similarities({"a": matrix}, ["b", "c"]),
    ]
    assert len({describe(fig) for fig in figures}) == len(figures)
    assert all(fig.get_size_inches()[0] <= 7 for fig in figures)
