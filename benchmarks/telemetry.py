"""Measure what it costs a call to be told: its metrics, its line in the log, its spans, and what health is judged by.

    python benchmarks/telemetry.py      also a part of `make bench`; exits 1 where the promise is not kept

One receipt with one attempt is recorded again and again, as the server does when a call is over. Processor time of the
loop's own thread is taken: what the threads that write lines and send spans take is theirs, and waits for nobody.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.config.model import Traces
from gateway.telemetry import logs
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.seen import Seen
from gateway.telemetry.tracing import Tracing
from gateway.types import Attempt, Receipt, Units

ROUNDS, CALLS = 7, 3_000
PROMISED_US = 50.0  # of all but spans, a tenth of a call
NOBODY = "http://127.0.0.1:9"  # a collector that is away takes nothing, and what is sent to it is lost
TARGETS = frozenset({"vendor/model"})


@dataclass(frozen=True, slots=True)
class Figures:
    """Microseconds of processor time that are added to a call."""

    metrics_us: float
    log_us: float
    health_us: float
    untraced_us: float
    traced_us: float

    @property
    def all_us(self) -> float:
        return self.metrics_us + self.log_us + self.health_us + self.untraced_us


def receipt() -> Receipt:
    made = Receipt("request-1", 1.0, "1-abc", "POST /v1/chat/completions", "chat", "openai.chat", "web", "acme")
    units = Units(input_tokens=400, cached_input_tokens=100, output_tokens=90)
    made.attempts.append(
        Attempt("vendor/model", "ok", started_s=1.001, first_content_s=1.2, ended_s=1.9, units=units, cost_nano_usd=5)
    )
    return made


def fastest_us(work: Callable[[], object], rounds: int, calls: int) -> float:
    took = []
    gc.collect()
    for _ in range(rounds):
        began_s = time.thread_time()
        for _ in range(calls):
            work()
        took.append((time.thread_time() - began_s) / calls * 1e6)
    return min(took)


async def measure(rounds: int = ROUNDS, calls: int = CALLS) -> Figures:
    made, metrics, seen = receipt(), Metrics(), Seen()
    off, traced = Tracing(), Tracing()
    importlib.import_module("gateway.telemetry.otlp")
    traced.use(Traces(endpoint=NOBODY), {})

    def trace(tracing: Tracing) -> None:
        one = receipt()
        one.trace = tracing.begin({})
        tracing.record(one, "POST", 200, 2.0)

    making_us = fastest_us(receipt, rounds, calls)
    with open(os.devnull, "w") as nowhere:
        before, sys.stderr = sys.stderr, nowhere
        root = logging.getLogger()
        handlers, root.handlers = root.handlers, []
        try:
            logs.set_up("info")
            log_us = fastest_us(lambda: logs.log_request(made, 200, 2.0), rounds, calls)
            for handler in root.handlers:
                handler.flush()
        finally:
            sys.stderr, root.handlers = before, handlers
    logging.disable(logging.CRITICAL)  # the SDK says of each batch that it is lost
    try:
        found = Figures(
            metrics_us=fastest_us(lambda: metrics.record(made, 200, 2.0, TARGETS), rounds, calls),
            log_us=log_us,
            health_us=fastest_us(lambda: seen.record(made, 200, 2.0), rounds, calls),
            untraced_us=max(0.0, fastest_us(lambda: trace(off), rounds, calls) - making_us),
            traced_us=max(0.0, fastest_us(lambda: trace(traced), rounds, calls) - making_us),
        )
        await traced.aclose()
    finally:
        logging.disable(logging.NOTSET)
    return found


def main() -> int:
    found = asyncio.run(measure())
    print(f"metrics {found.metrics_us:5.1f} us   log {found.log_us:5.1f} us   health {found.health_us:5.1f} us")
    print(f"spans   {found.traced_us:5.1f} us where a collector is named, else {found.untraced_us:.1f} us")
    print(f"all but spans {found.all_us:.1f} us, promised <= {PROMISED_US:g} us")
    return int(found.all_us > PROMISED_US)


if __name__ == "__main__":
    sys.exit(main())
