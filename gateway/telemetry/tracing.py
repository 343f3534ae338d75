"""Traces: a span a call and one an attempt, both written from the receipt when the call is over.

Places in traces are read, made up and passed on without OpenTelemetry. Only an exporter, which is opened where the
configuration names a collector, imports it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import urlsplit

from gateway.config.model import Traces
from gateway.telemetry.context import is_within, new_span_id, new_trace_id, read
from gateway.telemetry.genai import OPERATIONS, OUTPUTS, named, system_of
from gateway.types import EMPTY, NANO_USD, Attempt, Provider, Receipt, Trace

CLIENT_LEFT = 499
MAX_TEXT_CHARS = 256  # of what a client names


class Exporter(Protocol):
    """Takes spans and sends them in its own time; drops what it cannot keep up with."""

    def span(
        self,
        name: str,
        trace: Trace,
        ids: tuple[str, str],
        times_ns: tuple[int, int],
        attributes: Mapping[str, Any],
        *,
        is_server: bool,
        error: str,
    ) -> None:
        """Take one span. `ids` are its own and its parent's ("": none); `times_ns` when it began and ended, since
        the epoch; `error` says why it failed, "" where it did not."""

    def close(self) -> None:
        """Send what is left, for a few seconds at most. Blocks."""


Open = Callable[[Traces], Exporter]


def load_exporter() -> Open:
    """Import OpenTelemetry, which takes a while. Raises ImportError where the extra `otel` is not installed."""
    opener: Open = import_module("gateway.telemetry.otlp").OtlpExporter
    return opener


class Tracing:
    """Where calls stand in traces, and their spans on their way to a collector."""

    def __init__(
        self, load: Callable[[], Open] = load_exporter, wall_clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._load_exporter = load
        self._wall_clock_ns = wall_clock_ns
        self._config = Traces()
        self._exporter: Exporter | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._addresses: dict[str, dict[str, Any]] = {}

    def use(self, config: Traces, providers: Mapping[str, Provider]) -> None:
        """Follow a configuration. What was recorded for the collector before is still sent there."""
        self._addresses = {name: _address(provider) for name, provider in providers.items()}
        before, self._config = self._config, config
        if (before.endpoint, before.headers, before.service) == (config.endpoint, config.headers, config.service):
            return
        self._retire()
        self._exporter = self._load_exporter()(config) if config.endpoint else None

    def begin(self, headers: Mapping[str, str]) -> Trace | None:
        """Return the place of a call that begins: its caller's, or that of a new trace, or None where nobody asks."""
        trace = read(headers)
        if self._exporter is None:
            if trace is not None:
                trace.is_forwarded = self._config.forward
            return trace
        if trace is None:
            trace_id = new_trace_id()
            trace = Trace(trace_id, is_sampled=is_within(trace_id, self._config.sample))
        trace.span_id = new_span_id()
        trace.is_forwarded = self._config.forward
        return trace

    def record(self, receipt: Receipt, method: str, status: int, ended_s: float) -> None:
        """Hand over the spans of a call that is over. `ended_s` is monotonic."""
        trace, exporter = receipt.trace, self._exporter
        if trace is None or exporter is None or not (trace.is_sampled and trace.span_id and receipt.operation):
            return
        epoch_ns = self._wall_clock_ns() - int(ended_s * 1e9)  # of the monotonic clock
        for attempt in receipt.attempts:
            if attempt.was_asked:
                until_s = attempt.ended_s if attempt.ended_s is not None else ended_s
                exporter.span(
                    f"{OPERATIONS[attempt.operation or receipt.operation]} {_text(attempt.target.partition('/')[2])}",
                    trace,
                    (attempt.span_id or new_span_id(), trace.span_id),
                    (epoch_ns + int(attempt.started_s * 1e9), epoch_ns + int(until_s * 1e9)),
                    self._of_attempt(receipt, attempt),
                    is_server=False,
                    error="" if attempt.outcome == "ok" else attempt.outcome,
                )
        exporter.span(
            receipt.route,
            trace,
            (trace.span_id, trace.parent_id),
            (epoch_ns + int(receipt.started_s * 1e9), epoch_ns + int(ended_s * 1e9)),
            self._of_call(receipt, method, status),
            is_server=True,
            error="client_left" if status == CLIENT_LEFT else str(status) if status >= 500 else "",
        )

    async def aclose(self) -> None:
        """Send what is left."""
        self._retire()
        await asyncio.gather(*self._closing)

    def _retire(self) -> None:
        exporter, self._exporter = self._exporter, None
        if exporter is not None:
            task = asyncio.create_task(asyncio.to_thread(exporter.close), name="close trace exporter")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _of_call(self, receipt: Receipt, method: str, status: int) -> dict[str, Any]:
        facts = {
            "operation": OPERATIONS[receipt.operation],
            "output": OUTPUTS.get(receipt.operation),
            "model": _text(receipt.model),
            "cost_usd": None if receipt.cost_nano_usd is None else receipt.cost_nano_usd / NANO_USD,
        }
        attributes = named(facts, self._config.conventions)
        attributes["http.request.method"] = method
        attributes["http.route"] = receipt.route.partition(" ")[2]
        attributes["gateway.request_id"] = receipt.id
        attributes["gateway.config"] = receipt.generation
        attributes["gateway.cache"] = receipt.cache
        if receipt.client:
            attributes["gateway.client"] = receipt.client
            attributes["gateway.tenant"] = receipt.tenant
        if status != CLIENT_LEFT:
            attributes["http.response.status_code"] = status
        return attributes

    def _of_attempt(self, receipt: Receipt, attempt: Attempt) -> dict[str, Any]:
        provider, _, model = attempt.target.partition("/")
        address = self._addresses.get(provider, EMPTY)
        operation = attempt.operation or receipt.operation
        units, first_s = attempt.units, attempt.first_content_s
        facts = {
            "operation": OPERATIONS[operation],
            "provider": address.get("system", provider),
            "model": _text(model),
            "output": OUTPUTS.get(operation),
            "first_content_s": None if first_s is None else first_s - attempt.started_s,
            "input_tokens": units.input_tokens,
            "output_tokens": units.output_tokens,
            "cached_input_tokens": units.cached_input_tokens,
            "cache_write_tokens": units.cache_write_tokens,
            "reasoning_tokens": units.reasoning_tokens,
            "characters": units.characters,
            "audio_seconds": units.audio_seconds,
            "cost_usd": None if attempt.cost_nano_usd is None else attempt.cost_nano_usd / NANO_USD,
        }
        attributes = named(facts, self._config.conventions)
        attributes["gateway.provider"] = provider
        attributes |= address.get("attributes", EMPTY)
        return attributes


def _address(provider: Provider) -> dict[str, Any]:
    """Return what the spans of a provider's attempts say of it: its name in OpenTelemetry and where it is."""
    found: dict[str, Any] = {"system": system_of(provider), "attributes": {}}
    if provider.base_url and provider.plugin.backend is None:
        parts = urlsplit(provider.base_url)
        port = parts.port or {"http": 80}.get(parts.scheme, 443)
        found["attributes"] = {"server.address": parts.hostname or "", "server.port": port}
    return found


def _text(given: str) -> str:
    """Return what a client named so that it can be written as UTF-8, and not without end."""
    return given[:MAX_TEXT_CHARS].encode("utf-8", "replace").decode()
