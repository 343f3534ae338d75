"""The supervisor's end of the line to a worker: one line of JSON a message, and nothing that blocks."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from gateway import json
from gateway.config.model import Config
from gateway.errors import Problem

RECV_BYTES = 1 << 20

Message = dict[str, Any]  # its `is` says what it is; gateway/server/link.py has the list
Load = Callable[[], Config]


class Worker:
    """A process that serves, as its supervisor sees it."""

    def __init__(
        self, index: int, pid: int, number: int, channel: socket.socket, selector: selectors.BaseSelector
    ) -> None:
        self.index = index
        self.pid = pid
        self.number = number  # of the configuration that it was started with
        self.started_s = time.monotonic()
        self.is_serving = False
        self.is_leaving = False
        self._channel = channel
        self._selector = selector
        self._received = bytearray()
        self._unsent = bytearray()
        channel.setblocking(False)
        selector.register(channel, selectors.EVENT_READ, self)
        self._is_open = True

    def send(self, kind: str, **content: Any) -> None:
        """Send as soon as there is room. To one that has gone nothing is sent."""
        if self._is_open:
            self._unsent += json.dumps({"is": kind, **content}) + b"\n"
            self._selector.modify(self._channel, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def exchange(self) -> Iterator[Message]:
        """Send what there is room for, and yield what has come."""
        if self._is_open:
            try:
                self._write()
                self._read()
            except OSError:  # it has gone: SIGCHLD tells how
                self.close()
        while (end := self._received.find(b"\n")) >= 0:
            line = bytes(self._received[:end])
            del self._received[: end + 1]
            yield json.loads(line)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._selector.unregister(self._channel)
            self._channel.close()

    def release(self) -> None:
        """In a new process, give up what belongs to the supervisor."""
        self._channel.close()

    def _write(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._channel.send(self._unsent)]
        except BlockingIOError:
            return
        self._selector.modify(self._channel, selectors.EVENT_READ, self)

    def _read(self) -> None:
        while True:
            try:
                data = self._channel.recv(RECV_BYTES)
            except BlockingIOError:
                return
            if not data:
                self.close()
                return
            self._received += data


def plain(problem: Problem) -> list[Any]:
    """Return a problem as JSON has it; `Problem(*…)` makes it one again."""
    return [problem.file, problem.line, problem.column, problem.message]
