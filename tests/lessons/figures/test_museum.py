"""The figures of appendix A2 draw each exhibit once, and put each mistake where it belongs."""

import matplotlib.pyplot as plt
import pytest
import torch

from gemma3_edu.lessons.figures import museum
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


def test_every_exhibit_has_one_pin_and_no_two_pins_touch():
    numbers = [number for room in museum.ROOMS.values() for number in room]
    assert numbers == sorted(museum._PINS) == list(range(1, 23))
    plan = museum.floor_plan().axes[0]
    shown = [text.get_text() for text in plan.texts]
    assert all(str(number) in shown for number in numbers)
    places = torch.tensor([museum._PINS[number] for number in numbers])
    assert torch.pdist(places).min() > 0.6


def test_rows_that_were_not_transposed_hold_other_tokens():
    heads = torch.arange(12).view(1, 2, 3, 2)  # two heads, three tokens, two numbers each
    assert museum.written(heads, transposed=True)[0].tolist() == [0, 1, 6, 7]
    assert museum.written(heads, transposed=False)[0].tolist() == [0, 1, 2, 3]
    assert "4 of 6 cells hold another" in alt_of(museum.glued(tokens=3, heads=2))
    assert "0 of 3 cells hold another" in alt_of(museum.glued(tokens=3, heads=1))


def test_a_mask_says_whether_its_first_tokens_differ():
    causal = torch.ones(5, 5).tril() > 0
    near = causal & (torch.ones(5, 5).tril(-2) == 0)
    said = alt_of(museum.bands({"right": near, "causal": causal, "all": causal.mT | causal}, 2))
    assert "causal: 6 cells other, none" in said
    assert "all: 16 cells other, some" in said


def test_mistakes_are_placed_by_test_and_harm_and_none_covers_another():
    found = {"4 gain": {"more": 12.0, "right": [0, 0], "caught": "b"}}
    for n in range(10, 17):
        more = 0.0005 * (n - 10)
        found[f"{n}a quiet"] = {"more": more, "right": [7, 9], "caught": "b"}
    fig = museum.harm_and_visibility(found, ["a", "b"])
    assert "6 cost prose at most 0.01 nats, 1 leave" in alt_of(fig)
    assert "8 pass the first test" in alt_of(fig)
    ax = fig.axes[0]
    assert [text.get_text() for text in ax.texts][:2] == ["4", "16a"]
    places = [text.get_position() for text in ax.texts]
    assert places[0] == (1 - 0.13, 12.0)
    assert all(0.5 < x < 1.5 for x, _ in places)
    assert len(set(places)) == len(places)
    assert "points 'more than half' x: n=1" in describe(fig)
    assert "points 'at most half of them' x: n=6" in describe(fig)
    assert "points '_at most half of them, and the loss is the same' x: n=1" in describe(fig)


def test_what_no_task_can_show_is_not_drawn_as_harmless():
    found = {"18 ring": {"more": 0.3, "right": None, "caught": "a"}}
    drawn = describe(museum.harm_and_visibility(found, ["a"]))
    assert "points 'no answer uses a cache' x: n=1" in drawn
    assert "lost' x" not in drawn
