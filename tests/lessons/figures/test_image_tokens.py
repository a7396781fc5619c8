"""The figures of lesson 12 draw what they say."""

import matplotlib.pyplot as plt
import pytest

from gemma3_edu.lessons.figures.image_tokens import (
    ORDERS,
    layout_of,
    mixed_masks,
    orders,
    see_question,
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


@pytest.mark.parametrize("order", ["t", "I", "tIt", "IIqa", "ttItItt", "III"])
def test_letters_become_a_layout(order):
    letters = spelled(order)
    layout = layout_of(letters)
    assert letters.count("[####]") == order.count("I")
    assert layout.image_id[0].tolist() == images_of(letters)
    assert layout.position[0].tolist() == list(range(len(letters)))


# The masks


@pytest.mark.parametrize(("order", "window"), [("ttItItt", 5), ("tIt", 3), ("IqIa", 2)])
def test_mixed_masks(order, window):
    fig, letters = mixed_masks(order, window), spelled(order)
    assert panels(fig) == {
        "global layer": drawn(letters, None),
        f"local layer, W = {window}": drawn(letters, window),
    }
    assert fig.get_size_inches()[0] <= 7
    labels = [text.get_text() for text in fig.axes[0].get_yticklabels()]
    assert "".join(labels) == letters


@pytest.mark.parametrize("window", [None, 3, 5])
def test_coloured_are_the_pairs_inside_an_image_that_may_be_seen(window):
    letters = spelled("tIqIt")
    fig = orders("tIqIt", window=window)
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
    assert coloured(fig.axes[0]) == want
    assert len(want["image 1"]) == (16 if window != 3 else 15)


def test_images_are_told_apart_by_colour_and_by_hatch():
    patches = mixed_masks("IItI").axes[0].patches
    assert len({patch.get_facecolor() for patch in patches}) == 3
    assert len({patch.get_hatch() or "" for patch in patches}) == 3


# The widget's settings: every order on both kinds of layer


@pytest.mark.parametrize("window", [None, 5])
@pytest.mark.parametrize("order", ORDERS)
def test_one_order(order, window):
    fig = orders(order, window=window)
    title = {"qIIa": "question image image", "IqIa": "image question image"}
    name = title.get(order, "image image question")
    assert panels(fig) == {name: drawn(spelled(order), window)}


def test_small_multiples_are_the_pictures_of_the_widget():
    alone = {name: mask for order in ORDERS for name, mask in panels(orders(order)).items()}
    fig = orders(*ORDERS)
    assert panels(fig) == alone
    assert len(alone) == 3
    assert fig.get_size_inches()[0] <= 7.1


@pytest.mark.parametrize(
    ("order", "window", "want"),
    [
        ("qIIa", None, {1: True, 2: True}),
        ("IqIa", None, {1: False, 2: True}),
        ("IIqa", None, {1: False, 2: False}),
        ("qIIa", 5, {1: True, 2: False}),
        ("IqIa", 5, {1: False, 2: True}),
        ("IqIa", 2, {1: False, 2: False}),
        ("qIa", 3, {1: True}),  # its first soft token sees the last of the question's three
        ("qIa", 1, {1: False}),
    ],
)
def test_who_sees_the_question(order, window, want):
    assert see_question(spelled(order), window) == want
    told = orders(order, window=window).axes[0].get_xlabel().splitlines()
    assert told == [f"image {n} sees q: {'yes' if seen else 'no'}" for n, seen in want.items()]
