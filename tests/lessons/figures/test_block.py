"""The figures of lesson 07 draw what they say."""

import pytest
import torch
from torch.nn import functional as F

from gemma3_edu.lessons.figures import block
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe

NAMES = ("stream", "attention returns", "attention adds", "MLP returns", "MLP adds")


@pytest.fixture(autouse=True)
def close():
    yield
    block.plt.close("all")


def line(ax, label: str) -> torch.Tensor:
    (found,) = [a for a in ax.lines if a.get_label() == label]
    return torch.as_tensor(found.get_ydata())


def test_activations():
    (ax,) = block.activations().axes
    a = torch.linspace(-5, 5, 201).double()
    torch.testing.assert_close(line(ax, "GELU"), F.gelu(a, approximate="tanh"))
    torch.testing.assert_close(line(ax, "ReLU"), a.clamp_min(0))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["GELU", "ReLU"]


def stacks():
    draws = [[1.0, 2.0, 4.0], [1.0, 3.0, 5.0], [1.0, 6.0, 9.0]]
    with_norms = dict.fromkeys(("small", "middle", "large"), draws)
    without = {
        name: [[scale * size for size in draw] for draw in draws]
        for name, scale in [("small", 0.5), ("middle", 1.0), ("large", 8.0)]
    }
    return block.stacks(with_norms, without)


def test_stacks_draw_the_median_of_the_draws_and_all_of_them():
    fig = stacks()
    left, right = fig.axes
    assert line(left, "middle").tolist() == [1.0, 3.0, 5.0]
    assert line(right, "large").tolist() == [8.0, 24.0, 40.0]
    band = right.collections[2].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (8.0, 72.0)
    assert "norms 2 and 4 in place: small 4 to 9, middle 4 to 9 and large 4 to 9" in alt_of(fig)
    assert "norms 2 and 4 removed: small 2 to 4.5, middle 4 to 9 and large 32 to 72" in alt_of(fig)


def loud_and_quiet():
    plain = {name: [n + 1.0, 2 * n + 3.0] for n, name in enumerate(NAMES)}
    loud = {n: [x * (100 if "returns" in n else 1) for x in xs] for n, xs in plain.items()}
    return plain, loud, block.loud_and_quiet(plain, loud, times=100)


def test_a_louder_model_is_drawn_over_the_plain_one():
    plain, loud, fig = loud_and_quiet()
    (ax,) = fig.axes
    for name in NAMES:
        assert line(ax, name).tolist() == plain[name]
        assert line(ax, f"{name}, louder").tolist() == loud[name]
    assert "MLP returns from 4 to 9, louder from 400 to 900" in alt_of(fig)
    assert "MLP returns (\N{MULTIPLICATION SIGN} 100)" in [text.get_text() for text in ax.texts]


def test_every_figure_has_a_digest_of_its_own():
    figures = [block.activations(), stacks(), loud_and_quiet()[2]]
    assert len({describe(fig) for fig in figures}) == len(figures)
