"""The figures of appendix A1 judge and draw the numbers they are given."""

import matplotlib.pyplot as plt
import pytest

from gemma3_edu.lessons.figures import report
from gemma3_edu.lessons.figures.alt import alt_of
from gemma3_edu.lessons.figures.digest import describe


@pytest.fixture(autouse=True)
def closed_afterwards():
    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("printed", "ours", "same"),
    [(698, 697.6, True), (698, 698.6, False), (2.9, 2.94, True), (2.9, 2.96, False)],
)
def test_a_number_agrees_at_the_decimals_it_is_printed_with(printed, ours, same):
    assert report.agrees(printed, ours) is same


def test_cells_that_differ_are_counted_and_drawn_apart():
    cells = {"1B": [(0.5, 0.52), (0.7, 0.56)], "4B": [(2.6, 2.78), (9, 9.3)]}
    fig = report.scorecard({"T": (["a", "b"], cells)})
    assert "2 of 4 agree in T" in alt_of(fig)
    labels = [patch.get_label() for patch in fig.axes[0].patches]
    assert labels == ["agrees", "differs", "differs", "agrees"]


def test_parts_without_a_column_have_a_question_mark():
    counts = {"vision": 400, "projector": 6.2, "embedding": 900, "padding": 0.3, "layers": 5_000}
    fig = report.three_columns(counts)
    assert [text.get_text() for text in fig.axes[0].texts].count("?") == 2
    assert "Under projector 6.20 M and padding 0.30 M" in alt_of(fig)


@pytest.mark.parametrize(("rows", "said"), [(263_450, "band is guess."), (263_000, "none of them")])
def test_a_guess_is_in_the_common_band_or_not(rows, said):
    intervals = {"small": (261_700, 262_500), "a": (263_400, 263_600), "b": (263_300, 263_480)}
    words = alt_of(report.rows_that_fit(intervals, {"guess": rows}, padded=262_208))
    assert "share 263,400 to 263,480" in words
    assert said in words


@pytest.mark.parametrize(("ours", "said"), [((1.0, 2.0), "2.95 to 3.05"), ((1.0, 4.0), "none")])
def test_one_factor_for_all_is_found_or_not(ours, said):
    fig = report.times_larger({"reading": ours}, {"x": 3.0, "y": 6.0})
    assert f"one factor for all: {said}" in alt_of(fig)


def test_all_axes_span_the_same_percentage():
    readings = {"one": (1.0, 2.0, 9.0), "other": (5.0, 4.0, 30.0)}
    fig = report.times_larger(readings, {"x": 3.0, "y": 6.0, "z": 9.0})
    spans = [high / low for low, high in (ax.get_ylim() for ax in fig.axes)]
    assert spans[0] == pytest.approx(spans[1])


def test_an_overhead_of_the_sum_needs_a_cache_that_shrinks_more():
    fig = report.of_what((0.5, 0.2))
    assert "the cache shrinks 2.5 times and" in alt_of(fig)
    assert "the cache shrinks 4.0 times." in alt_of(fig)
    assert "bars 'cache': n=2 first=1 last=0.25" in describe(fig)


@pytest.mark.parametrize(
    ("ours", "give", "factor"),
    [((1.0, 2.5), 0.5, (3.4, 3.5)), ((1.0, 2.0), 0.5, None), ((1.0, 2.0), 1.5, (3.75, 4.5))],
)
def test_a_factor_is_in_the_range_of_every_size(ours, give, factor):
    assert report.common_factor((3.0, 9.0), give, ours) == factor


def test_a_difference_has_both_roundings():
    fig = report.difference_is_a_range(2.9, 2.0)
    assert "2.9 - 2.0 is 0.8 to 1.0" in alt_of(fig)
    widths = [patch.get_width() for patch in fig.axes[0].patches]
    assert widths == pytest.approx([0.1, 0.1, 0.2])


def test_patterns_without_a_factor_stay_empty():
    found = {(1, "0"): None, (1, "W"): (2.0, 2.125), (5, "0"): None, (5, "W"): None}
    fig = report.patterns_with_one_factor(found)
    assert "One factor fits all sizes for 1 to 1 with W: 2.00 to 2.12; for no other" in alt_of(fig)
    assert [text.get_text() for text in fig.axes[0].texts] == ["2.00 to 2.12"]
    none = report.patterns_with_one_factor(dict.fromkeys(found))
    assert "One factor fits all sizes for none" in alt_of(none)
