"""Every fault of a provider, for every kind of work: the right answer from the next target, or a clear word that there
is none; never half an answer that looks like one, a wait without end, or a second charge.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proofs.faults.bench import Right, bench, by_caller, run_row
from tests.proofs.faults.config import HELD, PLAIN, TOTAL_S
from tests.proofs.faults.outage import run_outage
from tests.proofs.faults.rows import ROWS
from tests.proofs.faults.work import WORKS, Seen, Told, told

OUTAGE_S, PER_S, AFTER_S = 2.0, 20.0, 1.0  # `python -m tests.proofs.faults` has a minute of it at fifty a second
RIGHT = Right(b"first says so", b"second says so", 0)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("route", [PLAIN, HELD], ids=["as a stream goes on", "held until it is complete"])
async def test_no_fault_of_a_provider_gives_half_an_answer_or_none(tmp_path: Path, route: str) -> None:
    async with bench(tmp_path) as running:
        wrong = []
        for row in ROWS:
            for work, cell in (await run_row(running, row, route)).items():
                expected = {each.name: row.expected(each, is_held=route == HELD) for each in WORKS}[work]
                if cell.verdict != expected:
                    wrong.append(f"{row.name}, {work}: {cell.verdict} in the place of {expected}: {cell.why}")
        assert wrong == []
        outage = await run_outage(running, route, OUTAGE_S, PER_S, AFTER_S)
        assert {name: cell.verdict for name, cell in outage.verdicts().items()} == {work.name: "pass" for work in WORKS}
        assert all(outage.asked.values()), "nobody was away"


# ---------------------------------------------------------------- the judge


@pytest.mark.parametrize(
    ("got", "verdict"),
    [
        (Told(b"first says so", True, ""), "pass"),
        (Told(b"second says so", True, ""), "pass"),
        (Told(b"second says", True, ""), "fail"),
        (Told(b"first sayssecond says so", True, ""), "fail"),
        (Told(b"first says", False, "it broke off"), "safe"),
        (Told(b"", False, "nobody is there"), "safe"),
        (Told(b"third", False, "it broke off"), "fail"),
        (Told(b"first says", False, ""), "partial"),
        (Told(b"", False, ""), "fail"),
    ],
)
def test_the_judge_takes_nothing_for_an_answer_but_the_whole_of_one(got: Told, verdict: str) -> None:
    assert by_caller(got, RIGHT, Seen(200, b"", True, {}, 1.0)).verdict == verdict


def test_the_judge_takes_no_answer_that_comes_after_the_deadline() -> None:
    assert by_caller(Told(b"first says so", True, ""), RIGHT, Seen(200, b"", True, {}, TOTAL_S + 2)).verdict == "fail"


def test_a_client_takes_a_stream_for_complete_only_with_its_mark_and_without_an_error() -> None:
    stream = next(work for work in WORKS if work.name == "chat, streamed")
    said, end = b'data: {"choices": [{"delta": {"content": "so"}}]}\n\n', b"data: [DONE]\n\n"
    error = b'data: {"error": {"message": "it broke off"}}\n\n'
    assert told(stream, Seen(200, said + end, True, {}, 0)) == Told(b"so", True, "")
    assert told(stream, Seen(200, said, True, {}, 0)) == Told(b"so", False, "")
    assert told(stream, Seen(200, said + end, False, {}, 0)) == Told(b"so", False, "")
    assert told(stream, Seen(200, said + error + end, True, {}, 0)) == Told(b"so", False, "it broke off")
    assert told(stream, Seen(503, b'{"error": {"message": "away"}}', True, {}, 0)) == Told(b"", False, "away")
