"""The figures of lesson 04 draw what they say."""

import math

import matplotlib.pyplot as plt
import pytest
import torch

from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.rope import (
    SETTINGS,
    dials,
    likeness,
    likeness_curves,
    wavelength_curves,
    wavelengths,
)
from gemma3_edu.model.config import AttentionType, RopeConfig
from gemma3_edu.model.presets import PRESETS
from gemma3_edu.model.rope import apply_rope, rope_table

ODD = RopeConfig(500.0, 3.0)


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


def test_settings_are_the_presets():
    near, far, large = SETTINGS.values()
    for size in ("270m", "1b", "4b", "12b", "27b"):
        text = PRESETS[size].text
        assert text.rope(AttentionType.LOCAL) == near
        assert text.rope(AttentionType.GLOBAL) == (far if size in ("270m", "1b") else large)


@pytest.mark.parametrize("rope", [*SETTINGS.values(), ODD])
@pytest.mark.parametrize("head_dim", [8, 128])
def test_after_a_wavelength_a_pair_is_where_it_was(rope: RopeConfig, head_dim: int):
    """By the package's table: at 2 pi f / angle of one token, the cosine is 1 again."""
    cos, sin = rope_table(torch.tensor([[1]]), head_dim, rope)
    angle = torch.atan2(sin, cos)[0, 0].double()
    torch.testing.assert_close(wavelengths(head_dim, rope), 2 * math.pi / angle, rtol=1e-5, atol=0)


@pytest.mark.parametrize("rope", [SETTINGS["1M, factor 8"], ODD])
def test_likeness_is_the_score_of_a_key_equal_to_its_query(rope: RopeConfig):
    distance = torch.tensor([0, 1, 5, 40, 333])
    x = torch.ones(1, 5, 1, 16)
    turned = apply_rope(x, *rope_table(distance[None], 16, rope))
    scores = (turned * x).sum(-1).flatten().double() / 16
    torch.testing.assert_close(likeness(distance, 16, rope), scores, rtol=0, atol=1e-4)


def lines(ax) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    return {
        line.get_label(): (torch.as_tensor(line.get_xdata()), torch.as_tensor(line.get_ydata()))
        for line in ax.lines
    }


def looks(ax, count: int) -> set[tuple[str, str]]:
    return {(line.get_color(), line.get_linestyle()) for line in ax.lines[:count]}


def test_wavelength_curves():
    (ax,) = wavelength_curves(SETTINGS, head_dim=64, lengths=(10, 500)).axes
    drawn = lines(ax)
    assert list(drawn) == [*SETTINGS, "10 tokens", "500 tokens"]
    for name, rope in SETTINGS.items():
        pair, tokens = drawn[name]
        assert pair.tolist() == list(range(32))
        assert tokens.equal(wavelengths(64, rope))
    assert drawn["500 tokens"][1].tolist() == [500, 500]
    assert ax.get_yscale() == "log"
    assert looks(ax, 3) == {("C1", "--"), ("C0", "-"), ("C3", "-.")}


def test_likeness_curves():
    (ax,) = likeness_curves(SETTINGS, head_dim=32, longest=4000).axes
    drawn = lines(ax)
    assert list(drawn) == [*SETTINGS, "0"]
    for name, rope in SETTINGS.items():
        distance, alike = drawn[name]
        assert distance[0] == 1
        assert distance[-1] == 4000
        assert (distance.diff() > 0).all()
        assert alike.equal(likeness(distance, 32, rope))
    assert len(looks(ax, 3)) == 3


def hands(ax) -> dict[str, list[float]]:
    """The angle that each hand shows, between -pi and pi, by the name of its row."""
    found = {}
    for collection in ax.collections:
        if collection.get_label() == "dial":
            continue
        ways = [path.vertices[1] - path.vertices[0] for path in collection.get_paths()]
        assert [math.hypot(*way) for way in ways] == pytest.approx([0.5] * len(ways))
        found[collection.get_label()] = [math.atan2(y, x) for x, y in ways]
    return found


# The slider's two ends, where it starts, and a distance between.
KNOB = {
    0: ("0.00 | 0.00 | 0.00 | base 10k | 1.00", "base 1M | 1.00"),
    16: ("0.00 | 0.00 | 0.00 | base 10k | 0.63", "base 1M | 0.75"),
    1024: ("0.16 | 0.05 | 0.02 | base 10k | 0.18", "base 1M | 0.51"),
    131_072: ("660 | 209 | 65.97 | 20.86 | 6.60 | 2.24 | base 10k | 0.00", "base 1M | 0.04"),
}


@pytest.mark.parametrize("distance", KNOB)
def test_dials_show_the_angles(distance: int):
    fig = dials(distance)
    (ax,) = fig.axes
    shown = hands(ax)
    assert list(shown) == list(SETTINGS)
    for name, rope in SETTINGS.items():
        cos, sin = rope_table(torch.tensor([[distance]]), 256, rope)
        angle = torch.atan2(sin, cos)[0, 0, [0, 16, 32, 48, 64, 80, 96, 112, 127]].double()
        apart = torch.tensor(shown[name], dtype=torch.float64) - angle
        assert apart.sin().abs().max() < 0.02  # float32's angles, far out
        assert apart.cos().min() > 0.99
    digest = describe(fig)
    for told in KNOB[distance]:
        assert told in digest
    assert f"distance {distance:,}" in ax.get_title()
    assert "-0.00" not in digest


def test_turns_are_counted_below_the_dials():
    (ax,) = dials(100, settings={"odd": ODD}, head_dim=8, pairs=(0, 3)).axes
    turns = 100 / wavelengths(8, ODD)
    told = [text.get_text() for text in ax.texts]
    assert told[:3] == ["0", "3", "pair"]
    assert told[3:5] == [f"{turns[0].item():.2f}", f"{turns[3].item():.2f}"]
    assert told[5] == "odd"


def test_small_multiples_are_the_same_pictures():
    three = describe(dials(16, 1024, 131_072)).splitlines()
    alone = [describe(dials(each)).splitlines() for each in (16, 1024, 131_072)]
    plain = [line for line in three if not line.startswith("axes")]
    assert plain == [line for each in alone for line in each if not line.startswith("axes")]
