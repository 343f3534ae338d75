"""The benchmarks run; what they measure is not for a test to judge."""

from __future__ import annotations

import pytest

from benchmarks import translate


async def test_what_translating_costs_is_measured_for_every_pair(capsys: pytest.CaptureFixture[str]) -> None:
    await translate.main(rounds=1, chats=2, streams=1)
    report = capsys.readouterr().out
    assert report.count("over verbatim  ") + report.count("verbatim\n") == 18
