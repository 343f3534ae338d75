"""Nobody gets what another asked for, however many leave in the middle of it; a hundred thousand by `make storm`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.proofs.faults.work import Seen
from tests.proofs.storm import storm, wrong

REQUESTS = 2_000


@pytest.mark.slow
async def test_whoever_stays_gets_the_answer_to_his_own_question(tmp_path: Path) -> None:
    outcome = await storm(tmp_path, REQUESTS, seed=1)
    assert outcome.faults == []
    assert outcome.counts.total() == REQUESTS
    assert min(outcome.counts["left"], outcome.counts["complete"]) > REQUESTS / 10


def _seen(number: int, request_id: str) -> Seen:
    content = f"openai/gpt-4o-mini echoes: number {number} is what this one asks about"
    body = json.dumps({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}).encode()
    return Seen(200, body, True, {"x-request-id": request_id}, 0.0)


@pytest.mark.parametrize(
    ("seen", "faults"), [(_seen(7, "storm-000007"), 0), (_seen(8, "storm-000007"), 1), (_seen(7, "storm-000008"), 1)]
)
def test_the_judge_knows_another_ones_answer(seen: Seen, faults: int) -> None:
    assert len(wrong(7, "same", seen, is_streamed=False)) == faults
