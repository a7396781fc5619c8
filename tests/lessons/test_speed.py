"""The pace that appendix A3 prints: counted after the first tokens."""

from gemma3_edu import load
from gemma3_edu.lessons import speed


def test_the_first_tokens_are_not_counted(monkeypatch):
    monkeypatch.setattr(speed, "perf_counter", iter([10.0, 12.0]).__next__)
    assert speed.per_second(load("nano-it")[0], [2, 500, 501], count=6, skip=1) == 4 / 2
