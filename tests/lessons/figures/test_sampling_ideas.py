"""The drawings of lesson 10 show what the sampler leaves, and whose token is whose."""

import matplotlib.pyplot as plt
import pytest
import torch

from gemma3_edu.generation.sampling import Sampler
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.cache_ideas import KEPT, PALE
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.lessons.figures.sampling_ideas import (
    lines_of_a_chat,
    loops_and_inventions,
    pipeline,
)

NAMES = ["Jonah", "Ishmael", "later", "Pip", "Ahab"]
LOGITS = torch.tensor([1.0, 8, 2, 1, 4]).log()


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


def said(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def filled(ax, colour: str) -> int:
    wanted = tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return sum(patch.get_fill() and patch.get_facecolor()[:3] == wanted for patch in ax.patches)


@pytest.mark.parametrize(
    ("sampler", "u", "shares", "out", "chosen"),
    [
        (Sampler(1.0, 3, 0.8), 0.75, ["50%", "57%", "67%", "33%"], 3, "Ahab"),
        (Sampler(1.0, 3, 0.8), 0.6, ["50%", "57%", "67%", "33%"], 3, "Ishmael"),
        (Sampler(0.5, 2, 1.0), 0.9, ["74%", "80%", "20%"], 3, "Ahab"),
        (Sampler(1.0, 5, 1.0), 0.0, ["6%", "50%", "12%", "25%"], 0, "Jonah"),
    ],
)
def test_the_pipeline_shows_the_shares_what_goes_and_what_is_drawn(sampler, u, shares, out, chosen):
    fig = pipeline(NAMES, LOGITS, sampler, u)
    (ax,) = fig.axes
    words = said(ax)
    assert set(shares) <= set(words)
    assert words.count("out") == out
    assert alt_of(fig).endswith(f"draws {chosen}.")
    bold = {text.get_text() for text in ax.texts if text.get_fontweight() == "bold"}
    assert chosen in bold
    assert not bold & (set(NAMES) - {chosen})
    assert filled(ax, PALE) == 1
    assert describe(fig)


def test_a_token_that_is_out_is_out_once():
    """What top-k dropped is not drawn again where top-p cuts."""
    words = alt_of(pipeline(NAMES, LOGITS, Sampler(1.0, 3, 0.8), 0.1))
    assert "After top-k: Ishmael, later and Ahab. After top-p: Ishmael and Ahab." in words


def test_a_chat_has_a_row_for_each_line_and_colours_for_who_wrote_it():
    pieces = {2: "<bos>", 105: "<start_of_turn>", 106: "<end_of_turn>", 107: "\n", 7: "hi", 8: "ho"}
    ids = [2, 105, 7, 107, 8, 106, 107, 105, 7, 107, 8, 8, 106]
    fig = lines_of_a_chat(ids, pieces.__getitem__, asked=10)
    (ax,) = fig.axes
    heights = {round(p.get_y(), 2) for p in ax.patches if p.get_height() == pytest.approx(0.8)}
    assert heights == {0.0, 1.5, 3.0, 4.5}
    assert (filled(ax, PALE), filled(ax, KEPT)) == (5 + 1, 6 + 1)  # and a square each in the legend
    dashed = [p for p in ax.patches if p.get_linestyle() in ("--", "dashed")]
    assert len(dashed) == 3 + 1
    assert "in 4 lines: 5 of them are marks, the first 10 are the prompt" in alt_of(fig)
    assert alt_of(fig).endswith("the model wrote the last 3, ending in <end_of_turn>.")


def test_loops_and_inventions_are_means_with_two_standard_errors():
    repeated = {"greedy": [0.5, 0.5], "chance": [0.0, 0.5]}
    unknown = {"greedy": [0.25, 0.25], "chance": [0.0, 1.0]}
    fig = loops_and_inventions(repeated, unknown, melville=(0.0625, 0.125))
    left, right = fig.axes
    assert [bar.get_height() for bar in left.patches] == [50, 25]
    band, *bars = right.patches
    assert (band.get_y(), band.get_height()) == (6.25, 6.25)
    assert [bar.get_height() for bar in bars] == [25, 50]
    ends = [bars.get_segments()[0][:, 1].tolist() for bars in left.collections]
    assert ends[0] == [50, 50]
    assert ends[1] == [0, pytest.approx(75)]  # 2 * 35.4 / 1.41 from 25; not below 0
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["Melville's pages"]
    assert "Left, runs of four tokens that came before: 50% at greedy and 25% at chance" in alt_of(
        fig
    )
    assert "50% at chance; Melville's own pages 6% to 12%." in alt_of(fig)
