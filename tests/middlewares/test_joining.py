"""Samples of parts in one stream: as long as their sum, without a jump where one follows another."""

from __future__ import annotations

from array import array
from itertools import pairwise

import pytest

from gateway.middlewares.joining import FADE_S, Joiner

RATE_HZ = 24_000
FADE = round(RATE_HZ * FADE_S)


def joined(parts: list[bytes], size: int) -> bytes:
    joiner, out = Joiner(RATE_HZ), b""
    for number, part in enumerate(parts):
        if number:
            out += joiner.join()
        for at in range(0, len(part), size):
            out += joiner.feed(part[at : at + size])
    return out + joiner.flush()


@pytest.mark.parametrize("size", [1, 7, 480, 100_000])
def test_levels_that_differ_meet_without_a_jump(size: int) -> None:
    parts = [array("h", [level] * 1_000).tobytes() for level in (20_000, -20_000, 15_000)]
    samples = array("h", joined(parts, size))
    assert len(samples) == 3_000
    step = max(abs(after - before) for before, after in pairwise(samples))
    assert step <= 20_000 // FADE + 1
    # What is not next to a join is untouched: also the very beginning and the very end.
    assert samples[: 1_000 - FADE] == array("h", [20_000] * (1_000 - FADE))
    assert samples[2_000 + FADE :] == array("h", [15_000] * (1_000 - FADE))


def test_a_part_shorter_than_a_fade_loses_nothing() -> None:
    parts = [array("h", [9_000] * count).tobytes() for count in (500, 3, 1, 500)]
    assert len(joined(parts, 64)) == 2 * 1_004


def test_one_part_stays_as_it_is() -> None:
    part = array("h", range(-500, 500)).tobytes()
    assert joined([part], 100) == part
