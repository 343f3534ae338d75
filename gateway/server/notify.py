"""What systemd is told: that it serves, reloads, stops, lives. sd_notify(3), without its library.

Silent where nobody listens: $NOTIFY_SOCKET is not set.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from gateway.telemetry.logs import LOGGER


class Notifier:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environ) if self._address else None  # how often to `live`; None: never

    def ready(self, said: str) -> None:
        self._tell("READY=1", f"STATUS={said}", f"MAINPID={os.getpid()}")

    def reloading(self) -> None:
        """Until `ready` is told again. The time is what tells a reload that was asked for from one before."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._tell("STOPPING=1", "STATUS=finishing requests")

    def live(self) -> None:
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, address)
        except OSError as error:
            LOGGER.warning("systemd cannot be told %s: %s", lines[0], error)


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Half the time after which systemd takes the process for hung, which is what sd_watchdog_enabled(3) advises."""
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 2_000_000


SILENT = Notifier({})
