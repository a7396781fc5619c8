"""The figures of lesson 02 draw what they say."""

import pytest
import torch
from torch.nn import functional as F

from gemma3_edu.lessons.figures import norms
from gemma3_edu.lessons.figures.digest import describe


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


@pytest.mark.parametrize("size", [2, 3])
def test_group_c_is_group_b_shifted(size: int):
    groups = norms.three_groups(size)
    assert {tuple(g.shape) for g in groups.values()} == {(14, size)}
    assert (groups["C"] - groups["B"]).unique().tolist() == [2.25]


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="size=4: a figure has room for points of 2 or 3 numbers"):
        norms.three_groups(4)


def test_the_norms_are_pytorchs():
    x = norms.three_groups(3)["A"]
    for eps in (1e-6, 1.0):
        want = F.rms_norm(x, (3,), eps=eps).double()
        torch.testing.assert_close(norms.rms_norm(x, eps), want)
        want = F.layer_norm(x, (3,), eps=eps).double()
        torch.testing.assert_close(norms.layer_norm(x, eps), want)


def test_in_the_plane_layer_norm_leaves_two_places():
    rms, layer = norms.groups_in_the_plane().axes
    for name, group in norms.three_groups(2).items():
        after = points(rms, name)
        assert_near(after.square().mean(1), 1.0)
        assert_near(F.cosine_similarity(after, group.double()), 1.0)
        assert_near(points(layer, f"{name} before"), group)
    assert points(layer, "A").round(decimals=3).unique(dim=0).tolist() == [[1.0, -1.0]]
    for name in "BC":
        assert points(layer, name).round(decimals=3).unique(dim=0).tolist() == [[-1.0, 1.0]]


def test_in_space_layer_norm_leaves_a_ring():
    fig = norms.groups_in_space()
    views = {ax.get_title(): ax for ax in fig.axes}
    assert len(views) == 4
    for name in "ABC":
        side, above = (points(views[f"LayerNorm, from {v}"], name) for v in ("the side", "above"))
        assert side[:, 1].abs().max() == 0
        assert_near(above.norm(dim=1), 3**0.5)
        side, above = (points(views[f"RMSNorm, from {v}"], name) for v in ("the side", "above"))
        assert side[:, 0].equal(above[:, 0])
        whole = side.square().sum(1) + above[:, 1].square()
        assert_near(whole, 3.0)
    flat = views["LayerNorm, from the side"]
    assert points(flat, "B").equal(points(flat, "C"))
    assert [text.get_text() for text in flat.texts] == ["A", "B, C"]


def curve(fig, label: str) -> tuple[torch.Tensor, torch.Tensor]:
    (line,) = [a for a in fig.axes[-1].lines if a.get_label() == label]
    return torch.as_tensor(line.get_xdata()), torch.as_tensor(line.get_ydata())


@pytest.mark.parametrize("eps", [1e-6, 1e-2])
def test_size_curves(eps: float):
    fig = norms.size_curves(eps)
    r, under = curve(fig, "eps under the root")
    constant = r[:, None].expand(-1, 5).double()  # vectors of equal entries, whose rms is r
    torch.testing.assert_close(under, F.rms_norm(constant, (5,), eps=eps)[:, 0])
    r, after = curve(fig, "eps after the root")
    torch.testing.assert_close(after, r / (r + eps))
    assert curve(fig, "√eps")[0].tolist() == pytest.approx([eps**0.5] * 2)


DIGESTS = {
    1e-6: ("eps = 1e-06", "first=0.995 last=1 min=0.995 max=1 mean=1"),
    1.0: ("eps = 1", "first=0.01 last=0.995 min=0.01 max=0.995 mean=0.435"),
    100.0: ("eps = 100", "first=0.001 last=0.707 min=0.001 max=0.707 mean=0.135"),
}


@pytest.mark.parametrize("eps", DIGESTS)
def test_the_knob_moves_the_points_along_the_curve(eps: float):
    """The slider's ends and its start."""
    fig = norms.eps_effect([eps])
    title, sizes = DIGESTS[eps]
    digest = describe(fig)
    assert f"axes 0 {title!r}" in digest
    assert f"  points 'the points' y: n=31 {sizes}" in digest
    left, right = fig.axes
    drawn = points(left, "after RMSNorm").square().mean(1).sqrt()
    assert_near(drawn, points(right, "the points")[:, 1])


def test_small_multiples_are_the_same_pictures():
    three = describe(norms.eps_effect(list(DIGESTS))).splitlines()
    alone = [describe(norms.eps_effect([eps])).splitlines() for eps in DIGESTS]
    plain = [line for line in three if not line.startswith("axes")]
    assert plain == [line for each in alone for line in each if not line.startswith("axes")]


def test_every_figure_has_a_digest_of_its_own():
    figures = [norms.groups_in_the_plane(), norms.groups_in_space(), norms.size_curves()]
    digests = [describe(fig) for fig in figures]
    assert len(set(digests)) == len(digests)
    assert not any("e-0" in line for line in digests[0].splitlines() + digests[1].splitlines())
