"""The `telemetry` section of routes.yaml compiled, and what a route has logged of its calls."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.util import find_spec
from urllib.parse import urlsplit

from gateway.config.document import Section
from gateway.config.model import LogContent, Logs, Telemetry, Traces
from gateway.telemetry.tracing import load_exporter


def compile_telemetry(section: Section) -> Telemetry:
    """Return what the gateway tells of itself; what is not given keeps the default of `Telemetry`."""
    logs = section.at("logs")
    return Telemetry(_traces(section.at("traces")), Logs(float(logs.get("sample", Logs().sample))))


def compile_log_content(section: Section) -> LogContent | None:
    """Return what a route has logged of what is said, None where nothing is."""
    if not isinstance(section.value, dict):
        return None
    patterns = []
    for _, place in section.at("redact").each():
        try:
            patterns.append(re.compile(place.value))
        except re.error as error:
            place.error(f"log_content.redact has {place.show()}, which is no regular expression: {error}")
    return LogContent(int(section.get("max_chars", LogContent().max_chars)), tuple(patterns))


def _traces(section: Section) -> Traces:
    plain = ("sample", "conventions", "forward", "service")
    traces = replace(Traces(), **{name: section.get(name) for name in plain if name in section})
    traces = replace(traces, sample=float(traces.sample), headers=dict(section.get("headers") or {}))
    place = section.at("endpoint")
    if not isinstance(place.value, str) or not place.value:
        return traces
    if not _is_address(place.value):
        place.error(
            f"telemetry.traces.endpoint is {place.show()}, which is no address of a collector; write http://host:4318, "
            "and what it wants for a key into headers"
        )
    elif find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        place.error(
            "telemetry.traces.endpoint needs the package opentelemetry-sdk; "
            "install it: pip install 'ai-service-gateway[otel]'"
        )
    else:
        load_exporter()  # here, where no request waits for it
        return replace(traces, endpoint=place.value)
    return traces


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:  # a port that is no number up to 65535
        return False
