"""Lines on their way to a stream that may be slow: who writes one never waits, and what is too much is counted."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

MAX_WAITING = 10_000  # lines; some MB
PAUSE_S = 0.02  # between two writes, so that a thousand lines are one write and not a thousand wake-ups
END_S = 2.0  # what the end of the process waits for


class Stream(Protocol):
    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class Spool:
    """`lost` makes the line that says how many were left out. Until `start` each line is written at once."""

    def __init__(self, stream: Stream, lost: Callable[[int], str]) -> None:
        self._stream = stream
        self._lost = lost
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._is_wanted = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Write by a thread from now on: where a loop serves that must not wait. Not where the process may yet fork."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()

    def put(self, line: str) -> None:
        if self._thread is None:
            self._out([line])
        elif len(self._lines) >= MAX_WAITING:
            self._dropped += 1
        else:
            self._lines.append(line)
            if not self._is_wanted.is_set():
                self._idle.clear()
                self._is_wanted.set()

    def flush(self, limit_s: float = END_S) -> None:
        """Wait until all is written, or the stream has taken nothing for too long."""
        until_s = time.monotonic() + limit_s
        while (self._lines or not self._idle.is_set()) and time.monotonic() < until_s:
            self._idle.wait(0.01)

    def _run(self) -> None:
        while True:
            self._is_wanted.wait()
            self._is_wanted.clear()
            self._write()
            if not self._lines:
                self._idle.set()
            time.sleep(PAUSE_S)

    def _write(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            lines.append(self._lost(dropped))
        self._out(lines)

    def _out(self, lines: list[str]) -> None:
        try:
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads any more, or it is closed: there is no place left to say so
            self._lines.clear()
