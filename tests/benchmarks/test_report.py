"""What the benchmark harness makes of samples: ratios, tables, files and pictures."""

import dataclasses
from itertools import combinations
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from benchmarks import chart, report, summary
from benchmarks.measure import Measured, values
from benchmarks.rows import COMPILED, CONTESTANTS, OURS, Row, comparisons

SDPA, EAGER, CHUNKS, THEIRS_COMPILED = [
    name for name in CONTESTANTS if name.startswith("transformers")
]
INT8 = f"{OURS} int8"


def test_ratios_of_planted_numbers():
    ours, theirs = [3.0, 1.0, 2.0], [8.0, 4.0, 6.0]
    assert summary.ratio(ours, theirs, more_is_better=False).value == 3.0  # 6 s beside 2 s
    assert summary.ratio(ours, theirs, more_is_better=True).value == 2 / 6
    found = summary.ratio(ours, theirs, more_is_better=False)
    assert (found.low, found.high) == (8 / 3, 4.0)  # of rounds drawn together
    shared = [1.0, 9.0, 3.0, 5.0]  # a machine that is slow for both at once
    assert summary.ratio(shared, [2 * s for s in shared], False) == summary.Ratio(2.0, 2.0, 2.0)
    assert dataclasses.astuple(summary.of([1.0, 2.0, 4.0, 8.0])) == (4, 1.0, 1.75, 3.0, 5.0, 8.0)
    for samples in [([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0])]:
        with pytest.raises(ValueError, match="samples"):
            summary.ratio(*samples, more_is_better=True)


PLANTED = Measured(
    Row("decode", "270m", "float32", 128, 32),
    {
        OURS: [{"seconds": s, "ids": [4, 5, 6]} for s in (4.0, 2.0, 1.0)],
        SDPA: [{"seconds": s, "ids": [4, 5, 7]} for s in (8.0, 4.0, 2.0)],
    },
    {EAGER: "memory | ran out"},
)
MACHINE = {"cpu": "abacus", "instructions": "AVX", "cores": 2, "memory_gb": 8.0, "threads": 1}
MACHINE |= {"system": "Linux", "load": 0.0, "versions": {"torch": "2"}}


def planted(name: str = "planted") -> dict:
    return report.document(name, [PLANTED], MACHINE, {"rounds": 3})


def test_the_table_of_planted_numbers():
    lines = report.table(planted()).splitlines()
    ours = "gemma3_edu | **16.0** (least 8.00, 12.0 to 24.0)"
    assert lines[-2:] == [
        f"| decode-270m-float32-128: speed | tokens/s | {ours} | transformers sdpa | "
        "**8.00** (least 4.00, 6.00 to 12.0) | **2.00** (2.00 to 2.00) | 2 of 3 |",
        f"| decode-270m-float32-128: speed | tokens/s | {ours} | transformers eager | "
        "failed: memory / ran out | - | - |",
    ]
    assert "abacus (AVX), 2 cores, 8.0 GB, Linux; threads 1; load before the run 0.0." in lines[2]
    prefill = Row("prefill", "270m", "float32", 128)
    assert values(prefill, [{"seconds": 4.0}], "speed") == [32.0]


def test_results_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    report.write(planted(), tmp_path, {"planted-270m.png": b"old"})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(before) == ["planted-270m.png", "planted.json", "planted.md"]
    write = Path.write_bytes

    def full(path, content):
        if path.suffix == ".png":
            raise OSError("No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        report.write({**planted(), "made": "later"}, tmp_path, {"planted-270m.png": b"new"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_picture_has_numbers_that_do_not_overlap_and_two_channels():
    spread = [(4.0, 3.0, 5.0), (1.0, 0.97, 1.04), (1.0, 0.97, 1.04), (0.25, 0.2, 0.3)]
    bars = [
        chart.Bar("270m", dtype, f"prefill {n:,}: speed", name, *spread[i])
        for dtype in ("float32", "bfloat16")
        for n in (128, 2_048, 8_192)
        for i, name in enumerate((SDPA, EAGER, CHUNKS), start=n > 128)
    ]
    fig = chart.draw(bars, "planted")
    fig.canvas.draw()
    texts = [t for ax in fig.axes for t in (*ax.texts, *ax.get_yticklabels(), ax.xaxis.label)]
    texts += [t for legend in fig.legends for t in legend.get_texts()]
    boxes = [t.get_window_extent() for t in texts if t.get_text() and t.get_visible()]
    assert len(boxes) >= 18 + 3 + 2 + 3
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    marks = [mark for ax in fig.axes for mark in (*ax.patches, *ax.lines)]
    numbers = [t.get_window_extent() for ax in fig.axes for t in ax.texts]
    assert not any(n.overlaps(mark.get_window_extent()) for n in numbers for mark in marks)
    bounds = fig.bbox.padded(1)
    assert all(bounds.contains(*corner) for box in boxes for corner in (box.min, box.max))
    looks = {(p.get_facecolor(), p.get_hatch()) for ax in fig.axes for p in ax.patches}
    assert len(looks) == len({face for face, _ in looks}) == len({hatch for _, hatch in looks}) == 3
    widths = sorted({round(p.get_x() + p.get_width(), 3) for ax in fig.axes for p in ax.patches})
    assert widths == [0.25, 1.0, 4.0]
    plt.close(fig)
    assert "18 comparisons" in chart.alt_of(bars)
    assert (
        "largest is 4.00 at prefill 128: speed in float32, beside transformers sdpa;"
        in chart.alt_of(bars)
    )


def test_who_is_compared_with_whom():
    """Transformers beside plain and compiled; how much a change brings, beside plain."""
    names = [SDPA, EAGER, COMPILED, INT8, OURS]
    compared = {(OURS, SDPA), (OURS, EAGER), (COMPILED, SDPA), (COMPILED, EAGER)}
    assert set(comparisons(names)) == compared | {(COMPILED, OURS), (INT8, OURS)}
    assert comparisons([SDPA, INT8]) == []
    bars = chart.bars_of(planted())
    assert [(bar.what, bar.beside) for bar in bars] == [("decode 128: speed", SDPA)]
    quick = dataclasses.replace(
        PLANTED, replies={COMPILED: PLANTED.replies[OURS], **PLANTED.replies}
    )
    both = chart.bars_of(report.document("both", [quick], MACHINE, {"rounds": 3}))
    assert [bar.what for bar in both] == ["decode 128: speed", "decode 128: speed compiled"]
