"""Whatever a request waits for, its upstream is closed when the client goes; a thousand times by `make leaving`."""

from __future__ import annotations

from pathlib import Path

from tests.proofs.leaving import PHASES, leave

TIMES = 10
LEFT_S = 0.5  # the promise is 10 ms in 99 of 100, which `make leaving` prints; a loaded machine gets more here


async def test_the_upstream_is_closed_at_once_in_every_phase(tmp_path: Path) -> None:
    took_s = await leave(tmp_path, TIMES)
    assert {name: len(each_s) for name, each_s in took_s.items()} == dict.fromkeys(PHASES, TIMES)
    assert max(max(each_s) for each_s in took_s.values()) < LEFT_S
