"""Figures of this process and its machine, by psutil: asked for in a thread, at most once a second."""

from __future__ import annotations

import asyncio
import os
import platform
import threading
import time
from collections.abc import Callable
from typing import Any

FRESH_S = 1.0  # who asks more often gets the same figures: anybody may ask


class System:
    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._process: Any = None
        self._figures: dict[str, Any] = {}
        self._until_s = 0.0
        self._asking = asyncio.Lock()

    async def figures(self) -> dict[str, Any]:
        """Return memory, processor, descriptors, threads and the machine's load. The processor's share is of the time
        since it was last asked for, or since the start."""
        async with self._asking:
            if self._now() >= self._until_s:
                self._figures = await asyncio.to_thread(self._read)
                self._until_s = self._now() + FRESH_S
        return self._figures

    def _read(self) -> dict[str, Any]:
        import psutil  # takes 10 ms and some memory, which a gateway that nobody asks need not spend

        is_first = self._process is None
        if is_first:
            self._process = psutil.Process()
        process, memory = self._process, psutil.virtual_memory()
        with process.oneshot():
            times = process.cpu_times()
            used_s = times.user + times.system
            percent = process.cpu_percent()
            if is_first:
                percent = used_s / max(0.001, time.time() - process.create_time()) * 100
            resident = process.memory_info().rss
        return {
            "pid": os.getpid(),
            "python": platform.python_version(),
            "memory_bytes": resident,
            "cpu_seconds": round(used_s, 2),
            "cpu_percent": round(percent, 1),
            "threads": threading.active_count(),
            "open_files": process.num_fds(),
            "machine": {
                "cpus": psutil.cpu_count(),
                "load": [round(load, 2) for load in psutil.getloadavg()],
                "memory_bytes": memory.total,
                "memory_available_bytes": memory.available,
            },
        }
