"""The figures of lesson 03 draw what they say."""

import pytest
import torch

from gemma3_edu.lessons.figures import attention
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.attention import KEYS, QUERY, WAYS, WORDS, toy_weights
from gemma3_edu.lessons.figures.digest import describe


@pytest.fixture(autouse=True)
def close():
    yield
    attention.plt.close("all")


def line(ax, label: str) -> list[float]:
    (found,) = [a for a in ax.lines if a.get_label() == label]
    return list(found.get_ydata())


# The toy


def test_only_qk_norm_keeps_the_weights():
    for way in WAYS:
        small, large = toy_weights(way, 1.0), toy_weights(way, 4.0)
        assert torch.allclose(small, large, atol=1e-4) == (way == "QK-norm")


def test_the_fixed_scale_ends_at_one_word_and_the_cap_at_two():
    assert toy_weights("fixed scale", 64.0).tolist() == pytest.approx([1, 0, 0, 0])
    assert toy_weights("soft cap", 64.0).tolist() == pytest.approx([0.5, 0, 0.5, 0], abs=1e-3)


def test_the_cap_hardly_bends_small_scores():
    torch.testing.assert_close(
        toy_weights("soft cap", 1.0), toy_weights("fixed scale", 1.0), atol=1e-3, rtol=0
    )


def test_another_way_is_refused():
    with pytest.raises(ValueError, match="way='cap' is none of fixed scale, soft cap, QK-norm"):
        toy_weights("cap", 1.0)


# The drawings


def test_shares_are_written_below_the_three_strongest():
    tokens = ["", "The", " shed", " is", " ", "2", "\n"]
    spread = torch.tensor([0.05, 0.1, 0.4, 0.2, 0.2, 0.04, 0.01])
    single = torch.eye(7)[5]
    fig = attention.shares(tokens, {"wide": spread, "narrow": single})
    wide, narrow = ([text.get_text() for text in ax.texts] for ax in fig.axes)
    assert wide == ["•", "The", "shed", "0.40", "is", "0.20", "␣", "0.20", "2", "↵"]
    assert narrow == ["•", "The", "shed", "is", "␣", "2", "1.00", "↵"]
    darkness = [1 - box.get_facecolor()[0] for box in fig.axes[0].patches]
    assert darkness.index(max(darkness)) == 2
    assert alt_of(fig).endswith("narrow: 1.00 on '2'.")


def test_long_texts_are_wrapped():
    (ax,) = attention.shares(["word"] * 40, {"": torch.ones(40) / 40}).axes
    corners = [box.get_path().get_extents() for box in ax.patches]
    assert max(box.x1 for box in corners) < 70
    assert len({round(box.y0, 3) for box in corners}) == 4


def test_arrows_are_thick_where_attention_is():
    (ax,) = attention.she_asks().axes
    widths = [patch.get_linewidth() for patch in ax.patches if patch.get_label() == "arrow"][:4]
    scores = (torch.tensor(KEYS) @ torch.tensor(QUERY)).tolist()
    assert sorted(range(4), key=lambda i: widths[i]) == sorted(range(4), key=lambda i: scores[i])


def test_the_bar_is_as_long_as_the_shares():
    (ax,) = attention.she_asks().axes
    bars = [patch for patch in ax.patches if patch.get_label() == "share"]
    widths = torch.tensor([bar.get_path().get_extents().width for bar in bars])
    shares = (torch.tensor(KEYS) @ torch.tensor(QUERY)).double().softmax(0)
    torch.testing.assert_close(widths / widths.sum(), shares, atol=0.01, rtol=0)


def test_arrows_carry_their_weights_at_both_sizes():
    left, right = attention.arrows(torch.tensor(QUERY), torch.tensor(KEYS), grown=2.0).axes
    said = [{text.get_text() for text in ax.texts} for ax in (left, right)]
    assert said[0] >= {"Anna\n0.84", "Rex\n0.11", "18°"}
    assert said[1] >= {"Anna\n1.00", "Rex\n0.00"}
    assert left.get_xlim() == right.get_xlim()


def test_arrows_name_their_angles():
    fig = attention.arrows(torch.tensor(QUERY), torch.tensor(KEYS))
    assert alt_of(fig).endswith("18 for Anna, 135 for walks, 72 for Rex and 90 for She.")


def test_ways_draw_the_toy():
    axes = attention.three_ways().axes
    for ax, way in zip(axes[3:], WAYS, strict=True):
        factors = ax.lines[0].get_xdata()
        assert (factors[0], factors[-1]) == (1 / 8, 64)
        for i, word in enumerate(WORDS):
            want = [toy_weights(way, factor)[i].item() for factor in factors]
            assert line(ax, word) == pytest.approx(want)


def test_curves_hold_what_is_given():
    rows = {"with": [0.5, 0.5], "without": [0.1, 1.0]}
    fig = attention.by_factor([0.25, 4], rows, "largest share")
    (ax,) = fig.axes
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1/4", "4"]
    for model, values in rows.items():
        assert line(ax, model) == values
    assert alt_of(fig) == (
        "Largest share at factors 0.25 and 4. with: 0.5 and 0.5; without: 0.1 and 1."
    )


def test_every_seed_has_a_line():
    rows = {way: [[0.1, 0.5 + n / 10], [0.2, 0.6 + n / 10]] for n, way in enumerate(WAYS)}
    fig = attention.learnt([100, 200], {1: rows, 8: rows}, 0.3)
    for ax in fig.axes:
        for way, (first, second) in rows.items():
            assert line(ax, way) == first
            assert line(ax, f"_{way}, seed 1") == second
        assert line(ax, "commonest digit") == [0.3, 0.3]
    assert alt_of(fig).endswith("QK-norm at size 8 0.8.")


def test_every_figure_has_a_digest_of_its_own():
    q, k = torch.tensor(QUERY), torch.tensor(KEYS)
    figures = [
        attention.she_asks(),
        attention.arrows(q, k),
        attention.arrows(q, 2 * k),
        attention.three_ways(),
        attention.shares(["a", "b"], {"": torch.tensor([0.3, 0.7])}),
        attention.shares(["a", "b"], {"": torch.tensor([0.4, 0.6])}),
    ]
    assert len({describe(fig) for fig in figures}) == len(figures)
