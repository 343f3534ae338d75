"""A rolling restart behind HAProxy, in small; `make rolling` does it in large."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proofs.rolling import run


@pytest.mark.slow
async def test_nobody_notices_that_three_gateways_are_restarted(tmp_path: Path) -> None:
    outcome = await run(tmp_path, restarts=3, streams=20)
    assert outcome.failed == []
    assert (outcome.restarts, outcome.requests > 100, outcome.streams > 20) == (3, True, True)
