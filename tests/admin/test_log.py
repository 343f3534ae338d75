"""From which level on a process logs is changed while it runs, by those who may, and until a reload."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.telemetry.logs import LOGGER
from tests.admin.house import WITH_LEDGER, open_house


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    before = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    yield
    LOGGER.setLevel(before)


async def test_the_level_is_shown_and_changed_and_set_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with open_house(tmp_path, WITH_LEDGER) as house:
        assert await house.ask("GET", "/admin/log", "root") == (200, {"level": "info", "configured": "info"})
        changed = await house.ask("PUT", "/admin/log", "root", {"level": "error"})
        assert changed == (200, {"level": "error", "configured": "info"})
        assert not LOGGER.isEnabledFor(logging.WARNING)
        assert "what is logged is error and what is graver" in caplog.text
        assert await house.ask("PUT", "/admin/log", "root", {"level": None}) == (
            200,
            {"level": "info", "configured": "info"},
        )


@pytest.mark.parametrize("body", [{}, {"level": "loud"}, {"level": 10}, {"level": "debug", "more": 1}])
async def test_what_is_no_level_is_refused_by_name(tmp_path: Path, body: dict[str, object]) -> None:
    async with open_house(tmp_path, WITH_LEDGER) as house:
        status, answer = await house.ask("PUT", "/admin/log", "root", body)
        assert status == 400
        assert "level" in answer["error"]["message"] or "more" in answer["error"]["message"]
        assert LOGGER.level == logging.INFO
