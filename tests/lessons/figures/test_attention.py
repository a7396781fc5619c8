"""The figures of lesson 03 draw what they say."""

import pytest
import torch
from torch.nn import functional as F

from gemma3_edu.lessons.figures import attention
from gemma3_edu.lessons.figures.attention import WAYS, bits, scores, turned
from gemma3_edu.lessons.figures.digest import describe


@pytest.fixture(autouse=True)
def close():
    yield
    attention.plt.close("all")


def line(ax, label: str) -> torch.Tensor:
    (found,) = [a for a in ax.lines if a.get_label() == label]
    return torch.as_tensor(found.get_ydata(), dtype=torch.float64)


# The head


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0, 32.0])
def test_without_norm_scores_grow_with_the_square_and_the_cap_bends_them(factor: float):
    plain = factor**2 * scores("no norm", 1.0)
    torch.testing.assert_close(scores("no norm", factor), plain)
    torch.testing.assert_close(scores("soft cap", factor), 50 * torch.tanh(plain / 50))


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0, 32.0])
def test_with_qk_norm_scores_stay_and_keep_the_limit(factor: float):
    """Within eps: at factor 1/4 the mean squares are near 1/16, where 1e-6 is 2 in 100,000."""
    got = scores("QK-norm", factor)
    torch.testing.assert_close(got, scores("QK-norm", 8.0), rtol=1e-4, atol=1e-4)
    assert got.abs().max() < 16


def test_qk_norm_divides_by_one_number_a_query_and_one_a_key():
    """So the quotient of the two tables of scores is a column times a row, and of order one."""
    quotient = scores("no norm", 1.0) / scores("QK-norm", 1.0)
    torch.testing.assert_close(quotient, quotient[:, :1] * quotient[:1] / quotient[0, 0])
    assert quotient.shape == (64, 64)
    assert 0.7 < quotient.min() < 0.95
    assert 1.05 < quotient.max() < 1.4


def test_scores_look_random_and_are_of_order_one():
    plain = scores("no norm", 1.0)
    assert plain.std().item() == pytest.approx(1, abs=0.05)
    assert plain.mean().item() == pytest.approx(0, abs=0.05)
    assert torch.linalg.matrix_rank(plain) == 64


def test_another_way_is_refused():
    with pytest.raises(ValueError, match="way='cap' is none of no norm, soft cap, QK-norm"):
        scores("cap", 1.0)


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (torch.zeros(3, 16), 4.0),
        (torch.tensor([[0.0, -torch.inf, 0.0, -torch.inf]]), 1.0),
        (torch.tensor([[0.0, -1e9]]), 0.0),
        (torch.tensor([[3.0, 1.0]]).log(), 0.811),  # weights 3/4 and 1/4
        (torch.tensor([[0.0, 0.0], [0.0, -1e9]]), 0.5),
    ],
)
def test_bits(given: torch.Tensor, want: float):
    assert bits(given) == pytest.approx(want, abs=5e-4)


# The curves


def test_entropy_curves():
    (ax,) = attention.entropy_curves().axes
    factors = ax.lines[0].get_xdata()
    assert (factors[0], factors[-1], len(factors)) == (1 / 16, 256, 25)
    for way in WAYS:
        want = [bits(scores(way, factor)) for factor in factors]
        assert line(ax, way).tolist() == pytest.approx(want)
    none, cap, norm = (line(ax, way) for way in WAYS)
    assert none.diff().max() < 1e-9
    assert none[-1] < 1e-3
    assert cap.argmin() == 12
    assert 0.5 < cap[12] < 0.6
    assert 4.9 < cap[-1] < 5.0
    assert (norm - 5.33).abs().max() < 0.01
    assert line(ax, "64 keys alike").tolist() == [6, 6]


# The knob: both ends of the slider, and where it starts.

ROWS = {
    0.5: ["no norm\n6.0 bits", "soft cap\n6.0 bits", "QK-norm\n5.3 bits"],
    4.0: ["no norm\n0.4 bits", "soft cap\n0.6 bits", "QK-norm\n5.3 bits"],
    32.0: ["no norm, 95% outside\n0.0 bits", "soft cap\n4.8 bits", "QK-norm\n5.3 bits"],
}


@pytest.mark.parametrize("factor", ROWS)
def test_histograms_hold_every_score(factor: float):
    fig = attention.score_histograms([factor])
    assert [ax.get_title() for ax in fig.axes] == ROWS[factor]
    assert fig.axes[0].get_ylabel() == f"factor {factor:g}"
    for ax, way in zip(fig.axes, WAYS, strict=True):
        (patch,) = ax.patches
        share, edges = patch.get_data()[:2]
        found = scores(way, factor)
        inside = found.abs() <= 61
        assert sum(share) == pytest.approx(inside.double().mean().item())
        for low, high, part in zip(edges, edges[1:], share, strict=False):
            assert part * 4096 == pytest.approx(((found >= low) & (found < high)).sum().item())
        assert "steppatch 'share'" in describe(fig)


def test_small_multiples_are_the_rows_of_the_knob():
    three = describe(attention.score_histograms(list(ROWS))).splitlines()
    alone = [describe(attention.score_histograms([factor])).splitlines() for factor in ROWS]
    plain = [text for text in three if not text.startswith("axes")]
    assert plain == [text for each in alone for text in each if not text.startswith("axes")]
    assert len(plain) == 18


# The turn


def test_a_turn_keeps_lengths_and_angles_apart():
    x, place = torch.tensor([[3.0, 4.0]]), torch.arange(6.0)
    got = turned(x, place)
    torch.testing.assert_close(got.norm(dim=1), torch.full((6,), 5.0))
    assert got[0].tolist() == [3, 4]
    cosine = F.cosine_similarity(got[1:], got[:-1], dim=-1)
    torch.testing.assert_close(cosine, torch.full((5,), 0.4).cos())
    assert turned(torch.tensor([[1.0, 0.0]]), torch.tensor([1.0]))[0, 1] > 0  # anticlockwise


def test_the_order_of_norm_and_turn():
    (ax,) = attention.norm_and_turn((3.0, 1.0), (1.0, 2.0)).axes
    right, late, swapped = (
        line(ax, name) for name in ("norm, then turn", "turn, then norm", "norms swapped")
    )
    assert len(right) == 24
    assert right.std() < 1e-9
    assert swapped.std() < 1e-9
    assert late.std() > 0.3
    assert (right[0] - swapped[0]).abs() > 1
    (other,) = attention.norm_and_turn((1.0, 2.0), (3.0, 1.0)).axes
    torch.testing.assert_close(line(other, "norm, then turn"), swapped)
    # gains 1 in place of both: nothing differs
    (fresh,) = attention.norm_and_turn((1.0, 1.0), (1.0, 1.0)).axes
    for name in ("turn, then norm", "norms swapped"):
        torch.testing.assert_close(line(fresh, name), line(fresh, "norm, then turn"))
    x, y = torch.tensor([1.0, 0.5]).double(), torch.tensor([0.5, 1.0]).double()
    want = 2**0.5 * torch.cos(torch.atan2(x[1], x[0]) + 0.4 - torch.atan2(y[1], y[0]))
    torch.testing.assert_close(line(fresh, "norm, then turn")[0], want, rtol=0, atol=1e-5)


def test_every_figure_has_a_digest_of_its_own():
    figures = [
        attention.entropy_curves(),
        attention.score_histograms([4.0]),
        attention.norm_and_turn((3.0, 1.0), (1.0, 2.0)),
        attention.norm_and_turn((1.0, 2.0), (3.0, 1.0)),
    ]
    assert len({describe(fig) for fig in figures}) == len(figures)
    assert all(fig.get_size_inches()[0] <= 7 for fig in figures)
