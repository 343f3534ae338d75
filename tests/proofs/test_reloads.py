"""Reloads under load, in small; `make reloads` does it in large."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proofs.reloads import Outcome, model_of, run


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
async def test_reloads_under_load_fail_cut_and_mix_nothing(tmp_path: Path, workers: int) -> None:
    outcome = await run(tmp_path, reloads=10, requests=3_000, streams=50, workers=workers)
    assert outcome.failed == []
    assert (outcome.cut, outcome.mixed) == (0, 0)
    assert set(outcome.answered_by) == set(range(1, 12))
    assert outcome.streams >= 50


def test_an_answer_of_another_configuration_is_seen() -> None:
    assert Outcome(answered_by={1: {model_of(1)}, 2: {model_of(2)}}).is_kept
    mixed = Outcome(answered_by={1: {model_of(1), model_of(2)}, 2: {model_of(2)}})
    assert (mixed.mixed, mixed.is_kept) == (1, False)
