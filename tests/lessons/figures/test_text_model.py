"""The figures of lesson 09 draw what they say, on a tiny model."""

import math

import matplotlib.pyplot as plt
import pytest
import torch
from torch.nn import functional as F

from gemma3_edu import cost
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.text_model import (
    CLEAR,
    SHORTEST,
    Early,
    after_blocks,
    parameter_shares,
    read_early,
    surprise_against_position,
    through_blocks,
)
from gemma3_edu.model.presets import PRESETS
from tests.tiny import prompts, tiny_config, tiny_model

CONFIG = tiny_config()  # three blocks
SIZES = {name: PRESETS[name] for name in ("270m", "4b", "27b")}


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def model():
    return tiny_model(CONFIG)


@pytest.fixture(scope="module")
def early(model) -> Early:
    return read_early(model, prompts(CONFIG, "ttttttt"))


def lines(ax) -> dict[str, list[float]]:
    return {line.get_label(): list(line.get_ydata()) for line in ax.lines}


# Shares


def test_shares_are_counts_and_fill_the_bar():
    (ax,) = parameter_shares(SIZES).axes
    bars = {bar.get_label(): bar for bar in ax.containers}
    assert list(bars) == ["embedding", "attention", "MLP", "norms", "vision and projector"]
    for row, config in enumerate(SIZES.values()):
        parts, total = cost.parameters_by_part(config), cost.parameters(config)
        want = [parts[name] for name in ("embedding", "attention", "mlp", "norms")]
        want.append(parts.get("vision", 0) + parts.get("projector", 0))
        pieces = [bar.patches[row] for bar in bars.values()]
        assert [p.get_width() for p in pieces] == pytest.approx([100 * n / total for n in want])
        ends = [p.get_x() + p.get_width() for p in pieces]
        assert [p.get_x() for p in pieces] == pytest.approx([0.0, *ends[:-1]])
        assert ends[-1] == pytest.approx(100)
    assert "y ticks 270m: 268 M | 4b: 4,300 M | 27b: 27,432 M" in describe(ax.figure)
    assert ax.yaxis_inverted()  # the first size on top


# Surprise by position


def test_means_over_stretches_that_double():
    nats = torch.arange(1.0, 13).expand(2, -1).clone()
    nats[1] += 2  # the mean is one more, the spread one to either side
    nats[1, 5:] = math.nan
    fig = surprise_against_position(nats, {"level": 3.5, "other": 9.0})
    curve, level, other = fig.axes[0].lines
    assert list(curve.get_xdata()) == [1, 2, 3.5, 6.5, 10.5]
    want = [2, 3, 4.5, (5 + 6 + 7 + 8 + 7) / 5, (9 + 10 + 11 + 12) / 4]
    assert list(curve.get_ydata()) == pytest.approx(want)
    assert (level.get_ydata()[0], other.get_ydata()[0]) == (3.5, 9.0)
    assert [line.get_label() for line in (curve, level, other)] == ["the model", "level", "other"]


def test_the_band_is_two_standard_errors():
    nats = torch.tensor([[1.0, 5.0], [3.0, 5.0], [5.0, 5.0], [7.0, 5.0]])
    (band,) = surprise_against_position(nats, {}).axes[0].collections
    heights = band.get_paths()[0].vertices
    error = 2 * torch.tensor([1.0, 3, 5, 7]).std().item() / 2
    at_one = heights[heights[:, 0] == 1, 1]
    assert (at_one.min(), at_one.max()) == pytest.approx((4 - error, 4 + error))
    at_two = heights[heights[:, 0] == 2, 1]
    assert (at_two.min(), at_two.max()) == pytest.approx((5, 5))


# After n blocks


def test_the_last_reading_is_the_model_s_own(model, early: Early):
    batch = prompts(CONFIG, "ttttttt")
    with torch.no_grad():
        logits = model(batch)[0, :-1]
    right = batch.tokens[0, 1:]
    want = F.cross_entropy(logits, right, reduction="none")
    torch.testing.assert_close(early.surprise[-1], want)
    assert torch.equal(early.best[-1], logits.argmax(-1))
    top = logits.sort(-1, descending=True).values
    torch.testing.assert_close(early.lead[-1], top[:, 0] - top[:, 1])
    assert torch.equal(early.read, batch.tokens[0, :-1])
    assert torch.equal(early.next, right)
    assert early.surprise.shape == (4, len(right))


def test_the_first_reading_is_the_embedding_and_each_block_has_one(model, early: Early):
    batch = prompts(CONFIG, "ttttttt")
    decoder = model.language_model
    with torch.no_grad():
        logits = decoder.embed_tokens.logits(decoder.norm(model.embed(batch)))[0, :-1]
    want = F.cross_entropy(logits, batch.tokens[0, 1:], reduction="none")
    torch.testing.assert_close(early.surprise[0], want)
    assert len({tuple(row) for row in early.surprise.tolist()}) == 4


def made(**changes) -> Early:
    """Four steps, two readings: before any block, and after one."""
    values = {
        "surprise": torch.tensor([[8.0, 4.0, 2.0, 6.0], [1.0, 2.0, 3.0, 4.0]]),
        "best": torch.tensor([[0, 1, 2, 9], [1, 9, 3, 4]]),  # the 3 is right, and not clear
        "lead": torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, CLEAR / 2, CLEAR]]),
        "read": torch.tensor([0, 1, 2, 3]),
        "next": torch.tensor([1, 2, 3, 4]),
    }
    return Early(**(values | changes))


def test_through_blocks():
    left, right = through_blocks(made(), {"level": 2.0}).axes
    assert lines(left)["the model"] == [5.0, 2.5]
    assert lines(left)["level"] == [2.0, 2.0]
    assert lines(right) == {"the token it read": [75, 0], "the token that comes": [0, 75]}


def kinds(ax) -> dict[str, list[tuple[int, float]]]:
    """(row, length) of the bars of each kind."""
    return {
        bar.get_label(): [
            (round(p.get_y() + p.get_height() / 2), p.get_width()) for p in bar.patches
        ]
        for bar in ax.containers
    }


def test_after_blocks_sorts_the_first_choices():
    fig = after_blocks(made(), "abcdefghij\n".__getitem__, [0, 1])
    before, after = fig.axes
    assert kinds(before) == {
        "says what comes, in bold": [],
        "says what it read": [(0, 8.0), (1, 4.0), (2, 2.0)],
        "says another, or none clearly": [(3, 6.0)],
    }
    assert kinds(after) == {
        "says what comes, in bold": [(0, 1.0), (3, 4.0)],
        "says what it read": [],
        "says another, or none clearly": [(1, 2.0), (2, 3.0)],
    }
    assert [text.get_text() for text in after.texts] == ["b", "j", "≈", "e"]
    assert [text.get_weight() for text in after.texts] == ["bold", "normal", "normal", "bold"]
    assert (before.get_title(), after.get_title()) == (
        "after 0 blocks: mean 5.0",
        "after 1 block: mean 2.5",
    )
    assert "y ticks a → b | b → c | c → d | d → e" in describe(fig)


def test_a_token_that_comes_twice_is_what_comes():
    early = made(read=torch.tensor([1, 1, 2, 3]))
    assert kinds(after_blocks(early, str, [1]).axes[0]) == kinds(
        after_blocks(made(), str, [1]).axes[0]
    )


def test_a_bar_too_short_to_see_has_no_digits_of_its_own():
    surprise = made().surprise.clone()
    surprise[1, 0] = 1e-5
    bars = kinds(after_blocks(made(surprise=surprise), str, [1]).axes[0])
    lengths = [length for _, length in bars["says what comes, in bold"]]
    assert lengths == pytest.approx([SHORTEST, 4.0])


def test_the_legend_shows_every_kind_in_its_own_colour():
    (legend,) = after_blocks(made(), "abcdefghij".__getitem__, [1]).legends
    colours = {patch.get_facecolor() for patch in legend.get_patches()}
    assert len(colours) == len(legend.get_texts()) == 3


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_the_knob_at_its_ends_and_between(early: Early, blocks: int):
    panel = after_blocks(early, str, [blocks])
    side_by_side = after_blocks(early, str, [0, 1, 3])
    assert kinds(panel.axes[0]) == kinds(side_by_side.axes[[0, 1, 3].index(blocks)])
    assert panel.axes[0].get_xlim() == side_by_side.axes[0].get_xlim()  # bars stay comparable
    lengths = [length for bars in kinds(panel.axes[0]).values() for _, length in bars]
    assert sorted(lengths) == pytest.approx(sorted(early.surprise[blocks].tolist()))


def test_a_line_break_is_shown_on_one_line():
    fig = after_blocks(made(), lambda token: "\n\n" if token == 1 else "x", [1])
    assert "x → ↵↵ | ↵↵ → x" in describe(fig)
