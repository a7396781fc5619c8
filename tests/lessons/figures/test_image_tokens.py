"""The figures of lesson 12 draw what they say."""

import matplotlib.pyplot as plt
import pytest

from gemma3_edu.lessons.figures.image_tokens import (
    layout_of,
    mixed_masks,
    spelled,
)
from gemma3_edu.naive.masks import may_see
from tests.lessons.figures.drawn_masks import panels


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


def images_of(letters: str) -> list[int]:
    """The image of each letter, 0 for text, counted by hand."""
    found, count = [], 0
    for letter in letters:
        count += letter == "["
        found.append(count if letter == "#" else 0)
    return found


def drawn(letters: str, window: int | None) -> list[str]:
    """The picture of a mask, asked pair by pair."""
    image = images_of(letters)
    places = range(len(letters))
    return [
        "".join(".#"[may_see(i, j, image[i], image[j], window)] for j in places) for i in places
    ]


def coloured(ax) -> dict[str, set[tuple[int, int]]]:
    """The cells (row, column) of each coloured patch, by its label."""
    found = {}
    for patch in ax.patches:
        corners = patch.get_path().vertices.reshape(-1, 5, 2)
        found[patch.get_label()] = {
            (round(y), round(x)) for x, y in corners[:, :4].mean(1).tolist()
        }
    return found


# The letters


@pytest.mark.parametrize("order", ["t", "I", "tIt", "IItt", "ttItItt", "III"])
def test_letters_become_a_layout(order):
    letters = spelled(order)
    layout = layout_of(letters)
    assert letters.count("[####]") == order.count("I")
    assert layout.image_id[0].tolist() == images_of(letters)
    assert layout.position[0].tolist() == list(range(len(letters)))


# The masks


@pytest.mark.parametrize(("order", "window"), [("ttItItt", 5), ("tIt", 3), ("ItIt", 2)])
def test_mixed_masks(order, window):
    fig, letters = mixed_masks(order, window), spelled(order)
    assert panels(fig) == {
        "global layer": drawn(letters, None),
        f"local layer, W = {window}": drawn(letters, window),
    }
    assert fig.get_size_inches()[0] <= 7
    labels = [text.get_text() for text in fig.axes[0].get_yticklabels()]
    assert "".join(labels) == letters


@pytest.mark.parametrize(("panel", "window"), [(0, None), (1, 3), (1, 5)])
def test_coloured_are_the_pairs_inside_an_image_that_may_be_seen(panel, window):
    letters = spelled("tItIt")
    fig = mixed_masks("tItIt", window=window or 5)
    image, places = images_of(letters), range(len(letters))
    want = {
        f"image {n}": {
            (i, j)
            for i in places
            for j in places
            if image[i] == image[j] == n and may_see(i, j, n, n, window)
        }
        for n in (1, 2)
    }
    assert coloured(fig.axes[panel]) == want
    assert len(want["image 1"]) == (16 if window != 3 else 15)


def test_images_are_told_apart_by_colour_and_by_hatch():
    patches = mixed_masks("IItI").axes[0].patches
    assert len({patch.get_facecolor() for patch in patches}) == 3
    assert len({patch.get_hatch() or "" for patch in patches}) == 3
