"""Logs on standard error: one line a request, from its receipt; JSON in a pipe, plain on a terminal.

No text, no audio and no header of a request is logged, so no key and no prompt can be; the names that it asks for (a
model, a voice, a language) may be. A route may have its calls' texts logged, without what may be a secret in them: see
`redaction`.
"""

from __future__ import annotations

import logging
import random
import sys
import time
from math import floor
from operator import attrgetter
from typing import Any

from gateway import json
from gateway.telemetry.spool import Spool
from gateway.telemetry.storm import Storms
from gateway.telemetry.timing import overhead_s
from gateway.types import NANO_USD, Receipt

LOGGER = logging.getLogger("gateway")

MAX_TOLD = 20  # targets that a line names; a pattern may mean hundreds
MAX_REASON_CHARS = 200
_UNITS = ("input_tokens", "output_tokens", "characters", "audio_seconds")
_UNITS_OF = attrgetter(*_UNITS)
SAME_PER_S = 100  # lines a second that say the same of calls that failed, or of the gateway itself


class Lines(logging.Handler):
    """Writes lines to standard error as it is when the handler is made."""

    def __init__(self) -> None:
        super().__init__()
        self._is_plain = sys.stderr.isatty()
        self._spool = Spool(sys.stderr, self._left_out)
        self._storms = Storms(SAME_PER_S)

    def emit(self, record: logging.LogRecord) -> None:
        if self._passes((record.name, str(record.msg))):
            fields = getattr(record, "fields", {})
            trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
            self._spool.put(self._line(record.created, record.levelname.lower(), record.getMessage(), fields, trace))

    def call(self, message: str, fields: dict[str, Any], level: str = "info", kind: tuple[str, ...] = ()) -> None:
        """Write the line of a call; of those with a kind, so many a second."""
        self._spool.start()  # somebody is served: from here on nobody waits for a line to be written
        if self._passes(kind):
            self._spool.put(self._line(time.time(), level, message, fields, ""))

    def flush(self) -> None:
        """Wait until what was written is out; `logging` does so at the end of the process."""
        self._spool.flush()

    def _passes(self, kind: tuple[str, ...]) -> bool:
        if left_out := self._storms.ended():
            self._spool.put(self._left_out(left_out))
        return not kind or self._storms.passes(kind)

    def _left_out(self, lines: int) -> str:
        return self._line(time.time(), "warning", "lines were left out", {"lines": lines}, "")

    def _line(self, at: float, level: str, message: str, fields: dict[str, Any], trace: str) -> str:
        return (_plain if self._is_plain else _json)(at, level, message, fields, trace)


def set_up(level: str) -> None:
    """Send the gateway's and its libraries' logs to standard error, from `level` up. May be called again."""
    root = logging.getLogger()
    if _lines() is None:
        root.addHandler(Lines())
    set_level(level)


def set_level(level: str) -> None:
    """Log from `level` (debug, info, warning, error) on, until it is set up again."""
    LOGGER.setLevel(level.upper())


def level_now() -> str:
    """Return from which level on is logged: debug, info, warning or error."""
    return logging.getLevelName(LOGGER.getEffectiveLevel()).lower()


def log_request(receipt: Receipt, status: int, ended_s: float, sample: float = 1.0) -> None:
    """Write the line of one finished request, of successful ones a share of `sample`."""
    level = logging.DEBUG if receipt.is_one_of_many else logging.INFO  # a storm of refusals is a line now and then
    lines = _lines()
    if lines is None or not LOGGER.isEnabledFor(level):
        return
    has_failed = status >= 400
    if not has_failed and sample < 1.0 and random.random() >= sample:
        return
    lines.call(
        "request",
        fields_of(receipt, status, ended_s),
        "debug" if receipt.is_one_of_many else "info",
        (receipt.route, receipt.error, str(status)) if has_failed else (),
    )


def log_shadow(receipt: Receipt, outcome: str, answered_by: str, ended_s: float) -> None:
    """Write the line of a copy that was sent to a shadow. `answered_by` is the target that gave the caller's answer."""
    lines = _lines()
    if lines is None or not LOGGER.isEnabledFor(logging.INFO):
        return
    cost, last = receipt.cost_nano_usd, receipt.last
    first_s = last.first_content_s if last is not None else None
    fields = {
        "request_id": receipt.id,
        "model": receipt.model,
        "answered_by": answered_by,
        "outcome": outcome,
        "attempts": [[attempt.target, attempt.outcome] for attempt in receipt.attempts],
        "first_content_ms": None if first_s is None else _ms(first_s - receipt.started_s),
        "duration_ms": _ms(ended_s - receipt.started_s),
        "cost_usd": None if cost is None else cost / NANO_USD,
    }
    if receipt.skipped:
        fields["skipped"] = _skipped(receipt)
    lines.call("shadow", fields)


def _lines() -> Lines | None:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, Lines):
            return handler
    return None


def fields_of(receipt: Receipt, status: int, ended_s: float) -> dict[str, Any]:
    """Return what the line of a request says, in its order. Times are in milliseconds, money in dollars."""
    cost, last, trace = receipt.cost_nano_usd, receipt.last, receipt.trace
    first_s = last.first_content_s if last is not None else None
    fields: dict[str, Any] = {
        "request_id": receipt.id,
        "trace_id": trace.trace_id if trace is not None else None,
        "route": receipt.route,
        "status": status,
        "error": receipt.error,
        "client": receipt.client,
        "tenant": receipt.tenant,
        "model": receipt.model,
        "attempts": [[attempt.target, attempt.outcome] for attempt in receipt.attempts],
        "cache": receipt.cache,
        "duration_ms": _ms(ended_s - receipt.started_s),
        "first_content_ms": None if first_s is None else _ms(first_s - receipt.started_s),
        "overhead_ms": _ms(overhead_s(receipt, ended_s)),
        "cost_usd": None if cost is None else cost / NANO_USD,
    }
    _tell_used(fields, receipt)
    if receipt.order:
        fields["order"] = list(receipt.order[:MAX_TOLD])  # as the model's strategy had it
    if receipt.skipped:
        fields["skipped"] = _skipped(receipt)
    if receipt.unretried:
        fields["unretried"] = receipt.unretried
    if receipt.content is not None:
        fields |= receipt.content.told()
    return fields


def _skipped(receipt: Receipt) -> list[list[str]]:
    return [[target, reason[:MAX_REASON_CHARS]] for target, reason in receipt.skipped[:MAX_TOLD]]


def _tell_used(fields: dict[str, Any], receipt: Receipt) -> None:
    """Add what all attempts used together, without what none did."""
    for attempt in receipt.attempts:
        for name, number in zip(_UNITS, _UNITS_OF(attempt.units), strict=True):
            if number:
                fields[name] = fields.get(name, 0) + number


def _ms(seconds: float) -> float:
    return floor(seconds * 10_000 + 0.5) / 10  # `round` takes five times as long


def _json(at: float, level: str, message: str, fields: dict[str, Any], trace: str) -> str:
    line = {"time": floor(at * 1000 + 0.5) / 1000, "level": level, "message": message, **fields}
    if trace:
        line["traceback"] = trace
    try:
        return json.dumps(line).decode()
    except TypeError:  # text that is no UTF-8, or a value that is no JSON: the line is not lost for it
        return json.dumps({key: ascii(value) for key, value in line.items()}).decode()


def _plain(at: float, level: str, message: str, fields: dict[str, Any], trace: str) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(at))
    text = " ".join(f"{key}={_shown(value)}" for key, value in fields.items() if value not in (None, "", [], "off"))
    line = f"{clock} {level:7} {message} {text}".rstrip()
    return f"{line}\n{trace}" if trace else line


def _shown(value: object) -> str:
    """A client chooses some of the values: none of them ends the line or moves the cursor."""
    text = str(value)
    return text if text.isprintable() else ascii(text)
