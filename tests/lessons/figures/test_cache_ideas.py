"""The drawings of the cache show what a cache does, by their numbers and by their words."""

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_rgb

from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.cache_ideas import (
    KEPT,
    NEW,
    PALE,
    again_or_kept,
    chunk_over_ring,
    new_column,
    one_query,
    ring_of_slots,
)
from gemma3_edu.lessons.figures.digest import describe
from gemma3_edu.naive.cache import ring


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


def said(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def filled(ax, colour: str) -> int:
    wanted = tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return sum(patch.get_fill() and patch.get_facecolor()[:3] == wanted for patch in ax.patches)


@pytest.mark.parametrize(("prompt", "steps", "again", "kept"), [(4, 6, 39, 9), (1, 3, 6, 3)])
def test_squares_are_the_tokens_computed_and_kept(prompt, steps, again, kept):
    left, right = again_or_kept(prompt, steps).axes
    assert filled(left, NEW) == again + 1  # the legend's square
    assert filled(left, KEPT) == 0
    assert (filled(right, NEW), filled(right, KEPT)) == (kept, again - kept + 1)
    assert str(again) in said(left)
    assert str(kept) in said(right)


def test_the_new_column_reads_every_old_one_in_every_layer_and_none_is_written():
    fig = new_column(["a", "b", "c"], layers=4)
    (ax,) = fig.axes
    assert said(ax).count("k") == said(ax).count("v") == 12
    assert said(ax).count("q") == 4
    lines = [patch for patch in ax.patches if patch.get_label() == "line"]
    bows = [line for line in lines if len(line.get_path().vertices) > 4]
    new = [bow for bow in bows if bow.get_edgecolor()[:3] == to_rgb(NEW)]
    assert (len(new), len(bows)) == (4 * 2, 4 * 3)  # "a" and "b" to "c", and "a" to "b"
    assert all(bow.get_xy()[0, 0] < bow.get_xy()[-1, 0] for bow in bows)  # none leads back


def test_one_query_shows_the_attention_of_its_tensors_and_what_was_kept():
    q, keys = torch.tensor([1.0, 0]), torch.tensor([[1.0, 2], [0, 1], [2, 5]])
    values = torch.tensor([[4.0, 0], [0, 2], [8, 2]])
    (ax,) = one_query(["a", "b", "c"], q, keys, values).axes
    weights = torch.tensor([1.0, 0, 2]).softmax(0)
    for number in [*weights.tolist()]:
        assert f"{number:.3f}" in said(ax)
    for number in (weights @ values).tolist():
        assert f"{number:.2f}" in said(ax)
    assert filled(ax, KEPT) == 2 * 4 + 1  # two rows of keys and of values, and the legend
    assert filled(ax, PALE) == 4 + 3 + 3 + 2 + 2 + 1  # new rows, scores, weights, sum, query


@pytest.mark.parametrize("window", [3, 5])
def test_the_ring_holds_what_the_oracle_says(window):
    for newest in range(13):
        (ax,) = ring_of_slots(window, [newest]).axes
        held = [c for c in ring(newest + 1, window) if c is not None]
        words = said(ax)
        assert words[: 2 * len(held) : 2] == [str(c) for c in held]
        lost = newest - window
        assert (f"{newest} goes over {lost}" if lost >= 0 else f"{newest} is written") in words
        assert f"window: {max(0, lost + 1)} to {newest}" in words
        plt.close("all")


def test_a_chunk_misses_what_it_went_over():
    fig = chunk_over_ring(window=5, length=8, chunk=3)
    early, late = map(said, fig.axes)
    assert [word for word in early if " of " in word] == ["3 of 5", "4 of 5", "5 of 5"]
    assert [word for word in late if " of " in word] == ["5 of 5"] * 3
    assert "they find 3, 4 and 5; looked at first, 5, 5 and 5" in alt_of(fig)


def test_other_drawings_have_other_digests():
    assert describe(ring_of_slots(5, [7])) != describe(ring_of_slots(5, [6]))
    assert describe(chunk_over_ring(5, 8, 3)) != describe(chunk_over_ring(5, 8, 2))
