"""What calls took and used: by target and route, in base units, under names that no client can add to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry import measures as module
from gateway.telemetry.measures import Measures
from gateway.telemetry.metrics import Metrics
from gateway.types import Attempt, Receipt, Units
from tests.harness import ROUTES, SANDBOX, inside

TARGETS = frozenset({"a/m", "b/m"})
ROUTE = "POST /v1/x"
UPSTREAM = "gateway_upstream_duration_seconds"
GEN_AI = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "a", "gen_ai_request_model": "m"}


class Counted:
    def __init__(self) -> None:
        self.measures = Measures()
        self._registry = CollectorRegistry()
        self._registry.register(self.measures)

    def record(self, *attempts: Attempt, operation: str = "chat", **facts: object) -> None:
        receipt = Receipt("request-1", 10.0, route=ROUTE, operation=operation, attempts=list(attempts))
        for name, value in facts.items():
            setattr(receipt, name, value)
        self.measures.record(receipt, 20.0, TARGETS)

    def value(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(name, labels)

    def series(self) -> int:
        return sum(len(metric.samples) for metric in self._registry.collect())

    def text(self) -> bytes:
        return generate_latest(self._registry)


def attempt(target: str = "a/m", outcome: str = "ok", **facts: object) -> Attempt:
    made = Attempt(target, outcome=outcome, started_s=11.0, first_content_s=11.5, ended_s=13.0)
    for name, value in facts.items():
        setattr(made, name, value)
    return made


def test_the_time_of_an_attempt_is_told_without_its_wait() -> None:
    counted = Counted()
    counted.record(attempt(queued_s=0.5), attempt("b/m", "upstream_cut"))
    found = {
        outcome: counted.value(
            "gateway_upstream_duration_seconds_sum", operation="chat", target=target, outcome=outcome
        )
        for target, outcome in (("a/m", "ok"), ("b/m", "upstream_cut"))
    }
    assert found == {"ok": 1.5, "upstream_cut": 2.0}


def test_what_the_gateway_itself_took_is_told_by_route() -> None:
    counted = Counted()
    counted.record(attempt(), arrived_s=7.0)
    assert counted.value("gateway_overhead_seconds_sum", route=ROUTE) == pytest.approx(1.0)
    assert counted.value("gateway_overhead_seconds_bucket", route=ROUTE, le="0.25") == 0
    assert counted.value("gateway_overhead_seconds_bucket", route=ROUTE, le="1.0") == 1


def test_an_error_is_counted_by_its_code_and_success_is_none() -> None:
    counted = Counted()
    counted.record(attempt())
    counted.record(error="upstream_cut")
    counted.record(error="upstream_cut")
    assert counted.value("gateway_errors_total", route=ROUTE, code="upstream_cut") == 2
    assert b'gateway_errors_total{code=""' not in counted.text()


def test_units_are_told_in_base_units() -> None:
    counted = Counted()
    units = Units(input_tokens=100, cached_input_tokens=60, output_tokens=40, reasoning_tokens=10)
    counted.record(attempt(units=units), attempt(units=units))
    assert counted.value("gateway_tokens_total", target="a/m", direction="input") == 200
    assert counted.value("gateway_tokens_total", target="a/m", direction="output") == 80
    assert counted.value("gateway_token_parts_total", target="a/m", part="cached_input") == 120
    assert counted.value("gateway_token_parts_total", target="a/m", part="cache_write") is None
    counted.record(attempt("b/m", units=Units(characters=13), spoken_s=4.0), operation="speech")
    counted.record(attempt("b/m", units=Units(audio_seconds=8.0)), operation="transcription")
    assert counted.value("gateway_characters_total", target="b/m") == 13
    assert counted.value("gateway_audio_seconds_total", target="b/m", direction="spoken") == 4
    assert counted.value("gateway_audio_seconds_total", target="b/m", direction="heard") == 8


def test_reasoning_without_input_tokens_is_counted() -> None:
    counted = Counted()
    counted.record(attempt(units=Units(output_tokens=40, reasoning_tokens=10)))
    assert counted.value("gateway_token_parts_total", target="a/m", part="reasoning") == 10


def test_voice_is_told_by_how_it_sounds_to_who_waits() -> None:
    """Two seconds of work for four of audio; the first audio 1.5 s after the request's head."""
    counted = Counted()
    counted.record(attempt(spoken_s=4.0), operation="speech")
    counted.record(attempt(units=Units(audio_seconds=8.0)), operation="transcription")
    counted.record(attempt(outcome="upstream_cut", spoken_s=4.0), operation="speech")
    assert counted.value("gateway_realtime_factor_sum", operation="speech", target="a/m") == 0.5
    assert counted.value("gateway_realtime_factor_sum", operation="transcription", target="a/m") == 0.25
    assert counted.value("gateway_realtime_factor_count", operation="speech", target="a/m") == 1
    assert counted.value("gateway_first_audio_seconds_sum", target="a/m") == 3.0
    assert counted.value("gateway_first_audio_seconds_count", target="a/m") == 2


def test_a_failover_is_counted_by_who_was_left_and_why_and_a_repetition_is_none() -> None:
    counted = Counted()
    counted.record(attempt("a/m", "upstream_timeout"), attempt("a/m", "upstream_cut"), attempt("b/m"))
    assert counted.value("gateway_failovers_total", target="a/m", reason="upstream_cut") == 1
    assert counted.value("gateway_failovers_total", target="a/m", reason="upstream_timeout") is None


@pytest.mark.parametrize("outcome", ["cached", "coalesced"])
def test_an_answer_that_nobody_was_asked_for_is_no_attempt(outcome: str) -> None:
    counted = Counted()
    counted.record(attempt(outcome=outcome, is_joined=outcome == "coalesced"))
    assert (
        counted.value("gateway_upstream_duration_seconds_count", operation="chat", target="a/m", outcome=outcome)
        is None
    )


def test_the_families_of_the_conventions_are_there_besides() -> None:
    counted = Counted()
    units = Units(input_tokens=100, output_tokens=40)
    counted.record(attempt(units=units), attempt(outcome="upstream_cut"))
    duration = "gen_ai_client_operation_duration_seconds"
    assert counted.value(f"{duration}_sum", **GEN_AI, error_type="") == 2
    assert counted.value(f"{duration}_count", **GEN_AI, error_type="upstream_cut") == 1
    assert counted.value(f"{duration}_bucket", **GEN_AI, error_type="", le="1.28") == 0
    assert counted.value(f"{duration}_bucket", **GEN_AI, error_type="", le="2.56") == 1
    assert counted.value("gen_ai_client_operation_time_to_first_chunk_seconds_sum", **GEN_AI) == 1.0
    assert counted.value("gen_ai_client_token_usage_sum", **GEN_AI, gen_ai_token_type="input") == 100
    assert counted.value("gen_ai_client_token_usage_bucket", **GEN_AI, gen_ai_token_type="output", le="64.0") == 1


def test_a_limit_that_refuses_is_named_where_the_configuration_names_it() -> None:
    counted = Counted()
    counted.record(refused_by=("gw_canary", "tokens"))
    assert counted.value("gateway_limit_refusals_total", limit="of a key", unit="tokens") == 1


def test_no_client_can_make_more_series() -> None:
    """Pain 31."""
    counted = Counted()
    counted.record(attempt("a/client-0"), refused_by=("client-0", "tokens"), model="client-0")
    before = counted.series()
    for number in range(1, 500):
        counted.record(attempt(f"a/client-{number}"), refused_by=(f"client-{number}", "tokens"), model=f"c-{number}")
    assert counted.series() == before
    assert b"client-" not in counted.text()


@pytest.mark.parametrize(("names", "others"), [(2, 0), (3, 0), (4, 1)])
def test_reloads_cannot_make_series_without_end(names: int, others: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TARGETS", 3)
    counted = Counted()
    for number in range(names):
        target = f"p{number}/m"
        counted.measures.record(Receipt("r", 10.0, route=ROUTE, operation="chat", attempts=[attempt(target)]), 20.0,
                                frozenset({target}))  # fmt: skip
    found = counted.value("gateway_upstream_duration_seconds_count", operation="chat", target="other", outcome="ok")
    assert (found or 0) == others


def test_what_runs_is_told() -> None:
    (line,) = [line for line in Counted().text().decode().splitlines() if line.startswith("gateway_build_info")]
    assert line.startswith('gateway_build_info{python="3.')
    assert line.endswith("} 1.0")


def test_it_can_be_read_while_it_counts() -> None:
    """Prometheus is answered from a thread; the loop counts on, and brings new names meanwhile."""
    counted = Counted()
    stop = threading.Event()
    faults: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                counted.text()
        except RuntimeError as error:
            faults.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1500):
            target = f"p{number}/m"
            units = Units(input_tokens=1, reasoning_tokens=1)
            made = Receipt("r", 10.0, route=f"{ROUTE}{number}", operation="chat", error=str(number))
            made.attempts.append(attempt(target, str(number), units=units))
            counted.measures.record(made, 20.0, frozenset({target}))
    finally:
        stop.set()
        reader.join()
    assert faults == []


def parsed(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


async def test_a_gateway_tells_of_real_calls(tmp_path: Path) -> None:
    limited = ROUTES.replace(
        "- {path: /v1/embeddings, dialect: openai.embeddings, model: embed}",
        "- {path: /v1/embeddings, dialect: openai.embeddings, model: embed, quota: {requests: 1/hour}}",
    )
    async with inside(tmp_path, SANDBOX, limited) as gateway, aiohttp.ClientSession() as client:
        speech = {"model": "speak", "input": "Good morning.", "voice": "alloy", "response_format": "wav"}
        async with client.post(f"{gateway.url}/v1/audio/speech", json=speech) as answer:
            audio = await answer.read()
        form = aiohttp.FormData()
        form.add_field("file", audio, filename="a.wav", content_type="audio/wav")
        async with client.post(f"{gateway.url}/v1/audio/transcriptions", data=form) as answer:
            assert answer.status == 200
        for status in (200, 429):
            async with client.post(f"{gateway.url}/v1/embeddings", json={"model": "embed", "input": "x"}) as answer:
                assert answer.status == status
        async with client.get(f"{gateway.url}/metrics") as answer:
            assert answer.status == 200
            text = await answer.text()
        found = {(name, *sorted(labels.items())): value for name, labels, value in parsed(text)}
        openmetrics = {"accept": "application/openmetrics-text; version=1.0.0"}
        async with client.get(f"{gateway.url}/metrics", headers=openmetrics) as answer:
            assert (await answer.text()).endswith("# EOF\n")
    spoken = found["gateway_audio_seconds_total", ("direction", "spoken"), ("target", "sandbox/speech")]
    heard = found["gateway_audio_seconds_total", ("direction", "heard"), ("target", "sandbox/transcription")]
    assert spoken == pytest.approx((len(audio) - 44) / 48_000, rel=0.01)
    assert heard == pytest.approx(spoken, rel=0.05)
    assert found["gateway_realtime_factor_count", ("operation", "speech"), ("target", "sandbox/speech")] == 1
    assert found["gateway_first_audio_seconds_count", ("target", "sandbox/speech")] == 1
    assert found["gateway_errors_total", ("code", "rate_limit_exceeded"), ("route", "POST /v1/embeddings")] == 1
    refusals = {key: value for key, value in found.items() if key[0] == "gateway_limit_refusals_total"}
    assert list(refusals.values()) == [1]
    assert ("unit", "requests") in next(iter(refusals))
    assert found["gateway_requests_in_flight",] == 1  # this one
    assert found["process_resident_memory_bytes",] > 1_000_000


async def test_metrics_are_made_away_from_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    collect = Measures.collect

    def watched(self: Measures) -> Iterator[module.Family]:
        threads.append(threading.get_ident())
        return collect(self)

    monkeypatch.setattr(Measures, "collect", watched)
    async with inside(tmp_path) as gateway, aiohttp.ClientSession() as client:
        async with client.get(f"{gateway.url}/metrics") as answer:
            assert answer.status == 200
    assert threads
    assert threading.get_ident() not in threads


def test_every_name_is_of_ours_of_the_conventions_or_of_the_process() -> None:
    metrics = Metrics()
    names = [family.name for family in metrics.registry.collect()]
    assert [name for name in names if not name.startswith(("gateway_", "gen_ai_", "process_"))] == []
    assert len(names) == len(set(names))
