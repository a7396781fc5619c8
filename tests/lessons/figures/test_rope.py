"""The figures of lesson 04 draw what they say."""

import math

import matplotlib.pyplot as plt
import pytest
import torch

from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.rope import (
    SMALL,
    angles_seen,
    hands_by_position,
    score_table,
    scores_by_distance,
    two_hands,
    wavelength_curves,
    wavelengths,
    weights_by_order,
)
from gemma3_edu.model.config import RopeConfig
from gemma3_edu.model.rope import rope_table

ODD = RopeConfig(500.0, 3.0)
SETTINGS = {
    "base 10k": RopeConfig(10_000.0),
    "base 1M": RopeConfig(1_000_000.0),
    "1M, factor 8": RopeConfig(1_000_000.0, 8.0),
}


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


@pytest.mark.parametrize("rope", [*SETTINGS.values(), ODD])
@pytest.mark.parametrize("head_dim", [8, 128])
def test_after_a_wavelength_a_pair_is_where_it_was(rope: RopeConfig, head_dim: int):
    """By the package's table: at 2 pi f / angle of one token, the cosine is 1 again."""
    cos, sin = rope_table(torch.tensor([[1]]), head_dim, rope)
    angle = torch.atan2(sin, cos)[0, 0].double()
    torch.testing.assert_close(wavelengths(head_dim, rope), 2 * math.pi / angle, rtol=1e-5, atol=0)


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


def hands(ax) -> dict[str, list[float]]:
    """The angle that each hand shows, between -pi and pi, by the name of its row."""
    found = {}
    for collection in ax.collections:
        if collection.get_label() in ("dial", "first round", "gone round"):
            continue
        ways = [path.vertices[1] - path.vertices[0] for path in collection.get_paths()]
        assert [math.hypot(*way) for way in ways] == pytest.approx([0.5] * len(ways))
        found[collection.get_label()] = [math.atan2(y, x) for x, y in ways]
    return found


def test_turns_are_counted_below_the_dials():
    (ax,) = hands_by_position([100], head_dim=4, rope=ODD).axes
    told = [text.get_text() for text in ax.texts]
    turns = [f"{turn:.2f} rounds" for turn in (100 / wavelengths(4, ODD)).tolist()]
    assert told == ["pair 0", "pair 1", *turns, "position 100"]


def test_a_dial_is_tinted_as_far_as_its_hand_and_grey_once_it_is_round():
    (ax,) = hands_by_position([60]).axes
    areas = {each.get_label(): each.get_paths() for each in ax.collections}
    assert [len(areas[name]) for name in ("dial", "first round", "gone round")] == [4, 2, 2]
    x, y = areas["first round"][1].vertices[41] - areas["first round"][1].vertices[0]
    assert math.atan2(y, x) == pytest.approx(2 * math.pi * 60 / wavelengths(8, SMALL)[3].item())
    assert "gone round" not in describe(hands_by_position([0, 1]))


def test_two_hands_that_keep_their_distance_keep_their_angle():
    fig = two_hands((2, 1), (1, 2), [(1, 0), (6, 5), (2, 0)])
    scores = []
    for ax in fig.axes:
        ends = {line.get_label(): (line.get_xdata()[-1], line.get_ydata()[-1]) for line in ax.lines}
        assert math.hypot(*ends["query"]) == math.hypot(*ends["key"]) == math.sqrt(5)
        scores.append(sum(a * b for a, b in zip(ends["query"], ends["key"], strict=True)))
    assert scores == [3, 3, -4]
    assert "query at 6 points to (-2, -1), key at 5 to (-2, 1)" in alt_of(fig)


def test_score_table_writes_every_number():
    fig = score_table([[7, -1], [2, 7]])
    assert [text.get_text() for text in fig.axes[0].texts] == ["7", "-1", "2", "7"]
    assert "first two rows are 7, -1 and 2, 7" in alt_of(fig)


def test_hands_by_position_turn_as_the_package_does():
    positions = [0, 5, 23]
    (ax,) = hands_by_position(positions).axes
    cos, sin = rope_table(torch.tensor([positions]), 8, SMALL)
    angles = torch.atan2(sin, cos)[0].double()
    for position, row in zip(positions, angles, strict=True):
        shown = torch.tensor(hands(ax)[f"position {position}"], dtype=torch.float64)
        torch.testing.assert_close(shown, row, rtol=0, atol=1e-5)


def test_the_svg_shows_the_same_small_head():
    """Its angles are those of position 5 here."""
    (ax,) = hands_by_position([5]).axes
    told = [text.get_text().split() for text in ax.texts]
    turns = [float(number) for number, word in told if word == "rounds"]
    assert [f"{2 * math.pi * turn:.1f}" for turn in turns] == ["5.0", "1.6", "0.5", "0.2"]


def test_scores_by_distance_draw_a_line_and_then_marks():
    one, other = torch.tensor([1.0, 3.0, 2.0]), torch.tensor([0.5, 0.25, -1.0])
    curves = {("cat", 0): one, ("cat", 7): one, ("dog", 0): other, ("dog", 7): other}
    fig = scores_by_distance(curves)
    drawn = {line.get_label(): line for line in fig.axes[0].lines[:4]}
    assert list(drawn) == [
        f"“{word}”, key at {start}" for word in ("cat", "dog") for start in (0, 7)
    ]
    assert [list(line.get_ydata()) for line in drawn.values()] == [
        s.tolist() for s in curves.values()
    ]
    assert [line.get_linestyle() for line in drawn.values()] == ["--", "None", "-", "None"]
    assert [line.get_marker() for line in drawn.values()] == ["None", "s", "None", "o"]
    assert (
        "3.0 for “cat”, key at 7, at distance 1; 0.5 for “dog”, key at 0, at distance 0"
        in alt_of(fig)
    )


def test_weights_by_order_takes_one_text():
    fig = weights_by_order(
        [["a", "a"]], [torch.tensor([0.5, 0.5])], [torch.tensor([0.75, 0.25])], "a"
    )
    assert len(fig.axes) == 2
    assert "“a a” with positions 0.750 and 0.250" in alt_of(fig)


def test_weights_by_order_marks_one_word():
    one, other = torch.tensor([0.25, 0.5, 0.25]), torch.tensor([0.125, 0.5, 0.375])
    words = [["the", "cat", "the"], ["the", "dog", "the"]]
    fig = weights_by_order(words, [one, one], [other, other], marked="the")
    (bars,) = fig.axes[1].containers
    assert [bar.get_height() for bar in bars] == other.tolist()
    assert [bool(bar.get_hatch()) for bar in bars] == [True, False, True]
    assert "“the dog the” without positions 0.250 and 0.250; “the dog the” with" in alt_of(fig)


def test_angles_seen_stay_within_training_by_the_factor():
    fig = angles_seen(96, SETTINGS["base 1M"], trained=32_768, asked=131_072, factor=8.0)
    degree = 360 / wavelengths(256, SETTINGS["base 1M"])[96].item()
    shown = []
    for ax in fig.axes:
        (line,) = ax.lines
        x, y = line.get_xdata()[-1], line.get_ydata()[-1]
        shown.append(math.degrees(math.atan2(y, x)) % 360)
    assert shown == pytest.approx([32_768 * degree, 131_072 * degree, 16_384 * degree])
    assert [len(ax.patches) for ax in fig.axes] == [2, 3, 2]  # what was never seen: once
