"""`gateway demo`: the tour does what it tells, by real processes on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.cli import demo
from tests.cli.calling import call


@pytest.mark.slow
def test_the_tour_speaks_listens_fails_over_and_counts_the_cost(tmp_path: Path) -> None:
    done = call("demo", "--folder", tmp_path, "--json")
    assert done.status == 0, done.err
    steps = {step["what"]: step for step in done.json["steps"]}
    assert [step["what"] for step in done.json["steps"]] == [
        "two gateways run", "speak", "write it down", "chat", "the vendor's process is killed", "chat again",
        "speak again", "the ledger",
    ]  # fmt: skip
    before, after = steps["chat"], steps["chat again"]
    assert (before["provider"], before["attempts"]) == ("primary/chat", 1)
    assert (after["provider"], after["attempts"]) == ("sandbox/chat", 2)
    assert float(before["cost_usd"]) > float(after["cost_usd"]) > 0
    assert steps["speak"]["provider"] == "primary/speech"
    assert float(steps["speak"]["cost_usd"]) == pytest.approx(len(demo.SENTENCE) * 15 / 1_000_000)
    assert steps["speak again"]["provider"] in ("local-tts/espeak", "sandbox/speech")
    assert steps["speak again"]["attempts"] == 2
    assert "fox" in steps["write it down"]["said"]
    assert "primary 2 requests" in steps["the ledger"]["said"]
    for name in ("before.mp3", "after.mp3"):
        assert (tmp_path / name).stat().st_size > 1000
    killed = int(steps["the vendor's process is killed"]["said"].split()[-1])
    with pytest.raises(ProcessLookupError):
        os.kill(killed, 0)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = call("demo", "--folder", tmp_path / "file" / "below")
    assert (done.status, "cannot be written" in done.err) == (1, True)


@pytest.mark.slow
def test_a_gateway_that_does_not_start_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "files" / "primary").mkdir(parents=True)
    (tmp_path / "files" / "primary" / "routes.yaml").write_text("version: 1\n")
    (tmp_path / "files" / "primary" / "providers.yaml").write_text("version: 2\n")
    monkeypatch.setattr(demo, "FILES", tmp_path / "files")
    done = call("demo")
    assert done.status == 1
    assert "the demo's gateway did not start: the configuration is refused" in done.err
