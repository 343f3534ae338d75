"""What is older than the window is forgotten, at most a tenth of it late."""

from __future__ import annotations

from gateway.stores.breakers.window import Window


def test_counts_are_kept_for_the_window_and_no_longer_than_a_tenth_beyond() -> None:
    window = Window(10.0)
    window.add(100.0, good=1)
    window.add(100.9, bad=1)
    window.add(105.0, good=2)
    assert window.counts(105.0) == (3, 1)
    assert window.counts(109.99) == (3, 1)
    assert window.counts(110.0) == (2, 0)
    assert window.counts(114.99) == (2, 0)
    assert window.counts(115.0) == (0, 0)


def test_a_long_rest_forgets_everything_and_counting_goes_on() -> None:
    window = Window(10.0)
    window.add(100.0, bad=7)
    window.add(500.0, good=1)
    assert window.counts(500.0) == (1, 0)
    window.clear()
    assert window.counts(500.0) == (0, 0)
