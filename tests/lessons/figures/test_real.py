"""The figures of appendix A3 draw and tell the numbers they are given."""

import matplotlib.pyplot as plt
import pytest
import torch

from gemma3_edu.lessons.figures import real
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", real.FORMATS)
def test_the_largest_numbers_are_torchs(name):
    assert real.largest_number(real.FORMATS[name]) == torch.finfo(getattr(torch, name)).max


def test_means_are_told_before_and_after_the_window():
    fig = real.losses_by_position({"right": [4.0, 3.0], "wrong": [4.0, 6.0]}, width=64, window=64)
    assert "right: 4.00 up to the window, 3.00 after it; wrong: 4.00" in alt_of(fig)
    assert "over 32..96: n=2 first=4 last=6" in describe(fig)


def test_heads_are_rows_and_layers_columns():
    fig = real.sinks([[0.1, 0.2], [0.3, 0.9], [0.0, 0.0]])
    assert "shape=(2, 3)" in describe(fig)
    assert "2 heads in 3 layers: 25 % on average, at most 90 %, in head 1 of layer 1" in alt_of(fig)


@pytest.mark.parametrize(
    ("curve", "where"), [([10, 70_000], "passes, after layer 1,"), ([10, 60_000], "never passes")]
)
def test_where_float16_ends_is_told(curve, where):
    more = {"a": [1, 3], "b": [2, 2], "others": [1, 2]}
    fig = real.giants({"<bos>": curve, **more}, limit=65_504)
    assert f"rises from 10 to {max(curve):,} and {where} 65,504" in alt_of(fig)
    assert "others: at most 2" in alt_of(fig)


def test_sixteen_bits_are_sixteen_boxes():
    boxes = real.sixteen_bits(104_000).axes[0]
    assert len(boxes.patches) == 2 * 16


def test_the_stream_is_between_the_ends_of_float16_and_bfloat16():
    fig = real.sixteen_bits(104_000)
    sizes = fig.axes[1]
    lines = {line.get_label(): line.get_xdata()[-1] for line in sizes.lines}
    assert lines["float16"] == 65_504 < lines["the stream"] == 104_000 < lines["bfloat16"]
    texts = [text.get_text() for text in sizes.texts]
    assert texts == ["ends at 65,504", "goes on to 3.4e38", "the stream reaches 104,000"]
    assert "ends at 65,504; bfloat16 has 8 and 7, and ends at 3.4e+38" in alt_of(fig)


@pytest.mark.parametrize(("number", "name"), list(enumerate(real.FORMATS)))
def test_steps_are_torchs(number, name):
    fig = real.sixteen_bits(104_000)
    places = torch.tensor(fig.axes[2].lines[number].get_xdata(), dtype=torch.float64)
    dtype = getattr(torch, name)
    assert torch.equal(places.to(dtype).double(), places)
    assert set(places.diff().tolist()) == {torch.finfo(dtype).eps}
    assert f"{len(places) - 1} steps in {name}" in alt_of(fig)
