"""A simulator in a process of its own, for tests that run the real gateway process and for benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.vendors.faults import Fault

REPOSITORY = Path(__file__).resolve().parents[2]
CONTROL_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class VendorProcess:
    """`with VendorProcess.start("openai") as vendor:`; its methods block for a millisecond or two."""

    process: subprocess.Popen[str]
    base_url: str

    @classmethod
    def start(cls, vendor: str, *, event_interval_s: float = 0.0) -> Self:
        """Start a simulator and return it once it listens; RuntimeError when it does not."""
        command = [sys.executable, "-m", "tests.vendors", vendor, "--event-interval-ms", str(event_interval_s * 1000)]
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        if not base_url:
            raise RuntimeError(f"simulator {vendor!r} did not start (exit code {process.wait()})")
        return cls(process, base_url)

    def requests(self) -> list[dict[str, Any]]:
        """Return the recorded requests as `RequestRecord.as_json` shows them."""
        found: list[dict[str, Any]] = self._control("GET", "requests")
        return found

    def add_faults(self, *faults: Fault) -> None:
        """Append faults to the simulator's queue."""
        self._control("POST", "faults", [asdict(fault) for fault in faults])

    def reset(self) -> None:
        """Forget requests and faults."""
        self._control("POST", "reset")

    def refuse_connections(self, for_s: float) -> None:
        """Make the port refuse connections for a while."""
        self._control("POST", "refuse", {"for_s": for_s})

    def stop(self) -> None:
        """End the process and wait for it."""
        self.process.terminate()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _control(self, method: str, command: str, argument: Any = None) -> Any:
        parts = urlsplit(self.base_url)
        data = None if argument is None else json.dumps(argument).encode()
        url = f"{parts.scheme}://{parts.netloc}/__sim__/{command}"
        request = urllib.request.Request(url, data=data, method=method)
        with urllib.request.urlopen(request, timeout=CONTROL_TIMEOUT_S) as response:
            return json.load(response)
