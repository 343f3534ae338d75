"""Logs on standard error: one line a request, from its receipt; JSON in a pipe, plain on a terminal.

No body and no header of a request is ever logged, so no key and no prompt can be.
"""

from __future__ import annotations

import logging
import sys
import time

from gateway import json
from gateway.types import NANO_USD, Receipt

LOGGER = logging.getLogger("gateway")


def set_up(level: str) -> None:
    """Send the gateway's and its libraries' logs to standard error, from `level` up. May be called again."""
    root = logging.getLogger()
    if not any(isinstance(handler.formatter, (_JsonLines, _Plain)) for handler in root.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Plain() if sys.stderr.isatty() else _JsonLines())
        root.addHandler(handler)
    LOGGER.setLevel(level.upper())


def log_request(receipt: Receipt, status: int, ended_s: float) -> None:
    """Write the line of one finished request."""
    if not LOGGER.isEnabledFor(logging.INFO):
        return
    cost = receipt.cost_nano_usd
    fields = {
        "request_id": receipt.id,
        "route": receipt.route,
        "status": status,
        "client": receipt.client,
        "model": receipt.model,
        "attempts": [[attempt.target, attempt.outcome] for attempt in receipt.attempts],
        "cache": receipt.cache,
        "duration_ms": round((ended_s - receipt.started_s) * 1000, 1),
        "cost_usd": None if cost is None else cost / NANO_USD,
    }
    LOGGER.info("request", extra={"fields": fields})


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"time": round(record.created, 3), "level": record.levelname.lower(), "message": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        try:
            return json.dumps(line).decode()
        except TypeError:  # text that is no UTF-8, or a value that is no JSON: the line is not lost for it
            return json.dumps({key: ascii(value) for key, value in line.items()}).decode()


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        fields = getattr(record, "fields", {})
        text = " ".join(f"{key}={_shown(value)}" for key, value in fields.items() if value not in (None, "", [], "off"))
        line = f"{clock} {record.levelname.lower():7} {record.getMessage()} {text}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _shown(value: object) -> str:
    """A client chooses some of the values: none of them ends the line or moves the cursor."""
    text = str(value)
    return text if text.isprintable() else ascii(text)
