"""What calls took and used, by route and by target: counted in plain numbers, rendered when Prometheus asks."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.config.model import Config
from gateway.telemetry import tally
from gateway.telemetry.genai import NAMES, OPERATIONS, system_of
from gateway.telemetry.tally import Counts, Tally
from gateway.telemetry.timing import overhead_s
from gateway.types import EMPTY, Attempt, Receipt, Units

MAX_TARGETS = 2000  # reloads bring new names; what is beyond is counted as `other`, so that a year of them is bounded
OTHER = "other"  # a model that only a pattern lets through, which a client may name as it likes
KEY = "of a key"  # a limit that is not in the configuration

Family = CounterMetricFamily | InfoMetricFamily | HistogramMetricFamily
_PARTS = ("cached_input_tokens", "cache_write_tokens", "reasoning_tokens", "input_audio_tokens", "output_audio_tokens")
_parts_of = attrgetter(*_PARTS)
_LABELS = tuple(NAMES[fact][0].replace(".", "_") for fact in ("operation", "provider", "model"))


class _Used:
    """What one target was used for, at one operation."""

    __slots__ = ("durations", "failovers", "first", "first_audio", "input", "output", "rtf", "spoken_s", "units")

    def __init__(self) -> None:
        self.durations: dict[str, Tally] = {}  # by error; "": none
        self.first = Tally(tally.FIRST_SECONDS)
        self.first_audio = Tally(tally.FIRST_SECONDS)
        self.rtf = Tally(tally.FACTORS)
        self.input = Tally(tally.TOKENS)
        self.output = Tally(tally.TOKENS)
        self.units = Counts()
        self.spoken_s = 0.0
        self.failovers = Counts()  # by why it was left


class Measures(Collector):
    """Of a call that is over `record` keeps what is counted."""

    def __init__(self) -> None:
        self._systems: Mapping[str, str] = EMPTY
        self._limits: frozenset[str] = frozenset()
        self._errors = Counts()
        self._refusals = Counts()
        self._overheads: dict[str, Tally] = {}
        self._used: dict[tuple[str, str], _Used] = {}

    def use(self, config: Config) -> None:
        """Know the names of the configuration in force."""
        self._systems = {name: system_of(provider) for name, provider in config.providers.items()}
        quotas = (route.quota for route in config.routes if route.quota is not None)
        of_keys = (limit for key in config.keys.static for limit in key.limits)
        self._limits = frozenset(limit.name for limit in (*config.limits, *quotas, *of_keys))

    def record(self, receipt: Receipt, ended_s: float, targets: frozenset[str]) -> None:
        """Count one call. `targets` are the configured ones; `ended_s` is monotonic."""
        route, attempts = receipt.route, receipt.attempts
        overhead = self._overheads.get(route)
        if overhead is None:
            overhead = self._overheads[route] = Tally(tally.OVERHEAD_SECONDS)
        overhead.add(overhead_s(receipt, ended_s))
        if receipt.error:
            self._errors.add((route, receipt.error))
        if receipt.refused_by is not None:
            limit, unit = receipt.refused_by
            self._refusals.add((limit if limit in self._limits else KEY, unit))
        for index, attempt in enumerate(attempts):
            if attempt.was_asked:
                operation = attempt.operation or receipt.operation
                used = self._of(operation, attempt.target if attempt.target in targets else OTHER)
                _count(used, receipt, attempt, ended_s)
                following = attempts[index + 1] if index + 1 < len(attempts) else None
                if following is not None and attempt.outcome != "ok" and _stands_in(following, attempt):
                    used.failovers.add(attempt.outcome)

    def describe(self) -> list[Any]:
        return []  # so that registering it asks for nothing

    def collect(self) -> Iterator[Family]:
        build = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily("gateway_build", "What runs.", build)
        yield tally.counter(
            "gateway_errors", "Calls that failed, by the error's code.", ("route", "code"), self._errors
        )
        yield tally.counter(
            "gateway_limit_refusals", "Calls that a limit refused, by what was used up.", ("limit", "unit"),
            self._refusals,
        )  # fmt: skip
        yield tally.histogram(
            "gateway_overhead_seconds",
            "What the gateway itself took of a call: without vendors, queues, and the time its body took to come.",
            ("route",),
            self._overheads,
        )
        used = dict(tuple(self._used.items()))
        yield from _by_target(used)
        yield from self._by_convention(used)

    def _of(self, operation: str, target: str) -> _Used:
        used = self._used.get((operation, target))
        if used is None:
            key = (operation, target if len(self._used) < MAX_TARGETS else OTHER)
            used = self._used.setdefault(key, _Used())
        return used

    def _by_convention(self, used: Mapping[tuple[str, str], _Used]) -> Iterator[Family]:
        """The families of OpenTelemetry's conventions for a client of generative AI, as Prometheus spells them."""
        labels = {key: self._labels(*key) for key in used}
        yield tally.histogram(
            "gen_ai_client_operation_duration_seconds", "GenAI operation duration.", (*_LABELS, "error_type"),
            {(*labels[key], error): took for key, one in used.items() for error, took in tuple(one.durations.items())},
        )  # fmt: skip
        yield tally.histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds", "Time to receive the first chunk.", _LABELS,
            {labels[key]: one.first for key, one in used.items() if any(one.first.counts)},
        )  # fmt: skip
        yield tally.histogram(
            "gen_ai_client_token_usage", "Number of input and output tokens used.", (*_LABELS, "gen_ai_token_type"),
            {
                (*labels[key], kind): tokens
                for key, one in used.items()
                for kind, tokens in (("input", one.input), ("output", one.output))
                if any(tokens.counts)
            },
        )  # fmt: skip

    def _labels(self, operation: str, target: str) -> tuple[str, str, str]:
        provider, _, model = target.partition("/")
        return OPERATIONS.get(operation, operation), self._systems.get(provider, provider), model or OTHER


def _stands_in(following: Attempt, attempt: Attempt) -> bool:
    return following.target != attempt.target and following.operation == attempt.operation


def _count(used: _Used, receipt: Receipt, attempt: Attempt, ended_s: float) -> None:
    until_s = attempt.ended_s if attempt.ended_s is not None else ended_s
    took_s = until_s - attempt.started_s - attempt.queued_s
    error = "" if attempt.outcome == "ok" else attempt.outcome
    durations = used.durations.get(error)
    if durations is None:
        durations = used.durations[error] = Tally(tally.SECONDS)
    durations.add(took_s)
    if attempt.first_content_s is not None:
        used.first.add(attempt.first_content_s - attempt.started_s - attempt.queued_s)
        if (attempt.operation or receipt.operation) == "speech":
            used.first_audio.add(attempt.first_content_s - receipt.started_s)
    _add(used, attempt.units)
    audio_s = attempt.spoken_s or attempt.units.audio_seconds
    used.spoken_s += attempt.spoken_s
    if audio_s and not error:
        used.rtf.add(took_s / audio_s)


def _add(used: _Used, units: Units) -> None:
    if units.input_tokens:
        used.input.add(units.input_tokens)
    if units.output_tokens:
        used.output.add(units.output_tokens)
    if units.input_tokens or units.output_tokens:
        parts = _parts_of(units)
        if any(parts):
            for part, number in zip(_PARTS, parts, strict=True):
                if number:
                    used.units.add(part, number)
    if units.characters:
        used.units.add("characters", units.characters)
    if units.audio_seconds:
        used.units.add("audio_seconds", units.audio_seconds)


def _by_target(used: Mapping[tuple[str, str], _Used]) -> Iterator[Family]:
    durations: dict[Any, Tally] = {}
    failovers, tokens, parts, characters, audio = Counts(), Counts(), Counts(), Counts(), Counts()
    for (operation, target), one in used.items():
        for error, took in tuple(one.durations.items()):
            durations[operation, target, error or "ok"] = took
        for reason, number in tuple(one.failovers.items()):
            failovers.add((target, reason), number)
        units = dict(tuple(one.units.items()))
        for direction, sizes in (("input", one.input), ("output", one.output)):
            if sizes.sum:
                tokens.add((target, direction), sizes.sum)
        for part in _PARTS:
            if part in units:
                parts.add((target, part.removesuffix("_tokens")), units[part])
        if "characters" in units:
            characters.add(target, units["characters"])
        for direction, seconds in (("heard", units.get("audio_seconds", 0)), ("spoken", one.spoken_s)):
            if seconds:
                audio.add((target, direction), seconds)
    yield tally.histogram(
        "gateway_upstream_duration_seconds", "Attempts at targets, from their beginning to their end.",
        ("operation", "target", "outcome"), durations,
    )  # fmt: skip
    yield tally.counter(
        "gateway_failovers", "Targets that were left for another, by what went wrong.", ("target", "reason"), failovers
    )
    yield tally.counter("gateway_tokens", "Tokens that were used.", ("target", "direction"), tokens)
    yield tally.counter(
        "gateway_token_parts", "Of the tokens those of a kind; gateway_tokens has them too.", ("target", "part"), parts
    )
    yield tally.counter("gateway_characters", "Characters that were spoken.", ("target",), characters)
    yield tally.counter(
        "gateway_audio_seconds", "Seconds of audio that were heard or spoken.", ("target", "direction"), audio
    )
    yield tally.histogram(
        "gateway_first_audio_seconds", "Speech: from the request's head to the first audio.", ("target",),
        {target: one.first_audio for (operation, target), one in used.items() if operation == "speech"},
    )  # fmt: skip
    yield tally.histogram(
        "gateway_realtime_factor", "Seconds of work for each second of audio; below 1 is faster than it plays.",
        ("operation", "target"), {key: one.rtf for key, one in used.items() if any(one.rtf.counts)},
    )  # fmt: skip
