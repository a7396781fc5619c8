"""What steps read comes in order from any step on, with or without worker processes."""

import pytest

from gemma3_edu.train.feed import Feed


@pytest.mark.parametrize("workers", [0, 2])
def test_a_feed_begins_anywhere(workers):
    feed = Feed(lambda step: step**2, workers=workers)
    assert [feed(step) for step in range(5, 40)] == [step**2 for step in range(5, 40)]


def test_steps_come_in_order():
    feed = Feed(str)
    feed(3)
    with pytest.raises(ValueError, match="3 after 3"):
        feed(3)
